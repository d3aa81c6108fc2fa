// Each token's tag is learnt by itself; decoding keeps to what the scheme allows.
//   allennlp train training_config/crf_tagger_softmax.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: { type: 'crf_tagger', scheme: 'BIOES', decoder: 'softmax', loss: { type: 'cross_entropy', reduction: 'cells' } },
}
