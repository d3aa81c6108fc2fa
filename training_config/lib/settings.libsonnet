// The environment variables that a user may set, read here and nowhere else. Their defaults are supplied wherever
// ner_plugins reads a config (ner_plugins/settings.py).
local given(name, default) = local value = std.extVar(name); if value == '' then default else value;

{
  encoder: std.extVar('NER_ENCODER'),  // hub name or folder of a pretrained encoder; '' trains a small one from nothing
  data: std.extVar('NER_DATA'),  // folder or archive with the corpus's own file names
  no_data: self.data == 'fixtures/sample' && std.extVar('NER_TRAIN') == '',  // but the bundled sample
  // A name such as 'msra', or a JSON object with a type and options.
  reader: local text = std.extVar('NER_READER');
          if std.member(text, '{') then std.parseJson(text) else { type: text },
  // Words for a lattice, vectors of them, and vectors of characters: files. The bundled sample has its own.
  no_lexicon: std.extVar('NER_LEXICON') == '',  // but the bundled sample's
  lexicon: if self.no_lexicon && !self.no_data then error 'set NER_LEXICON to a file of words, or of vectors of words'
           else given('NER_LEXICON', 'fixtures/lexicon/words.vec'),
  word_vectors: given('NER_WORD_VECTORS', if self.no_lexicon then self.lexicon else ''),
  character_vectors: std.extVar('NER_CHARACTER_VECTORS'),
  train: given('NER_TRAIN', self.data + '#train'),
  dev: given('NER_DEV', self.data + '#dev'),
  test: given('NER_TEST', self.data + '#test'),
  seed: std.parseInt(std.extVar('NER_SEED')),
  epochs(default): std.parseInt(given('NER_EPOCHS', '' + default)),
}
