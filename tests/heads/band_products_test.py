import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ner_plugins.heads.band import span_mask
from ner_plugins.heads.band_products import band_products


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 75), st.integers(1, 80), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_a_band_and_its_gradients_equal_those_of_all_pairs(length, width, heads, with_offsets, seed):
    torch.manual_seed(seed)
    width = min(width, length)
    queries = torch.randn(2, length, heads, 4, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(2, length, 4, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(2, length, heads, dtype=torch.float64) if with_offsets else None
    band = band_products(queries, keys, width, offsets)
    assert band.shape == (2, heads, length, width) and band.isfinite().all()
    pairs = torch.einsum("bihd,bjd->bhij", queries, keys)
    if offsets is not None:
        pairs = pairs + offsets.transpose(1, 2).unsqueeze(3)
    last = torch.arange(length).unsqueeze(1) + torch.arange(width)  # Shape: (length, width)
    expected = F.pad(pairs, (0, width))[:, :, torch.arange(length).unsqueeze(1), last]
    cells = span_mask(torch.ones(2, length, dtype=torch.bool), width).unsqueeze(1).expand_as(band)
    torch.testing.assert_close(band[cells], expected[cells])
    weights = torch.randn_like(band[cells])
    grads = [torch.autograd.grad((one[cells] * weights).sum(), (queries, keys)) for one in (band, expected)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    torch.manual_seed(0)
    queries, keys = torch.randn(1, 40, 1, 8), torch.randn(1, 40, 8)
    band = band_products(queries.to(dtype), keys.to(dtype), 5)
    assert band.dtype == dtype
    torch.testing.assert_close(band.float(), band_products(queries, keys, 5), atol=0.1, rtol=0.02)
