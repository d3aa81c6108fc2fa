"""Data paths: `PATH[!MEMBER][#SPLIT]` over a folder of files, archives and odd names."""

import functools
import io
import os
import random
import tarfile
import zipfile
from pathlib import Path

from reader_fixtures import readers

from fuzzing.mutations import cut, flipped, inserted
from fuzzing.outcomes import check_message
from ner_plugins.errors import NerError
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.opening import names_in, open_streams, splits_in

_NAMES = (
    "train.txt", "dev.txt", "a/train.txt", "b/train.txt", "a/dev.txt", "!.txt", "x!y/train.txt", "#train", "é.txt",
    "é.txt", ".hidden", "__MACOSX/train.txt", "a b/测试.txt", "[x].txt", "", "/", "../up.txt", "a//b.txt",
    "nul\x00.txt",
)  # fmt: skip
_PARTS = (
    "!", "#", "/", "//", ".", "..", "train", "dev", "test", "#train", "#dev", "#test", "#other", "a", "b", "train.txt",
    "data.zip", "data.tar", "data.tgz", "folder", "x!y", "é.txt", "é.txt", "测试.txt", " ", "\x00", "\ud800", "*", "[",
    "~", "$HOME", "file://", "ftp://x", "C:\\", "\n", "x" * 300,
)  # fmt: skip


def _archive(chance: random.Random, kind: str) -> bytes:
    made = io.BytesIO()
    names = chance.sample(_NAMES, chance.randrange(1, 6))
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as zipped:
            for name in names:
                zipped.writestr(zipfile.ZipInfo(name), b"x O\n")
    else:
        with tarfile.open(fileobj=made, mode="w:gz" if kind == "tgz" else "w") as tar:
            for name in names:
                info = tarfile.TarInfo(name)
                info.type = chance.choice([tarfile.REGTYPE] * 4 + [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
                info.linkname = chance.choice(["train.txt", "/etc/passwd", name])
                info.size = 4 if info.isreg() else 0
                tar.addfile(info, io.BytesIO(b"x O\n"))
    data = made.getvalue()
    return chance.choice([flipped, cut, inserted])(data, chance) if chance.random() < 0.3 else data


@functools.cache
def _furnished(folder: Path) -> Path:
    """A folder with files of every kind, made once."""
    place = folder / "paths"
    for name in ("folder/a", "folder/x!y", "empty"):
        (place / name).mkdir(parents=True)
    for name in ("train.txt", "folder/train.txt", "folder/a/dev.txt", "folder/x!y/train.txt", "a#train", "b!c"):
        (place / name).write_bytes(b"x O\n")
    os.symlink("nowhere", place / "broken")
    os.symlink(".", place / "folder" / "itself")
    return place


def attack_path(chance: random.Random, folder: Path) -> int:
    """One path, and often a new archive that it may lead to. Returns the number of bytes made."""
    place = _furnished(folder)
    size = 0
    if chance.random() < 0.3:
        kind = chance.choice(["zip", "tar", "tgz"])
        data = _archive(chance, kind)
        (place / f"data.{kind}").write_bytes(data)
        size = len(data)
    if chance.random() < 0.5:
        path = str(place / chance.choice(["folder", "train.txt", "data.zip", "data.tar", "data.tgz", "a#train", "b!c"]))
        path += "".join(chance.choice(_PARTS) for _ in range(chance.randrange(4)))
    else:
        path = "".join(chance.choice(_PARTS) for _ in range(chance.randrange(8)))
        path = path if chance.random() < 0.5 else f"{place}/{path}"
    reader = readers()[chance.choice(["msra", "cluener", "conll_ner", "kmou"])]()
    for use in (names_in, open_all, lambda parsed: splits_in(str(parsed), reader.choose_files)):
        try:
            parsed = DataPath.parse(path)
            if "://" in path or not path.strip():
                return size
            use(parsed) if use is not open_all else open_all(parsed, reader.choose_files)
        except NerError as error:
            check_message(error)
    return size


def open_all(place: DataPath, choose: object = None) -> None:
    """Opens and reads everything at a path."""
    for _, stream in open_streams(place, choose):  # type: ignore[arg-type]
        stream.read(1 << 20)
