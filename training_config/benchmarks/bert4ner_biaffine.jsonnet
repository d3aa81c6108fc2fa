// bert4ner.pytorch, "biaffine": CLUENER2020 reported dev micro F1 80.08.
// Pairs go through a feed-forward layer without a bilinear term; decoding takes the best scores first.
//   export NER_ENCODER=hfl/chinese-roberta-wwm-ext NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/bert4ner_biaffine.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=24, epochs=4, encoder_rate=2e-5, head_rate=1e-3) {
  model+: {
    type: 'biaffine',
    scorer: 'pair_ffn',
    projection: { depth: 0 },
    init: 'xavier',
    loss: { type: 'cross_entropy', reduction: 'cells' },
    decoding: 'flat_greedy',
    decoding_score: 'probability',
  },
}
