// NER-Research (TF2), "bert_ner" trained in two stages: CoNLL-2003, reported test micro F1 0.90.
//   export NER_ENCODER=google-bert/bert-base-cased NER_DATA=data/conll2003 NER_READER=conll2003_ner
//   allennlp train training_config/benchmarks/conll2003_bert_softmax_two_stage.jsonnet --include-package ner_plugins
(import 'conll2003_bert_softmax.jsonnet') + (import '../lib/published.libsonnet').frozen_first
