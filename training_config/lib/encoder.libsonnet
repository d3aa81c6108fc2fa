// The encoder of characters: the pretrained NER_ENCODER, or a small BiLSTM trained from scratch.
local settings = import 'settings.libsonnet';

local pretrained = {
  token_indexers: { tokens: { type: 'ner_transformer', model_name: settings.encoder } },
  model: {
    text_field_embedder: { token_embedders: { tokens: { type: 'ner_transformer', model_name: settings.encoder } } },
    dropout: 0.1,
  },
  vocabulary: {},
  epochs: 4,
  rates: { encoder: 5e-5, head: 1e-3 },
  optimizer(rates): {
    type: 'huggingface_adamw',
    lr: rates.head,
    eps: 1e-8,  // 1e-6 would be large beside the gradients of a mean over many spans
    weight_decay: 0.01,
    parameter_groups: [  // no weight decay for biases and layer norms, as in BERT
      [['^(?=.*token_embedder)(?=.*(bias|[Nn]orm))'], { lr: rates.encoder, weight_decay: 0.0 }],
      [['^(?=.*token_embedder)(?!.*(bias|[Nn]orm))'], { lr: rates.encoder }],
      [['^(?!.*token_embedder).*(bias|[Nn]orm)'], { weight_decay: 0.0 }],
    ],
  },
};

local from_nothing = {
  token_indexers: { tokens: { type: 'single_id' } },
  model: {
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 128 } } },
    encoder: { type: 'lstm', hidden_size: 128, bidirectional: true },
    dropout: 0.3,
  },
  vocabulary: { min_count: { tokens: 2 } },  // the vector of unknown characters is learned from those seen once
  epochs: 16,
  rates: { head: 3e-3 },
  optimizer(rates): { type: 'huggingface_adamw', lr: rates.head, eps: 1e-8, weight_decay: 0.01, parameter_groups: [] },
};

if settings.encoder == '' then from_nothing else pretrained
