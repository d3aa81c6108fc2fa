// FLAT on Weibo NER: test F1 60.32 as published, 68.55 with a transformer.
//   export NER_DATA=data/weibo NER_READER=weibo NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec    # NER_ENCODER besides for the second figure
//   allennlp train training_config/benchmarks/flat_weibo.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').flat(rate=1e-3, warmup=0.1, scheme='BIO', feedforward_dropout=0.3)
