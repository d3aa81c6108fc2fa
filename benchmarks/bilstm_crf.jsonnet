// The peer of FLAT in lattice.py: a BiLSTM-CRF over the same vectors of characters and bigrams, without words.
(import '../training_config/flat.jsonnet') {
  dataset_reader+: { lexicon:: null },
  model+: {
    type: 'crf_tagger',
    lattice_encoder:: null,
    scheme: 'BMES',
    encoder: { type: 'lstm', hidden_size: 200, bidirectional: true },
  },
}
