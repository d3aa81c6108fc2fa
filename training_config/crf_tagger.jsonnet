// Tags from a linear-chain CRF: BERT-CRF, or without NER_ENCODER a BiLSTM-CRF over characters.
//   allennlp train training_config/crf_tagger.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: { type: 'crf_tagger', scheme: 'BIOES', decoder: 'crf', constrain_training: false },
  // The transition scores are few parameters and need large steps.
  trainer+: { optimizer+: { parameter_groups+: [[['^head\\.crf\\.'], { lr: 1e-2, weight_decay: 0.0 }]] } },
}
