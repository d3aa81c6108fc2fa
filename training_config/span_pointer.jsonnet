// Start and end pointers: each token is labelled as an entity's first and as its last, then pairs are scored.
//   allennlp train training_config/span_pointer.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: {
    type: 'span',
    head: { type: 'pointer', conditioning: 'soft' },
    loss: { type: 'cross_entropy', reduction: 'cells' },
    decoding: 'flat_optimal',  // or 'published': the pairs of bert4ner.pytorch
  },
}
