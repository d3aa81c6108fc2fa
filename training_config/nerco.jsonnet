// NerCo: contrastive learning of token vectors by entity type, then the head alone, then ordinary training of FLAT.
//   allennlp train training_config/nerco.jsonnet --include-package ner_plugins
local lattice = import 'lib/lattice.libsonnet';
local learning_rates = import 'lib/learning_rates.libsonnet';
local settings = import 'lib/settings.libsonnet';

// Pretrained vectors are frozen in the contrastive stage: on a small corpus they would overfit its sentences
// (benchmarks/RESULTS.md, "Lattices and contrastive learning"). A transformer is frozen too, as published.
local pretrained = if settings.character_vectors == '' then {} else {
  freeze: [learning_rates.embeddings] + (if lattice.has_encoder then ['token_embedder_transformer'] else []),
};

(import 'flat.jsonnet') {
  trainer+: {
    callbacks: [{
      type: 'nerco',
      epochs: 5,
      patience: 2,
      optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 },  // published: SGD for 100 epochs
      head_only_epochs: 1,
      head_only: { optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 } },
    } + pretrained],
  },
}
