// The peer of FLAT in lattice.py: a BiLSTM-CRF over the same vectors of characters and bigrams, without words.
(import '../training_config/flat.jsonnet') {
  dataset_reader+: { lexicon:: null },
  model+: {
    type: 'crf_tagger',
    lattice_encoder:: null,
    scheme: 'BMES',
    encoder: { type: 'lstm', hidden_size: 200, bidirectional: true },
  },
  // Chosen on Weibo's dev: after 15 epochs 1e-3 had .525 at best, 3e-3 .562.
  trainer+: { optimizer+: { lr: 3e-3 } },
}
