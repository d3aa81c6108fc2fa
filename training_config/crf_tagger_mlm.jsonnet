// BERT-CRF whose encoder is first trained further on the training sentences, as a masked language model of whole words.
//   NER_ENCODER=bert-base-chinese allennlp train training_config/crf_tagger_mlm.jsonnet --include-package ner_plugins
local settings = import 'lib/settings.libsonnet';

(import 'crf_tagger.jsonnet') {
  trainer+: {
    // Without NER_ENCODER there is nothing pretrained, and no such stage.
    callbacks: if settings.encoder == '' then [] else [{
      type: 'ner_mlm',
      epochs: 10,
      [if settings.no_lexicon then null else 'lexicon']: { path: settings.lexicon },
    }],
  },
}
