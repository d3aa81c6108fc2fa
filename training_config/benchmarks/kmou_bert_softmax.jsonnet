// Pytorch-BERT-CRF-NER, "BERT": KMOU, reported macro F1 0.8554 over tags of pieces, which is not comparable with
// entity F1. Here texts are not truncated.
//   export NER_ENCODER=monologg/kobert NER_DATA=data/kmou NER_READER=kmou
//   allennlp train training_config/benchmarks/kmou_bert_softmax.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

local settings = import '../lib/settings.libsonnet';

published.fine_tuning(batch_size=400, epochs=18, encoder_rate=5e-5, head_rate=5e-5, warm_up=0) {
  dataset_reader+: { tokenizer: { type: 'ner_subwords', model_name: settings.encoder } },
  model+: {
    type: 'crf_tagger',
    scheme: 'BIO',
    decoder: 'softmax',
    constrain: false,
  },
}
