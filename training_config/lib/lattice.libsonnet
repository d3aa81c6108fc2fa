// Characters, bigrams and a lexicon's words (NER_LEXICON), with pretrained vectors if their files are given, and with the
// character vectors of a transformer if NER_ENCODER is given.
local base = import 'base.libsonnet';
local learning_rates = import 'learning_rates.libsonnet';
local settings = import 'settings.libsonnet';

local has_encoder = settings.encoder != '';
local of_file(path, key, otherwise) = if path == '' then otherwise else { [key]: path };

base {
  has_encoder:: has_encoder,
  dataset_reader: settings.reader {
    lexicon: { path: settings.lexicon },
    token_indexers: {
      characters: { type: 'single_id', namespace: 'characters' },
      bigrams: { type: 'ner_bigrams' },
    } + (if has_encoder then { transformer: { type: 'ner_transformer', model_name: settings.encoder } } else {}),
  },
  // All characters in a file of vectors are known, including those that the training data lack.
  vocabulary: if settings.character_vectors == '' then {} else {
    pretrained_files: { characters: settings.character_vectors },
    min_pretrained_embeddings: { characters: -1 },
  },
  model: {
    type: 'flat',
    text_field_embedder: {
      token_embedders: {
        characters: { type: 'ner_embedding', vocab_namespace: 'characters' }
                    + of_file(settings.character_vectors, 'pretrained_file', { embedding_dim: 50 }),
        bigrams: { type: 'ner_embedding', vocab_namespace: 'bigrams', embedding_dim: 50 },
      } + (if has_encoder then { transformer: { type: 'ner_transformer', model_name: settings.encoder } } else {}),
    },
    lattice_encoder: { words: of_file(settings.word_vectors, 'pretrained_file', { dim: 50 }) },
    dropout: 0.3,
    metrics: [{ type: 'seqeval' }, { type: 'cluener' }],
  },
  // Training of FLAT: stochastic gradient descent with clipped gradients. The encoder's rate is this fraction of the
  // others'.
  sgd(rate, warmup, decay=0.05, weight_decay=0.0, encoder_share=0.05, legacy=false):: {
    optimizer: { type: 'sgd', momentum: 0.9 } + learning_rates.of(
      { head: rate } + (if has_encoder then { encoder: encoder_share * rate } else {}), weight_decay
    ),
    learning_rate_scheduler: { type: 'warmup_inverse_decay', warmup: warmup, decay: decay, legacy: legacy },
    grad_clipping: 5.0,
    grad_norm:: null,
  },
}
