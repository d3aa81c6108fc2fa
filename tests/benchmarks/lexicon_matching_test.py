"""The measuring script of the lexicon, on next to no data."""

import gzip
import importlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("lexicon_matching")


@pytest.fixture
def data(benchmark, tmp_path: Path) -> Path:
    words = ["南京", "南京市", "市长", "长江", "长江大桥", "大桥", "桥"]
    for name in (benchmark.SENTENCES, benchmark.WORDS):
        (tmp_path / name).parent.mkdir()
    lines = [json.dumps({"text": text}) for text in ("南京市长江大桥", "", "桥桥")]
    (tmp_path / benchmark.SENTENCES).write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / benchmark.WORDS).write_bytes(gzip.compress("".join(f"{word} 3 n\n" for word in words).encode()))
    return tmp_path


def test_the_sides_find_the_same(benchmark) -> None:
    draw = random.Random(0)
    words = list(dict.fromkeys("".join(draw.choices("甲乙丙", k=draw.randint(1, 4))) for _ in range(30)))
    matchers = [make(words) for make in benchmark.PEERS.values()]
    for _ in range(50):
        text = "".join(draw.choices("甲乙丙丁", k=draw.randint(0, 20)))
        first, *others = [match(text) for match in matchers]
        assert others == [first] * len(others)


def test_the_section_is_written(benchmark, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(side, min_length, arguments):
        return benchmark.measure_here(side, min_length, arguments.passes, arguments.data)

    monkeypatch.setattr(benchmark, "measure", measure)  # in this process
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\n## Z\n\nz\n")
    arguments = ["--repeats", "1", "--passes", "2", "--data", str(data), "--results", str(results)]
    monkeypatch.setattr(sys, "argv", ["lexicon_matching.py", *arguments])
    with pytest.raises(SystemExit) as done:
        benchmark.main()
    assert done.value.code == 0
    text = results.read_text()
    assert "7 words, 9 matches in 3 sentences" in text and "6 words, 6 matches in 3 sentences" in text
    assert text.count("| ours, `WordLexicon` |") == text.count("| trie of nested dicts |") == 2


def test_data_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/lexicon_matching.py"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "train.json.gz: not found; --data names" in done.stderr
