// Boundary smoothing (Zhu & Li 2022): biaffine over a BiLSTM. Reported test F1 on Weibo: 72.66.
//   export NER_ENCODER=hfl/chinese-bert-wwm-ext NER_DATA=data/weibo NER_READER=weibo
//   allennlp train training_config/benchmarks/boundary_smoothing.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=48, epochs=50, encoder_rate=1e-5, head_rate=2e-3) {
  model+: {
    type: 'biaffine',
    text_field_embedder+: { token_embedders+: { tokens+: { hidden_dropout: 0.2, attention_dropout: 0.2 } } },
    encoder: { type: 'lstm', hidden_size: 100, bidirectional: true },  // 200 in both directions
    dropout: 0.5,
    projection: { dim: 150, activation: 'relu', dropout: 0.2 },
    max_span_width: 50,
    scorer: { width_features: 'exact' },
    init: 'orthogonal',
    loss: { type: 'boundary_smoothing', epsilon: 0.1, distance: 1 },
    decoding_score: 'probability',
  },
  trainer+: { grad_norm: 5.0, learning_rate_scheduler+: { cut_frac: 0.2 } },
}
