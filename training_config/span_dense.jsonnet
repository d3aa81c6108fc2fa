// span.jsonnet, with the head's name for bert4ner.pytorch's "span-v3", which scores the same from all pairs of tokens.
//   allennlp train training_config/span_dense.jsonnet --include-package ner_plugins
local span = import 'span.jsonnet';

span { model+: { head: { type: 'dense', width_dim: 150 } } }
