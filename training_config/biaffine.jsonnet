// Biaffine NER (Yu et al. 2020): a score for each span and type.
//   allennlp train training_config/biaffine.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: {
    type: 'biaffine',
    projection: { dim: 150, activation: 'gelu', dropout: 0.1, variational: true },
    max_span_width: 50,
    init: 'xavier',
    loss: { type: 'cross_entropy', reduction: 'batch' },
    decoding: 'flat_greedy',
  },
}
