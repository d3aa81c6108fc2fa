"""Dataset readers: from a data path to sentences, and from sentences to instances."""

from ner_plugins.dataset_readers.brackets import BracketsReader
from ner_plugins.dataset_readers.ccks_address import CcksAddressReader
from ner_plugins.dataset_readers.cluener import CluenerReader
from ner_plugins.dataset_readers.conll import ConllReader
from ner_plugins.dataset_readers.datasets_rows import DatasetsRowsReader
from ner_plugins.dataset_readers.docbin import SpacyReader
from ner_plugins.dataset_readers.klp import KlpReader
from ner_plugins.dataset_readers.kmou import KmouReader
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.presets import (
    Conll2003Reader,
    GermevalReader,
    MsraReader,
    OntoNotes4Reader,
    PeoplesDailyReader,
    ResumeReader,
    WeiboReader,
)

__all__ = [
    "BracketsReader",
    "CcksAddressReader",
    "CluenerReader",
    "Conll2003Reader",
    "ConllReader",
    "DatasetsRowsReader",
    "GermevalReader",
    "KlpReader",
    "KmouReader",
    "MsraReader",
    "NerDatasetReader",
    "OntoNotes4Reader",
    "PeoplesDailyReader",
    "ResumeReader",
    "SpacyReader",
    "WeiboReader",
]
