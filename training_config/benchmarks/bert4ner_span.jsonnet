// bert4ner.pytorch, "span": CLUENER2020 reported dev micro F1 81.00.
//   export NER_ENCODER=hfl/chinese-roberta-wwm-ext NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/bert4ner_span.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=24, epochs=4, encoder_rate=2e-5, head_rate=1e-3) {
  model+: { type: 'span', head: { type: 'pointer', conditioning: 'soft' }, decoding: 'published' },
}
