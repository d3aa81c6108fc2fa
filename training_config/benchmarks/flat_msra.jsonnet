// FLAT on MSRA: published test F1 94.12, with a transformer 96.09, both with the best epoch chosen on test. Here a
// tenth of train is dev, and test is evaluated once, at the end.
//   export NER_DATA=data/msra NER_READER=msra NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec    # and NER_ENCODER for the second figure
//   allennlp train training_config/benchmarks/flat_msra.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').flat(rate=1e-3, warmup=0.1, head_dim=20, epochs=100) {
  dataset_reader+: { dev_fraction: 0.1 },
}
