"""Archives that want more than to be a model: to run code, to open files, to use the network, to take for ever."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from allennlp.models import Model
from allennlp.models.archival import load_archive
from fitted_archive import run_here

from ner_plugins.archives import uninitialised
from ner_plugins.archives.assets import Assets, asset_name, loading
from ner_plugins.archives.trust import check_file, check_programs, trusting, untrusted
from ner_plugins.commands.command_line import describe
from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.ner_interactive import NerInteractiveCommand
from ner_plugins.commands.ner_report import NerReportCommand
from ner_plugins.commands.ner_threshold import NerThresholdCommand
from ner_plugins.commands.predict import PredictCommand
from ner_plugins.compat.plugins import is_ours
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.pretrained.tokenizer import load_config
from ner_plugins.tagger import Tagger

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT / "fixtures/archives/crf_tagger.tar.gz"
READER = "ner_plugins.dataset_readers.json.cluener.CluenerReader"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("content")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def run(content: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(content, tmp_path / "run"))


def change(run: Path, **changes: Any) -> Path:
    """Changes of a configuration, with `__` for a dot in keys."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        *above, last = key.split("__")
        place = config
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return run


def popen(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """An object of a configuration that starts a program, and the file that the program would make."""
    made = tmp_path / "made"
    return {"type": "subprocess.Popen", "args": [sys.executable, "-c", f"open({str(made)!r}, 'w')"]}, made


@pytest.mark.parametrize(
    "key",
    ["model", "model__encoder", "dataset_reader", "validation_dataset_reader",
     "dataset_reader__token_indexers", "vocabulary"],
)  # fmt: skip
def test_a_class_path_in_an_archive_starts_nothing(
    key: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("a program was started"))
    program, _ = popen(tmp_path)
    change(run, **{key: {"tokens": program} if key.endswith("indexers") else program})
    with pytest.raises(ArchiveError) as told:
        load_archive(run)
    assert "'subprocess.Popen'" in str(told.value) and "--trust-archive" in str(told.value)
    assert "--include-package" in str(told.value)


COMMANDS: dict[str, tuple[Any, list[str]]] = {
    "predict": (PredictCommand(), ["texts.txt"]),
    "evaluate": (EvaluateCommand(), ["fixtures/sample#dev"]),
    "ner-report": (NerReportCommand(), ["fixtures/sample#dev", "--output", "report"]),
    "ner-interactive": (NerInteractiveCommand(), []),
    "ner-threshold": (NerThresholdCommand(), ["fixtures/sample#dev"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_refuse_class_paths(name: str, run: Path, tmp_path: Path) -> None:
    program, made = popen(tmp_path)
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for path in change(run, model=program).iterdir():
            file.add(path, arcname=path.name)
    (tmp_path / "texts.txt").write_text("雾港", encoding="utf-8")
    command, arguments = COMMANDS[name]
    arguments = [str(tmp_path / a) if a in ("texts.txt", "report") else a for a in arguments]
    with pytest.raises(ArchiveError, match=r"subprocess\.Popen.*--trust-archive"):
        run_here(command, name, archive, *arguments)
    assert not made.exists()


def test_an_archive_that_is_trusted_may_name_classes(run: Path, tmp_path: Path) -> None:
    change(run, dataset_reader__type=READER)
    with pytest.raises(
        ArchiveError, match=r"dataset_reader\.type of the archive's configuration is the path of a class"
    ):
        Tagger.from_path(run)
    assert Tagger.from_path(run, trust_archive=True)(["雾港"])[0].text == "雾港"
    with trusting():
        assert type(load_archive(run).dataset_reader).__name__ == "CluenerReader"
    (tmp_path / "texts.txt").write_text("雾港", encoding="utf-8")
    run_here(PredictCommand(), "predict", run, tmp_path / "texts.txt", "--trust-archive")
    with pytest.raises(ArchiveError):  # the option was for that command alone
        load_archive(run)


def test_overrides_are_the_users_own(run: Path) -> None:
    overrides = {"dataset_reader": {"type": READER}}
    assert type(load_archive(run, overrides=overrides).dataset_reader).__name__ == "CluenerReader"
    with pytest.raises(ConfigError, match=r"keys that the archive's configuration does not have: \['modle\.x'\]"):
        load_archive(run, overrides={"modle.x": 3})


def test_evaluation_is_built_of_registered_classes(run: Path, tmp_path: Path) -> None:
    program, made = popen(tmp_path)
    command = EvaluateCommand()
    for key in ("data_loader", "validation_data_loader", "evaluation", "data_loader__batch_sampler"):
        archive = change(Path(shutil.copytree(run, tmp_path / key)), **{key: program})
        with pytest.raises(ArchiveError, match=r"subprocess\.Popen"):
            run_here(command, "evaluate", archive, "fixtures/sample#dev")
        assert not made.exists()
    for workers in (10**6, -1):
        archive = change(Path(shutil.copytree(run, tmp_path / f"workers-{workers}")), data_loader__num_workers=workers)
        with pytest.raises(ArchiveError, match=rf"data_loader\.num_workers of its configuration is {workers}, but "):
            run_here(command, "evaluate", archive, "fixtures/sample#dev")
    for key, value in (("data_loader", []), ("evaluation", 3)):
        archive = change(Path(shutil.copytree(run, tmp_path / f"bad-{key}")), **{key: value})
        with pytest.raises(ArchiveError, match=f"{key} of its configuration is .*, but has to be an object"):
            run_here(command, "evaluate", archive, "fixtures/sample#dev")


def test_training_keeps_class_paths() -> None:
    path = "ner_plugins.models.ner_model.NerModel"
    assert is_ours(Model.by_name(path))
    with untrusted():
        with pytest.raises(ArchiveError, match=path):
            Model.by_name(path)
        assert is_ours(Model.by_name("ner"))
    with untrusted([path]):
        assert is_ours(Model.by_name(path))


@pytest.mark.parametrize(
    "text",
    ['local loop(x) = loop(x + 1); loop(0)', '{a: std.extVar("HOME")}', 'import "/etc/hostname"',
     'importstr "/etc/hostname"', '{"model": {} + {}}', "{" * 10 + '"a"', '{"a":' * 100_000],
    ids=["endless", "environment", "import", "file", "sum", "cut", "deep"],
)  # fmt: skip
def test_a_configuration_is_json(text: str, run: Path) -> None:
    (run / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArchiveError, match=r"not valid JSON.*is JSON, not Jsonnet"):
        load_archive(run)


@pytest.mark.parametrize("nested", ["hf://owner/name", "https://example.org/model.tar.gz", "s3://bucket/model.tar.gz"])
@pytest.mark.parametrize("key", ["from_archive", "_pretrained"])
def test_an_archive_does_not_use_the_network(nested: str, key: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was used"))
    if key == "from_archive":
        change(run, model={"type": "from_archive", "archive_file": nested})
    else:
        change(run, model__text_field_embedder={"_pretrained": {"archive_file": nested, "module_path": "embedder"}})
    with pytest.raises(ArchiveError, match="would use the network"):
        load_archive(run)


def test_an_archive_of_itself_has_an_end(run: Path, tmp_path: Path) -> None:
    change(run, model={"type": "from_archive", "archive_file": str(run)})
    with pytest.raises(ArchiveError, match="its model is that of another archive, and so on without an end"):
        load_archive(run)


def test_an_archive_in_an_archive_is_as_limited(run: Path, content: Path, tmp_path: Path) -> None:
    inner = change(Path(shutil.copytree(content, tmp_path / "inner")), dataset_reader__type=READER)
    change(run, model={"type": "from_archive", "archive_file": str(inner)})
    with pytest.raises(ArchiveError, match=READER):
        load_archive(run, overrides={"dataset_reader": {"type": "cluener"}})
    with trusting():
        load_archive(run)


def test_devices_are_not_read() -> None:
    with untrusted(["https://example.org/named-by-the-user"]):
        for name in ("/dev/zero", "/dev/stdin!member"):
            with pytest.raises(ArchiveError, match="neither a file nor a folder"):
                check_file(name)
        check_file("/nowhere/at/all")
        check_file("https://example.org/named-by-the-user")
    check_file("/dev/zero")  # in training


@pytest.mark.parametrize("key", ["trust_remote_code", "evalb_directory_path", "srl_eval_path"])
def test_options_that_name_code_are_refused(key: str) -> None:
    config = {"model": {"parts": [{"options": {key: "x; touch /tmp/made"}}]}}
    with pytest.raises(ArchiveError, match=rf"model\.parts\.0\.options\.{key} of the archive's configuration"):
        check_programs(config, {})
    check_programs({"model": {key: False}}, {})
    check_programs({"model": {"x": {key: True}}}, {f"model.x.{key}": True})  # the user's own
    with trusting():
        check_programs(config, {})


def test_spacy_pipelines_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.common import util

    monkeypatch.setattr(util, "spacy_download", lambda *_: pytest.fail("downloaded"), raising=False)
    with untrusted(), pytest.raises(ArchiveError, match="is not installed, and loading an archive does not install it"):
        util.get_spacy_model("/tmp/pipeline")


BROKEN: dict[str, dict[str, Any]] = {
    "no type of the model": {"model": {}},
    "a type that is a number": {"model__type": 3},
    "a type that is a list": {"dataset_reader__type": ["cluener"]},
    "vocabulary is a name": {"vocabulary": "subprocess.Popen"},
    "padding is a number": {"vocabulary": {"padding_token": 3}},
    "unknown is a list": {"vocabulary": {"oov_token": ["x"]}},
    "another unknown": {"vocabulary": {"oov_token": "nowhere"}},
    "a lexicon of numbers": {"dataset_reader__lexicon": [1]},
    "an indexer of numbers": {"dataset_reader__token_indexers": {"tokens": 5}},
    "an embedder of a list": {"model__embedder": [[]]},
    "a huge encoder": {"model__encoder": {"type": "lstm", "input_size": 10**9, "hidden_size": 10**12}},
    "an encoder below zero": {"model__encoder": {"type": "lstm", "input_size": -1, "hidden_size": -1}},
    "a head of numbers": {"model__encoder": 7},
}


HUGE: dict[str, dict[str, Any]] = {
    "embedding": {"num_embeddings": 10**12, "embedding_dim": 50},
    "embedding that would fit into the memory": {"num_embeddings": 10**7, "embedding_dim": 100},
    "encoder": {"type": "lstm", "input_size": 10, "hidden_size": 20_000},
    "many layers": {"type": "lstm", "input_size": 1, "hidden_size": 1, "num_layers": 10**9},
}


@pytest.mark.parametrize("name", HUGE)
def test_a_model_far_larger_than_its_weights_is_not_built(
    name: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uninitialised, "_MOST_TENSORS", 2_000)
    place = "model__text_field_embedder" if name.startswith("embedding") else "model__encoder"
    embedder = {"token_embedders": {"tokens": {"type": "embedding", **HUGE[name]}}}
    change(run, **{place: embedder if name.startswith("embedding") else HUGE[name]})
    with pytest.raises(ArchiveError, match=r"asks for (.* GiB|very many tensors).* far more|needs 186,264\.5 GiB"):
        load_archive(run)


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_built_is_told_in_one_message(name: str, run: Path) -> None:
    change(run, **BROKEN[name])
    with pytest.raises(Exception, match=r"(?s).") as told:
        load_archive(run)
    message = describe(told.value)
    assert message is not None, repr(told.value)
    assert "\n" not in message and len(message) < 1500


def test_the_encoder_of_an_archive_runs_no_code_of_its_folder(tmp_path: Path) -> None:
    assets, made = Assets(tmp_path), tmp_path / "made"

    def write(folder: Path) -> None:
        config = {"model_type": "bert", "attn_implementation": "evil/kernel", "hidden_size": 8}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "evil.py").write_text(f"open({str(made)!r}, 'w')", encoding="utf-8")

    assets.save_folder(asset_name("mine"), write)
    with loading():
        config = load_config("mine", tmp_path)
        assert config.hidden_size == 8 and config._attn_implementation is None
        written = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
        (assets.folder(asset_name("mine")) / "config.json").write_text(json.dumps(written), encoding="utf-8")
        with pytest.raises(ArchiveError, match="cannot read the archive's encoder configuration"):
            load_config("mine", tmp_path)
    assert not made.exists()
