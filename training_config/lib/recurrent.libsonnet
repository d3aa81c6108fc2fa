// A recurrent layer between what NER_ENCODER gives and the head; without one, over the embeddings of characters.
local layer(type) = {
  model+: { encoder: { type: type, hidden_size: 200, num_layers: 1, bidirectional: true } },
};

{ bilstm: layer('lstm'), bigru: layer('gru') }
