// A BiGRU under the biaffine head, over characters or the encoder NER_ENCODER.
//   allennlp train training_config/biaffine_bigru.jsonnet --include-package ner_plugins
(import 'biaffine.jsonnet') + (import 'lib/recurrent.libsonnet').bigru
