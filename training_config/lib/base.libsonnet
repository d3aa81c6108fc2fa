// An experiment without its model: data, encoder and trainer, from settings.libsonnet and encoder.libsonnet.
local encoder = import 'encoder.libsonnet';
local settings = import 'settings.libsonnet';

{
  rates:: encoder.rates,  // learning rates of a pretrained encoder and of the layers above it
  random_seed: settings.seed,
  numpy_seed: settings.seed,
  pytorch_seed: settings.seed,
  dataset_reader: settings.reader { token_indexers: encoder.token_indexers },
  train_data_path: settings.train,
  validation_data_path: settings.dev,
  datasets_for_vocab_creation: ['train'],
  vocabulary: encoder.vocabulary,
  model: encoder.model {
    type: error 'the experiment has to say model.type',
    metrics: [{ type: 'seqeval' }, { type: 'cluener' }],
  },
  // As many updates per epoch as with 32 sentences of CLUENER, whatever the lengths of the corpus.
  data_loader: { batch_sampler: { type: 'token_budget', budget: 1280, max_sentences: 64 } },
  validation_data_loader: {
    batch_sampler: { type: 'token_budget', budget: 2560, max_sentences: 128, max_padding: 0.03, shuffle: false },
  },
  trainer: {
    type: 'ner',
    num_epochs: settings.epochs(encoder.epochs),
    optimizer: encoder.optimizer($.rates),
    learning_rate_scheduler: { type: 'slanted_triangular', cut_frac: 0.1 },
    grad_norm: 1.0,
    validation_metric: '+seqeval/micro_f1',
    run_confidence_checks: false,  // they only test batch normalisation, which no model here has
  },
}
