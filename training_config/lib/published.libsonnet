// What the published systems' experiments share: BERT's AdamW, linear warm-up and decay to nothing, gradients clipped
// at 1. Their encoder and their data have to be given.
local base = import 'base.libsonnet';
local settings = import 'settings.libsonnet';

local given = {
  encoder: if settings.encoder == '' then error 'set NER_ENCODER to the pretrained encoder, as the first lines of this config say' else true,
  data: if settings.no_data then error 'set NER_DATA to the corpus, as the first lines of this config say' else true,
};

{
  // Of texts: how many in a batch, for how many epochs, with which rates.
  fine_tuning(batch_size, epochs, encoder_rate, head_rate):: assert given.encoder && given.data; base {
    rates:: { encoder: encoder_rate, head: head_rate },
    model+: { dropout: 0.1, metrics: [{ type: 'seqeval' }, { type: 'cluener' }] },
    data_loader+: { batch_sampler+: { batch_size: batch_size } },
    trainer+: {
      num_epochs: settings.epochs(epochs),
      learning_rate_scheduler: { type: 'slanted_triangular', cut_frac: 0.1, ratio: 1e9 },
    },
  },
  // A model trained from nothing.
  from_nothing(batch_size, epochs):: assert given.data; base {
    data_loader+: { batch_sampler+: { batch_size: batch_size } },
    trainer+: { num_epochs: settings.epochs(epochs) },
  },
}
