// NerCo on Weibo NER: published test F1 72.79 with FLAT over BERT (cn-wwm), for one seed.
//   export NER_DATA=data/weibo NER_READER=weibo NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec NER_ENCODER=hfl/chinese-bert-wwm    # or none, for FLAT alone
//   allennlp train training_config/benchmarks/nerco_weibo.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').nerco(
  heads=10,
  contrastive={ rate: 8e-4, weight_decay: 0.05, warmup: 0.1, temperature: 0.08, batch_size: 40 },
  tuning={ rate: 4e-4, weight_decay: 0.05, warmup: 0.05 },
  head_only=true,
)
