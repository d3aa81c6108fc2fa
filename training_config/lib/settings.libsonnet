// The environment variables that a user can set; no other file reads them. ner_plugins/settings.py supplies their
// defaults wherever ner_plugins reads a config.
local given(name, default) = local value = std.extVar(name); if value == '' then default else value;

{
  encoder: std.extVar('NER_ENCODER'),  // hub name or folder of a pretrained encoder; '' trains a small one from scratch
  data: std.extVar('NER_DATA'),  // folder or archive with the corpus's original file names
  no_data: self.data == 'fixtures/sample' && std.extVar('NER_TRAIN') == '',  // only the bundled sample
  // A name such as 'msra', or a JSON object with a type and options.
  reader: local text = std.extVar('NER_READER');
          if std.member(text, '{') then std.parseJson(text) else { type: text },
  // Files with a lattice's words, their vectors, and character vectors. The bundled sample has its own.
  no_lexicon: std.extVar('NER_LEXICON') == '',  // only the bundled sample's
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
