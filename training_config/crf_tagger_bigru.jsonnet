// A BiGRU under a CRF, over characters or the encoder NER_ENCODER.
//   allennlp train training_config/crf_tagger_bigru.jsonnet --include-package ner_plugins
(import 'crf_tagger.jsonnet') + (import 'lib/recurrent.libsonnet').bigru
