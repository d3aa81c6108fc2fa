"""Whatever bytes a file holds, a reader gives sentences or raises the package's own errors, and soon."""

import bz2
import contextlib
import gzip
import inspect
import io
import logging
import lzma
import random
import signal
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_fixtures import data_files, fixtures, readers

from ner_plugins.entities import Sentence
from ner_plugins.errors import NerError
from ner_plugins.files.text_lines import ENCODING_ERRORS

SECONDS = 20  # for one small file; nothing takes a tenth of it
# Where spaCy is not installed, the one that reads its files says so, which tests little else.
READERS = sorted(readers())

# What the formats are made of, and what they are not.
FRAGMENTS = [
    *("\n", "\n\n", "\r\n", "\r", "\t", " ", "  ", "\x00", "\x01", "\x0b", "\x1c", "\x85", "\u2028", "\u3000"),
    *("O", "B-PER", "I-PER", "M-ORG", "E-ORG", "S-LOC", "U-X", "L-X", "B_PS", "B-", "-", "B-PER.NAM", "X-Y", "I-é"),
    *("我", "在", "科0", "技1", "\ufffd\ufffd0", "한", "글", "\ufeff", "<", ">", ":", "\\", "\\u12", "\\ud800"),
    *("<한:PER>", "<a:X", "$", "; ", "## 1", "## ", "_", "NNP", "#", "# x", "-DOCSTART-", "-X-", "0", "-1", '"'),
    *('{"text": "ab"', ', "label": {', '"x": {"a": [[0, 0]]}', "}}", '{"tokens": ["a", "b"], "ner_tags": ['),
    *("1e999", '"O"', "]}", "null", "true", "[" * 40, "9" * 5000),
    *('[{"text": "ab", "label": [[0, 1, "X"]', ']}, ', '{"data": {"text": "ab"}, "annotations": [{"result": ['),
    *('{"type": "labels", "value": {"start": 0, "end": 1, "labels": ["X"', "]}}", '"entities": [{"start_idx": 0, '),
]
BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(lambda parts: "".join(parts).encode()),
    st.lists(
        st.one_of(st.sampled_from(FRAGMENTS).map(str.encode), st.binary(max_size=4)), max_size=30
    ).map(b"".join),
)  # fmt: skip


@contextlib.contextmanager
def within(seconds):
    def too_long(*_):
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def some_options(name, chance):
    """Settings of a reader by chance: all that decides what becomes of bad records, and what only some readers have."""
    options = {
        "on_error": chance.choice(["raise", "skip", "skip"]),
        "encoding_errors": chance.choice(ENCODING_ERRORS),
        "dev_fraction": chance.choice([None, None, 0.5]),
    }
    own = {
        "illegal_tags": ["strict", "drop"],
        "annotation": ["brackets", "tags"],
        "document_level": [True],
        "tag_names": [["O", "B-X", "I-X"]],
        "offsets": ["utf16", "characters"],
        "ends": ["exclusive"],
        "unannotated": ["empty", "unlabelled"],
        "use_predictions": [True],
    }
    layout = {
        "scheme": ["BIO", "BMES"],
        "columns": [1, 2, 4],
        "tag_columns": [[], [0], [-1, -2]],
        "token_column": [0, -1],
        "separator": ["", "\t", " "],
        "join": ["", " "],
        "comment": ["", "#"],
    }
    known = inspect.signature(readers()[name].__init__).parameters
    for choices, share in ((own, 0.5), (layout, 0.1)):
        for key, values in choices.items():
            if key in known and chance.random() < share:
                options[key] = chance.choice(values)
    return options


def read_all(name, path, options):
    """Reads to the end or to one of our own errors, and checks what comes out."""
    try:
        reader = readers()[name](**options)
        reader.listener = check_message
        for sentence in reader.sentences(path):
            check_sentence(sentence)
    except NerError as error:
        check_message(error)


def check_message(error):
    assert isinstance(error, NerError)
    assert "\n" not in str(error), str(error)
    assert len(str(error)) < 3000, len(str(error))
    assert " cannot read it: " not in str(error), str(error)  # what `guarded` makes of the bugs of parsers


def check_sentence(sentence):
    assert isinstance(sentence, Sentence) and isinstance(sentence.text, str)
    assert sentence.id is None or isinstance(sentence.id, (int, str))
    for entity in sentence.entities or ():
        assert 0 <= entity.start < entity.end <= len(sentence.text)
        assert isinstance(entity.type, str) and entity.type


def attack(name, data, folder, chance, file_name="data.txt"):
    path = folder / file_name
    path.write_bytes(data)
    options = some_options(name, chance)
    place = str(path) + ("#train" if options["dev_fraction"] else "")
    with within(SECONDS):
        read_all(name, place, options)


@pytest.fixture(autouse=True)
def without_log():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=BYTES, chance=st.randoms(use_true_random=False))
def test_random_bytes(tmp_path_factory, name, data, chance):
    attack(name, data, tmp_path_factory.getbasetemp(), chance)


def lines_swapped(data, chance):
    lines = data.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def inserted(data, chance):
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(FRAGMENTS).encode() + data[at:]


def flipped(data, chance):
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 5, 50])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data, chance):
    start, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:start] + data[end:]


def repeated(data, chance):
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 40)]
    return data[:start] + piece * chance.choice([2, 3, 1000]) + data[start:]


def replaced(data, chance):
    """One kind of character everywhere by another: the columns' separator, the line ends, a letter."""
    old, new = (chance.choice([b"\n", b"\t", b" ", b"-", b"B", b"O", b":", b"<", b'"', b"\x01"]) for _ in range(2))
    return data.replace(old, new)


def recoded(data, chance):
    text = data.decode("utf-8", "replace")
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "cp949", "utf-7"])
    return text.encode(encoding, "replace")


def line_ends(data, chance):
    return data.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\x85", b"\n\n", b"\n \n", b""]))


def packed(data, chance):
    tar, zipped = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode=chance.choice(["w", "w:gz", "w:xz"])) as archive:
        info = tarfile.TarInfo("train.txt")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.txt", data)
    made = [gzip.compress(data), bz2.compress(data), lzma.compress(data), tar.getvalue(), zipped.getvalue()]
    return chance.choice([lambda d, _: d, flipped, cut, inserted])(chance.choice(made), chance)


MUTATIONS = (lines_swapped, inserted, flipped, cut, repeated, replaced, recoded, line_ends)


def mutated(data, chance):
    for _ in range(chance.choice([1, 1, 2, 4])):
        data = chance.choice(MUTATIONS)(data or b"\n", chance)
    return packed(data, chance) if chance.random() < 0.1 else data


def name_for(path, chance):
    """What the file is called; archives are asked for a member or not."""
    return chance.choice(["data.txt", path.name, "data.json", "data.gz", "train.txt"])


@pytest.mark.parametrize("folder", sorted(fixtures()))
def test_mutated_fixtures(tmp_path, folder):
    chance = random.Random(folder)
    for path in data_files(folder):
        data = path.read_bytes()
        for _ in range(40):
            attack(fixtures()[folder], mutated(data, chance), tmp_path, chance, name_for(path, chance))


@pytest.mark.parametrize("name", READERS)
def test_files_of_other_formats(tmp_path, name):
    chance = random.Random(name)
    for folder in fixtures():
        for path in data_files(folder):
            for _ in range(3):
                attack(name, path.read_bytes(), tmp_path, chance, name_for(path, chance))
            attack(name, packed(path.read_bytes(), chance), tmp_path, chance)


REAL = {
    "cluener": "cluener2020/dev.json",
    "conll2003_ner": "conll2003/eng.testa",
    "germeval": "germeval2014/germ.dev.iob2",
    "msra": "msra_bmes/test.char.bmes.gz",
    "peoples_daily": "peoples_daily/example.dev",
    "resume": "resume/dev.char.bmes",
    "weibo": "weibo/weiboNER_2nd_conll.dev",
    "kmou": "kmou/kmou_ner.tar.gz",
}


def part_of_real_file(path: Path, chance):
    """Some 20 kB from somewhere in it."""
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            names = [member for member in archive if member.name.endswith(".txt")]
            data = archive.extractfile(chance.choice(names)).read()
    else:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.name.endswith(".gz") else data
    start = chance.randrange(max(1, len(data) - 20_000))
    return data[start : start + 20_000]


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(REAL))
def test_mutated_real_files(shared_data, tmp_path, name):
    chance = random.Random(name)
    for _ in range(4):
        data = part_of_real_file(shared_data / REAL[name], chance)
        for _ in range(12):
            attack(name, mutated(data, chance), tmp_path, chance)
            attack(chance.choice(READERS), mutated(data, chance), tmp_path, chance)


LONG = "z" * 100_000
LONG_LINES = {
    "one word": LONG,
    "a tag": f"我 {LONG}\n在 O",
    "a tag with a letter": f"我 B-{LONG}\n在 E-{LONG}x",
    "three columns": f"a\tO\tO\nb\tO\tB{LONG}",
    "a token": f"{LONG} O\n我 O",
    "a type": f"我 I-{LONG}\n在 I-x{LONG}",
    "JSON tag": f'{{"tokens": ["a", "b"], "ner_tags": ["O", "{LONG}"]}}',
    "JSON text": f'{{"text": "{LONG}", "label": {{"{LONG}": {{"{LONG}x": [[0, 5]]}}}}, "entities": [{{"{LONG}": 1}}]}}',
    "JSON keys": f'{{"{LONG}": 1}}',
    "brackets": f"<a{LONG}:{LONG}><\\{LONG}",
    "block": f"## 1\n## {LONG}\n## {LONG}<\na\ta\tNN\t{LONG}",
    "block with a type": f"## 1\n## a\n## <a:{LONG}>\na\ta\tNN\tO",
    "block with a morpheme": f"## 1\n## a\n## a\n{LONG}\ta\tNN\tO",
    "annotated": f"; {LONG}\n${LONG}<\n1\t{LONG}",
    "fields": f"{LONG}\x01{LONG}\x01O B-{LONG}",
}


@pytest.mark.parametrize("name", READERS)
def test_messages_are_short_whatever_the_line(tmp_path, name):
    """A message shows what it names, not all of it; 20 of them are listed when records are skipped."""
    path = tmp_path / "data.txt"
    for text in LONG_LINES.values():
        path.write_text(text + "\n", encoding="utf-8")
        for rule in ("repair", "strict"):
            own = "illegal_tags" in inspect.signature(readers()[name].__init__).parameters
            with within(SECONDS):
                read_all(name, str(path), {"illegal_tags": rule} if own else {})


# What takes quadratic time, or worse, where each part of a line is looked at together with every other one.
_JSON_ENTITIES = ", ".join(f'{{"start": 0, "end": {end}, "type": "X"}}' for end in range(1, 10_000))
SLOW = {
    "many columns": "O " * 60_000 + "O",
    "many tabs": "a\t" * 60_000 + "O\tO",
    "white space": " " * 500_000 + "O",
    "open brackets": "<" * 200_000,
    "nested brackets": "<" * 30_000 + "a" + ":X>" * 30_000,
    "colons": "<" + "a:" * 200_000 + "X>",
    "backslashes": "\\\\" * 200_000,
    "nested JSON": "[" * 200_000,
    "nested JSON objects": '{"text":' * 100_000,
    "array of arrays": "[" + "[]," * 100_000,
    "array of strings": '["' + '","' * 200_000,
    "escapes": '{"text": "' + '\\"' * 200_000,
    "many tasks": "[" + '{"data":{"text":"a"},"annotations":[]},' * 10_000 + "]",
    "many entities": '{"text": "' + "ab" * 5000 + '", "entities": [' + _JSON_ENTITIES + "]}",
    "many tokens": '{"tokens": [' + ", ".join(['"a"'] * 100_000) + "]}",
    "one long sentence": "我 I-X\n在 O\n北 E-Y\n" * 10_000,
    "many short ones": "我 B-X\n\n" * 10_000,
    "as many types as lines": "".join(f"{chr(0x4E00 + i)} B-T{i}\n" for i in range(20_000)),
}


@pytest.mark.parametrize("name", READERS)
def test_no_line_takes_forever(tmp_path, name):
    path = tmp_path / "data.txt"
    for text in SLOW.values():
        path.write_text(text + "\n", encoding="utf-8")
        with within(SECONDS):
            read_all(name, str(path), {"on_error": "skip"})


def test_text_full_of_brackets_does_not_take_forever(tmp_path):
    """Where an annotated line may be followed in very many ways."""
    path = tmp_path / "data.txt"
    for name, type_, head in (("klp", "PS", "; {}\n${}\n"), ("kmou", "PER", "## 1\n## {}\n## {}\n")):
        one = f"<:{type_}>"
        text, annotated = one * 4800, f"<{one}{one}:{type_}>{one * 3}" * 960
        rows = "".join(f"{character}\t{character}\tSW\tO\n" for character in text)
        path.write_text(head.format(text, annotated) + rows, encoding="utf-8")
        with within(SECONDS):
            read_all(name, str(path), {})
