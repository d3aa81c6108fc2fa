"""Runs that are recovered from checkpoints with damaged, missing and other files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from killed_runs import assert_same, run, settings
from staged_runs import NERCO, experiment, train, train_and_kill

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ArchiveError

Change = Callable[[Path], Any]


def replaced(**values: Any) -> Change:
    """Another value for keys of a checkpoint; without a value a key is removed."""

    def change(path: Path) -> None:
        state = safe_load.load(path) | {name: value for name, value in values.items() if value is not None}
        torch.save({name: value for name, value in state.items() if values.get(name, 0) is not None}, path)

    return change


def saved(value: Any) -> Change:
    return lambda path: torch.save(value, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, tuple[str, Change]] = {
    "cut": ("training_state", cut),
    "empty": ("training_state", lambda path: path.write_bytes(b"")),
    "a list": ("training_state", saved([1])),
    "without its figures": ("training_state", replaced(records=None)),
    "weights cut": ("model_state", cut),
    "weights missing": ("model_state", Path.unlink),
    "weights a list": ("model_state", saved([torch.ones(1)])),
    "weights with a number": ("model_state", replaced(more=1)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(settings(), folder)
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "run"
    assert not run(settings(), folder, kill=40)
    assert len(list(folder.glob("training_state*"))) > 1
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy of a run; its files with two names stay one file."""
    shutil.copytree(folder, target)
    return target


def newest(folder: Path, kind: str) -> Path:
    """The weights or the state of the newest checkpoint."""
    states = sorted(folder.glob("training_state*"), key=lambda path: path.stat().st_mtime_ns)
    return folder / states[-1].name.replace("training_state", kind)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_checkpoint_before_a_damaged_one_is_used(damage: str, killed: Path, whole: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path / "run")
    kind, change = DAMAGES[damage]
    change(newest(folder, kind))
    train(settings(), folder, recover=True)
    assert "this checkpoint is damaged, so the one before it is used" in (folder / "out.log").read_text()
    assert_same(folder, whole)


@pytest.mark.parametrize("damage", [name for name, (kind, _) in DAMAGES.items() if kind == "training_state"])
def test_if_all_are_damaged_it_is_told(damage: str, killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path / "run")
    for path in folder.glob("training_state*"):
        DAMAGES[damage][1](path)
    with pytest.raises(ArchiveError, match=r"training_state_e\d_b\d\.th: no checkpoint of this run is whole"):
        train(settings(), folder, recover=True)


MISFITS: dict[str, tuple[str, Change]] = {
    "weights of other shapes": ("model_state", lambda path: torch.save(
        {name: torch.ones(7, 7) for name in safe_load.load(path)}, path)),
    "weights of another model": ("model_state", saved({"other": torch.ones(1)})),
    "no optimizer": ("training_state", replaced(updates={})),
    "no ranks": ("training_state", replaced(ranks=[{}])),
    "records of another kind": ("training_state", replaced(records=[])),
    "callbacks of another kind": ("training_state", replaced(callbacks={"Curves": 1, "RunRecorder": []}, updates=3)),
}  # fmt: skip


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_checkpoint_that_does_not_fit_is_told(misfit: str, killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path / "run")
    kind, change = MISFITS[misfit]
    change(newest(folder, kind))
    with pytest.raises(ArchiveError, match=rf"{folder}: its checkpoint does not fit .* start the run again"):
        train(settings(), folder, recover=True)


@pytest.fixture(scope="module")
def killed_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "run"
    assert train_and_kill(experiment(NERCO), folder, "checkpoint.th", 2)
    return folder


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("checkpoint.th", replaced(entry=None), "does not fit"),
        ("checkpoint.th", replaced(updates={}), "does not fit"),
        ("checkpoint.th", replaced(progress={"epoch": 3}), "does not fit"),
        ("checkpoint.th", replaced(random=[{}]), "does not fit"),
        ("checkpoint.th", saved([1]), "checkpoint.th: does not hold the state of a stage"),
        ("contrastive_constant.th", saved([1]), "contrastive_constant.th: does not hold the state of a stage"),
        ("contrastive_constant.th", replaced(model=None), "does not fit"),
        ("contrastive_after_1.th", replaced(model={"head.tag_projection.weight": torch.ones(1)}), "does not fit"),
        ("contrastive_after_1.th", Path.unlink, "contrastive_after_1.th: not found"),
    ],
)
def test_a_damaged_checkpoint_of_a_stage_is_told(
    name: str, change: Change, said: str, killed_stage: Path, tmp_path: Path
) -> None:
    folder = copied(killed_stage, tmp_path / "run")
    change(folder / "nerco" / name)
    with pytest.raises(ArchiveError, match=said):
        train(experiment(NERCO), folder, recover=True)


@pytest.mark.parametrize("state", [{"model": {"a": torch.ones(1)}, "random": []}, {}], ids=["weights", "nothing"])
def test_a_damaged_end_of_the_stages_is_told(state: dict[str, Any], killed_stage: Path, tmp_path: Path) -> None:
    folder = copied(killed_stage, tmp_path / "run")
    torch.save({"version": 1, **state}, folder / "nerco/finished.th")
    with pytest.raises(ArchiveError, match="does not fit"):
        train(experiment(NERCO), folder, recover=True)


@pytest.mark.parametrize("kind", ["training_state", "model_state"])
def test_a_checkpoint_of_allennlps_trainer_that_holds_a_list_is_named(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert train_and_kill(experiment(num_epochs=3), folder, "training_state_e2")
    torch.save([1], newest(folder, kind))
    with pytest.raises(ArchiveError, match=f"{kind}_e2_b0.th: does not hold the state of a run, but a list"):
        train(experiment(num_epochs=3), folder, recover=True)
