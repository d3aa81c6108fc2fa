"""The KMOU corpus of Korean: blocks of a raw line, an annotated line, and a line for each morpheme."""

import itertools
import re
from typing import Any, Iterator, Literal, NoReturn, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.brackets import UnescapedBrackets
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.parsing import line_groups
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.files.data_paths import COMPRESSION_SUFFIXES, choose_by_name
from ner_plugins.tag_schemes import IllegalRule, illegal_tags, tags_to_spans

TYPES = ("PER", "LOC", "ORG", "POH", "DAT", "TIM", "DUR", "MNY", "PNT", "NOH")

_HEADERS = ("## NUMBER", "## RAW SENTENCE", "## SENTENCE with <SURFACE:TYPE>")
_COLUMNS = "4 columns, separated by tabs: surface, base form, part of speech, tag"
_UNKNOWN_TYPE = "Correct it, or add the type to the option types"
_DATA_FILES = ("EXOBRAIN_NE_CORPUS_*.txt", "*_NER.txt", "*.txt")  # the first pattern with a match finds the folder
_DEV_FILES = re.compile(r"EXOBRAIN_NE_CORPUS_(009|010)\.txt")
_NO_DATA = re.compile(r"(licen[cs]e|readme)", re.IGNORECASE)


@DatasetReader.register("kmou")
class KmouReader(NerDatasetReader):
    """
    Reads blocks, separated by blank lines, like

        ## 1
        ## 한별이 왔다.
        ## <한별:PER>이 왔다.
        한별	한별	NNP	B-PER
        이	이	JKS	O
        _	_	_	O
        왔	오+았	VV+EP	O
        다	다	EF	O
        .	.	SF	O

    The annotated line is exact to the character. The tags belong to whole morphemes, so the two differ if an entity
    ends inside a morpheme. In every block the morphemes (with a space for the part of speech `_`) must add up to the
    raw line, and so must the annotated line without its brackets; nothing in it is escaped (see `UnescapedBrackets`).
    A sentence's `id` consists of its file's name and its number: `00002_NER:1`. In a folder or archive the files
    `EXOBRAIN_NE_CORPUS_009.txt` and `_010.txt` are `#dev`, and every other `.txt` file beside them is `#train`.

    # Parameters

    annotation : `str`, optional (default=`"brackets"`)
        The source of the entities: `brackets`, the annotated line, or `tags`, the last column.
    types : `Optional[list[str]]`, optional (default=`None`)
        Entity types besides the corpus's own ten.
    illegal_tags : `str`, optional (default=`"repair"`)
        With `tags`: `repair`, `strict` (an error) or `drop`; see `tags_to_spans`.
    kwargs : `Any`
        See `NerDatasetReader`.
    """

    def __init__(
        self,
        annotation: Literal["brackets", "tags"] = "brackets",
        types: Optional[list[str]] = None,
        illegal_tags: IllegalRule = "repair",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(types, str) or any(not re.fullmatch(r"[^\s<>:]+", type_) for type_ in types or ()):
            raise ConfigError(f'dataset_reader.types is {types!r}, but must list names of types: ["PER", "EVT"]')
        self.annotation = annotation
        self.illegal_tags = illegal_tags
        self._brackets = UnescapedBrackets(tuple(dict.fromkeys((*TYPES, *(types or ())))), _UNKNOWN_TYPE)
        self._tags = {"O", *(f"{letter}-{type_}" for letter in "BI" for type_ in self._brackets.types)}

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises the three lines that open a block."""
        start = file_start.lines[: len(_HEADERS)]
        found = len(start) == len(_HEADERS) and all(line.startswith("## ") for line in start)
        return Recognition("blocks of `## ` lines") if found and start[0][3:].strip().isdigit() else None

    def choose_files(self, names: Sequence[str], split: str) -> Sequence[str]:
        """The data files of the first folder that has some; the two of `_DEV_FILES` are the development split."""
        known = choose_by_name(names, split, {"train": _DATA_FILES, "dev": _DATA_FILES})
        if not known:
            return []
        folder = known[0].rpartition("/")[0]
        suffixes = tuple(".txt" + suffix for suffix in COMPRESSION_SUFFIXES)
        beside = {name: name.rpartition("/")[2] for name in names if name.rpartition("/")[0] == folder}
        data = [name for name, base in beside.items() if base.endswith(suffixes) and not _NO_DATA.match(base)]
        return sorted(name for name in data if bool(_DEV_FILES.match(beside[name])) == (split == "dev"))

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        stem = re.split(r"[/!]", path)[-1].split(".txt")[0]
        for first, block in line_groups(lines):
            try:
                record: Union[Sentence, DataError] = self._sentence(first, block, path, stem)
            except DataError as error:
                record = error
            else:
                self.counts["tokens"] += len(block) - len(_HEADERS)
            yield record

    def _sentence(self, first: int, block: list[str], path: str, stem: str) -> Sentence:
        """The sentence of the block that begins in line `first` of the file."""
        number, raw, annotated = _headers(first, block, path)
        rows = block[len(_HEADERS) :]
        try:
            cells = [(" " if pos == "_" else form, tag) for form, _, pos, tag in (row.split("\t") for row in rows)]
        except ValueError:
            _refuse_columns(rows, path, first + len(_HEADERS))
        forms = [form for form, _ in cells]
        if "".join(forms) != raw or "" in forms:
            _refuse_forms(forms, raw, path, first)
        if self.annotation == "tags":
            entities = self._from_tags(forms, [tag for _, tag in cells], path, first + len(_HEADERS))
        else:
            try:
                entities = self._brackets.entities(raw, annotated)
            except DataError as error:
                raise DataError(
                    error.problem, path=path, line=first + 2, expected=error.expected, remedy=error.remedy
                ) from None
        return Sentence(raw, tuple(entities), f"{stem}:{number}", f"{path}:{first}")

    def _from_tags(self, forms: list[str], tags: list[str], path: str, first: int) -> list[Entity]:
        """The entities of the tags; the first tag is in line `first`."""
        if not self._tags.issuperset(tags):
            at = next(at for at, tag in enumerate(tags) if tag not in self._tags)
            raise DataError(
                f"the tag {shown(tags[at])}",
                path=path,
                line=first + at,
                expected=f"O, or B- or I- and one of {', '.join(self._brackets.types)}",
                remedy=_UNKNOWN_TYPE,
            )
        remedy = 'Correct it, or set illegal_tags to "repair" or "drop"' if self.illegal_tags == "strict" else None
        for at, problem in illegal_tags(tags, "BIO", self.illegal_tags):
            error = DataError(f"illegal tag: {problem}", path=path, line=first + at, remedy=remedy)
            if self.illegal_tags == "strict":
                raise error
            self._count_problem("repaired" if self.illegal_tags == "repair" else "dropped", error)
        offsets = list(itertools.accumulate(map(len, forms), initial=0))
        spans = tags_to_spans(tags, "BIO", self.illegal_tags)
        return [Entity(offsets[start], offsets[end], type_) for start, end, type_ in spans]


def _headers(first: int, block: list[str], path: str) -> list[str]:
    """The three header lines of a block, without `## `."""
    for at, expected in enumerate(_HEADERS):
        line = block[at] if at < len(block) else None
        if line is None or not line.startswith("## ") or (at == 0 and not line[3:].strip().isdecimal()):
            found = f"{_short(line)} as line {at + 1} of a block" if line is not None else "the block ends here"
            remedy = "Put a blank line between two blocks, and nowhere else"
            place = first + min(at, len(block) - 1)
            raise DataError(found, path=path, line=place, expected=expected, remedy=remedy)
    if len(block) == len(_HEADERS):
        remedy = "The file may be truncated: complete the block, or remove it"
        raise DataError("the block ends here, without a morpheme", path=path, line=first + 2, expected=_COLUMNS,
                        remedy=remedy)  # fmt: skip
    number, raw, annotated = (line[3:] for line in block[: len(_HEADERS)])
    return [number.strip(), raw, annotated]


def _refuse_columns(rows: list[str], path: str, first: int) -> NoReturn:
    at = next(at for at, row in enumerate(rows) if row.count("\t") != 3)
    if rows[at].startswith("## "):
        found, remedy = f"a new block, {_short(rows[at])}, after a line of another", "Put a blank line before it"
    else:
        found, remedy = f"{rows[at].count(chr(9)) + 1} columns, {_short(rows[at])}", "Correct the line"
    raise DataError(found, path=path, line=first + at, expected=_COLUMNS, remedy=remedy)


def _refuse_forms(forms: list[str], raw: str, path: str, first: int) -> NoReturn:
    """Raise an error at the first morpheme that does not continue the raw line."""
    at = good = 0
    while good < len(forms) and forms[good] and raw.startswith(forms[good], at):
        at += len(forms[good])
        good += 1
    has = _short(raw[at : at + 20]) if at < len(raw) else "ended"
    if good < len(forms):
        found = f"the morpheme {_short(forms[good])}, where the raw line has {has}"
    else:
        found = f"the morphemes end, but the raw line goes on with {has}"
    raise DataError(
        found,
        path=path,
        line=first + len(_HEADERS) + min(good, len(forms) - 1),
        expected=f"surfaces that add up to the raw line (line {first + 1}), with a space for the part of speech _",
        remedy="Correct the morphemes or the raw line",
    )


def _short(text: str) -> str:
    written = repr(text)
    return written if len(written) <= 80 else written[:77] + "..."
