"""`allennlp predict`, as a user runs it."""

import gzip
import json
import shutil
import tarfile
from pathlib import Path

import pytest

OURS = ["--include-package", "ner_plugins"]
LINES = ["张三在北京大学读书", "", "\t王五\u3000来了👍 ", "x" * 5000, "e\u0301 张三"]


@pytest.fixture(scope="module")
def archive(trained: Path) -> Path:
    return trained / "model.tar.gz"


def predictions(done) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_plain_text_line_for_line(allennlp_afresh, archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "input.txt"
    file.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    found = predictions(allennlp_afresh("predict", archive, file, *OURS, LC_ALL="C"))
    assert [p["text"] for p in found] == LINES
    assert [p["id"] for p in found] == list(range(len(LINES)))
    for prediction in found:
        for entity in prediction["entities"]:
            assert prediction["text"][entity["start"] : entity["end"]] == entity["text"]


def test_json_lines_gzipped_and_an_output_file(allennlp, archive: Path, tmp_path: Path) -> None:
    records = [{"text": "张三", "id": "a"}, {"sentence": "李四在北京"}, {"text": ""}]
    with gzip.open(tmp_path / "input.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, records)))
    output = tmp_path / "out.jsonl"
    done = allennlp("predict", archive, tmp_path / "input.jsonl.gz", "--output-file", output, "--silent", *OURS)
    assert done.returncode == 0 and done.stdout == "", done.stderr
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(p["id"], p["text"]) for p in found] == [("a", "张三"), (1, "李四在北京"), (2, "")]


def test_an_output_file_is_written_whole_or_not_at_all(allennlp, archive: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.json", tmp_path / "out.json"
    source.write_text('{"text": "a"}\n{"text": 3}\n')
    output.write_text("earlier")
    done = allennlp("predict", archive, source, "--output-file", output, "--silent", *OURS)
    assert done.returncode == 1 and output.read_text() == "earlier"
    done = allennlp("predict", archive, source, "--output-file", source, *OURS)
    assert done.returncode == 1 and "is the input file" in done.stderr and source.read_text().startswith("{")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "out.json"]


@pytest.mark.parametrize("dangling", [False, True], ids=["to a file", "to nothing"])
def test_an_output_file_behind_a_link(allennlp, archive: Path, tmp_path: Path, dangling: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    if not dangling:
        target.write_text("earlier")
    done = allennlp("predict", archive, "-", "--output-file", link, "--silent", *OURS, input="张三\n")
    assert done.returncode == 0, done.stderr
    assert link.is_symlink() and json.loads(target.read_text(encoding="utf-8"))["text"] == "张三"


def test_a_full_disk_is_told_with_the_file(allennlp, archive: Path) -> None:
    done = allennlp("predict", archive, "-", "--output-file", "/dev/full", "--silent", *OURS, input="张三\n")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "error: No space left on device: /dev/full"


def test_json_read_as_text_is_noticed(allennlp, archive: Path) -> None:
    done = allennlp("predict", archive, "-", *OURS, input='{"text": "a"}\n')
    assert "--input-format json" in done.stderr and len(predictions(done)) == 1


def test_a_number_of_many_digits_is_a_bad_line_like_others(allennlp, archive: Path) -> None:
    lines = '{"text": "a", "id": ' + "9" * 5000 + '}\n{"text": "b"}\n'
    done = allennlp("predict", archive, "-", "--input-format", "json", "--on-error", "skip", *OURS, input=lines)
    assert [p["text"] for p in predictions(done)] == ["b"]


def test_standard_input_and_the_submission_layout(allennlp, archive: Path) -> None:
    done = allennlp("predict", archive, "-", "--format", "cluener", *OURS, input="张三\r\n李四\n")
    assert [sorted(p) for p in predictions(done)] == [["id", "label"]] * 2


def test_unreadable_lines(allennlp, archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b'{"text": "\xe5\xbc\xa0"}\n{"text": 3}\n{"text"\n\xff\xfe\n{"text": "b"}\n')
    done = allennlp("predict", archive, file, *OURS)
    assert done.returncode == 1 and f"{file}:2" in done.stderr and "--on-error skip" in done.stderr
    done = allennlp("predict", archive, file, "--on-error", "skip", *OURS)
    assert [(p["id"], p["text"]) for p in predictions(done)] == [(0, "张"), (4, "b")]
    assert [f"{file}:{line}" in done.stderr for line in (2, 3, 4)] == [True] * 3
    assert "3 of 5 lines" in done.stderr


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["nowhere.tar.gz", "-"], "nowhere.tar.gz"),
        (["{archive}", "nowhere.txt"], "nowhere.txt"),
        (["{archive}", "fixtures"], "a folder, not a file"),
        (["{archive}", "fixtures/sample#dev"], "a split of a corpus, not a file"),
        (["{archive}", "-", "--silent"], "--output-file"),
        (["{archive}", "-", "--batch-size", "-1"], "--batch-size"),
        (["{archive}", "-", "--batch-size", "0"], "--batch-size"),
        (["{archive}", "-", "--output-file", "nowhere/out.json"], "no folder"),
        (["{archive}", "-", "--cuda-device", "3"], "--cuda-device"),
    ],
)
def test_mistakes_end_in_one_message(allennlp, archive: Path, arguments: list[str], expected: str) -> None:
    done = allennlp("predict", *[a.replace("{archive}", str(archive)) for a in arguments], *OURS, input="")
    assert done.returncode == 1 and "Traceback" not in done.stderr and not done.stdout
    assert expected in next(line for line in done.stderr.splitlines() if line.startswith("error: "))


def repacked(archive: Path, folder: Path, change) -> Path:
    """The archive with its extracted files changed by `change`."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "content", filter="data")
    change(folder / "content")
    with tarfile.open(folder / "changed.tar.gz", "w:gz") as tar:
        for path in (folder / "content").iterdir():
            tar.add(path, arcname=path.name)
    return folder / "changed.tar.gz"


def test_an_archive_of_another_format(allennlp, archive: Path, tmp_path: Path) -> None:
    def age(content: Path) -> None:
        manifest = content / "ner_assets/manifest.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 999}))

    done = allennlp("predict", repacked(archive, tmp_path, age), "-", *OURS, input="")
    assert done.returncode == 1 and "format_version is 999" in done.stderr and "Traceback" not in done.stderr


def test_an_archive_without_its_assets(allennlp, archive: Path, tmp_path: Path) -> None:
    changed = repacked(archive, tmp_path, lambda content: shutil.rmtree(content / "ner_assets"))
    done = allennlp("predict", changed, "-", *OURS, input="")
    assert done.returncode == 1 and f"{changed}/ner_assets" in done.stderr and "Traceback" not in done.stderr


def test_columns_and_other_encodings_are_noticed(allennlp, archive: Path, tmp_path: Path) -> None:
    done = allennlp("predict", archive, "fixtures/msra/msra_train_bio", *OURS)
    assert len(predictions(done)) > 3 and done.stderr.count("--use-dataset-reader") == 1
    (tmp_path / "gbk.txt").write_text("张三在北京\n", encoding="gb18030")
    done = allennlp("predict", archive, tmp_path / "gbk.txt", *OURS)
    assert done.returncode == 1 and "iconv -f GB18030" in done.stderr and "encoding_errors" not in done.stderr
    done = allennlp("predict", archive, tmp_path / "gbk.txt", "--encoding", "gb18030", *OURS)
    assert [prediction["text"] for prediction in predictions(done)] == ["张三在北京"]


def test_with_the_dataset_reader(allennlp, archive: Path) -> None:
    done = allennlp("predict", archive, "fixtures/cluener/test.json", "--use-dataset-reader", *OURS)
    assert len(predictions(done)) == 3
