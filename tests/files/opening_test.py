import bz2
import gzip
import http.server
import io
import lzma
import os
import tarfile
import threading
import zipfile
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.errors import DataError
from ner_plugins.files import opening
from ner_plugins.files.data_paths import DataPath, choose_by_name
from ner_plugins.files.opening import Rewound, decompressed, names_in, open_streams, splits_in
from ner_plugins.files.text_lines import open_lines, read_lines

SPLIT_FILES = {"train": ("train.txt",), "dev": ("dev-*.txt", "valid.txt"), "test": ("test.txt",)}
FILES = {
    "corpus/train.txt": "a\nb\n",
    "corpus/dev-2.txt": "d2\n",
    "corpus/dev-1.txt": "d1\n",
    "corpus/README": "read\n",
}


def choose(names, split):
    return choose_by_name(names, split, SPLIT_FILES)


def read(path, **options):
    with_streams = open_streams(DataPath.parse(str(path)), choose, **options)
    return [(os.path.basename(name.replace("!", "/")), stream.read().decode()) for name, stream in with_streams]


def make_tar(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def make_folder(path, files):
    path.mkdir()
    for name, text in files.items():
        (path / name.rpartition("/")[2]).write_text(text)
    return path


CONTAINERS = {
    "folder": make_folder,
    "c.zip": make_zip,
    "c.tar": partial(make_tar, mode="w"),
    "c.tar.gz": make_tar,
    "c.tgz": make_tar,
    "c.tar.xz": partial(make_tar, mode="w:xz"),
    "without-suffix": make_tar,
}


@pytest.fixture(params=CONTAINERS)
def container(request, tmp_path):
    return CONTAINERS[request.param](tmp_path / request.param, FILES)


def test_splits_of_folders_and_archives(container):
    assert read(f"{container}#train") == [("train.txt", "a\nb\n")]
    assert read(f"{container}#dev") == [("dev-1.txt", "d1\n"), ("dev-2.txt", "d2\n")]


def test_members(container):
    assert read(f"{container}!README") == [("README", "read\n")]
    if not container.is_dir():
        assert read(f"{container}!corpus/README") == [("README", "read\n")]
        assert read(f"{container}!corpus#train") == [("train.txt", "a\nb\n")]
    assert list(open_lines(f"{container}!train.txt")) == [(1, "a"), (2, "b")]


def test_container_without_split_lists_those_it_has(container):
    with pytest.raises(DataError) as caught:
        read(container)
    assert f"{container}#train, {container}#dev" in str(caught.value)
    assert "#test" not in str(caught.value)
    with pytest.raises(DataError, match=r"without a split 'test'.*#train"):
        read(f"{container}#test")


def test_splits_that_the_reader_does_not_find(tmp_path):
    (tmp_path / "train.txt").touch()
    reader = CluenerReader()
    with pytest.raises(DataError, match=r"reader cluener finds none.*train\.json.*NER_READER.*NER_TRAIN.*train\.txt$"):
        list(reader.sentences(f"{tmp_path}#train"))
    (tmp_path / "train.json").touch()
    with pytest.raises(DataError, match=r"'dev'.*#train; .*\{\"type\": \"cluener\", \"dev_fraction\": 0\.1\}"):
        list(reader.sentences(f"{tmp_path}#dev"))
    with pytest.raises(DataError, match=r"without a split 'test'. Choose one of [^;]*#train$"):
        list(reader.sentences(f"{tmp_path}#test"))


def test_missing_member_names_the_closest(container):
    with pytest.raises(DataError, match=r"train\.txt"):
        read(f"{container}!trian.txt")


def test_container_whose_files_are_unknown_lists_them(tmp_path):
    make_folder(tmp_path / "f", {"other.txt": "x"})
    with pytest.raises(DataError, match=r"other\.txt"):
        read(tmp_path / "f")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it has none"):
        read(f"{tmp_path / 'empty'}#train")


def test_compressed_members_and_preference(tmp_path):
    path = make_tar(tmp_path / "c.tar", {"train.txt.gz": gzip.compress(b"zipped\n"), "valid.txt": "v\n"}, "w")
    assert read(f"{path}#train") == [("train.txt.gz", "zipped\n")]
    assert read(f"{path}#dev") == [("valid.txt", "v\n")]


def test_nearest_folder_wins_and_a_tie_is_an_error(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"a/train.txt": "1", "a/old/train.txt": "2", "__MACOSX/a/._train.txt": "3"})
    assert read(f"{path}#train") == [("train.txt", "1")]
    path = make_zip(tmp_path / "d.zip", {"a/train.txt": "1", "b/train.txt": "2"})
    with pytest.raises(DataError, match=r"d\.zip#train: several folders have train\.txt: a, b\. Choose one"):
        read(f"{path}#train")
    assert read(f"{path}!b#train") == [("train.txt", "2")]
    with pytest.raises(DataError, match="2 members are called"):
        read(f"{path}!train.txt")


def test_unsorted_compressed_tar_reads_in_order_of_names(tmp_path):
    names = [f"dev-{i:03}.txt" for i in range(50)]
    path = make_tar(tmp_path / "c.tar.gz", {name: name for name in reversed(names)})
    assert read(f"{path}#dev") == [(name, name) for name in names]


def test_hostile_names_are_only_names(tmp_path):
    (tmp_path / "box").mkdir()
    path = make_tar(tmp_path / "box" / "c.tar.gz", {"../../evil/train.txt": "x\n", "/abs/readme": "y\n"})
    assert read(f"{path}#train") == [("train.txt", "x\n")]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["box", "c.tar.gz"]


def test_links_in_a_tar_are_no_files(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = tmp_path / "c.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("train.txt")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
    with pytest.raises(DataError, match="it has none"):
        read(f"{path}#train")


@pytest.mark.parametrize("name", ["a#train", "a!b", "a!b#dev", "#", "!", "a.txt#x"])
def test_literal_names_go_first(tmp_path, name):
    (tmp_path / name).write_text("literal\n")
    assert list(open_lines(str(tmp_path / name))) == [(1, "literal")]


def test_folder_with_marks_in_its_name(tmp_path):
    folder = make_folder(tmp_path / "a!b#1", FILES)
    assert read(f"{folder}#train") == [("train.txt", "a\nb\n")]
    assert read(f"{folder}!README") == [("README", "read\n")]


def test_single_file_has_no_split_unless_asked(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("x")
    with pytest.raises(DataError, match="dev_fraction"):
        read(f"{path}#dev")
    assert read(f"{path}#dev", files_have_splits=True) == [("f.txt", "x")]
    archive = make_zip(tmp_path / "c.zip", FILES)
    with pytest.raises(DataError, match="dev_fraction"):
        read(f"{archive}!README#dev")
    assert read(f"{archive}!README#dev", files_have_splits=True) == [("README", "read\n")]
    with pytest.raises(DataError, match="not an archive"):
        read(f"{path}!member")


def test_missing_files(tmp_path):
    (tmp_path / "train.json.gz").touch()
    with pytest.raises(DataError, match=r"no such file. Did you mean .*train\.json\.gz\?"):
        read(tmp_path / "train.json")
    with pytest.raises(DataError, match=r"no such file. Did you mean .*train\.json\.gz\?"):
        read(f"{tmp_path / 'trian.json'}#train")
    with pytest.raises(DataError, match="no such folder either"):
        read(tmp_path / "nowhere" / "train.json")
    with pytest.raises(DataError, match=r"unknown split 'val'.*#dev"):
        read(f"{tmp_path}#val")


def test_directory_where_a_file_should_be(tmp_path):
    with pytest.raises(DataError, match="a folder, not a file"):
        list(open_lines(str(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a\nb\n",))
    writer.start()
    assert list(open_lines(str(tmp_path / "pipe"))) == [(1, "a"), (2, "b")]
    writer.join()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    (tmp_path / "f").write_text("x")
    (tmp_path / "f").chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        list(open_lines(str(tmp_path / "f")))


@pytest.fixture(scope="module")
def good_archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    make_zip(folder / "c.zip", FILES)
    make_tar(folder / "c.tar.gz", FILES)
    make_tar(folder / "c.tar", {**FILES, "x.gz": gzip.compress(b"x")}, "w")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_archives_raise_data_errors_only(good_archives, tmp_path_factory, data):
    blob = bytearray(data.draw(st.sampled_from(good_archives)))
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, min(len(blob) - 1, 700)))] = data.draw(st.integers(0, 255))
    del blob[data.draw(st.integers(len(blob) // 2, len(blob))) :]
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(blob)
    for suffix in ("", "#train", "!README"):
        try:
            lines = list(open_lines(f"{path}{suffix}", "replace") if suffix != "#train" else read(f"{path}#train"))
        except (DataError, UnicodeDecodeError):  # the latter from this module's own `read`
            continue
        assert lines is not None


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("allennlp.common.file_utils.CACHE_DIRECTORY", str(tmp_path / "cache"))
    (tmp_path / "www").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "www"))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", tmp_path / "www"
        httpd.shutdown()
        thread.join()


def test_urls(server):
    url, folder = server
    (folder / "f.txt.gz").write_bytes(gzip.compress(b"a\nb\n"))
    make_tar(folder / "c.tar.gz", FILES)
    assert list(open_lines(f"{url}/f.txt.gz")) == [(1, "a"), (2, "b")]
    assert read(f"{url}/c.tar.gz#dev") == [("dev-1.txt", "d1\n"), ("dev-2.txt", "d2\n")]
    assert read(f"{url}/c.tar.gz!corpus/README") == [("README", "read\n")]
    with pytest.raises(DataError, match=r"c\.tar\.gz#train"):
        read(f"{url}/c.tar.gz")
    with pytest.raises(DataError, match=r"nothing\.txt: cannot be read"):
        read(f"{url}/nothing.txt")


def test_large_compressed_tar_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_IN_MEMORY", 1)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    path = make_tar(tmp_path / "c.tar.gz", FILES)
    assert read(f"{path}#train") == [("train.txt", "a\nb\n")]
    assert os.listdir(tmp_path / "tmp") == []


def test_names_and_splits_of_containers(tmp_path):
    files = {**FILES, "corpus/.hidden": "", "__MACOSX/corpus/test.txt": "", "other/test.txt": ""}
    for path in (make_zip(tmp_path / "c.zip", files), make_tar(tmp_path / "c.tar.gz", files)):
        assert sorted(names_in(DataPath(str(path)))) == sorted([*FILES, "other/test.txt"])
        assert splits_in(f"{path}", choose) == ["train", "dev", "test"]
        assert sorted(names_in(DataPath(str(path), "corpus"))) == sorted(FILES)
        assert splits_in(f"{path}!corpus", choose) == ["train", "dev"]
        assert names_in(DataPath(str(path), "corpus/train.txt")) is None
        assert splits_in(f"{path}!corpus/train.txt", choose) == []
        with pytest.raises(DataError, match="no members are called 'corpse'"):
            names_in(DataPath(str(path), "corpse"))
    folder = make_folder(tmp_path / "folder", FILES)
    assert sorted(names_in(DataPath(str(folder)))) == ["README", "dev-1.txt", "dev-2.txt", "train.txt"]
    assert splits_in(str(folder), choose) == ["train", "dev"]
    assert splits_in(str(folder / "train.txt"), choose) == [] and names_in(DataPath(str(folder / "train.txt"))) is None


def test_splits_that_several_folders_have(tmp_path):
    path = make_zip(tmp_path / "c.zip", {"a/train.txt": "", "b/train.txt": ""})
    with pytest.raises(DataError, match=r"c\.zip: several folders have train\.txt: a, b.*Choose one"):
        splits_in(str(path), choose)
    assert splits_in(f"{path}!a", choose) == ["train"]


@given(st.lists(st.sampled_from(["", "ab", "字\r", "x" * 9])), st.integers(0, 12))
def test_gives_all_lines_again(lines: list[str], looked_at: int) -> None:
    data = "\n".join(lines).encode()
    stream = io.BytesIO(data)
    again = Rewound(stream.read(looked_at), stream)
    assert list(read_lines(again, "f")) == list(read_lines(io.BytesIO(data), "f"))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
@pytest.mark.parametrize("data", [b"a\nb\n", b""])
def test_compression_is_known_by_its_first_bytes(compress, data):
    raw = io.BufferedReader(io.BytesIO(compress(data)))
    assert decompressed(raw).read() == data


def test_truncated_gzip():
    data = gzip.compress(bytes(range(256)) * 100)[:-20]
    with pytest.raises(DataError, match=r"^f\.gz: cannot be read"):
        list(read_lines(decompressed(io.BufferedReader(io.BytesIO(data))), "f.gz", "replace"))
