// A BiLSTM under the biaffine head, over characters or over the encoder of NER_ENCODER.
//   allennlp train training_config/biaffine_bilstm.jsonnet --include-package ner_plugins
(import 'biaffine.jsonnet') + (import 'lib/recurrent.libsonnet').bilstm
