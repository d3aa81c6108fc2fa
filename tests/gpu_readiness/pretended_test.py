"""Runs the tests on a pretended GPU, in a process of its own: torch cannot forget the pretended device again."""

import re
from pathlib import Path

import pytest
from forked import run_forked

HERE = Path(__file__).resolve().parent

PROGRAM = """
import os, sys
import pytest
code = pytest.main(["--no-header", "--tb=short", *sys.argv[1:]])
sys.stdout.flush()
os._exit(code)  # autograd's threads for the pretended device do not end
"""


@pytest.mark.parametrize("chosen", ["not exhaustive", pytest.param("exhaustive", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("file", ["devices.py", "waits.py"])
def test_on_a_pretended_gpu(file: str, chosen: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    options = ("-m", chosen, "-p", "no:cacheprovider", "--basetemp", tmp_path / "inner")
    done = run_forked(HERE / file, *options, script=program)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= (10 if chosen == "exhaustive" else 30) and not re.search("skipped|xfailed", done.stdout)
