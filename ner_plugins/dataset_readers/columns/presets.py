"""Column corpora with known file names and layouts, read as by `conll_ner`."""

import re
from dataclasses import replace
from typing import ClassVar, Optional

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.columns.conll import ConllReader, tagged_rows
from ner_plugins.dataset_readers.columns.layout import ColumnLayout
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.errors import shown
from ner_plugins.files.data_paths import SplitFiles

# Chinese, character by character: two columns.
_CHARACTERS = ColumnLayout(columns=2, token_column=0, tag_columns=(1,), join="", comment="")
_BIO, _BMES = replace(_CHARACTERS, scheme="BIO"), replace(_CHARACTERS, scheme="BMES")

# File names in LatticeLSTM, FLAT and their successors.
_BMES_FILES = {
    split: (f"{split}.char.bmes", f"{split}.bmes", f"{split}.char.bmoes", f"{split}.txt")
    for split in ("train", "dev", "test")
}


@DatasetReader.register("msra")
class MsraReader(ConllReader):
    """
    MSRA (SIGHAN 2006): `char<TAB>tag` in BIO with the types LOC, ORG, PER, or `char tag` in BMES with NS, NT, NR.

    There is no development split: set `dev_fraction`. `rename_types: {"NR": "PER", "NS": "LOC", "NT": "ORG"}` gives
    the BMES edition the type names of the other one; the two differ in sentences and in some entities. For the
    parameters see `ConllReader`.
    """

    preset = _CHARACTERS
    split_files: ClassVar[SplitFiles] = {
        "train": ("msra_train_bio", "msra_train_bio.txt", "train_dev.char.bmes", *_BMES_FILES["train"]),
        "dev": ("msra_dev_bio", "msra_dev_bio.txt", *_BMES_FILES["dev"]),
        "test": ("msra_test_bio", "msra_test_bio.txt", *_BMES_FILES["test"]),
    }


@DatasetReader.register("peoples_daily")
class PeoplesDailyReader(ConllReader):
    """
    People's Daily: `char tag`, BIO, the types LOC, ORG, PER; most sentences are in MSRA too. See `ConllReader`.
    """

    preset = _BIO
    split_files: ClassVar[SplitFiles] = {
        split: (f"example.{split}", f"{split}.txt") for split in ("train", "dev", "test")
    }


@DatasetReader.register("resume")
class ResumeReader(ConllReader):
    """
    Resume (Zhang & Yang 2018): `char tag`, BMES, eight types. See `ConllReader`.
    """

    preset = _BMES
    split_files: ClassVar[SplitFiles] = _BMES_FILES


@DatasetReader.register("ontonotes4")
class OntoNotes4Reader(ConllReader):
    """
    OntoNotes 4 as Zhang & Yang (2018) lay it out: `char tag`, BMES. See `ConllReader`.
    """

    preset = _BMES
    split_files: ClassVar[SplitFiles] = _BMES_FILES


@DatasetReader.register("weibo")
class WeiboReader(ConllReader):
    """
    Weibo NER, second edition (Peng & Dredze 2015): `char<place><TAB>tag` in BIO, types `PER.NAM`, `PER.NOM` and so on.

    The token is the first character of a cell. The rest is its place in a segmented word: one or two digits, or nothing
    in the edition without segmentation. Emoji destroyed in the corpus are two U+FFFD and the place; they are read as
    one U+FFFD. See `ConllReader`.
    """

    preset = _BIO
    split_files: ClassVar[SplitFiles] = {
        split: (f"weiboNER_2nd_conll.{split}", f"weiboNER_2nd_conll_deseg.{split}", f"weiboNER.conll.{split}")
        for split in ("train", "dev", "test")
    }

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises columns whose tokens are a character and its place, and others as `conll_ner` does."""
        rows = tagged_rows(file_start)
        if rows and sum(bool(_NUMBERED.fullmatch(row[0])) for row in rows) > 0.98 * len(rows):
            return Recognition("columns whose characters are numbered within their words", 0.7)
        return super().sniff(file_start)

    def _token(self, cell: str) -> str:
        if _PLACED.fullmatch(cell) is None:
            raise ValueError(f"{shown(cell)} is not a character and its place, such as 科0")
        return cell[0]


_PLACED = re.compile("(\ufffd\ufffd|.)[0-9]{0,2}", re.DOTALL)
_NUMBERED = re.compile(r"(\ufffd\ufffd|.)\d{1,2}", re.DOTALL)


@DatasetReader.register("conll2003_ner")
class Conll2003Reader(ConllReader):
    """
    CoNLL-2003: `token POS chunk tag`, words joined by spaces, `-DOCSTART-` lines between documents.

    The published tags are IOB1, those of many copies BIO; this is detected. See `ConllReader`.
    """

    preset = ColumnLayout(columns=4, token_column=0, tag_columns=(3,), separator=" ", join=" ", comment="")
    split_files: ClassVar[SplitFiles] = {
        "train": ("eng.train", "eng.train.txt", "train.txt", "esp.train", "ned.train", "deu.train"),
        "dev": ("eng.testa", "eng.testa.txt", "valid.txt", "dev.txt", "esp.testa", "ned.testa", "deu.testa"),
        "test": ("eng.testb", "eng.testb.txt", "test.txt", "esp.testb", "ned.testb", "deu.testb"),
    }


@DatasetReader.register("germeval")
class GermevalReader(ConllReader):
    """
    GermEval 2014: words with an outer and an inner column of BIO tags, whose union are the (nested) entities.

    Lines are `token<TAB>outer<TAB>inner`, or, as published, `number<TAB>token<TAB>outer<TAB>inner`, with `#` lines in
    between. See `ConllReader`.
    """

    preset = ColumnLayout(tag_columns=(-2, -1), separator="\t", join=" ", scheme="BIO")
    split_files: ClassVar[SplitFiles] = {
        "train": ("germ.train.iob2", "NER-de-train.tsv", "train.tsv"),
        "dev": ("germ.dev.iob2", "NER-de-dev.tsv", "dev.tsv"),
        "test": ("germ.test.iob2", "NER-de-test.tsv", "test.tsv"),
    }
