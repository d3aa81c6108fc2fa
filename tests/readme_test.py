"""What the README and the guides say is run: their commands (with overrides that make them short), code and tables."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import documents
import pytest
from forked import run_instead

from ner_plugins.dataset_readers import WeiboReader
from ner_plugins.files.folds_file import FoldRecord, write_records
from ner_plugins.files.folds_manifest import Fold, FoldsManifest
from ner_plugins.settings import SETTINGS

ROOT = documents.ROOT
README = documents.read(documents.README)
SHORT = {"trainer.num_epochs": 1, "dataset_reader.max_instances": 40}
SMALL = {"flat": SHORT, "nerco": {**SHORT, "trainer.callbacks.0.epochs": 1}}
COMMANDS = {
    "README": ["train", "evaluate", "predict"],
    "first-steps": ["train", "evaluate", "predict"],  # the README's, which are not run twice
    "lattices": ["train", "train"],
    "training": ["train", "train", "train", "ner-runs"],
    "reports": ["ner-report", "ner-threshold"],
    "experiments": [
        "ner-sweep", "ner-sweep", "ner-compare", "ner-folds", "ner-pseudo", "ner-compare", "ner-compare",
        "ner-ensemble",
    ],
    "prediction": ["predict", "ner-interactive", "ner-export", "ner-export"],
    "bulk": ["ner-bulk"],
}
# Their tests in commands/ run one of each.
MANY_TRAININGS = re.compile(r"ner-(folds|pseudo) |ner-(sweep|compare) .*runs/heads(?!.*--dry-run)")
WEIBO = {"config": "training_config/crf_tagger.jsonnet", "environment": {"NER_READER": "weibo"}}
DOWNLOAD = "allennlp ner-data download cluener --accept-licence cluener"


def commands_of(page: str) -> list[str]:
    text = README if page == "README" else documents.read(page)
    return [command for command in documents.commands(text) if " ner-data " not in command]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "input.txt").write_text("刘晓燕去了北京\n", encoding="utf-8")
    sweep = {"axes": {"corpus": {"weibo": WEIBO}}, "environment": {"NER_DATA": "fixtures/weibo"}, "seeds": [1]}
    (folder / "sweep.jsonnet").write_text(json.dumps(sweep), encoding="utf-8")
    return folder


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_commands_run_in_order(allennlp, allennlp_afresh, short: Path, tiny_overrides: str) -> None:
    prediction, run = None, set()
    for page, actions in COMMANDS.items():
        assert [shlex.split(command)[1] for command in commands_of(page)] == actions
        for command in commands_of(page):
            if command in run:
                continue
            run.add(command)
            if MANY_TRAININGS.search(command) or ("--to spacy" in command and find_spec("thinc") is None):
                continue
            assert command.endswith(" --include-package ner_plugins")
            command = command.replace("data/cluener", "fixtures/sample").replace("runs/", f"{short}/")
            command = command.replace("tuned.tar.gz", str(short / "tuned.tar.gz"))
            for name in ("input.txt", "output.jsonl", "sweep.jsonnet"):
                command = command.replace(name, str(short / name))
            arguments = shlex.split(command)[1:]
            if arguments[0] == "train":
                config = Path(arguments[1]).stem
                tiny = json.loads(tiny_overrides)
                arguments = documents.with_overrides(command, tiny if config == "biaffine" else SMALL[config])
                arguments += [] if "-s" in arguments else ["-s", str(short / config)]
            afresh = len(run) <= 2  # training and evaluation, from the very start
            done = (allennlp_afresh if afresh else allennlp)(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
            if arguments[0] == "predict" and "--silent" not in arguments:
                prediction = json.loads(done.stdout)
    assert len(run) == 24
    assert json.loads((short / "output.jsonl").read_text(encoding="utf-8"))["text"] == "刘晓燕去了北京"
    assert list((short / "mine/bulk").glob("part-*.parquet"))
    assert "<html" in (short / "mine/report/report.html").read_text(encoding="utf-8")
    promised = json.loads(next(line for line in README.splitlines() if line.startswith('    {"id"')))
    assert json.loads(documents.fences(documents.read("first-steps"), "json")[0]) == promised
    assert list(prediction) == list(promised)
    assert list(promised["entities"][0]) == ["start", "end", "type", "text", "score"]


def test_every_page_with_commands_is_run_somewhere() -> None:
    # contributing_test, below, commands/ner_serve_test
    elsewhere = {"CONTRIBUTING", "extending", "data", "audit", "serving"}
    found = {path.stem for path in documents.PAGES if documents.commands(documents.read(path))}
    assert found == {*COMMANDS, *elsewhere}


def test_the_data_commands_run_in_order(allennlp, tmp_path: Path) -> None:
    commands = documents.commands(documents.read("data"))
    assert [shlex.split(command)[2] for command in commands] == [
        "stats", "check", "convert", "split", "sample", "download",
    ]  # fmt: skip
    for command in commands:
        arguments = shlex.split(command)[1:]
        for i, argument in enumerate(arguments):
            argument = argument.replace("data/msra", str(ROOT / "fixtures/msra"))
            arguments[i] = argument.replace("data/weibo", str(ROOT / "fixtures/weibo")).replace("0.1", "0.5")
        done = allennlp(*arguments, cwd=tmp_path)
        problems = arguments[1] == "check"  # the fixture has some on purpose
        assert done.returncode == problems, done.stdout + done.stderr
    assert (tmp_path / "weibo.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "weibo.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
    assert any((tmp_path / "msra_split").iterdir()) and (tmp_path / "sample.json").stat().st_size


def test_the_commands_of_the_audit_run(allennlp, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "fixtures/weibo", tmp_path / "data/weibo")
    (train,) = (tmp_path / "data/weibo").glob("*.train")
    shutil.copy(train, tmp_path / "data/more.txt")
    folder = tmp_path / "folds/weibo"
    folder.mkdir(parents=True)
    types = tuple(sorted(f"{kind}.{form}" for kind in ("GPE", "LOC", "ORG", "PER") for form in ("NAM", "NOM")))
    manifest = FoldsManifest("crf.jsonnet", "0" * 64, (), types, 2, 0, 0.01, False, (Fold("folds/0"), Fold("folds/1")))
    records = [
        FoldRecord(number, 0, sentence.text, tuple(replace(e, score=0.001) for e in sentence.entities), (), (), "a", 1)
        for number, sentence in enumerate(WeiboReader().sentences(f"{ROOT}/fixtures/weibo#train"))
    ]
    write_records(folder, records, manifest)
    head = {"format": "ner_plugins decisions", "version": 1, "audit": "a", "decisions": 0}
    (tmp_path / "decisions.jsonl").write_text(json.dumps(head) + "\n")
    commands = documents.commands(documents.read("audit"))
    assert [shlex.split(command)[1:3] for command in commands] == [
        ["ner-audit", "folds/weibo"], ["ner-data", "apply"], ["ner-data", "apply"],
    ]  # fmt: skip
    for command in commands:
        done = allennlp(*shlex.split(command)[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "<title>Label audit" in (tmp_path / "audit/weibo/audit.html").read_text(encoding="utf-8")
    assert (tmp_path / "corrected.json").stat().st_size and (tmp_path / "corrected.bioes").stat().st_size


def test_the_corpus_that_is_downloaded_is_known(allennlp) -> None:
    assert DOWNLOAD in documents.commands(README) and DOWNLOAD in documents.commands(documents.read("first-steps"))
    done = allennlp(*shlex.split(DOWNLOAD.replace("--accept-licence cluener", "--list"))[1:])
    assert done.returncode == 0 and "cluener" in done.stdout


READERS = documents.table(documents.read("data"), "reader")


def test_the_readers_are_all_there() -> None:
    from allennlp.data import DatasetReader

    from ner_plugins.dataset_readers import NerDatasetReader

    classes = {name: DatasetReader.resolve_class_name(name)[0] for name in DatasetReader.list_available()}
    ours = {
        name
        for name, reader in classes.items()
        if issubclass(reader, NerDatasetReader) and reader.has_format and reader.__module__.startswith("ner_plugins.")
    }
    assert {name for row in READERS for name in documents.names(row[0])} == ours
    kinds = documents.table(README, "kind")
    assert {name for row in kinds if row[0].endswith("readers") for name in documents.names(row[1])} == ours


@pytest.mark.parametrize("row", READERS, ids=lambda row: row[0])
def test_the_lines_of_each_format_are_read(row: list[str], tmp_path: Path) -> None:
    from allennlp.data import DatasetReader

    if row[2] == "binary":
        return
    lines = re.findall(r"`(.*?)`(?:<br>|$)", row[2])
    lines = [line.replace("<TAB>", "\t").replace("<U+0001>", "\x01") for line in lines]
    assert len(lines) == 2
    [name, *_] = documents.names(row[0])
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
    named = {name for row in documents.table(documents.read("heads"), "config") for name in documents.names(row[0])}
    endings = ("_bilstm", "_bigru")
    configs = {path.stem for path in (ROOT / "training_config").glob("*.jsonnet")}
    assert named == {name for name in configs if not name.endswith(endings)}
    assert {name.removesuffix(ending) for ending in endings for name in configs if name.endswith(ending)} <= named


def test_the_published_configs_are_all_there() -> None:
    rows = documents.table(documents.read("published"), "config")
    named = [name for row in rows for name in documents.names(row[0])]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "training_config/benchmarks").glob("*.jsonnet"))


def test_the_python_runs(short: Path) -> None:
    [code] = documents.fences(README, "python")
    assert documents.fences(documents.read("first-steps"), "python") == [code]
    if not (short / "mine").exists():
        pytest.skip("needs the archive of the commands' test")
    names: dict = {}
    exec(code.replace("runs/mine", str(short / "mine")), names)
    assert names["predictor"].predict_texts(["刘晓燕去了北京"])[0]["text"] == "刘晓燕去了北京"


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
    table = documents.table(documents.read("training"), "variable")
    assert {name for row in table for name in documents.names(row[0])} == set(SETTINGS)
    defaults = {name: row[2].strip("`") for row in table for name in documents.names(row[0])}
    assert all(defaults[name] == SETTINGS[name] for name in ("NER_DATA", "NER_READER", "NER_SEED"))
    assert {name for row in documents.table(README, "variable") for name in documents.names(row[0])} < set(SETTINGS)


def test_the_install_lines_are_those_of_the_makefile() -> None:
    makefile, guide = (ROOT / "Makefile").read_text(), documents.read("first-steps")
    for line in ("allennlp==2.10.1 allennlp-models==2.10.1", "-r requirements.txt"):
        assert line in makefile and line in guide


def test_every_name_it_lists_is_registered() -> None:
    from allennlp.common import Registrable
    from allennlp.common.util import import_module_and_submodules

    import_module_and_submodules("ner_plugins")
    known = {name for registry in Registrable._registry.values() for name in registry}
    rows = documents.table(README, "kind")
    listed = [name for row in rows for name in re.findall(r"`([\w-]+)`", row[1])]
    assert set(listed) <= known and len(listed) > 40


def test_its_results_are_those_of_the_guide() -> None:
    guide = {row[0]: row[1:] for row in documents.table(documents.read("published"), "model")}
    for name, *figures in documents.table(README, "model"):
        clue, _, *others = guide[name]
        assert figures == [clue, *others], name
