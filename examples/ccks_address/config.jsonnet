// A CRF over characters: a small BiLSTM, or the pretrained NER_ENCODER. Rules as those of the best system of CCKS 2021.
(import '../../training_config/crf_tagger.jsonnet') {
  model+: {
    post_processing: [
      { type: 'strip', characters: '，。（）()', name: 'edges' },
      { type: 'forbid', pattern: '.*[，。（）()].*', name: 'inside' },
    ],
  },
  data_loader+: { batch_sampler+: { budget: 320 } },  // 16 addresses: more updates from few sentences
}
