import io
import json
import tarfile
from pathlib import Path

import pytest
from allennlp.common import Params

from ner_plugins.archives.copying import copy_with_thresholds
from ner_plugins.errors import ArchiveError


def make_archive(path: Path, config: bytes, prefix: str = "") -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("config.json", config), ("weights.th", b"w" * 1000), ("vocabulary/x.txt", b"v")):
            member = tarfile.TarInfo(prefix + name)
            member.size, member.mtime, member.mode = len(content), 12345, 0o640
            archive.addfile(member, io.BytesIO(content))


def members(path: Path) -> dict[str, tuple[bytes, int, int]]:
    with tarfile.open(path) as archive:
        return {m.name: (archive.extractfile(m).read(), m.mtime, m.mode) for m in archive}


@pytest.mark.parametrize("prefix", ["", "./"])
def test_only_the_thresholds_are_others(tmp_path: Path, prefix: str) -> None:
    old, new = tmp_path / "old.tar.gz", tmp_path / "new.tar.gz"
    config = {"model": {"type": "biaffine", "thresholds": 0.5}, "note": "青禾"}
    make_archive(old, json.dumps(config).encode(), prefix)
    copy_with_thresholds(str(old), str(new), {"PER.NAM": 0.25, "기관": 0.0})
    before, after = members(old), members(new)
    assert list(before) == list(after)
    changed = json.loads(after.pop(prefix + "config.json")[0])
    before.pop(prefix + "config.json")
    assert before == after
    assert changed == {**config, "model": {"type": "biaffine", "thresholds": {"PER.NAM": 0.25, "기관": 0.0}}}


def test_the_same_thresholds_make_the_same_file(tmp_path: Path) -> None:
    make_archive(tmp_path / "old.tar.gz", b'{"model": {}}')
    for name in ("a", "b"):
        copy_with_thresholds(str(tmp_path / "old.tar.gz"), str(tmp_path / name), {"A": 0.5})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_allennlp_reads_types_with_dots_and_takes_an_override(tmp_path: Path) -> None:
    make_archive(tmp_path / "old.tar.gz", b'{"model": {"dropout": 0.1}}')
    copy_with_thresholds(str(tmp_path / "old.tar.gz"), str(tmp_path / "new"), {"PER.NAM": 0.25, '"$': 0.5})
    (tmp_path / "config.json").write_bytes(members(tmp_path / "new")["config.json"][0])
    params = Params.from_file(tmp_path / "config.json", '{"model.dropout": 0.2}').as_dict()
    assert params["model"] == {"dropout": 0.2, "thresholds": {"PER.NAM": 0.25, '"$': 0.5}}
    without = Params.from_file(tmp_path / "config.json", '{"model.thresholds": 0}').as_dict()
    assert without["model"]["thresholds"] == 0


@pytest.mark.parametrize("config", [b"local x = 1; {}", b"[]", b'{"model": 3}', b"{}", b"\xff"])
def test_what_is_no_configuration(tmp_path: Path, config: bytes) -> None:
    make_archive(tmp_path / "old.tar.gz", config)
    with pytest.raises(ArchiveError, match=r"old\.tar\.gz.*config\.json"):
        copy_with_thresholds(str(tmp_path / "old.tar.gz"), str(tmp_path / "new"), {})


def test_an_archive_without_one(tmp_path: Path) -> None:
    make_archive(tmp_path / "old.tar.gz", b"{}", prefix="run/")
    with pytest.raises(ArchiveError, match=r"no config\.json"):
        copy_with_thresholds(str(tmp_path / "old.tar.gz"), str(tmp_path / "new"), {})
