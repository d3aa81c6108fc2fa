"""What the README says is run: its commands (with overrides that make them short), its Python, its claims of names."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ner_plugins.compat.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    allennlp ")]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "input.txt").write_text("刘晓燕去了北京\n", encoding="utf-8")
    return folder


def test_the_commands_run_in_order(allennlp, short: Path, tiny_overrides: str) -> None:
    assert [shlex.split(command)[1] for command in COMMANDS] == ["train", "evaluate", "predict"]
    for command in COMMANDS:
        command = command.replace("data/cluener2020", "fixtures/sample").replace("runs/mine", str(short / "mine"))
        arguments = shlex.split(command.replace("input.txt", str(short / "input.txt")))[1:]
        if arguments[0] == "train":
            arguments += ["-o", tiny_overrides]
        done = allennlp(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    prediction = json.loads(done.stdout)
    promised = json.loads(next(line for line in README.splitlines() if line.startswith('    {"id"')))
    assert list(prediction) == list(promised)
    assert list(promised["entities"][0]) == ["start", "end", "type", "text", "score"]


def test_the_python_runs(short: Path) -> None:
    assert len(PYTHON) == 2
    if not (short / "mine").exists():
        pytest.skip("needs the archive of the commands' test")
    names: dict = {}
    exec(PYTHON[0].replace("runs/mine", str(short / "mine")), names)
    assert names["predictor"].predict_texts(["刘晓燕去了北京"])[0]["text"] == "刘晓燕去了北京"
    exec(PYTHON[1], names)
    (short / "train.txt").write_text("刘晓燕去了北京\t刘晓燕\tname\n", encoding="utf-8")
    [sentence] = names["BracketedReader"]().sentences(f"{short}#train")
    assert sentence.text[sentence.entities[0].start : sentence.entities[0].end] == "刘晓燕"


@pytest.mark.slow
def test_make_train_by_its_own_script(tmp_path: Path) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("NER_")}
    done = subprocess.run(
        [sys.executable, "scripts/train_sample.py", "--epochs", "1", "--directory", str(tmp_path / "run")],
        cwd=ROOT,
        env=known,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demonstration" in done.stdout and "unreachable gold" in done.stdout
    assert "今天天气真好" in done.stdout


def test_make_train_is_that_script() -> None:
    recipe = subprocess.run(["make", "--dry-run", "train"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "scripts/train_sample.py" in recipe.stdout


def test_the_settings_are_all_there() -> None:
    table = README[README.index("| variable |") : README.index("A data path is")]
    assert set(re.findall(r"`(NER_\w+)`", table)) == set(SETTINGS)


def test_the_install_lines_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in ("allennlp==2.10.1 allennlp-models==2.10.1", "-r requirements.txt"):
        assert line in makefile and line in README


def test_every_name_it_lists_is_registered() -> None:
    from allennlp.common import Registrable
    from allennlp.common.util import import_module_and_submodules

    import_module_and_submodules("ner_plugins")
    known = {name for registry in Registrable._registry.values() for name in registry}
    table = README[README.index("## What there is") : README.index("Everything of AllenNLP")]
    listed = [name for row in table.splitlines() if row.startswith("| ") for name in re.findall(r"`(\w+)`", row)]
    assert set(listed) - {"amp_dtype", "use_amp"} <= known and len(listed) > 8


def test_folders_it_names_exist() -> None:
    for name in re.findall(r"`((?:ner_plugins|training_config|benchmarks|scripts|fixtures|tests)[\w/.]*)`", README):

        assert (ROOT / name).exists() or name.startswith("ner_plugins."), name
