import argparse
import gzip
import hashlib
import io
import json
import os
import shlex
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from local_server import cut, local_server, status, without_ranges

from ner_plugins.commands.ner_data import download as command
from ner_plugins.data_tools.download.catalogue import (
    PublicCorpus,
    PublishedFile,
    Source,
    choose_corpora,
    load_catalogue,
)
from ner_plugins.data_tools.download.corpus_files import Downloaded, check_permission, download
from ner_plugins.data_tools.download.http import DownloadError, Fetcher
from ner_plugins.errors import ConfigError

TRAIN = ("海 B-LOC\n钓 O\n\n" * 9000).encode()
DEV = "林 B-PER\n晓 I-PER\n\n".encode()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with local_server() as running:
        running.files = {"/train.txt": TRAIN, "/dev.txt": DEV}
        yield running


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(server, licence=None):
    """A corpus of two files, as a catalogue has it."""
    sources = [
        {"address": server.address + path, "name": path[1:], "size": len(data), "sha256": sha256(data)}
        for path, data in {"/train.txt": TRAIN, "/dev.txt": DEV}.items()
    ]
    licence = licence or {"terms": "CC0", "stated": "https://example.org"}
    return {"description": "Mine", "types": ["PER"], "reader": "conll_ner", "licence": licence, "sources": sources}


@pytest.fixture
def catalogue(server, tmp_path):
    asking = {"terms": "For fun only", "stated": "https://example.org/terms", "accept": True}
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps({"mine": entry(server), "asks": entry(server, asking)}))
    return str(path)


@pytest.fixture
def corpus(catalogue):
    return load_catalogue(catalogue)["mine"]


def get(corpus, folder, **options):
    return download(corpus, folder, Fetcher(backoff=0, **options))


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_whole_and_not_again(server, corpus, tmp_path):
    folder = tmp_path / "deep" / "mine"
    assert get(corpus, folder) == Downloaded(folder, 2, 0)
    assert files(folder) == {"train.txt": TRAIN, "dev.txt": DEV}
    assert get(corpus, folder) == Downloaded(folder, 0, 2) and len(server.requests) == 2
    (folder / "dev.txt").unlink()
    assert get(corpus, folder) == Downloaded(folder, 1, 1) and server.requests[-1][0] == "/dev.txt"


def test_interrupted_and_resumed(server, corpus, tmp_path):
    server.answers.append(cut(1 << 14))
    with pytest.raises(DownloadError):
        get(corpus, tmp_path / "d", attempts=1)
    assert sorted(os.listdir(tmp_path / "d")) == ["train.txt.part", "train.txt.part.json"]
    assert get(corpus, tmp_path / "d", attempts=1).fetched == 2
    assert server.ranges == [None, f"bytes={1 << 14}-", None] and server.served == len(TRAIN + DEV)
    assert files(tmp_path / "d") == {"train.txt": TRAIN, "dev.txt": DEV}


def test_pieces_of_two_versions_are_fetched_once_more(server, corpus, tmp_path):
    server.validators = {}
    server.files["/train.txt"] = TRAIN[::-1]
    server.answers.append(cut(1 << 14))
    with pytest.raises(DownloadError):
        get(corpus, tmp_path / "d", attempts=1)
    server.files["/train.txt"] = TRAIN
    assert get(corpus, tmp_path / "d").fetched == 2
    assert server.ranges == [None, f"bytes={1 << 14}-", None, None]
    assert files(tmp_path / "d") == {"train.txt": TRAIN, "dev.txt": DEV}


@pytest.mark.parametrize("resumed", [False, True])
def test_a_wrong_checksum_keeps_nothing(server, corpus, tmp_path, resumed):
    wrong = TRAIN[:-1] + b" "
    server.files["/train.txt"] = wrong
    if resumed:
        server.answers += [cut(1 << 14), without_ranges, cut(1 << 14)]
    expected = f"expected {len(TRAIN)} bytes with sha256 {sha256(TRAIN)}, found {len(wrong)} with {sha256(wrong)}"
    with pytest.raises(DownloadError, match=f"/train.txt: not the published file: {expected}. Nothing was kept"):
        get(corpus, tmp_path / "d")
    assert files(tmp_path / "d") == {}


@pytest.mark.parametrize("device", ["/dev/zero", "/"])
def test_a_target_that_is_no_file_is_not_read(server, corpus, tmp_path, device):
    (tmp_path / "dev.txt").symlink_to(device)
    with pytest.raises(DownloadError, match=r"dev.txt exists, but is not the published file. Move it away"):
        get(corpus, tmp_path)
    assert (tmp_path / "dev.txt").is_symlink()


def test_another_file_of_the_name_is_never_replaced(server, corpus, tmp_path):
    (tmp_path / "dev.txt").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"dev.txt exists, but is not the published file. Move it away"):
        get(corpus, tmp_path)
    assert (tmp_path / "dev.txt").read_bytes() == b"mine"


def test_a_file_in_the_place_of_the_folder(corpus, tmp_path):
    (tmp_path / "d").write_text("")
    with pytest.raises(DownloadError, match=f"{tmp_path}/d: File exists"):
        get(corpus, tmp_path / "d")


# Archives

SET = {f"{number:03}.txt": f"문장 {number}\n".encode() * number for number in range(1, 40)}
LICENCE = b"Do what you like.\n"
FOLDER = "말뭉치 - 형태소"


def set_digest(folder: Path) -> str:
    """As the catalogue's docstring says it is made."""
    script = "LC_ALL=C sha256sum -- *.txt | sha256sum"
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


@pytest.fixture
def published(server, tmp_path):
    """A corpus in an archive, as a source of the catalogue."""
    source = tmp_path / "source"
    source.mkdir()
    for name, data in SET.items():
        (source / name).write_bytes(data)
    chosen = (
        PublishedFile("LICENSE", len(LICENCE), sha256(LICENCE)),
        PublishedFile(f"{FOLDER}/*.txt", sum(map(len, SET.values())), set_digest(source), len(SET)),
    )
    archive = Source(f"{server.address}/abc.tar.gz", chosen, 1_000_000, archive=True)
    licence = load_catalogue()["weibo"].licence
    return PublicCorpus("mine", "Mine", (), "conll_ner", licence, (archive,))


MEMBERS = {
    "NER-abc/LICENSE": LICENCE,
    "NER-abc/other/LICENSE": b"another",
    "NER-abc/other/001.txt": b"another",
    **{f"NER-abc/{FOLDER}/{name}": data for name, data in reversed(SET.items())},
    f"NER-abc/{FOLDER}/readme.md": b"",
}
UNPACKED = {"LICENSE": LICENCE, **SET}


def as_tar(members, mode="w:gz", extra=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for info in extra:
            tar.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def as_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("NER-abc/", b"")
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [as_tar, as_zip, lambda members: as_tar(members, "w")])
def test_members_of_archives(server, published, tmp_path, pack):
    server.files["/abc.tar.gz"] = pack(MEMBERS)
    assert get(published, tmp_path / "d") == Downloaded(tmp_path / "d", 40, 0)
    assert files(tmp_path / "d") == UNPACKED
    assert get(published, tmp_path / "d").present == 40 and len(server.requests) == 1


def test_names_in_another_unicode_form(server, published, tmp_path):
    import unicodedata

    server.files["/abc.tar.gz"] = as_tar({unicodedata.normalize("NFD", name): data for name, data in MEMBERS.items()})
    get(published, tmp_path / "d")
    assert files(tmp_path / "d") == UNPACKED


def test_a_part_of_a_set_is_completed(server, published, tmp_path):
    server.files["/abc.tar.gz"] = as_tar(MEMBERS)
    get(published, tmp_path / "d")
    (tmp_path / "d" / "007.txt").unlink()
    assert get(published, tmp_path / "d").fetched == 40 and files(tmp_path / "d") == UNPACKED
    (tmp_path / "d" / "007.txt").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"007.txt exists, but is not the published file"):
        get(published, tmp_path / "d")
    assert (tmp_path / "d" / "007.txt").read_bytes() == b"mine"


def test_links_and_paths_that_lead_out(server, published, tmp_path):
    link = tarfile.TarInfo(f"NER-abc/{FOLDER}/000.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hosts"
    out = tarfile.TarInfo("../../001.txt")
    server.files["/abc.tar.gz"] = as_tar(MEMBERS, extra=(link, out))
    get(published, tmp_path / "d")
    assert files(tmp_path / "d") == UNPACKED


def without(name):
    return {key: data for key, data in MEMBERS.items() if not key.endswith(name)}


BAD = {
    "changed": (as_tar({**MEMBERS, f"NER-abc/{FOLDER}/009.txt": SET["009.txt"][::-1]}), r"\*.txt: not the published"),
    "endless": (as_tar({**MEMBERS, "NER-abc/LICENSE": LICENCE * 999}), rf"found {len(LICENCE) + 1} with"),
    "fewer": (as_tar(without("009.txt")), r"38 members match .*/\*.txt \(expected 39\)"),
    "more": (as_tar({**MEMBERS, f"NER-abc/{FOLDER}/a.txt": b""}), r"40 members match .*/\*.txt \(expected 39\)"),
    "none": (as_tar(without("LICENSE")), r"0 members match LICENSE \(expected one\)"),
    "two folders": (as_tar({**MEMBERS, "NER-b/LICENSE": LICENCE}), r"2 members match LICENSE"),
    "web page": (b"<html>Sign in", "cannot be read: neither a zip nor a tar"),
    "empty": (b"", "cannot be read"),
    "truncated": (as_tar(MEMBERS)[:-60], "cannot be read|members match"),
    "truncated zip": (as_zip(MEMBERS)[:-60], "cannot be read"),
    "flipped": (as_zip(MEMBERS).replace(b"PK\x01\x02", b"PK\x01\x03"), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_archives_that_are_not_the_published_ones(server, published, tmp_path, name):
    data, message = BAD[name]
    server.files["/abc.tar.gz"] = data
    with pytest.raises(DownloadError, match=message) as caught:
        get(published, tmp_path / "d")
    assert files(tmp_path / "d") == {} and "\n" not in str(caught.value)


def test_an_archive_that_never_ends(server, published, tmp_path):
    server.files["/abc.tar.gz"] = bytes(1_000_001)
    with pytest.raises(DownloadError, match=r"has 1000001 bytes \(expected at most 1000000 bytes\)"):
        get(published, tmp_path / "d")


def test_a_broken_archive_that_was_resumed_is_fetched_once_more(server, published, tmp_path):
    server.validators = {}
    server.files["/abc.tar.gz"] = bytes(40_000)
    server.answers.append(cut(1 << 14))
    with pytest.raises(DownloadError):
        get(published, tmp_path / "d", attempts=1)
    server.files["/abc.tar.gz"] = as_tar(MEMBERS, "w")
    get(published, tmp_path / "d")
    assert server.ranges == [None, f"bytes={1 << 14}-", None] and files(tmp_path / "d") == UNPACKED


# Permission

OURS = load_catalogue()


def test_licences_are_accepted_by_name():
    asking = choose_corpora(OURS, ["weibo", "kmou", "resume"])
    with pytest.raises(ConfigError) as caught:
        check_permission(asking, [])
    message = str(caught.value)
    assert "no commercial use" in message and "https://github.com/kmounlp/NER (LICENSE" in message
    assert "resume: No licence is stated" in message
    assert message.endswith("If you accept this, add --accept-licence kmou --accept-licence resume")
    with pytest.raises(ConfigError, match="resume: No licence"):
        check_permission(asking, ["kmou"])
    check_permission(asking, ["kmou", "resume"])
    check_permission(asking, ["kmou", "resume", "weibo"])
    with pytest.raises(ConfigError, match="--accept-licence kmuo: kmuo is not among the corpora"):
        check_permission(asking, ["kmuo"])


ASKED = {"msra": "SIGHAN", "conll2003": "NIST", "ontonotes4": "LDC2011T03", "ccks_address": "tianchi"}


@pytest.mark.parametrize("name, where", ASKED.items())
def test_what_cannot_be_fetched_says_where_to_ask(name, where):
    with pytest.raises(ConfigError, match=rf"{name} cannot be fetched: .*Where to ask: .*{where}.*reader {name}"):
        check_permission(choose_corpora(OURS, ["weibo", name]), [])


# The command


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, arguments))))


def test_command(server, catalogue, tmp_path, capsys):
    folder = tmp_path / "my data"
    run("mine", "asks", "-o", folder, "--catalogue", catalogue, "--accept-licence", "asks")
    out = capsys.readouterr().out
    assert files(folder / "mine") == files(folder / "asks") == {"train.txt": TRAIN, "dev.txt": DEV}
    assert f"mine: 2 files, 0.2 MB, in {folder}/mine (2 fetched, 0 there already)\n  Licence: CC0" in out
    (line,) = (line for line in out.splitlines() if "Train: NER_DATA=" in line and "/mine" in line)
    data, name, *rest = shlex.split(line.partition("Train: ")[2])
    assert data == f"NER_DATA={folder}/mine" and name == "allennlp" and rest[:2] == ["train", command._CONFIG]
    assert json.loads(rest[rest.index("-o") + 1]) == {"dataset_reader.type": "conll_ner"}
    run("mine", "-o", folder, "--catalogue", catalogue)
    assert "(0 fetched, 2 there already)" in capsys.readouterr().out and len(server.requests) == 4


def test_the_config_has_the_reader_that_needs_no_option(repository):
    assert f"type: '{command._READER_OF_CONFIG}'" in (repository / "training_config/lib/base.libsonnet").read_text()
    assert (repository / command._CONFIG).is_file()


def test_nothing_is_fetched_before_everything_is_permitted(server, catalogue, tmp_path):
    with pytest.raises(ConfigError, match=r"asks: For fun only. See https://example.org/terms. If you accept this"):
        run("mine", "asks", "-o", tmp_path / "d", "--catalogue", catalogue)
    assert not server.requests and not (tmp_path / "d").exists()


def test_no_name():
    with pytest.raises(ConfigError, match=r"name a corpus to fetch: weibo, .*--list"):
        run()


def test_list(server, catalogue, capsys):
    run("--list", "--catalogue", catalogue)
    out = capsys.readouterr().out
    assert all(f"{name} (reader " in out for name in (*OURS, "mine", "asks")) and not server.requests
    assert "Needs --accept-licence kmou" in out and "Needs --accept-licence weibo" not in out
    assert max(map(len, out.splitlines())) <= 100
    run("--list", "msra")
    assert capsys.readouterr().out.startswith("msra (reader msra)\n  Chinese news")


def test_as_a_user_does(server, catalogue, tmp_path, allennlp):
    server.answers.append(status(404))
    arguments = ("ner-data", "download", "mine", "-o", tmp_path / "d", "--catalogue", catalogue)
    failed = allennlp(*arguments, NO_PROXY="*")
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert failed.stderr.strip().endswith("It may have moved, or no longer be public")
    done = allennlp(*arguments, NO_PROXY="*")
    assert done.returncode == 0 and done.stdout.startswith("mine: 2 files") and done.stderr == ""
    assert (tmp_path / "d/mine/train.txt").read_bytes() == TRAIN


@pytest.mark.data
def test_kmou_as_its_host_packs_it(server, shared_data, tmp_path):
    """The real corpus, under the folder that GitHub puts above a commit's files, and among the repository's others."""
    corpus = OURS["kmou"]
    (source,) = corpus.sources
    with gzip.open(shared_data / "kmou/kmou_ner.tar.gz") as raw, tarfile.open(fileobj=raw) as tar:
        members = {
            info.name.replace("kmou_ner/", "NER-1e557de738b8/", 1): tar.extractfile(info).read()
            for info in tar
            if info.isreg()
        }
    server.files["/kmou"] = as_tar({**members, "NER-1e557de738b8/2016klp/ner.txt": b""}, "w")
    local = Source(f"{server.address}/kmou", source.files, source.at_most, archive=True)
    here = PublicCorpus("kmou", "", (), "kmou", corpus.licence, (local,))
    assert get(here, tmp_path / "kmou").fetched == 1428
    assert sum(path.stat().st_size for path in (tmp_path / "kmou").iterdir()) == corpus.size
    from allennlp.data import DatasetReader

    import ner_plugins.dataset_readers  # noqa: F401

    reader = DatasetReader.by_name("kmou")()
    assert sum(1 for _ in reader.sentences(f"{tmp_path}/kmou#dev")) == 931
