"""Dataset readers: from a data path to sentences, and from sentences to instances."""

from ner_plugins.dataset_readers.brackets import BracketsReader
from ner_plugins.dataset_readers.columns.ccks_address import CcksAddressReader
from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.dataset_readers.columns.presets import (
    Conll2003Reader,
    GermevalReader,
    MsraReader,
    OntoNotes4Reader,
    PeoplesDailyReader,
    ResumeReader,
    WeiboReader,
)
from ner_plugins.dataset_readers.docbin import SpacyReader
from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.dataset_readers.json.datasets_rows import DatasetsRowsReader
from ner_plugins.dataset_readers.klp import KlpReader
from ner_plugins.dataset_readers.kmou import KmouReader
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader

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
