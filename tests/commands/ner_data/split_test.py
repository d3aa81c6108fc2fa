import os
import shlex
from pathlib import Path

import pytest
from ner_data_actions import FIXTURES, read, run

from ner_plugins.errors import ConfigError, DataError, NerError


@pytest.mark.parametrize("format", ["cluener", "bmes", "brackets", "datasets"])
def test_split(tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"{FIXTURES / 'sample'}#train"
    out = tmp_path / "out"
    run("split", source, "-o", out, "--dev", 0.2, "--test", 0.1, "--seed", 5, "--to", format, "--compress", "gz")
    *lines, last = capsys.readouterr().out.splitlines()
    named = [Path(line.split(": ")[0]) for line in lines]
    assert [path.name.partition(".")[0] for path in named] == ["train", "dev", "test"]
    assert sorted(named) == sorted(out.iterdir()) and all(path.read_bytes()[:2] == b"\x1f\x8b" for path in named)
    spec = shlex.split(last.partition("--reader ")[2])[0]
    assert last.startswith(f"to read them: {out}#train {out}#dev {out}#test --reader ")
    parts = [read(f"{out}#{split}", spec) for split in ("train", "dev", "test")]
    assert sorted(s for part in parts for s in part) == sorted(read(source)) and min(map(len, parts)) > 100


def test_split_defaults_and_mistakes(tmp_path: Path) -> None:
    source = f"{FIXTURES / 'sample'}#dev"
    run("split", source, "-o", tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["dev.json", "train.json"]
    with pytest.raises(ConfigError, match="exists"):
        run("split", source, "-o", tmp_path / "out")
    with pytest.raises(ConfigError, match="the input itself"):
        run("split", f"{tmp_path}/out/train.json", "-o", tmp_path / "out", "--force")
    with pytest.raises(NerError, match='format is "xml"; it can be'):
        run("split", source, "-o", tmp_path / "new", "--to", "xml")
    with pytest.raises(DataError, match="no such file"):
        run("split", tmp_path / "no", "-o", tmp_path / "new")
    assert os.listdir(tmp_path) == ["out"]
    with pytest.raises(ConfigError, match="is a file: name a folder for the splits"):
        run("split", source, "-o", tmp_path / "out/dev.json")
