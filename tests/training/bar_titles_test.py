from pathlib import Path
from typing import Any

import pytest
from staged_runs import experiment, train

from ner_plugins import progress


def test_the_bars_of_a_run_have_titles_and_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int | None]] = []
    original = progress.ProgressLines.__init__

    def note(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        made.append((self.desc, self.total))

    monkeypatch.setattr(progress.ProgressLines, "__init__", note)
    monkeypatch.setattr(progress, "is_redrawn", lambda: False)
    settings = experiment()
    settings |= {"evaluate_on_test": True, "test_data_path": settings["validation_data_path"]}
    train(settings, tmp_path / "run")
    epochs = [one for one in made if one[0].startswith("epoch")]
    # 14 sentences in batches of 4 in training, and of 8 in validation.
    assert epochs == [
        ("epoch 0/1", 4), ("epoch 0/1, validation", 2), ("epoch 1/1", 4), ("epoch 1/1, validation", 2),
    ]  # fmt: skip
    assert made[-1] == ("evaluating", 2)
    others = {title for title, _ in made[:-1]} - {title for title, _ in epochs}
    assert others == {"loading instances", "building vocab"}


def test_evaluation_has_a_title_and_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.evaluation.evaluator import SimpleEvaluator

    made: list[tuple[str, int | None]] = []
    original = progress.ProgressLines.__init__

    def note(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        made.append((self.desc, self.total))

    class Loader(list[Any]):
        def set_target_device(self, device: Any) -> None:
            pass

    class Lazy(Loader):
        def __len__(self) -> int:
            raise TypeError

    class Model:
        def eval(self) -> None:
            pass

        def __call__(self, **batch: Any) -> dict[str, Any]:
            return {}

        def get_metrics(self, reset: bool = False) -> dict[str, float]:
            return {"seqeval/micro_f1": 0.5}

    monkeypatch.setattr(progress.ProgressLines, "__init__", note)
    monkeypatch.setattr(progress, "is_redrawn", lambda: False)
    for loader in (Loader([{}, {}]), Lazy([{}, {}])):
        assert SimpleEvaluator()(Model(), loader) == {"seqeval/micro_f1": 0.5}  # type: ignore[arg-type]
    assert made == [("evaluating", 2), ("evaluating", None)]
