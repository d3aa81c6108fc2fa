from pathlib import Path

from allennlp.training import Checkpointer


def test_the_newest_whole_pair_is_recovered(tmp_path: Path) -> None:
    checkpointer = Checkpointer(str(tmp_path))
    assert checkpointer.find_latest_checkpoint() is None
    for name in ("model_state_e1_b0.th", "training_state_e1_b0.th", "model_state_e2_b0.th"):
        (tmp_path / name).touch()
    model, state = checkpointer.find_latest_checkpoint()
    assert (Path(model).name, Path(state).name) == ("model_state_e1_b0.th", "training_state_e1_b0.th")
    (tmp_path / "training_state_e2_b0.th").touch()
    assert Path(checkpointer.find_latest_checkpoint()[0]).name == "model_state_e2_b0.th"
