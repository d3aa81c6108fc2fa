"""Changes of the bytes of a file, or of a JSON value, by chance."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
import zlib
from typing import Any

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
]  # fmt: skip

# What a JSON value may be that is wrong where another is expected.
WRONG: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**6, 10**12, 10**30, -(10**9), 0.5, -0.5, 1e308, float("inf"), float("nan"),
    "", " ", "x", "\ud800", "\u202e", "0", "null", "/", "..", "#train", "O", "B-X", [], {}, [[]], [None], [0, 1],
    [1, 0], ["x"], {"": None}, {"type": "x"}, {"type": 3}, {"x": {}},
)  # fmt: skip


def lines_swapped(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(FRAGMENTS).encode() + data[at:]


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 5, 50])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:start] + data[end:]


def repeated(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 40)]
    return data[:start] + piece * chance.choice([2, 3, 1000]) + data[start:]


def replaced(data: bytes, chance: random.Random) -> bytes:
    """One kind of character everywhere by another: the columns' separator, the line ends, a letter."""
    old, new = (chance.choice([b"\n", b"\t", b" ", b"-", b"B", b"O", b":", b"<", b'"', b"\x01"]) for _ in range(2))
    return data.replace(old, new)


def recoded(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "cp949", "utf-7"])
    return text.encode(encoding, "replace")


def line_ends(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\x85", b"\n\n", b"\n \n", b""]))


def json_changed(data: bytes, chance: random.Random) -> bytes:
    """A file of JSON lines, or of one JSON value, with a part of a value replaced."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        lines[at] = json.dumps(value_changed(json.loads(lines[at]), chance), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError):
        return inserted(data, chance)
    return b"\n".join(lines)


MUTATIONS = (lines_swapped, inserted, flipped, cut, repeated, replaced, recoded, line_ends, json_changed)


def packed(data: bytes, chance: random.Random) -> bytes:
    """The bytes compressed or in an archive, which may be damaged."""
    tar, zipped = io.BytesIO(), io.BytesIO()
    kind = chance.randrange(5)
    if kind == 3:
        with tarfile.open(fileobj=tar, mode=chance.choice(["w", "w:gz", "w:xz"])) as archive:
            info = tarfile.TarInfo("train.txt")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        made = tar.getvalue()
    elif kind == 4:
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.txt", data)
        made = zipped.getvalue()
    else:
        made = (gzip.compress, bz2.compress, lzma.compress)[kind](data)
    return chance.choice([lambda d, _: d, flipped, cut, inserted])(made, chance)


def size_unpacked(data: bytes) -> int:
    """The size of what is compressed in it, as far as it can be read; its own size if nothing is."""
    for opened in (gzip.open, bz2.open, lzma.open):
        size = 0
        unreadable = contextlib.suppress(OSError, EOFError, lzma.LZMAError, zlib.error)
        with unreadable, opened(io.BytesIO(data)) as file:
            while block := file.read(1 << 16):
                size += len(block)
        if size:
            return max(size, len(data))
    return len(data)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few changes of a file's bytes."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        data = chance.choice(MUTATIONS)(data or b"\n", chance)
    return packed(data, chance) if chance.random() < 0.1 else data


def generated(chance: random.Random) -> bytes:
    """Bytes, or fragments of the formats, in any order."""
    kind = chance.random()
    if kind < 0.2:
        return chance.randbytes(chance.randrange(200))
    parts = [chance.choice(FRAGMENTS).encode() for _ in range(chance.randrange(30))]
    if kind < 0.5:
        parts = [part if chance.random() < 0.7 else chance.randbytes(chance.randrange(5)) for part in parts]
    return b"".join(parts)


_PAIRS = (
    ("[", "]"), ('{"a":', "}"), ('{"text":"a","label":{"X":', "}}"), ("<", ":X>"), ("<a:X", ">"), ('["', '"]'),
    ('[{"text":"ab","label":[', "]}]"), ("\\", ""), ('"', ""), ('{"entities":[{"start":', "}]}"), ("<\\", ":"),
)  # fmt: skip


def nested(size: int, chance: random.Random) -> bytes:
    """Brackets within each other, about so many bytes, most of them not closed as they should be."""
    opening, closing = chance.choice(_PAIRS)
    depth = max(1, chance.choice([size, size, min(size, 20_000)]) // len(opening + closing))
    head, inner = chance.choice(["", "", "[", '{"text":"a","label":']), chance.choice(["", "a", "1", ",", "\n"])
    return (head + opening * depth + inner + closing * chance.choice([0, depth // 2, depth, depth + 1])).encode()


def broken_array(record: bytes, size: int, chance: random.Random) -> bytes:
    """A record of JSON again and again as an array of about so many bytes, of which one place or each is broken."""
    between = chance.choice([b",", b",\n", b"\n", b" ", b",,", b"]\n[", b",\n\n  ", b":", b"}"])
    many = [record] * max(2, size // (len(record) + len(between)))
    if chance.random() < 0.7:
        many[chance.randrange(len(many))] = chance.choice([cut, inserted, flipped])(record, chance)
    head, tail = chance.choice([b"[", b"[", b"[[", b"", b"[\n"]), chance.choice([b"]", b"", b"]]", b",]"])
    return head + between.join(many) + tail


def value_changed(value: Any, chance: random.Random, wrong: tuple[Any, ...] = WRONG) -> Any:
    """A copy of a JSON value with one part, found by going down by chance, replaced, removed or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        act = chance.random()
        if act < 0.1:
            return {name: part for name, part in value.items() if name != key}
        if act < 0.2:
            new = chance.choice(["", "x", "type", str(key) + "s", str(key)[:-1], "\u202e", "a.b"])
            return {new if name == key else name: part for name, part in value.items()}
        return {name: value_changed(part, chance, wrong) if name == key else part for name, part in value.items()}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        act = chance.random()
        if act < 0.1:
            return value[:at] + value[at + 1 :]
        if act < 0.2:
            return value[:at] + [value[at]] * 2 + value[at + 1 :]
        return [*value[:at], value_changed(value[at], chance, wrong), *value[at + 1 :]]
    return chance.choice([*wrong, [value], {"type": value} if isinstance(value, str) else {"x": value}])
