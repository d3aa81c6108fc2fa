// NER-Research (TF2), "bert_bilstm_crf" trained in one stage: CoNLL-2003, reported test micro F1 0.89.
// The first piece of a word gets its tag; the recurrent layer has 16 units in each direction.
//   export NER_ENCODER=google-bert/bert-base-cased NER_DATA=data/conll2003 NER_READER=conll2003_ner
//   allennlp train training_config/benchmarks/conll2003_bert_bilstm_crf.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=32, epochs=5, encoder_rate=5e-5, head_rate=5e-5) {
  model+: {
    type: 'crf_tagger',
    scheme: 'BIO',
    constrain: false,
    encoder: { type: 'lstm', hidden_size: 16, bidirectional: true },
  },
  trainer+: { optimizer+: { eps: 1e-6 } },
}
