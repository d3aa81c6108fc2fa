"""
Whole commands where much is missing: no right to write beside the package or into caches, no home folder, locale C,
`python -O`, and names and encodings that need care.
"""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import TIMEOUT
from served_models import wait_until

OURS = ["--include-package", "ner_plugins"]
# Commands in one process, which imports everything once.
PROGRAM = """
import json, sys
from allennlp.__main__ import run
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["allennlp", *arguments]
    run()
import ner_plugins
print(ner_plugins.__file__)
"""


def without_rights(locked: Path) -> list[str]:
    """What a command begins with so that permissions count, as they do for all users but root."""
    locked.mkdir()
    locked.chmod(0)
    if not (hasattr(os, "geteuid") and os.geteuid() == 0):
        return []
    lost = "-dac_override,-dac_read_search"
    command = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}"]
    if not shutil.which("setpriv") or subprocess.run([*command, "ls", locked], capture_output=True).returncode == 0:
        pytest.skip("root's rights cannot be taken away here")
    return command


@pytest.fixture
def package(repository: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a copy of the package in which nothing can be written."""
    folder = tmp_path / "checkout"
    shutil.copytree(repository / "ner_plugins", folder / "ner_plugins")
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield folder
    for path in folders:
        path.chmod(0o755)


def corpora(folder: Path, repository: Path) -> dict[str, str]:
    """Files with CRLF: in UTF-16 with a mark for training and prediction, in GB18030 for development."""
    folder.mkdir(parents=True)
    found = {}
    for name, encoding in (("train", "utf-16"), ("test", "utf-16"), ("dev", "gb18030")):
        text = (repository / f"fixtures/cluener/{name}.json").read_text(encoding="utf-8")
        path = folder / f"{name}.json"
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        found[name] = str(path)
    return found


def config_with(data: dict[str, str], repository: Path) -> str:
    """A small experiment on these files."""
    config = json.loads((repository / "fixtures/experiments/biaffine.json").read_text(encoding="utf-8"))
    config["validation_dataset_reader"] = {"type": "cluener", "encoding": "gb18030"}
    config |= {"train_data_path": data["train"], "validation_data_path": data["dev"]}
    config["trainer"] |= {"type": "ner", "num_epochs": 1}
    return json.dumps(config, ensure_ascii=False)


@pytest.mark.parametrize("flags", [[], pytest.param(["-O"], marks=pytest.mark.exhaustive)], ids=["plain", "optimised"])
def test_the_commands_on_an_odd_machine(flags: list[str], package: Path, tmp_path: Path, repository: Path) -> None:
    locked = tmp_path / "locked"
    begin = without_rights(locked)
    folder = tmp_path / "项目 甲,乙"
    data = corpora(folder / "数据 一,二", repository)
    (folder / "配置 一,二.json").write_text(config_with(data, repository), encoding="utf-8")
    archive = "结果 一,二/model.tar.gz"
    options = ["--encoding", "gb18030"]
    commands = [
        ["train", "配置 一,二.json", "-s", "结果 一,二", *OURS],
        ["predict", archive, data["test"], "--output-file", "预测,一.jsonl", "--silent", *OURS],
        ["predict", archive, data["dev"], "--output-file", "预测,二.jsonl", "--silent", *options, *OURS],
        ["evaluate", archive, data["dev"], "--output-file", "评估.json", "--predictions-output-file", "句.jsonl"],
        ["ner-report", archive, data["dev"], "-o", "报告 一,二"],
        ["ner-data", "check", data["train"]],
        ["ner-data", "convert", data["dev"], "转换,一.bio", "--to", "bio", *options],
        ["ner-serve", archive, "--port", "0"],
    ]  # fmt: skip
    environment = {
        **{name: os.environ[name] for name in ("PATH", "TMPDIR", "COVERAGE_PROCESS_START") if name in os.environ},
        "HOME": str(locked / "home"), "HF_HOME": str(locked / "hf"), "LC_ALL": "C", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(package), "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    said = folder / "said"
    with open(said, "wb") as out:
        process = subprocess.Popen(
            [*begin, sys.executable, *flags, "-c", PROGRAM, json.dumps(commands)],
            cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until(lambda: b"ready: " in said.read_bytes() or process.poll() is not None, TIMEOUT)
            process.send_signal(signal.SIGINT)
            status = process.wait(TIMEOUT)
        finally:
            process.kill()
            locked.chmod(0o700)
    output = said.read_text(encoding="utf-8")
    assert status == 0 and "Traceback" not in output and "atplotlib" not in output, output
    assert output.rstrip().endswith(str(package / "ner_plugins/__init__.py"))
    assert "ready: 结果-一,二" in output
    for name, file in (("test", "预测,一.jsonl"), ("dev", "预测,二.jsonl"), ("dev", "句.jsonl")):
        lines = (repository / f"fixtures/cluener/{name}.json").read_text(encoding="utf-8").splitlines()
        predicted = (folder / file).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["text"] for line in predicted] == [json.loads(line)["text"] for line in lines]
    assert "seqeval/micro_f1" in json.loads((folder / "评估.json").read_text(encoding="utf-8"))
    assert (folder / "报告 一,二/report.html").stat().st_size > 1000
    assert (folder / "转换,一.bio").read_text(encoding="utf-8").startswith("何\tB-")
    assert not list(locked.iterdir())


def test_python_without_asserts_does_the_same(repository: Path) -> None:
    """With `-O`, asserts are left out: they may only say what is known, for readers and the type checker."""
    for path in sorted((repository / "ner_plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Assert):
                for part in ast.walk(node.test):
                    assert not isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield)), where
                    known = isinstance(part, ast.Call) and ast.unparse(part.func) in ("isinstance", "len", "all")
                    assert known or not isinstance(part, ast.Call), where
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                assert "AssertionError" not in ast.unparse(node.type), where
            assert not (isinstance(node, ast.Name) and node.id == "__doc__"), where  # gone with -OO
