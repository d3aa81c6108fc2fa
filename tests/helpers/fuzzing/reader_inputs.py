"""Files for the readers, and corpora that are converted and read again."""

import functools
import inspect
import random
from pathlib import Path
from typing import Any, Iterator

from allennlp.common import Params
from allennlp.data import DatasetReader
from reader_fixtures import data_files, fixtures, readers

from fuzzing.mutations import broken_array, generated, mutated, nested, packed, size_unpacked
from fuzzing.outcomes import WrongOutcome, check_message, check_sentence
from ner_plugins.data_tools.formats.registry import FORMATS, reader_for
from ner_plugins.data_tools.formats.writer import open_corpus_writer
from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.entities import Sentence
from ner_plugins.errors import NerError
from ner_plugins.files.text_lines import ENCODING_ERRORS

_OWN: dict[str, list[Any]] = {
    "illegal_tags": ["strict", "drop"],
    "annotation": ["brackets", "tags"],
    "document_level": [True],
    "tag_names": [["O", "B-X", "I-X"]],
    "offsets": ["utf16", "characters"],
    "ends": ["exclusive"],
    "unannotated": ["empty", "unlabelled"],
    "use_predictions": [True],
}
_LAYOUT: dict[str, list[Any]] = {
    "scheme": ["BIO", "BMES"],
    "columns": [1, 2, 4],
    "tag_columns": [[], [0], [-1, -2]],
    "token_column": [0, -1],
    "separator": ["", "\t", " "],
    "join": ["", " "],
    "comment": ["", "#"],
}
_ENCODINGS = ("gb18030", "utf-16", "utf-16-le", "utf-7", "cp949", "utf-32", "idna", "punycode", "unicode_escape")


@functools.cache
def known_options(name: str) -> frozenset[str]:
    """The options of a reader."""
    return frozenset(inspect.signature(readers()[name].__init__).parameters)


def some_options(name: str, chance: random.Random) -> dict[str, Any]:
    """Settings of a reader by chance: all that decides what becomes of bad records, and what only some readers have."""
    options: dict[str, Any] = {
        "on_error": chance.choice(["raise", "skip", "skip"]),
        "encoding_errors": chance.choice(ENCODING_ERRORS),
        "dev_fraction": chance.choice([None, None, 0.5]),
    }
    for choices, share in ((_OWN, 0.5), (_LAYOUT, 0.1)):
        for key, values in choices.items():
            if key in known_options(name) and chance.random() < share:
                options[key] = chance.choice(values)
    return options


def read_all(name: str, path: str, options: dict[str, Any]) -> Iterator[Sentence]:
    """The sentences up to the end or to one of our own errors, each of them checked."""
    try:
        reader = readers()[name](**options)
        reader.listener = check_message
        for sentence in reader.sentences(path):
            check_sentence(sentence)
            yield sentence
    except NerError as error:
        check_message(error)


def read_through(name: str, path: str, options: dict[str, Any]) -> None:
    """Read all of it and keep none: the sentences of a megabyte of short lines take some time to free."""
    for _ in read_all(name, path, options):
        pass


def name_for(path: Path, chance: random.Random) -> str:
    """What the file is called; archives are asked for a member or not."""
    return chance.choice(["data.txt", path.name, "data.json", "data.gz", "train.txt"])


@functools.cache
def seeds() -> list[tuple[str, Path, bytes]]:
    """A reader's name, a file of its fixtures, and its bytes, shortened where it is long."""
    found = []
    for folder, name in fixtures().items():
        for path in data_files(folder):
            data = path.read_bytes()
            found.append((name, path, data if len(data) < 20_000 or path.suffix == ".spacy" else data[:20_000]))
    return found


def attack_reader(chance: random.Random, folder: Path) -> int:
    """One file for one reader: its own changed, another reader's, or anything. Returns its size."""
    name, source, data = chance.choice(seeds())
    kind = chance.random()
    if kind < 0.15:
        data = generated(chance)
    elif kind < 0.2:
        data = packed(data, chance)
    else:
        data = mutated(data, chance)
    if kind < 0.25:
        name = chance.choice(sorted(readers()))
    path = folder / name_for(source, chance)
    path.write_bytes(data)
    options = some_options(name, chance)
    if chance.random() < 0.1:
        options["encoding"] = chance.choice(_ENCODINGS)
    place = str(path) + ("#train" if options["dev_fraction"] else "")
    read_through(name, place, options)
    if chance.random() < 0.1:
        try:
            guess_reader(str(path), options.get("encoding"))
        except NerError as error:
            check_message(error)
    path.unlink()
    return len(data)


@functools.cache
def _records() -> list[bytes]:
    """Lines of JSON of the fixtures."""
    lines = {line.strip(b" ,\r") for _, _, data in seeds() for line in data.split(b"\n")}
    return sorted(line for line in lines if line.startswith(b"{") and line.endswith(b"}"))


def attack_with_much(chance: random.Random, folder: Path) -> int:
    """A file of about a megabyte, which is a changed one many times, for one reader. Returns its size."""
    name, _, data = chance.choice(seeds())
    data = mutated(data, chance) if chance.random() < 0.7 else generated(chance)
    if chance.random() < 0.5:
        at = chance.randrange(len(data) + 1)
        data = data[at : at + chance.choice([1, 2, 3, 10, 100, 1000])]
    if chance.random() < 0.3:
        name = chance.choice(sorted(readers()))
    size, kind = chance.choice([10**5, 10**6]), chance.random()
    if kind < 0.1:
        data = nested(size, chance)
    elif kind < 0.25:
        data = broken_array(chance.choice(_records()), size, chance)
    else:
        data = (data or b"<") * (1 + size // (len(data) or 1))
    path = folder / "data.txt"
    path.write_bytes(data)
    options = some_options(name, chance) | {"dev_fraction": None}
    if chance.random() < 0.1:
        options["encoding"] = chance.choice(_ENCODINGS)
    read_through(name, str(path), options)
    path.unlink()
    return size_unpacked(data)


def attack_conversion(chance: random.Random, folder: Path) -> int:
    """A file that is read, written in another format, and read again as what it was."""
    name, _, data = chance.choice(seeds())
    data = mutated(data, chance)
    path, target = folder / "data.txt", folder / "converted"
    path.write_bytes(data)
    sentences = list(read_all(name, str(path), some_options(name, chance) | {"dev_fraction": None}))
    path.unlink()
    format = chance.choice(FORMATS)
    # spaCy takes a millisecond for each document.
    if sentences and not (format == "docbin" and ("docbin" not in _readable() or len(sentences) > 300)):
        _convert(sentences, target, format)
    return len(data)


@functools.cache
def _readable() -> frozenset[str]:
    """The formats that this environment can read."""
    import importlib.util

    return frozenset(FORMATS) if importlib.util.find_spec("spacy") else frozenset(FORMATS) - {"docbin"}


def _convert(sentences: list[Sentence], target: Path, format: str) -> None:
    written: list[tuple[Sentence, bool]] = []  # and whether all of its entities were
    try:
        with open_corpus_writer(target, format, overlaps="longest", on_error="skip", force=True) as writer:
            for sentence in sentences:
                before, left_out = writer.summary.sentences, writer.summary.left_out
                writer.write(sentence)
                if writer.summary.sentences > before:
                    written.append((sentence, writer.summary.left_out == left_out))
    except NerError as error:
        check_message(error)
        return
    reader = DatasetReader.from_params(Params(reader_for(format)))
    again = list(reader.sentences(str(target)))  # type: ignore[attr-defined]
    target.unlink()
    if len(again) != len(written):
        raise WrongOutcome(f"{len(written)} sentences were written as {format}, and {len(again)} read")
    for (sentence, is_whole), found in zip(written, again, strict=True):
        same = found.text == sentence.text and (found.entities is None) == (sentence.entities is None)
        if not same or (is_whole and set(found.entities or ()) != set(sentence.entities or ())):
            raise WrongOutcome(f"written as {format}: {sentence!r}, read: {found!r}")
