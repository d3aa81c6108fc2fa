"""Archives from strangers."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from ner_plugins.archives import reading as archives
from ner_plugins.archives.assets import is_loading
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.files.export_manifest import ExportManifest


def tar_with(path: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if member.isfile():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return path


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, link
    return info


HOSTILE = {
    "absolute": member("/tmp/evil"),
    "climbs": member("a/../../evil"),
    "symlink": member("link", tarfile.SYMTYPE, "/etc"),
    "hardlink": member("link", tarfile.LNKTYPE, "/etc/passwd"),
    "device": member("null", tarfile.CHRTYPE),
    "pipe": member("pipe", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_is_refused_by_name(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.tempfile, "mkdtemp", lambda **_: str((tmp_path / "out").mkdir() or tmp_path / "out"))
    path = tar_with(tmp_path / "model.tar.gz", member("config.json"), HOSTILE[kind])
    with pytest.raises(ArchiveError, match="Refused"), archives.extracted_archive(path):
        pass
    assert not (tmp_path / "out").exists(), "what was extracted before is deleted"
    assert sorted(os.listdir(tmp_path)) == ["model.tar.gz"]


def test_too_many_and_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar_with(tmp_path / "model.tar.gz", member("a"), member("b"), member("c"), content=b"12345")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ArchiveError, match="more than 2 members"), archives.extracted_archive(path):
        pass
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    monkeypatch.setattr(archives, "MAX_BYTES", 12)
    with pytest.raises(ArchiveError, match="15 bytes"), archives.extracted_archive(path):
        pass


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a complete model archive"), archives.extracted_archive(path):
        pass


def test_a_truncated_archive_says_so(tmp_path: Path) -> None:
    path = tar_with(tmp_path / "whole.tar.gz", member("weights.th"), content=os.urandom(50_000))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ArchiveError, match="copy it again"), archives.extracted_archive(cut):
        pass


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tar_with(tmp_path / "model.tar.gz", member("weights.th"), content=os.urandom(200_000))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a complete model archive"), archives.extracted_archive(path):
        pass


def test_a_full_disk_is_no_reason_for_distrust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar_with(tmp_path / "model.tar.gz", member("a"), content=b"12345")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3}))
    with pytest.raises(ArchiveError, match="TMPDIR") as refused, archives.extracted_archive(path):
        pass
    assert "trust" not in str(refused.value)


def test_a_good_archive_is_extracted_and_cleaned_up(tmp_path: Path) -> None:
    path = tar_with(tmp_path / "model.tar.gz", member("vocabulary", tarfile.DIRTYPE), member("vocabulary/labels.txt"))
    with archives.extracted_archive(path) as folder:
        assert (Path(folder) / "vocabulary/labels.txt").read_bytes() == b"x"
    assert not Path(folder).exists()


def test_allennlp_uses_the_safe_extraction() -> None:
    from allennlp.models import archival

    assert archival.extracted_archive is archives.extracted_archive


def test_components_know_that_they_are_being_loaded() -> None:
    seen = []
    archives._announcing(lambda: seen.append(is_loading()))()
    assert seen == [True] and not is_loading()


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(name: str) -> None:
    from allennlp.models import archival

    with pytest.raises(ConfigError, match="the name of the archive is empty"):
        archival.load_archive(name)


def test_an_exported_model_is_not_an_archive(tmp_path: Path) -> None:
    from allennlp.models import archival

    ExportManifest("onnx", ["name"], "0" * 64, "mine.tar.gz").write(tmp_path)
    with pytest.raises(ArchiveError, match=r"exported with --to onnx; its README\.md .* exported from, mine\.tar\.gz"):
        archival.load_archive(str(tmp_path))
