// Efficient GlobalPointer (Su et al. 2022): products of rotated vectors find entities, their ends tell the types.
//   allennlp train training_config/efficient_global_pointer.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: {
    type: 'efficient_global_pointer',
    inner_dim: 64,
    max_span_width: 50,
    loss: { type: 'multi_label' },
    decoding: 'flat_optimal',
  },
}
