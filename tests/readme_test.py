"""What the README says is run: its commands (with overrides that make them short), its Python, its claims of names."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from forked import run_instead

from ner_plugins.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL_COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    allennlp ")]
COMMANDS = [command for command in ALL_COMMANDS if " ner-data " not in command]
DATA_COMMANDS = [command for command in ALL_COMMANDS if " ner-data " in command]
SHORT = {"trainer.num_epochs": 1, "dataset_reader.max_instances": 40}
SMALL = {"flat": SHORT, "nerco": {**SHORT, "trainer.callbacks.0.epochs": 1}}
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "input.txt").write_text("刘晓燕去了北京\n", encoding="utf-8")
    return folder


def test_the_commands_run_in_order(allennlp, allennlp_afresh, short: Path, tiny_overrides: str) -> None:
    assert [shlex.split(command)[1] for command in COMMANDS] == [
        "train", "evaluate", "predict", "train", "train", "ner-report", "ner-threshold",
    ]  # fmt: skip
    for number, command in enumerate(COMMANDS):
        assert command.endswith(" --include-package ner_plugins")
        command = command.replace("data/cluener", "fixtures/sample").replace("runs/mine", str(short / "mine"))
        command = command.replace("tuned.tar.gz", str(short / "tuned.tar.gz"))
        arguments = shlex.split(command.replace("input.txt", str(short / "input.txt")))[1:]
        if arguments[0] == "train":
            config = Path(arguments[1]).stem
            arguments += ["-o", json.dumps(json.loads(tiny_overrides) if config == "biaffine" else SMALL[config])]
            arguments += [] if "-s" in arguments else ["-s", str(short / config)]
        done = (allennlp_afresh if number < 3 else allennlp)(*arguments)  # the first of each kind, from the very start
        assert done.returncode == 0, done.stdout + done.stderr
        if arguments[0] == "predict":
            prediction = json.loads(done.stdout)
    assert "<html" in (short / "mine/report/report.html").read_text(encoding="utf-8")
    promised = json.loads(next(line for line in README.splitlines() if line.startswith('    {"id"')))
    assert list(prediction) == list(promised)
    assert list(promised["entities"][0]) == ["start", "end", "type", "text", "score"]


def test_the_data_commands_run_in_order(allennlp, tmp_path: Path) -> None:
    assert [shlex.split(command)[2] for command in DATA_COMMANDS] == [
        "stats", "check", "convert", "split", "sample", "download",
    ]  # fmt: skip
    for command in DATA_COMMANDS:
        arguments = shlex.split(command)[1:]
        for i, argument in enumerate(arguments):
            argument = argument.replace("data/msra", str(ROOT / "fixtures/msra"))
            arguments[i] = argument.replace("data/weibo", str(ROOT / "fixtures/weibo")).replace("0.1", "0.5")
        done = allennlp(*arguments, cwd=tmp_path)
        problems = arguments[1] == "check"  # of which the fixture has some, on purpose
        assert done.returncode == problems, done.stdout + done.stderr
    assert (tmp_path / "weibo.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "weibo.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
    assert any((tmp_path / "msra_split").iterdir()) and (tmp_path / "sample.json").stat().st_size


READER_TABLE = README[README.index("| reader | corpus and its files") : README.index("Tags may be BIO")]
READERS = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in READER_TABLE.splitlines()[2:] if row]


def test_the_readers_are_all_there() -> None:
    from allennlp.data import DatasetReader

    from ner_plugins.dataset_readers import NerDatasetReader

    classes = {name: DatasetReader.resolve_class_name(name)[0] for name in DatasetReader.list_available()}
    ours = {name for name, reader in classes.items() if issubclass(reader, NerDatasetReader)}
    assert {name for row in READERS for name in re.findall(r"`(\w+)`", row[0])} == ours


@pytest.mark.parametrize("row", READERS, ids=lambda row: row[0])
def test_the_lines_of_each_format_are_read(row: list[str], tmp_path: Path) -> None:
    from allennlp.data import DatasetReader

    if row[2] == "binary":
        return
    lines = re.findall(r"`(.*?)`(?:<br>|$)", row[2])
    lines = [line.replace("<TAB>", "\t").replace("<U+0001>", "\x01") for line in lines]
    assert len(lines) == 2
    [name, *_] = re.findall(r"`(\w+)`", row[0])
    if name in ("kmou", "klp"):  # part of a block of its fixture
        text = "\n".join(path.read_text(encoding="utf-8-sig") for path in (ROOT / "fixtures" / name).iterdir())
        assert all(f"{line}\n" in text for line in lines)
        return
    (tmp_path / "sample").write_text("\n".join(lines), encoding="utf-8")
    reader = DatasetReader.by_name(name)()
    found = list(reader.sentences(str(tmp_path / "sample")))
    assert any(sentence.entities for sentence in found) and not reader.counts["repaired"]
    assert found[0].text == {"resume": "雾港", "weibo": "小鱼"}.get(name, found[0].text)


def test_the_configs_are_all_there() -> None:
    table = README[README.index("| config | model |") : README.index('`type: "crf_tagger"` is')]
    named = set(re.findall(r"`([a-z_]+)`", table))
    endings = ("_bilstm", "_bigru")
    configs = {path.stem for path in (ROOT / "training_config").glob("*.jsonnet")}
    assert named == {name for name in configs if not name.endswith(endings)} - {"span_dense"}
    assert {name.removesuffix(ending) for ending in endings for name in configs if name.endswith(ending)} <= named


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


def assert_demonstrated(out: str) -> None:
    assert "demonstration" in out and "unreachable gold" in out
    assert "今天天气真好" in out


def test_make_train_by_its_own_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "")  # so that what the script sets is undone
        monkeypatch.delenv(name)
    script = runpy.run_path(str(ROOT / "scripts/train_sample.py"))
    monkeypatch.setattr(sys, "argv", ["train_sample.py", "--epochs", "1", "--directory", str(tmp_path / "run")])
    monkeypatch.setitem(script["run"].__globals__, "subprocess", SimpleNamespace(run=run_instead, PIPE=subprocess.PIPE))
    script["main"]()
    assert_demonstrated(capsys.readouterr().out)


@pytest.mark.exhaustive
def test_make_train_in_processes_of_its_own(tmp_path: Path) -> None:
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
    assert_demonstrated(done.stdout)


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
