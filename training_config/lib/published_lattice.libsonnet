// The published experiments of FLAT and NerCo: stochastic gradient descent with momentum, gradients clipped at 5, a CRF
// without constraints and without scores of first and last tags. NER_DATA, NER_LEXICON and, for the transformer,
// NER_ENCODER have to be given. The rate warms up and then stays constant, as in the released code; with
// `legacy_schedule: false` it decays as in the published settings.
local lattice = import 'lattice.libsonnet';
local settings = import 'settings.libsonnet';

local given = {
  data: if settings.no_data then error 'set NER_DATA to the corpus, as the first lines of this config say' else true,
  lexicon: if settings.no_lexicon then error 'set NER_LEXICON to a file of words, as the first lines of this config say' else true,
};

local experiment(heads, head_dim, scheme, batch_size, epochs, patience) = assert given.data && given.lexicon; lattice {
  legacy_schedule:: true,
  model+: {
    lattice_encoder+: { heads: heads, head_dim: head_dim },
    head: { type: 'crf_tagger', scheme: scheme, constrain: false, use_start_end: false },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] } },
  trainer+: { num_epochs: settings.epochs(epochs), patience: patience },
};

// The transformer learns from the 21st epoch on.
local late_encoder = if lattice.has_encoder then
  [{ type: 'ner_unfreeze', schedule: { '20': ['token_embedder_transformer'] } }]
else [];

{
  // With a transformer, the published version (V1) has the same settings for all corpora.
  flat(rate, warmup, heads=8, head_dim=16, scheme='BMES', epochs=50, feedforward_dropout=0.15)::
    (if lattice.has_encoder then experiment(8, 20, scheme, 10, 100, 25)
     else experiment(heads, head_dim, scheme, 10, epochs, null)) {
      local config = self,
      model+: { lattice_encoder+: { feedforward_dropout: feedforward_dropout } },
      trainer+: config.sgd(
        if lattice.has_encoder then 6e-4 else rate, if lattice.has_encoder then 0.1 else warmup,
        legacy=config.legacy_schedule
      ) { callbacks: late_encoder },
    },

  // `contrastive`: { rate, weight_decay, warmup, temperature, batch_size }; `tuning`: { rate, weight_decay, warmup }.
  nerco(heads, contrastive, tuning, head_only)::
    local sgd(stage) = { type: 'sgd', lr: stage.rate, momentum: 0.9, weight_decay: stage.weight_decay };
    local warm_up(stage) = { type: 'warmup_inverse_decay', warmup: stage.warmup, decay: 0.05, legacy: true };
    experiment(heads, 20, 'BIO', 10, 100, 15) {
      local config = self,
      trainer+: config.sgd(
        tuning.rate, tuning.warmup, weight_decay=tuning.weight_decay, legacy=config.legacy_schedule
      ) {
        callbacks: [{
          type: 'nerco',
          epochs: 100,
          patience: 10,
          batch_size: contrastive.batch_size,
          loss: { type: 'nerco', temperature: contrastive.temperature },
          optimizer: sgd(contrastive),
          learning_rate_scheduler: warm_up(contrastive),
          head_only_epochs: if head_only then 100 else 0,
          [if head_only then 'head_only']: {
            patience: 15,
            optimizer: sgd(tuning),
            learning_rate_scheduler: warm_up(tuning),
            grad_clipping: 5.0,
            dropout_when_frozen: true,
          },
        }] + late_encoder,
      },
    },
}
