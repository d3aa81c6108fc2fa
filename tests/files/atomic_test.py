"""Files written under a temporary name."""

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from ner_plugins.files.atomic import atomic_folder, atomic_path


@pytest.mark.parametrize("sync", [False, True])
def test_the_whole_file_at_the_end(tmp_path: Path, sync: bool) -> None:
    target = tmp_path / "f"
    target.write_text("old")
    with atomic_path(target, sync=sync) as partial:
        Path(partial).write_text("new")
        assert target.read_text() == "old"
        assert Path(partial).parent == tmp_path and Path(partial).name.startswith(".")
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("written", [True, False])
def test_an_error_leaves_the_earlier_file(tmp_path: Path, error: type[BaseException], written: bool) -> None:
    target = tmp_path / "f"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as partial:
        if written:
            Path(partial).write_text("new")
        raise error
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_name_without_a_folder_and_two_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with atomic_path("a") as first, atomic_path("b") as second:
        Path(first).write_text("1")
        Path(second).write_text("2")
    assert Path("a").read_text() == "1" and Path("b").read_text() == "2" and len(os.listdir()) == 2


def test_a_name_that_begins_like_the_target(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "f.th", hidden=False) as partial:
        assert Path(partial).name.startswith("f.th.partial-")
        Path(partial).write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["f.th"]


def test_a_long_name(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    with atomic_path(target) as partial:
        Path(partial).write_text("new")
    assert target.read_text() == "new"


def test_an_error_names_the_target(tmp_path: Path) -> None:
    target = tmp_path / "gone" / "f"
    with pytest.raises(FileNotFoundError) as caught, atomic_path(target) as partial:
        Path(partial).write_text("new")
    assert caught.value.filename == str(target)


def test_a_file_that_grows_too_large(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_text("old")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError) as caught, atomic_path(target) as partial:
            Path(partial).write_text("new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(target))
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "f"):
        (tmp_path / "input").read_text()
    assert caught.value.filename == str(tmp_path / "input")


def test_a_folder_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with atomic_folder(target) as partial:
        (Path(partial) / "file").write_text("x")
        assert not target.exists() and Path(partial).name.startswith(".")
    assert (target / "file").read_text() == "x" and list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError), atomic_folder(target) as partial:
        (Path(partial) / "file").write_text("y")
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "other") as partial:
        raise KeyboardInterrupt
    assert (target / "file").read_text() == "x" and list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError) as caught, atomic_folder(tmp_path / "gone" / "f"):
        pass
    assert caught.value.filename == str(tmp_path / "gone" / "f")
