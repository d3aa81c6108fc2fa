// NER-Research (TF2), "bert_bilstm_crf" trained in two stages: CoNLL-2003, reported test micro F1 0.91.
//   export NER_ENCODER=google-bert/bert-base-cased NER_DATA=data/conll2003 NER_READER=conll2003_ner
//   allennlp train training_config/benchmarks/conll2003_bert_bilstm_crf_two_stage.jsonnet --include-package ner_plugins
(import 'conll2003_bert_bilstm_crf.jsonnet') + (import '../lib/published.libsonnet').frozen_first
