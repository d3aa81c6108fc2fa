"""
Augmentation of training sentences, an option of every reader: `dataset_reader.augmentation`.

A reader reads one and the same way whatever the data are for, so reading never augments. The trainer `ner`, which alone
knows which of its data are for training, asks its reader for a changed copy of each sentence in each epoch
(`Augmenter`). Validation, tests, prediction and archives have no way to it.
"""

from ner_plugins.dataset_readers.augmentation.augmentation import Augmentation, Reading
from ner_plugins.dataset_readers.augmentation.augmenter import Augmenter
from ner_plugins.dataset_readers.augmentation.concatenation import Concatenation
from ner_plugins.dataset_readers.augmentation.entity_replacement import EntityReplacement
from ner_plugins.dataset_readers.augmentation.hidden_tokens import HiddenTokens

__all__ = ["Augmentation", "Augmenter", "Concatenation", "EntityReplacement", "HiddenTokens", "Reading"]
