// The scores of span.jsonnet computed from every pair of tokens, to compare with: it takes longer and learns the same.
//   allennlp train training_config/span_dense.jsonnet --include-package ner_plugins
local span = import 'span.jsonnet';

span { model+: { head: { type: 'dense', width_dim: 150 } } }
