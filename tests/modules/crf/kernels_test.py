"""The compiled kernels' arithmetic, and what happens where they cannot be had."""

import logging
import sys

import numba
import numpy as np
import pytest
import torch
from enumerated_chains import random_potentials

from ner_plugins.kernels import arithmetic, compiling
from ner_plugins.modules.crf import compiled as crf_compiled
from ner_plugins.modules.crf import inference as crf_inference


@pytest.fixture
def anew():
    """Ask again whether there are kernels, now and after the test."""
    crf_compiled.is_available.cache_clear()
    yield
    crf_compiled.is_available.cache_clear()


def test_exponential_and_logarithm():
    x = np.concatenate([-np.linspace(0, 86.9, 20011), [-88, -1e6, -1e30, 0.0]]).astype(np.float32)
    out = np.empty_like(x)
    arithmetic.exponentials(x, np.float32(0), out)
    np.testing.assert_allclose(out, np.where(x < -87, 0, np.exp(x.astype(np.float64))), rtol=2e-7)
    positive = np.concatenate([np.geomspace(1e-36, 1e4, 20011), [1.0, 0.70710677, 0.70710683]]).astype(np.float32)
    out = np.empty_like(positive)
    arithmetic.logarithms(positive, np.zeros_like(positive), out)
    np.testing.assert_allclose(out, np.log(positive.astype(np.float64)), rtol=2e-7, atol=2e-7)
    nothing = np.zeros(16, np.float32)
    arithmetic.logarithms(nothing, nothing, out[:16])
    assert np.isfinite(out[:16]).all()


@pytest.mark.parametrize("height, width", [(1, 16), (9, 16), (21, 32), (41, 48)])
def test_weighted_rows(height, width):
    generator = np.random.default_rng(0)
    x, rows = (generator.random(shape).astype(np.float32) for shape in ((width,), (height, width)))
    out = np.full(width, np.nan, np.float32)
    arithmetic.weighted_rows(x, rows, out)
    np.testing.assert_allclose(out, x[:height] @ rows, rtol=1e-5)


def test_vectors():
    x = np.random.default_rng(1).standard_normal(48).astype(np.float32)
    assert arithmetic.largest(x) == x.max() and arithmetic.smallest(x) == x.min()
    assert arithmetic.dot(x, x) == pytest.approx(float(x @ x), rel=1e-5)


def everything(potentials):
    leaves = potentials._replace(emissions=potentials.emissions.clone().requires_grad_())
    loss = crf_inference.negative_log_likelihood(leaves, torch.zeros_like(potentials.mask, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(loss.sum(), leaves.emissions)
    return crf_inference.viterbi(potentials).tags, loss.detach(), gradient, crf_inference.marginals(potentials)


@pytest.mark.parametrize(
    "name, problem",
    [
        ("import", None),
        ("switched off", None),
        ("_try_out", numba.core.errors.TypingError("no such instruction")),
        ("_try_out", OSError("disk full")),
    ],
)
def test_without_them_plain_torch_takes_over_and_says_so_once(anew, monkeypatch, caplog, name, problem):
    potentials = random_potentials(3, 6, 4, 0, dtype=torch.float32)
    expected = everything(potentials)
    crf_compiled.is_available.cache_clear()
    if name == "import":
        monkeypatch.setitem(sys.modules, "numba", None)
        monkeypatch.setitem(sys.modules, "numba.core.errors", None)
    elif name == "switched off":
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    else:

        def fail(module):
            raise problem

        monkeypatch.setattr(crf_compiled, name, fail)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            for ours, theirs in zip(everything(potentials), expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    said = [record.message for record in caplog.records if "plain torch, which is slower" in record.message]
    assert len(said) == 2  # for each of the two modules of kernels


def test_a_cache_that_cannot_be_written_is_no_reason_to_do_without(anew, monkeypatch, caplog):
    calls = []

    def fail_once(module):
        calls.append(module)
        if len(calls) == 1:
            raise OSError("read-only file system")

    monkeypatch.setattr(crf_compiled, "_try_out", fail_once)
    with caplog.at_level(logging.WARNING):
        assert crf_compiled.is_available("viterbi")
    assert calls == ["viterbi"] * 2 and "cannot cache" in caplog.text and "read-only" in caplog.text


def test_no_place_for_a_cache(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiling.kernel(max) == (max, {"nogil": True})
