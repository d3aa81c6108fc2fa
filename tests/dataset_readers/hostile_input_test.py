"""Whatever bytes a file holds, a reader gives sentences or raises the package's own errors, and soon."""

import gzip
import inspect
import logging
import random
import tarfile
from pathlib import Path

import pytest
from fuzzing.mutations import FRAGMENTS, mutated, packed
from fuzzing.outcomes import within
from fuzzing.reader_inputs import name_for, read_through, some_options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_fixtures import data_files, fixtures, readers

SECONDS = 20  # for one small file; nothing takes a tenth of it
# Where spaCy is not installed, the one that reads its files says so, which tests little else.
READERS = sorted(readers())

BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(lambda parts: "".join(parts).encode()),
    st.lists(
        st.one_of(st.sampled_from(FRAGMENTS).map(str.encode), st.binary(max_size=4)), max_size=30
    ).map(b"".join),
)  # fmt: skip


def attack(name, data, folder, chance, file_name="data.txt"):
    path = folder / file_name
    path.write_bytes(data)
    options = some_options(name, chance)
    place = str(path) + ("#train" if options["dev_fraction"] else "")
    with within(SECONDS):
        read_through(name, place, options)


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
                read_through(name, str(path), {"illegal_tags": rule} if own else {})


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
            read_through(name, str(path), {"on_error": "skip"})


def test_text_full_of_brackets_does_not_take_forever(tmp_path):
    """Where an annotated line may be followed in very many ways."""
    path = tmp_path / "data.txt"
    for name, type_, head in (("klp", "PS", "; {}\n${}\n"), ("kmou", "PER", "## 1\n## {}\n## {}\n")):
        one = f"<:{type_}>"
        text, annotated = one * 4800, f"<{one}{one}:{type_}>{one * 3}" * 960
        rows = "".join(f"{character}\t{character}\tSW\tO\n" for character in text)
        path.write_text(head.format(text, annotated) + rows, encoding="utf-8")
        with within(SECONDS):
            read_through(name, str(path), {})
