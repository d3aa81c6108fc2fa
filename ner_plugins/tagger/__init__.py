"""
The `Tagger`: from texts to entities, for every place where a model is used.

`tagger.py` reads texts, sorts and batches them; `backend.py` is what it asks of a model. `archive.py` runs an archive's
model in torch, and `onnx/` an exported one without it; each is imported only then.
"""

from ner_plugins.tagger.backend import Alternative, Backend, EncodedText
from ner_plugins.tagger.results import TaggedEntity, TaggedText
from ner_plugins.tagger.tagger import Tagger

__all__ = ["Alternative", "Backend", "EncodedText", "TaggedEntity", "TaggedText", "Tagger"]
