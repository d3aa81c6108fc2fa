// NER-Research (TF2), "bilstm_crf": CoNLL-2003, reported test micro F1 0.64; no pretrained word vectors.
//   export NER_DATA=data/conll2003 NER_READER=conll2003_ner NER_ENCODER=
//   allennlp train training_config/benchmarks/conll2003_bilstm_crf.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.from_nothing(batch_size=32, epochs=50) {
  dataset_reader+: { token_indexers: { tokens: { type: 'single_id', lowercase_tokens: true } } },
  vocabulary: {},
  model+: {
    type: 'crf_tagger',
    scheme: 'BIO',
    constrain: false,
    reduction: 'token_mean',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 32 } } },
    encoder: { type: 'lstm', hidden_size: 32, bidirectional: true },
    dropout: 0.3,
  },
  trainer+: { optimizer: { type: 'adam', lr: 1e-3 }, learning_rate_scheduler:: null, patience: 3, grad_norm:: null },
}
