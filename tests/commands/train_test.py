"""`allennlp train`, as a user runs it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import ROOT, Forked

from ner_plugins.errors import ConfigError
from ner_plugins.files.locking import locked

OURS = ["--include-package", "ner_plugins"]
CONFIG = "training_config/biaffine.jsonnet"


def message(done: subprocess.CompletedProcess) -> str:
    """The one line on stderr that a mistake ends in."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_what_a_run_leaves(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"model.tar.gz", "config.json", "metrics.json", "best.th", "out.log", "ner_assets", "vocabulary"} <= names
    metrics = json.loads((trained / "metrics.json").read_text())
    assert {"best_validation_seqeval/micro_f1", "best_validation_cluener/macro_f1"} <= set(metrics)
    assert metrics["best_validation_gold"] > 0


def test_without_s_it_chooses_a_fresh_directory(allennlp, tiny_overrides, tmp_path: Path, repository: Path) -> None:
    for name in ("training_config", "fixtures"):
        (tmp_path / name).symlink_to(repository / name)
    small = json.dumps({**json.loads(tiny_overrides), "dataset_reader.max_instances": 12})
    done = allennlp("train", CONFIG, "-o", small, *OURS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = re.search(r"serialization directory: (runs/biaffine-\d{8}-\d{6})", done.stdout).group(1)
    assert (tmp_path / folder / "vocabulary").is_dir()
    assert "model.type" not in done.stdout, "the details belong into the log file"
    assert "model.type = biaffine" in (tmp_path / folder / "out.log").read_text()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param([sys.executable, "-m", "allennlp"], marks=pytest.mark.exhaustive),
        [sys.executable, "-m", "ner_plugins"],
    ],
    ids=["allennlp", "ner_plugins"],
)
def test_other_ways_of_starting(allennlp_afresh, program: list[str], tiny_overrides: str, tmp_path: Path) -> None:
    arguments = ["train", CONFIG, "-s", tmp_path / "run", "--dry-run", "-o", tiny_overrides, *OURS]
    done = allennlp_afresh(*arguments, program=program)
    assert done.returncode == 0, done.stderr
    assert "entities" in done.stdout and not (tmp_path / "run").exists()


def test_a_directory_in_use(allennlp, trained: Path) -> None:
    told = message(allennlp("train", CONFIG, "-s", trained, *OURS))
    assert str(trained) in told and "--recover" in told and "--force" in told


def test_two_trainings_in_one_folder(allennlp, tmp_path: Path, tiny_overrides: str) -> None:
    folder = tmp_path / "运行, 1"
    folder.mkdir()
    train = ["train", CONFIG, "-s", folder, "-o", tiny_overrides, *OURS]
    with locked(folder, lambda: ConfigError("")):
        for more in ([], ["--recover"], ["--force"]):
            assert "another training is at work in it" in message(allennlp(*train, *more))
    assert not list(folder.iterdir())
    assert "choose one of them" in message(allennlp(*train, "--force", "--recover"))
    assert "biafine" in message(allennlp(*train[:2], "-s", tmp_path / "a/b", "-o", '{"model.type": "biafine"}', *OURS))
    assert not (tmp_path / "a").exists()


def test_a_failed_start_is_not_in_the_way(allennlp, tmp_path: Path, tiny_overrides: str) -> None:
    run = ["train", CONFIG, "-s", tmp_path / "run", "-o", tiny_overrides, *OURS]
    (tmp_path / "bad.json").write_text('{"text": 1}\n')
    message(allennlp(*run, NER_TRAIN=str(tmp_path / "bad.json")))
    assert (tmp_path / "run/config.json").exists()
    assert allennlp(*run).returncode == 0


def test_force_deletes_nothing_but_runs(allennlp, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert "choose another -s" in message(allennlp("train", CONFIG, "-s", tmp_path, "--force", *OURS))
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize(
    "arguments, environment, expected",
    [
        (["training_config/biafine.jsonnet"], {}, ["biafine.jsonnet", "training_config/biaffine.jsonnet"]),
        ([CONFIG], {"NER_TRAIN": "fixtures/sample/trian.json"}, ["trian.json", "train.json"]),
        ([CONFIG], {"NER_DATA": "fixtures/nowhere"}, ["fixtures/nowhere"]),
        ([CONFIG], {"NER_TRAIN": "fixtures/sample"}, ["fixtures/sample", "#train"]),
        ([CONFIG], {"NER_ENCODER": "encoders/none"}, ["encoders/none"]),
        ([CONFIG, "-o", '{"model.thresholds": {"nmae": 0.5}}'], {}, ["nmae", "'name'"]),
        ([CONFIG, "-o", '{"model.type": "biafine"}'], {}, ["biafine"]),
        ([CONFIG, "-o", '{"model": '], {}, ["config"]),
        ([CONFIG, "-o", '{"model.decodin": 1}'], {}, ["model: biaffine has no option 'decodin'", "'decoding'"]),
        ([CONFIG, "-o", '{"trainer.amp_type": 1}'], {}, ["trainer has no option 'amp_type': did you mean 'amp_dtype'"]),
        ([CONFIG, "-o", '{"model.max_span_width": "a"}'], {}, ["max_span_width"]),
        ([CONFIG], {"NER_DATA": "fixtures/weibo"}, ["cluener finds none", "train.json", "NER_READER", "conll.train"]),
        ([CONFIG], {"NER_DATA": "fixtures/wiebo"}, ["Did you mean fixtures/weibo", "NER_DATA is", "looked for in /"]),
        ([CONFIG], {"NER_READER": "cleuner"}, ["dataset_reader.type (NER_READER)", "did you mean 'cluener'"]),
        ([CONFIG], {"NER_SEED": "x"}, ["NER_SEED"]),
        ([CONFIG, "--recover", "-s", "runs/there-is-no-such-run"], {}, ["--recover"]),
    ],
    ids=["config", "file", "folder", "split", "encoder", "type", "model", "json", "key", "trainer",
         "value", "other corpus", "near folder", "reader name", "seed", "recover"],
)
def test_mistakes_end_in_one_message(allennlp, tmp_path: Path, arguments, environment, expected) -> None:
    if "-s" not in arguments:
        arguments = [*arguments, "-s", tmp_path / "run"]
    told = message(allennlp("train", *arguments, *OURS, **environment))
    for part in expected:
        assert part in told


def test_a_corpus_without_a_development_split_names_dev_fraction(allennlp, tmp_path: Path, repository: Path) -> None:
    [train] = (repository / "fixtures/msra").glob("*train*")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / train.name).write_bytes(train.read_bytes())
    run = ["train", CONFIG, "-s", tmp_path / "run", "--dry-run", *OURS]
    told = message(allennlp(*run, NER_DATA=str(tmp_path / "data"), NER_READER="msra"))
    reader = re.search(r"NER_READER='(.*)'", told).group(1)
    assert json.loads(reader) == {"type": "msra", "dev_fraction": 0.1}
    again = allennlp(*run, NER_DATA=str(tmp_path / "data"), NER_READER=reader.replace("0.1", "0.5"))
    assert "without a split" not in again.stderr


def test_nested_overrides_change_single_keys(allennlp, tmp_path: Path) -> None:
    overrides = '{"dataset_reader": {"max_instances": 12}, "trainer": {"cuda_device": -1, "num_epochs": 1}}'
    done = allennlp("train", CONFIG, "-s", tmp_path / "run", "-o", overrides, *OURS)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["dataset_reader"]["type"] == "cluener" and config["dataset_reader"]["max_instances"] == 12
    assert config["trainer"]["cuda_device"] == -1 and "optimizer" in config["trainer"]


@pytest.mark.exhaustive
def test_a_misspelt_name_is_told_without_warnings_of_others(allennlp_afresh, tmp_path: Path) -> None:
    done = allennlp_afresh("train", CONFIG, "-s", tmp_path / "run", "--dry-run", *OURS, NER_READER="webio")
    assert "'weibo'" in message(done)
    assert len(done.stderr.splitlines()) == 1 and "triviaqa" not in done.stderr


def test_a_config_that_does_not_parse_says_where(allennlp, tmp_path: Path) -> None:
    config = tmp_path / "bad.jsonnet"
    config.write_text('{\n  "model": {,}\n}\n')
    assert "bad.jsonnet:2" in message(allennlp("train", config, "-s", tmp_path / "run", *OURS))


def test_debug_shows_the_traceback(allennlp, tmp_path: Path) -> None:
    for extra, environment in ((["--debug"], {}), ([], {"ALLENNLP_DEBUG": "1"})):
        done = allennlp("train", CONFIG, "-s", tmp_path / "run", *OURS, *extra, NER_DATA="nowhere", **environment)
        assert done.returncode != 0 and "Traceback" in done.stderr


def _fresh(command: list[str]) -> subprocess.Popen:
    """The command as a process that a shell starts in the foreground."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("allennlp")), *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, of which these tests may be one, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _stopped(command: list[str], stop: int, moment: Path, forked: bool) -> tuple[int, str]:
    """Send a signal to the running command as soon as there is a file; returns its status and what it wrote."""
    process = Forked(command) if forked else _fresh(command)
    alive = process.process.is_alive if isinstance(process, Forked) else lambda: process.poll() is None
    deadline = time.time() + 120
    while not moment.exists() and time.time() < deadline:
        assert alive()
        time.sleep(0.05)
    if isinstance(process, Forked):
        os.kill(process.process.pid, stop)
        done = process.wait()
        return done.returncode, done.stderr
    process.send_signal(stop)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.parametrize("forked", [True, pytest.param(False, marks=pytest.mark.exhaustive)], ids=["forked", "afresh"])
@pytest.mark.parametrize("stop, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "end"])
def test_a_run_that_a_signal_stops_can_be_recovered(
    stop: int, status: int, forked: bool, tmp_path: Path, allennlp
) -> None:
    overrides = json.dumps({"model.projection.dim": 16, "dataset_reader.max_instances": 40, "trainer.cuda_device": -1})
    command = ["train", CONFIG, "-s", str(tmp_path / "run"), "-o", overrides, *OURS]
    found, err = _stopped(command, stop, tmp_path / "run/metrics_epoch_1.json", forked)
    assert found == status, err
    assert "Traceback" not in err
    [hint] = [line.partition("allennlp ")[2] for line in err.splitlines() if line.startswith("stopped;")]
    assert shlex.split(hint) == [*command, "--recover"]
    done = allennlp(*shlex.split(hint))
    assert done.returncode == 0, done.stderr
    assert "epoch" in (tmp_path / "run/metrics.json").read_text()
    assert (tmp_path / "run/model.tar.gz").exists()


@pytest.mark.exhaustive
def test_two_processes_on_a_cpu(allennlp_afresh, tiny_overrides: str, tmp_path: Path) -> None:
    overrides = {**json.loads(tiny_overrides), "distributed": {"cuda_devices": [-1, -1]}}
    del overrides["trainer.cuda_device"]
    arguments = ["train", CONFIG, "-s", tmp_path / "run", "-o", json.dumps(overrides), *OURS]
    done = allennlp_afresh(*arguments, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    single = sum(
        len(places)
        for line in Path("fixtures/sample/dev.json").read_text().splitlines()[:120]
        for surfaces in json.loads(line)["label"].values()
        for places in surfaces.values()
    )
    assert metrics["best_validation_gold"] == single, "each sentence is counted on one rank"


def test_bfloat16_on_a_cpu(allennlp, tiny_overrides: str, tmp_path: Path) -> None:
    overrides = {**json.loads(tiny_overrides), "trainer.use_amp": True, "trainer.amp_dtype": "bfloat16"}
    done = allennlp("train", CONFIG, "-s", tmp_path / "run", "-o", json.dumps(overrides), *OURS)
    assert done.returncode == 0, done.stderr
