import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.modules.crf.compaction import Compaction


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 4), st.integers(0, 7), st.sampled_from([(), (3,), (2, 2)]), st.booleans(), st.integers(0, 999))
def test_left_is_indexing_and_back_its_inverse(batch, length, rest, trimmed, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, length, generator=generator) < 0.6
    values = torch.randn(batch, length, *rest, generator=generator)
    longest = int(mask.sum(1).max()) if batch else 0
    compaction = Compaction(mask, width=longest if trimmed and longest else None)
    left = compaction.left(values)
    assert left.shape[:2] == compaction.mask.shape and compaction.lengths.tolist() == mask.sum(1).tolist()
    for b in range(batch):
        kept = values[b, mask[b]]
        assert torch.equal(left[b, : len(kept)], kept) and (left[b, len(kept) :] == 0).all()
        assert torch.equal(left[b, compaction.mask[b]], kept)
    back = compaction.back(left)
    assert torch.equal(back, torch.where(mask.view(*mask.shape, *[1] * len(rest)), values, 0))


def test_what_is_left_out_may_be_nan_and_gets_no_gradient():
    mask = torch.tensor([[True, False, True]])
    values = torch.tensor([[1.0, torch.nan, 3.0]], requires_grad=True)
    compaction = Compaction(mask)
    left = compaction.left(values)
    assert left.tolist() == [[1.0, 3.0, 0.0]]
    (gradient,) = torch.autograd.grad((left * torch.tensor([5.0, 7.0, 11.0])).sum(), values)
    assert gradient.tolist() == [[5.0, 0.0, 7.0]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.bfloat16, torch.bool])
def test_types_stay(dtype):
    values = torch.ones(1, 3, dtype=dtype)
    left = Compaction(torch.tensor([[False, True, True]])).left(values)
    assert left.dtype == dtype and left.tolist() == [[1, 1, 0]]
