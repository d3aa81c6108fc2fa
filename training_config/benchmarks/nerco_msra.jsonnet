// NerCo on MSRA: published test F1 96.29 with FLAT over BERT (cn-wwm), for one seed, with the best epoch of each stage
// chosen on test. Here a tenth of train is dev, and test is evaluated once, at the end.
//   export NER_DATA=data/msra NER_READER=msra NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec NER_ENCODER=hfl/chinese-bert-wwm    # or none, for FLAT alone
//   allennlp train training_config/benchmarks/nerco_msra.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').nerco(
  heads=10,
  contrastive={ rate: 8e-4, weight_decay: 0.2, warmup: 0.1, temperature: 0.07, batch_size: 40 },
  tuning={ rate: 4e-4, weight_decay: 0.0, warmup: 0.1 },
  head_only=false,
) {
  dataset_reader+: { dev_fraction: 0.1 },
}
