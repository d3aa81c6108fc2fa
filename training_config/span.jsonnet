// Span enumeration: each span up to a maximum width is classified from its two ends and its width.
//   allennlp train training_config/span.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: {
    type: 'span',
    head: { type: 'enumeration', width_dim: 150 },
    max_span_width: 25,  // published: 10, which 4.6 % of CLUENER's entities exceed
    // A mean over sentences; with the published mean over all spans the few entities are learned slowly.
    loss: { type: 'cross_entropy', reduction: 'batch' },
    decoding: 'flat_optimal',
  },
}
