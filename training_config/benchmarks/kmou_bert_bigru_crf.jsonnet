// Pytorch-BERT-CRF-NER, "BERT-BiGRU-CRF": KMOU, no reported F1. Here the CRF is masked, and texts are not truncated.
//   export NER_ENCODER=monologg/kobert NER_DATA=data/kmou NER_READER=kmou
//   allennlp train training_config/benchmarks/kmou_bert_bigru_crf.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

local settings = import '../lib/settings.libsonnet';

published.fine_tuning(batch_size=128, epochs=18, encoder_rate=5e-5, head_rate=5e-5, warm_up=0) {
  dataset_reader+: { tokenizer: { type: 'ner_subwords', model_name: settings.encoder } },
  model+: {
    type: 'crf_tagger',
    scheme: 'BIO',
    reduction: 'sum',
    encoder: { type: 'gru', hidden_size: 384, bidirectional: true },
  },
}
