// bert4ner.pytorch, "span-v3": no reported result; it learns the same function as span-v2.
//   export NER_ENCODER=hfl/chinese-roberta-wwm-ext NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/bert4ner_span_v3.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=24, epochs=4, encoder_rate=2e-5, head_rate=1e-3) {
  model+: { type: 'span', head: { type: 'dense', width_dim: 150 }, max_span_width: 10 },
}
