import bz2
import contextlib
import gzip
import lzma
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.files.output_files import dump_json, open_output, without_compression


def write(path: Any, data: bytes = b"new", **options: Any) -> None:
    with open_output(str(path), **options) as stream:
        stream.write(data)


@pytest.mark.parametrize("suffix, read", [("", bytes), (".gz", gzip.decompress), (".BZ2", bz2.decompress),
                                          (".xz", lzma.decompress)])  # fmt: skip
def test_writes_and_compresses(tmp_path: Path, suffix: str, read: Any) -> None:
    write(tmp_path / f"a{suffix}", b"text" * 1000)
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert read(data) == b"text" * 1000 and (len(data) < 200 or not suffix)
    assert without_compression(f"a.b{suffix}") == "a.b"


def test_takes_its_name_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with open_output(str(path)) as stream:
        stream.write(b"x")
        assert not path.exists() and all(p.name.startswith(".") for p in tmp_path.iterdir())
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), open_output(str(path), force=True) as stream:
        stream.write(b"x")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_two_at_a_time(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "a")) as first, open_output(str(tmp_path / "b")) as second:
        first.write(b"1")
        second.write(b"2")
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"1", b"2"]


def test_force(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ConfigError, match=r"a exists\. --force"):
        write(path)
    write(path, force=True)
    assert path.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_links_stay_links(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link, force=True)
    assert link.is_symlink() and target.read_bytes() == b"new"


def test_a_link_to_nothing_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"
    (tmp_path / "lost").symlink_to(tmp_path / "no/target")
    with pytest.raises(ConfigError, match=r"lost: there is no folder .*/no\. Make it"):
        write(tmp_path / "lost")


@pytest.mark.parametrize("data", [b"x", b"x" * 100_000], ids=["at the end", "at once"])
def test_a_full_device_is_named(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No space left") as full:
        write("/dev/full", data)
    assert full.value.filename == "/dev/full"
    stream = open("/dev/full", "w")  # noqa: SIM115 (closing it is an error)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(OSError, match="No space left") as full:
        write("-", data)
    assert full.value.filename == "standard output"
    with contextlib.suppress(OSError):
        stream.close()


def test_a_pipe_as_dev_stdout(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    code += "from ner_plugins.files.output_files import open_output\n"
    code += "with open_output('/dev/stdout', force=True) as stream: stream.write(b'new')"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"new"
    with open(tmp_path / "file", "wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "file").read_bytes() == b"new"


def test_pipes_and_devices(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join()
    assert got == [b"new"] and pipe.is_fifo()
    write("/dev/null")


def test_standard_output(capfdbinary: Any) -> None:
    write("-", "晴\n".encode())
    assert capfdbinary.readouterr().out == "晴\n".encode()


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder: name a file in it"):
        write(tmp_path, force=True)
    with pytest.raises(ConfigError, match=r"there is no folder .*/no\. Make it"):
        write(tmp_path / "no" / "a")
    with pytest.raises(ConfigError, match="name of the file to write is empty"):
        write("")


def test_json_keeps_characters_unless_utf8_cannot() -> None:
    assert dump_json({"text": "张三👍"}) == '{"text": "张三👍"}'
    assert dump_json({"text": "\ud800"}) == '{"text": "\\ud800"}'
