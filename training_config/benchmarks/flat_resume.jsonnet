// FLAT on Resume NER: published test F1 95.45, with a transformer 95.86.
//   export NER_DATA=data/resume NER_READER=resume NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec    # and NER_ENCODER for the second figure
//   allennlp train training_config/benchmarks/flat_resume.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').flat(rate=8e-4, warmup=0.01)
