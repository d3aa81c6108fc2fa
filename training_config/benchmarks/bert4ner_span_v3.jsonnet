// bert4ner.pytorch, "span-v3": no result is reported; it learns what span-v2 learns.
//   export NER_ENCODER=hfl/chinese-roberta-wwm-ext NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/bert4ner_span_v3.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=24, epochs=4, encoder_rate=2e-5, head_rate=1e-3) {
  model+: { type: 'span', head: { type: 'dense', width_dim: 150 }, max_span_width: 10 },
}
