// Biaffine-BERT-NER: CLUENER2020, reported dev macro F1 0.8118 (official scorer, which ignores positions).
//   export NER_ENCODER=google-bert/bert-base-chinese NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/biaffine_bert.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=32, epochs=5, encoder_rate=3e-5, head_rate=3e-5) {
  model+: {
    type: 'biaffine',
    projection: { dim: 150, depth: 1, dropout: 0.1 },
    init: 'zeros',
    loss: { type: 'cross_entropy', reduction: 'batch' },
    decoding: 'flat_greedy',
    decoding_score: 'logit',
  },
  trainer+: { optimizer+: { eps: 1e-6 } },
}
