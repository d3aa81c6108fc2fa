"""
The lattice encoder FLAT: characters and the lexicon's words that they form, in one sequence under self-attention.

`lattice_encoder` is the interface that models use and `flat_encoder` the encoder. It is made of `word_embedding` (the
words' vectors), `layout` (the order of characters and words), `positions` (tables of relative positions) and
`attention` (attention by content and relative position, in linear memory).
"""

from ner_plugins.modules.lattice.flat_encoder import FlatEncoder
from ner_plugins.modules.lattice.lattice_encoder import Lattice, LatticeEncoder
from ner_plugins.modules.lattice.positions import RelativePositions
from ner_plugins.modules.lattice.word_embedding import WordEmbedding

__all__ = ["FlatEncoder", "Lattice", "LatticeEncoder", "RelativePositions", "WordEmbedding"]
