// A recurrent layer between the encoder NER_ENCODER, or else character embeddings, and the head.
local layer(type) = {
  model+: { encoder: { type: type, hidden_size: 200, num_layers: 1, bidirectional: true } },
};

{ bilstm: layer('lstm'), bigru: layer('gru') }
