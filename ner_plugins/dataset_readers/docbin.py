"""spaCy's DocBin, the format of `spacy train`."""

import zlib
from importlib import import_module
from typing import Any, BinaryIO, Callable, ClassVar, Iterator, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.files.opening import readable

SPANS_KEY = "sc"  # spaCy's own default for the spans of a document

# The exceptions of spaCy, srsly and numpy on damaged files, as observed.
_UNREADABLE = (
    ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, MemoryError, RuntimeError,
)  # fmt: skip


@DatasetReader.register("spacy_ner")
class SpacyReader(NerDatasetReader):
    """
    Reads the documents of a spaCy DocBin (`.spacy`). spaCy has to be installed.

    The entities are those of `doc.ents` and `doc.spans[spans_key]`, without duplicates; the text is `doc.text`. A
    document with neither annotation is unlabelled. The id is `doc.user_data["id"]` if that is a number or a string. A
    folder has `train.spacy`, `dev.spacy` and `test.spacy`. spaCy loads a file as a whole.

    # Parameters

    spans_key : `Optional[str]`, optional (default=`"sc"`)
        `None` for `doc.ents` alone.
    kwargs : `Any`
        See `NerDatasetReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("train.spacy",),
        "dev": ("dev.spacy",),
        "test": ("test.spacy",),
    }

    def __init__(self, spans_key: Optional[str] = SPANS_KEY, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spans_key = spans_key

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises a DocBin by its zlib header and the keys of its MessagePack map."""
        if file_start.data[:1] != b"\x78":
            return None
        try:
            start = zlib.decompressobj().decompress(file_start.data, 4096)
        except zlib.error:
            return None
        is_map = bool(start) and 0x80 <= start[0] <= 0x8F
        return Recognition("a spaCy DocBin") if is_map and b"attrs" in start else None

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        spacy = import_spacy()
        with readable(path):
            data = stream.read()
        number = 0
        try:
            for number, doc in enumerate(spacy.tokens.DocBin().from_bytes(data).get_docs(spacy.vocab.Vocab()), 1):
                yield self._sentence(doc, path, number)
        except _UNREADABLE as error:
            found = " ".join(str(error).split()) or type(error).__name__
            yield DataError(
                f"document {number + 1} cannot be read: {found[:200]}",
                path=path,
                expected="a DocBin, as DocBin.to_disk writes it",
                remedy="The file may be damaged, or written by another version of spaCy: write it again",
            )

    def _sentence(self, doc: Any, path: str, number: int) -> Union[Sentence, DataError]:
        text = doc.text  # which spaCy joins anew each time
        spans = list(doc.spans[self.spans_key]) if self.spans_key in doc.spans else None
        found = dict.fromkeys(
            Entity(span.start_char, span.end_char, span.label_) for span in (*doc.ents, *(spans or ()))
        )
        id_ = doc.user_data.get("id")
        id_ = id_ if isinstance(id_, (int, str)) and not isinstance(id_, bool) else None
        # `has_annotation` is true for a document without tokens.
        entities = tuple(found) if doc.has_annotation("ENT_IOB") or spans is not None else None
        for entity in found:
            if not (entity.type and 0 <= entity.start < entity.end <= len(text)):
                return DataError(
                    f"the entity ({entity.start}, {entity.end}) with the label {shown(entity.type)}",
                    path=path,
                    line=number,
                    expected=f"a label, and a span of the text's {len(text)} characters",
                    remedy="Correct the document",
                )
        return Sentence(text, entities, id_, f"{path}:{number}")


def import_spacy() -> Any:
    """Import `spacy` and the submodules used here. Raises `ConfigError` if spaCy is not installed."""
    try:
        for part in ("spacy.vocab", "spacy.tokens"):  # `compat` has a stand-in for spaCy, which lacks spacy.vocab
            import_module(part)
        return import_module("spacy")
    except ImportError as error:
        raise ConfigError("a DocBin (.spacy) needs spaCy, which cannot be imported: pip install spacy") from error
