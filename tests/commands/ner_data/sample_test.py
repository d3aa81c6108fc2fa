from pathlib import Path

import pytest
from ner_data_actions import FIXTURES, read, run

from ner_plugins.errors import ConfigError


def test_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"{FIXTURES / 'sample'}#train"
    run("sample", source, tmp_path / "a.json", "-n", 20, "--seed", 1)
    assert capsys.readouterr().out.startswith(f"{tmp_path}/a.json: 20 sentences, ")
    run("sample", source, tmp_path / "b.bio", "-n", 20, "--seed", 1)
    everything, drawn = read(source), read(tmp_path / "a.json")
    places = [everything.index(sentence) for sentence in drawn]
    assert places == sorted(places) and read(tmp_path / "b.bio") == drawn
    run("sample", source, tmp_path / "c.json", "-n", 5, "--each-type", 4)
    types = [{e.type for e in entities} for _, entities in read(tmp_path / "c.json")]
    assert all(sum(type_ in there for there in types) >= 4 for type_ in set().union(*types)) and len(types) < 40
    assert "warning" not in capsys.readouterr().err
    run("sample", tmp_path / "c.json", tmp_path / "e.json", "-n", 1000)
    assert f"warning: {len(types)} sentences, though -n is 1,000" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="-n must be >= 1"):
        run("sample", source, tmp_path / "d.json", "-n", 0)
    assert not (tmp_path / "d.json").exists()
