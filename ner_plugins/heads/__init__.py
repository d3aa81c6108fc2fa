"""
Heads: from encoded tokens to scores, a loss and entities.

`head.py` is the interface. `tags.py` is the tagger; `span_head.py` is what `biaffine.py`, `pairs.py`,
`global_pointer.py` and `pointer.py` share, over the band of spans of `band.py`. `decoding.py` chooses spans by their
scores.
"""

from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.heads.decoding import DecodedSpans, decode_spans
from ner_plugins.heads.global_pointer import EfficientGlobalPointerHead, GlobalPointerHead
from ner_plugins.heads.head import Head
from ner_plugins.heads.pairs import PairsHead
from ner_plugins.heads.pointer import PointerHead
from ner_plugins.heads.span_head import SpanHead
from ner_plugins.heads.tags import TagsHead

__all__ = [
    "BiaffineHead", "DecodedSpans", "EfficientGlobalPointerHead", "GlobalPointerHead", "Head", "PairsHead",
    "PointerHead", "SpanHead", "TagsHead", "decode_spans",
]  # fmt: skip
