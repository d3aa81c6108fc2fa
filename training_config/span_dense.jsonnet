// The spans of span.jsonnet scored from all pairs of tokens, for comparison: slower, with the same function learned.
//   allennlp train training_config/span_dense.jsonnet --include-package ner_plugins
local span = import 'span.jsonnet';

span { model+: { head: { type: 'dense', width_dim: 150 } } }
