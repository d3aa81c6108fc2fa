// FLAT: a CRF over characters that attend to each other and to the words of a lexicon (NER_LEXICON).
//   allennlp train training_config/flat.jsonnet --include-package ner_plugins
local lattice = import 'lib/lattice.libsonnet';
local learning_rates = import 'lib/learning_rates.libsonnet';
local settings = import 'lib/settings.libsonnet';

local encoder = if lattice.has_encoder then { encoder: 5e-5 } else {};

lattice {
  model+: { lattice_encoder+: { heads: 8, head_dim: 20 } },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 10, sorting_keys: ['tokens'] } },
  trainer+: {
    num_epochs: settings.epochs(10),
    optimizer: { type: 'huggingface_adamw', eps: 1e-8 } + learning_rates.of({ head: 1e-3, crf: 1e-2 } + encoder),
    learning_rate_scheduler: { type: 'warmup_inverse_decay', warmup: 0.1, decay: 0.05 },
  },
}
