"""Chains and tags in numpy, with the kernels and without: equal to the head `tags`, which computes in torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.decoding import chains
from ner_plugins.decoding.chains import ChainScores
from ner_plugins.decoding.tags import TagDecoder
from ner_plugins.heads.tags import TagsHead

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=5)
HEADS = {
    (scheme, decoder, constrain): TagsHead(4, ["A", "B", "C"], scheme, decoder, constrain=constrain)
    for scheme in ("BIO", "IOB1", "BIOES", "BMEO")
    for decoder in ("crf", "softmax")
    for constrain in (True, False)
}


def decoder_of(head: TagsHead) -> TagDecoder:
    zeros = torch.zeros(1, 1, len(head.tag_set))
    found = head.crf.potentials(zeros, zeros[..., 0])
    scores = ChainScores(*(part.detach().numpy() for part in (found.transitions, found.start, found.end)))
    return TagDecoder(scores, head.tag_set.continues().numpy(), len(head.tag_set.letters))


@pytest.fixture(params=["kernels", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(chains, "kernels_run", lambda: False)
    else:
        assert chains.kernels_run()
    return request.param


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(HEADS)), LENGTHS, st.integers(0, 999), st.sampled_from([0.1, 2.0, 40.0]))
def check(options: tuple[str, str, bool], lengths: list[int], seed: int, scale: float) -> None:
    head = HEADS[options]
    torch.manual_seed(seed)
    emissions = torch.randn(len(lengths), max(lengths), len(head.tag_set)) * scale
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    thresholds = torch.tensor([0.0, 0.3, 0.05])
    with torch.no_grad():
        expected = head.decode(emissions, mask, thresholds)
    decoder = decoder_of(head)
    found = decoder.decode(emissions.numpy(), np.array(lengths), thresholds.numpy())
    for name in ("sentence", "start", "end", "type"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    # torch adds up a path's score in float32, whose spacing at that size is the error of a probability's logarithm.
    spacing = float(np.finfo(np.float32).eps) * max(lengths) * emissions.abs().max().item()
    bound = max(2e-5, 2 * spacing)
    assert found.probability.tolist() == pytest.approx(expected.probability.tolist(), abs=bound)
    certain = (found.probability < 1e-3) | (found.probability > 1 - 1e-3)  # there log-odds magnify rounding
    assert found.score[~certain].tolist() == pytest.approx(expected.score.numpy()[~certain].tolist(), abs=0.03)
    assert list(found.invalid) == []
    with torch.no_grad():
        first = slice(0, lengths[0])
        best = head.n_best(emissions[:1, first], mask[:1, first], 4)
    taggings = decoder.n_best(emissions[0, first].numpy(), 4)
    assert [share for _, share in taggings] == pytest.approx([share for _, share in best], abs=bound)
    assert [sorted(spans) for spans, _ in taggings] == [sorted(spans) for spans, _ in best]


def test_entities_probabilities_and_taggings_are_those_of_the_head(way: str) -> None:
    check()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_text_whose_scores_are_not_numbers_is_named_and_leaves_others_alone(way: str, bad: float) -> None:
    head = HEADS["BIOES", "crf", True]
    torch.manual_seed(1)
    emissions = torch.randn(3, 5, len(head.tag_set)) * 3
    decoder, lengths = decoder_of(head), np.array([5, 4, 5])
    alone = decoder.decode(emissions.numpy(), lengths, np.zeros(3, np.float32))
    emissions[1, 2, 3] = bad
    emissions[2, 3, 1] = -float("inf")  # rules a tag out
    found = decoder.decode(emissions.numpy(), lengths, np.zeros(3, np.float32))
    assert list(found.invalid) == [1]
    assert found.rows(3)[0] == alone.rows(3)[0]
    emissions[1, 2, 3], emissions[1, 4, 0] = 0, bad  # past its end
    assert list(decoder.decode(emissions.numpy(), lengths, np.zeros(3, np.float32)).invalid) == []


def test_ties_go_to_the_lowest_tag(way: str) -> None:
    scores = ChainScores(np.zeros((4, 4), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))
    tags, best = chains.best_tags(np.zeros((2, 3, 4), np.float32), np.array([3, 2]), scores)
    assert tags.tolist() == [[0] * 3] * 2 and best.tolist() == [0, 0]
