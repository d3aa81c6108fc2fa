"""Dataset readers: from a data path to sentences, and from sentences to instances."""

from ner_plugins.dataset_readers.cluener import CluenerReader
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader

__all__ = ["CluenerReader", "NerDatasetReader"]
