"""Lexicons: words from files, and their occurrences in texts."""

from ner_plugins.lexicon.lexicon import Lexicon, Match
from ner_plugins.lexicon.normalisation import Normalisation
from ner_plugins.lexicon.word_lexicon import WordLexicon

__all__ = ["Lexicon", "Match", "Normalisation", "WordLexicon"]
