import pickle
import sys
from pathlib import Path

import numpy
import pytest
import torch

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ArchiveError


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_payload_is_refused_and_not_run(tmp_path: Path, protocol: str) -> None:
    weights, touched = tmp_path / "weights.th", tmp_path / "touched"
    if protocol == "torch":
        torch.save({"weight": Payload(touched)}, weights)
    else:
        weights.write_bytes(pickle.dumps(Payload(touched)))
    with pytest.raises(ArchiveError, match="refused"):
        safe_load.load(weights)
    assert not touched.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_damaged_weights_say_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.th").write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged"):
        safe_load.load(tmp_path / "weights.th")


@pytest.mark.parametrize(
    "content, said",
    [
        ([torch.ones(2)], "does not hold a model's weights, but a list"),
        (torch.ones(2), "does not hold a model's weights, but a Tensor"),
        ({0: torch.ones(2)}, "does not hold a model's weights, but a dict"),
        ({"a": torch.ones(2), "b": {"c": 1}}, "does not hold a model's weights: b is a dict instead of a tensor"),
    ],
)
def test_what_is_no_weights_is_named(tmp_path: Path, content: object, said: str) -> None:
    torch.save(content, tmp_path / "weights.th")
    with pytest.raises(ArchiveError, match=f"{tmp_path / 'weights.th'}: {said}"):
        safe_load.load_weights(tmp_path / "weights.th")


def test_every_module_that_loads_loads_safely() -> None:
    import allennlp.common.cached_transformers
    import allennlp.nn.initializers
    import allennlp.training.gradient_descent_trainer  # noqa: F401

    for name in safe_load._MODULES:
        assert sys.modules[name].torch.load is safe_load.LOADS.get(name, safe_load.load), name
        assert sys.modules[name].torch.Tensor is torch.Tensor


def test_even_who_asks_for_unsafe_loading_does_not_get_it(tmp_path: Path) -> None:
    torch.save({"weight": Payload(tmp_path / "touched")}, tmp_path / "w")
    with pytest.raises(ArchiveError):
        safe_load.load(tmp_path / "w", weights_only=False)


def test_trainer_states_with_numpy_scalars_load(tmp_path: Path) -> None:
    state = {"best": numpy.float64(0.5), "epoch": numpy.int64(3), "flag": numpy.bool_(True), "w": torch.ones(2)}
    safe_load.save(state, tmp_path / "state.th")
    assert safe_load.load(tmp_path / "state.th")["best"] == 0.5


def test_saving_replaces_the_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.th"
    safe_load.save({"step": 1}, path)

    def cut_short(value, name, *args, **kwargs):
        Path(name).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(KeyboardInterrupt):
        safe_load.save({"step": 2}, path)
    assert safe_load.load(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state.th"]


def test_cached_tensors_can_be_read_again(tmp_path: Path) -> None:
    from allennlp.common.file_utils import TensorCache

    cache = TensorCache(tmp_path / "cache")
    cache["first"] = torch.arange(3.0)
    cache.cache_cache.clear()  # what is in memory
    assert cache["first"].tolist() == [0.0, 1.0, 2.0]
