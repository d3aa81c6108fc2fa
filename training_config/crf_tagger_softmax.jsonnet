// Each tag is learned independently; decoding allows only legal sequences.
//   allennlp train training_config/crf_tagger_softmax.jsonnet --include-package ner_plugins
local base = import 'lib/base.libsonnet';

base {
  model+: { type: 'crf_tagger', scheme: 'BIOES', decoder: 'softmax', loss: { type: 'cross_entropy', reduction: 'cells' } },
}
