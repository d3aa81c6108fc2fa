// A BiGRU under span enumeration, over characters or the encoder NER_ENCODER.
//   allennlp train training_config/span_bigru.jsonnet --include-package ner_plugins
(import 'span.jsonnet') + (import 'lib/recurrent.libsonnet').bigru
