// FLAT on Weibo NER: published test F1 60.32, with a transformer 68.55.
//   export NER_DATA=data/weibo NER_READER=weibo NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec    # and NER_ENCODER for the second figure
//   allennlp train training_config/benchmarks/flat_weibo.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').flat(rate=1e-3, warmup=0.1, scheme='BIO', feedforward_dropout=0.3)
