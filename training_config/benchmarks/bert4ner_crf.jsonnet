// bert4ner.pytorch, "CRF": CLUENER2020 reported dev micro F1 80.26. Here biases have no weight decay.
//   export NER_ENCODER=hfl/chinese-roberta-wwm-ext NER_DATA=data/cluener
//   allennlp train training_config/benchmarks/bert4ner_crf.jsonnet --include-package ner_plugins
local published = import '../lib/published.libsonnet';

published.fine_tuning(batch_size=24, epochs=4, encoder_rate=3e-5, head_rate=1e-3) {
  model+: { type: 'crf_tagger', scheme: 'BIO', constrain: false, reduction: 'mean' },
}
