// Span enumeration: every span up to a width is classified from its two ends and its width.
//   allennlp train training_config/span.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: {
    type: 'span',
    head: { type: 'enumeration', width_dim: 150 },
    max_span_width: 25,  // 10 as published, which 4.6 % of CLUENER's entities exceed
    // Of sentences: beside a mean over all spans, as published, the few entities are slow to be learnt.
    loss: { type: 'cross_entropy', reduction: 'batch' },
    decoding: 'flat_optimal',
  },
}
