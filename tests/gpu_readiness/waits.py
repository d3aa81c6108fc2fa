"""
A training step never waits for a GPU: no value of a tensor reaches the host between forward and backward.

The pretended GPU has no values, so whatever needs one (`item`, `bool`, `int`, `float`, `tolist`, `numpy`, `nonzero`, a
mask as an index) raises an error, and copies between host and device are counted. `pretended_test.py` runs this file in
a process of its own; `real_test.py` is the same on a GPU.
"""

import functools
from pathlib import Path

import gpu_cases
import pytest
from pretended_gpu import register_backend, training_step

register_backend()


def params() -> list[object]:
    """The steps, those of most heads over most encoders exhaustive: each head and each encoder is in another one."""
    quick = ("/embedding", *(f"{head}/{encoder}" for head in ("crf", "biaffine") for encoder in gpu_cases.ENCODERS))
    marks = pytest.mark.exhaustive
    return [case if case.endswith(quick) else pytest.param(case, marks=marks) for case in gpu_cases.STEPS]


@pytest.mark.parametrize("case", params())
def test_a_training_step_waits_for_nothing(case: str, tmp_path: Path) -> None:
    head, encoder = case.rsplit("/", 1)
    assert training_step(functools.partial(gpu_cases.build, head, encoder, tmp_path)) == []


def test_a_recurrent_encoder_of_allennlp_waits_for_the_lengths(tmp_path: Path) -> None:
    [error] = training_step(functools.partial(gpu_cases.build, "crf", "bilstm", tmp_path))
    assert error.startswith("DataDependentOutputException in ") and "allennlp/modules/encoder_base.py" in error
