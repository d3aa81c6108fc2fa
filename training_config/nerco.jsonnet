// NerCo: contrastive learning of tokens by their entity type, then of the head alone, then FLAT's ordinary training.
//   allennlp train training_config/nerco.jsonnet --include-package ner_plugins
(import 'flat.jsonnet') {
  trainer+: {
    callbacks: [{
      type: 'nerco',
      epochs: 5,
      patience: 2,
      optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 },  // published: SGD for a hundred epochs
      head_only_epochs: 1,
      head_only: { optimizer: { type: 'huggingface_adamw', lr: 1e-3, eps: 1e-8 } },
    }],
  },
}
