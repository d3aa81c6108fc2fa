// NerCo: contrastive learning of tokens by their entity type, then of the head alone, then FLAT's ordinary training.
//   allennlp train training_config/nerco.jsonnet --include-package ner_plugins
local lattice = import 'lib/lattice.libsonnet';
local learning_rates = import 'lib/learning_rates.libsonnet';
local settings = import 'lib/settings.libsonnet';

// Vectors that come from a file stay as they are in the contrastive stage: on a small corpus they would be fitted to its
// sentences (benchmarks/RESULTS.md, "Lattices and contrastive learning"). A transformer is frozen too, as published.
local pretrained = if settings.character_vectors == '' then {} else {
  freeze: [learning_rates.embeddings] + (if lattice.has_encoder then ['token_embedder_transformer'] else []),
};

(import 'flat.jsonnet') {
  trainer+: {
    callbacks: [{
      type: 'nerco',
      epochs: 5,
      patience: 2,
      optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 },  // published: SGD for a hundred epochs
      head_only_epochs: 1,
      head_only: { optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 } },
    } + pretrained],
  },
}
