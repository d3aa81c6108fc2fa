// Settings that the published systems share: BERT's AdamW, linear warm-up and decay to 0, gradients clipped at 1. The
// encoder and the data have to be given.
local base = import 'base.libsonnet';
local settings = import 'settings.libsonnet';

local given = {
  encoder: if settings.encoder == '' then error 'set NER_ENCODER to the pretrained encoder, as the first lines of this config say' else true,
  data: if settings.no_data then error 'set NER_DATA to the corpus, as the first lines of this config say' else true,
};

{
  // Texts per batch, epochs, rates, and the share of the updates that warm up.
  fine_tuning(batch_size, epochs, encoder_rate, head_rate, warm_up=0.1):: assert given.encoder && given.data; base {
    rates:: { encoder: encoder_rate, head: head_rate },
    model+: { dropout: 0.1, metrics: [{ type: 'seqeval' }, { type: 'cluener' }] },
    data_loader: { batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] } },
    trainer+: {
      num_epochs: settings.epochs(epochs),
      learning_rate_scheduler: { type: 'slanted_triangular', cut_frac: warm_up, ratio: 1e9 },
    },
  },
  // New layers first, over a frozen encoder, with Adam at 1e-3 until the loss on dev rises; then everything, as above. Both
  // stages are judged by the loss on dev, and the first keeps its last weights.
  frozen_first:: {
    trainer+: {
      validation_metric: '-loss',
      callbacks: [{ type: 'two_stage', epochs: 10, patience: 1, select_on: 'loss', restore_best: false }],
    },
  },
  // A model trained from scratch.
  from_nothing(batch_size, epochs):: assert given.data; base {
    data_loader: { batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] } },
    trainer+: { num_epochs: settings.epochs(epochs) },
  },
}
