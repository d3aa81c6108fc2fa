// Settings that the published systems share: BERT's AdamW, linear warm-up and decay to 0, gradients clipped at 1. The
// encoder and the data have to be given.
local base = import 'base.libsonnet';
local settings = import 'settings.libsonnet';

local given = {
  encoder: if settings.encoder == '' then error 'set NER_ENCODER to the pretrained encoder, as the first lines of this config say' else true,
  data: if settings.no_data then error 'set NER_DATA to the corpus, as the first lines of this config say' else true,
};

{
  // Texts per batch, epochs and rates.
  fine_tuning(batch_size, epochs, encoder_rate, head_rate):: assert given.encoder && given.data; base {
    rates:: { encoder: encoder_rate, head: head_rate },
    model+: { dropout: 0.1, metrics: [{ type: 'seqeval' }, { type: 'cluener' }] },
    data_loader: { batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] } },
    trainer+: {
      num_epochs: settings.epochs(epochs),
      learning_rate_scheduler: { type: 'slanted_triangular', cut_frac: 0.1, ratio: 1e9 },
    },
  },
  // A model trained from scratch.
  from_nothing(batch_size, epochs):: assert given.data; base {
    data_loader: { batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] } },
    trainer+: { num_epochs: settings.epochs(epochs) },
  },
}
