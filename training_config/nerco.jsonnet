// NerCo: contrastive learning of tokens by their entity type, then of the head alone, then FLAT's ordinary training.
//   allennlp train training_config/nerco.jsonnet --include-package ner_plugins
(import 'flat.jsonnet') {
  trainer+: { callbacks: [{ type: 'nerco', epochs: 5, patience: 2, head_only_epochs: 1 }] },
}
