import json
import os
import shlex
from pathlib import Path

import pytest
from allennlp_command import CommandRunner
from ner_data_actions import CLUENER, FIXTURES, read, run

from ner_plugins.errors import ConfigError, DataError


@pytest.mark.parametrize("name", ["a.jsonl", "b.json.gz", "c.brackets"])
def test_convert_by_name(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("convert", f"{CLUENER}#train", tmp_path / name)
    line, rest = capsys.readouterr().out.split("\n")
    assert line.startswith(f"{tmp_path / name}: 8 sentences, 17 entities (") and not rest
    spec = shlex.split(line.partition("to read it: --reader ")[2])[0]
    assert read(tmp_path / name, spec) == read(f"{CLUENER}#train") == read(tmp_path / name)


@pytest.mark.parametrize("format", ["bio", "iob1", "bioes", "bmes", "bmeo", "bioul"])
def test_convert_to_columns_and_back(tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"{FIXTURES / 'sample'}#dev"
    run("convert", source, tmp_path / "a.txt", "--to", format)
    spec = shlex.split(capsys.readouterr().out.partition("to read it: --reader ")[2])[0]
    assert json.loads(spec)["type"] == "conll_ner"
    run("convert", tmp_path / "a.txt", tmp_path / "b.json", "--reader", spec)
    assert read(tmp_path / "b.json", "cluener") == read(source)
    assert read(tmp_path / "a.txt") == read(source)  # guessed as well


def test_convert_any_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("msra", "weibo", "kmou", "germeval", "conll2003"):
        run("convert", f"{FIXTURES / name}#train", tmp_path / f"{name}.json")
        assert read(tmp_path / f"{name}.json", "cluener") == read(f"{FIXTURES / name}#train")
    assert "of the input" in capsys.readouterr().out  # weibo's illegal tags


def test_convert_words(tmp_path: Path) -> None:
    dev = FIXTURES / "datasets_rows" / "dev.jsonl"
    run("convert", dev, tmp_path / "a.bioul", "--tokens", "words")
    assert (tmp_path / "a.bioul").read_text(encoding="utf-8").startswith("민준은\tO\n서울\tB-LOC\n시청에서\tL-LOC\n")
    assert read(tmp_path / "a.bioul", {"type": "conll_ner", "join": " "}) == read(dev)


def test_convert_overlaps_and_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"train\.json:2: .*--overlaps longest"):
        run("convert", f"{CLUENER}#train", tmp_path / "a.bio")
    run("convert", f"{CLUENER}#train", tmp_path / "a.bio", "--overlaps", "longest")
    assert "15 entities (bio); 2 entities left out" in capsys.readouterr().out
    source = tmp_path / "s.json"
    source.write_text('{"text": "a"}\n{"text": 1}\n{"text": "b\\ud800"}\n')
    with pytest.raises(DataError, match=r"s\.json:2"):
        run("convert", source, tmp_path / "a.jsonl")
    run("convert", source, tmp_path / "a.jsonl", "--on-error", "skip")
    line = capsys.readouterr().out
    assert "1 sentence, 0 entities (datasets); 1 sentence skipped; of the input 1 unreadable records skipped" in line
    # What the reader's own options say stands.
    run("convert", source, tmp_path / "b.json", "--reader", '{"type": "cluener", "on_error": "skip"}')
    assert "2 sentences" in capsys.readouterr().out


def test_convert_refuses_to_overwrite(tmp_path: Path) -> None:
    source = tmp_path / "s.json"
    source.write_text('{"text": "a"}\n')
    (tmp_path / "link.json").symlink_to(source)
    for name in ("s.json", "link.json"):
        with pytest.raises(ConfigError, match="the input itself"):
            run("convert", source, tmp_path / name, "--force")
    (tmp_path / "o.json").write_text("old")
    with pytest.raises(ConfigError, match="--force replaces it"):
        run("convert", source, tmp_path / "o.json")
    run("convert", source, tmp_path / "o.json", "--force")
    assert read(tmp_path / "o.json") == [("a", None)]


def test_convert_as_a_command(allennlp: CommandRunner, tmp_path: Path) -> None:
    done = allennlp("ner-data", "convert", f"{CLUENER}#train", "-", "--to", "brackets", input=b"")
    assert done.returncode == 0 and len(done.stdout.decode().splitlines()) == 8
    assert done.stdout.startswith("<青禾银行:company>的<林晓彤:name>".encode())
    assert b"-: 8 sentences, 17 entities (brackets); to read it: --reader brackets_ner\n" in done.stderr
    done = allennlp("ner-data", "convert", f"{CLUENER}#train", tmp_path / "a.bio", input=b"")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(b"error: ") and not os.listdir(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    "path, counts",
    [
        ("cluener2020#dev", (1343, 3072)),
        ("weibo#train", (1350, None)),
        ("germeval2014#dev", (2200, 2886)),
        ("resume#dev", (463, 1497)),
    ],
)
def test_real_corpora(shared_data: Path, tmp_path: Path, path: str, counts: tuple[int, int | None]) -> None:
    source = shared_data / path
    expected = read(source)
    assert len(expected) == counts[0] and counts[1] in (None, sum(len(e) for _, e in expected))
    for name in ("a.json", "a.jsonl.gz", "a.brackets"):
        run("convert", source, tmp_path / name, "--on-error", "skip")
        assert read(tmp_path / name) == expected
    run("convert", source, tmp_path / "a.bmes", "--overlaps", "longest")
    assert [text for text, _ in read(tmp_path / "a.bmes")] == [text for text, _ in expected]
