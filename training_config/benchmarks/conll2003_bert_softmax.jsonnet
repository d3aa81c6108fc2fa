// NER-Research (TF2), "bert_ner" trained in one stage: CoNLL-2003, reported test micro F1 0.89.
//   export NER_ENCODER=google-bert/bert-base-cased NER_DATA=data/conll2003 NER_READER=conll2003_ner
//   allennlp train training_config/benchmarks/conll2003_bert_softmax.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=32, epochs=5, encoder_rate=5e-5, head_rate=5e-5) {
  model+: { type: 'crf_tagger', scheme: 'BIO', decoder: 'softmax', constrain: false },
  trainer+: { optimizer+: { eps: 1e-6 } },
}
