// NerCo on Resume NER: published test F1 96.82 with FLAT over BERT (cn-wwm), for one seed.
//   export NER_DATA=data/resume NER_READER=resume NER_LEXICON=words.vec NER_WORD_VECTORS=words.vec
//   export NER_CHARACTER_VECTORS=characters.vec NER_ENCODER=hfl/chinese-bert-wwm    # or none, for FLAT alone
//   allennlp train training_config/benchmarks/nerco_resume.jsonnet --include-package ner_plugins
(import '../lib/published_lattice.libsonnet').nerco(
  heads=8,
  contrastive={ rate: 4e-4, weight_decay: 0.05, warmup: 0.05, temperature: 0.07, batch_size: 20 },
  tuning={ rate: 4e-4, weight_decay: 0.05, warmup: 0.05 },
  head_only=true,
)
