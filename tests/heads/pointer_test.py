import itertools
import math
from unittest import mock

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.heads.head import Head
from ner_plugins.heads.pointer import PointerHead, PointerScores, pointer_tags, pointer_targets

sizes = st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 5), st.integers(2, 4))
widths = st.none() | st.integers(1, 9)


def literal_ends(head, encoded, conditions):
    """The published end layer on vectors put together; `conditions` stands for the start labels."""
    hidden = F.linear(torch.cat((encoded, conditions), -1), head.end_hidden.weight, head.end_hidden.bias).tanh()
    normed = (hidden - hidden.mean(-1, keepdim=True)) / (hidden.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    return F.linear(normed * head.end_norm.weight + head.end_norm.bias, head.end.weight, head.end.bias)


def types_of(classes):
    return list("abcdefgh"[: classes - 1])


def decode(head, scores, mask, decoding, thresholds=None, score="margin"):
    head.decoding, head.decoding_score = decoding, score
    return head.decode(scores, mask, thresholds)


def one_hot(labels, classes):
    return F.one_hot(labels, classes).double()


def setup(size, seed, width=None, **options):
    torch.manual_seed(seed)
    batch, length, dim, classes = size
    head = PointerHead(dim, types_of(classes), width, **options).double()
    for parameter in head.end_norm.parameters():
        torch.nn.init.normal_(parameter)
    encoded = torch.randn(batch, length, dim, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1))
    return head, encoded, mask


def random_entities(size, generator):
    """Rows that nest, cross, repeat and may be padding. Shape: (batch, 5, 3)"""
    batch, length, _, classes = size
    start = torch.randint(0, length, (batch, 5), generator=generator)
    end = (start + torch.randint(1, length + 1, (batch, 5), generator=generator)).clamp(max=length)
    type_id = torch.randint(0, classes - 1, (batch, 5), generator=generator)
    padding = torch.rand(batch, 5, 1, generator=generator) < 0.3
    return torch.stack((start, end, type_id), -1).masked_fill(padding, -1)


def literal_targets(rows, length, width):
    """Start and end labels of one sentence, from the gold that a flat notation can hold."""
    limit = length if width is None else width
    entities = [Entity(s, e, str(t)) for s, e, t in rows if t >= 0 and e <= length and e - s <= limit]
    starts, ends = [0] * length, [0] * length
    for entity in resolve_overlaps(entities):
        starts[entity.start] = ends[entity.end - 1] = int(entity.type) + 1
    return starts, ends


@settings(max_examples=60, deadline=None)
@given(sizes, widths, st.integers(0, 999))
def test_targets(size, width, seed):
    entities = random_entities(size, torch.Generator().manual_seed(seed))
    mask = torch.arange(size[1]) < torch.tensor([[size[1]]] + [[max(1, size[1] - 2)]] * (size[0] - 1))
    starts, ends = pointer_targets(entities, mask, pointer_tags(size[3] - 1), width)
    for b, rows in enumerate(entities.tolist()):
        length = int(mask[b].sum())
        expected = literal_targets(rows, length, width)
        assert (starts[b, :length].tolist(), ends[b, :length].tolist()) == expected
        assert not starts[b, length:].any() and not ends[b, length:].any()


def test_targets_without_gold():
    nothing = torch.zeros(2, 0, 3, dtype=torch.int64)
    starts, ends = pointer_targets(nothing, torch.ones(2, 4, dtype=torch.bool), pointer_tags(3))
    assert starts.shape == ends.shape == (2, 4)
    assert not starts.any() and not ends.any()


def test_of_gold_that_overlaps_the_longest_gives_the_labels():
    entities = torch.tensor([[[0, 5, 1], [0, 2, 0], [3, 5, 0], [5, 6, 2], [5, 6, 0], [6, 8, 0], [7, 9, 1]]])
    starts, ends = pointer_targets(entities, torch.ones(1, 9, dtype=torch.bool), pointer_tags(3))
    assert starts.tolist() == [[2, 0, 0, 0, 0, 1, 1, 0, 0]]
    assert ends.tolist() == [[0, 0, 0, 0, 2, 1, 0, 1, 0]]
    head = PointerHead(4, types_of(4))
    gold = [Entity(start, end, "abc"[type_id]) for start, end, type_id in entities[0].tolist()]
    assert head.reachable(gold) == [Entity(0, 5, "b"), Entity(5, 6, "a"), Entity(6, 8, "a")]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("conditioning", ["soft", "hard"])
def test_loss_and_gradients_equal_the_literal_form(training, conditioning):
    @settings(max_examples=20, deadline=None)
    @given(sizes, widths, st.integers(0, 999))
    def check(size, width, seed):
        head, encoded, mask = setup(size, seed, width, conditioning=conditioning)
        head.train(training)
        classes = size[3]
        entities = random_entities(size, torch.Generator().manual_seed(seed))
        rows = [literal_targets(r, n, width) for r, n in zip(entities.tolist(), mask.sum(1).tolist(), strict=True)]
        starts, ends = (torch.tensor([r[k] + [0] * (size[1] - len(r[k])) for r in rows]) for k in (0, 1))

        start_logits = F.linear(encoded, head.start.weight, head.start.bias)
        inferred = start_logits.softmax(-1) if conditioning == "soft" else one_hot(start_logits.argmax(-1), classes)
        end_logits = literal_ends(head, encoded, one_hot(starts, classes) if training else inferred)
        expected = F.cross_entropy(start_logits[mask], starts[mask]) + F.cross_entropy(end_logits[mask], ends[mask])

        actual = head.loss(head(encoded, mask), entities, mask)
        torch.testing.assert_close(actual, expected / 2)
        inputs = [encoded, *head.parameters()]
        torch.testing.assert_close(torch.autograd.grad(actual, inputs), torch.autograd.grad(expected / 2, inputs))

    check()


def test_the_ends_see_gold_starts_only_in_training():
    head, encoded, _ = setup((1, 6, 4, 3), 0)
    mask = torch.ones(1, 6, dtype=torch.bool)
    gold, other = torch.tensor([[[0, 2, 0]]]), torch.tensor([[[1, 2, 1]]])
    scores = head(encoded, mask)

    def ends_of(entities):
        """The logits that the loss of the ends was given."""
        with mock.patch.object(head.span_loss, "weighted", wraps=head.span_loss.weighted) as called:
            assert head.loss(scores, entities, mask).shape == ()
        return called.call_args_list[1].args[0]

    assert not torch.equal(ends_of(gold), ends_of(other))
    head.eval()
    assert torch.equal(ends_of(gold), ends_of(other))


@pytest.mark.parametrize("conditioning", ["soft", "hard"])
def test_gradcheck(conditioning):
    head, encoded, mask = setup((2, 4, 3, 3), 2, conditioning=conditioning)
    entities = torch.tensor([[[0, 1, 1]], [[0, 1, 0]]])

    def loss(encoded, *parameters):
        return head.loss(head(encoded, mask), entities, mask)

    assert torch.autograd.gradcheck(loss, (encoded, *head.parameters()))


def random_scores(size, seed, bias=1.0):
    """A head whose ends do not depend on its starts, with scores drawn for both."""
    batch, length, _, classes = size
    generator = torch.Generator().manual_seed(seed)
    head = PointerHead(1, types_of(classes)).double()
    torch.nn.init.zeros_(head.end_hidden.weight)
    logits = 2 * torch.randn(2, batch, length, classes, generator=generator, dtype=torch.float64)
    logits[..., 0] += bias
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=generator)
    head.end_logits = lambda scores, starts=None: logits[1]
    return head, PointerScores(logits[0], logits[1]), mask


def probabilities(scores, b):
    """log p(start label) and log p(end label) of a sentence's tokens, as lists."""
    return scores.start[b].log_softmax(-1).tolist(), scores.end_hidden[b].log_softmax(-1).tolist()


def literal_candidates(scores, mask, b, width, threshold):
    """(margin, probability, start, end, type) of every span and its best type, where it beats class 0."""
    starts, ends = probabilities(scores, b)
    length = int(mask[b].sum())
    found = []
    for i in range(length):
        for j in range(i, length if width is None else min(i + width, length)):
            sums = [s + e for s, e in zip(starts[i], ends[j], strict=True)]
            best = max(range(1, len(sums)), key=lambda label: sums[label])
            if sums[best] > sums[0] and math.exp(sums[best]) >= threshold[best - 1]:
                found.append((sums[best] - sums[0], math.exp(sums[best]), i, j + 1, best - 1))
    return found


def literal_greedy(candidates, rank):
    kept = []
    for candidate in sorted(candidates, key=lambda c: (-c[rank], c[2], c[3])):
        if all(candidate[3] <= other[2] or other[3] <= candidate[2] for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda c: c[2])


def best_total(candidates):
    """The largest sum of margins over all sets of candidates that share no token, by enumeration."""
    best = 0.0
    for index, (margin, _, _, end, _) in enumerate(candidates):
        best = max(best, margin + best_total([c for c in candidates[index + 1 :] if c[2] >= end]))
    return best


def rows_of(decoded, b):
    """(score, probability, start, end, type) of a sentence's decoded spans."""
    columns = (decoded.score, decoded.probability, decoded.start, decoded.end, decoded.type)
    rows = zip(decoded.sentence.tolist(), *(column.tolist() for column in columns), strict=True)
    return [row[1:] for row in rows if row[0] == b]


def assert_rows(actual, expected):
    assert [row[2:] for row in actual] == [row[2:] for row in expected]
    for row, other in zip(actual, expected, strict=True):
        assert row[:2] == pytest.approx(other[:2])


@settings(max_examples=100, deadline=None)
@given(sizes, widths, st.booleans(), st.sampled_from(["margin", "logit", "probability"]), st.integers(0, 9999))
def test_decoding_equals_brute_force(size, width, with_threshold, score, seed):
    head, scores, mask = random_scores(size, seed)
    head.max_span_width = width
    threshold = torch.rand(size[3] - 1, generator=torch.Generator().manual_seed(seed)) * with_threshold / 3
    greedy = decode(head, scores, mask, "flat_greedy", threshold, score)
    optimal = decode(head, scores, mask, "flat_optimal", threshold)
    for b in range(size[0]):
        candidates = literal_candidates(scores, mask, b, width, threshold.tolist())
        assert_rows(rows_of(greedy, b), literal_greedy(candidates, 0 if score == "margin" else 1))
        found = rows_of(optimal, b)
        assert all(any(c[2:] == row[2:] for c in candidates) for row in found)
        assert all(first[3] <= second[2] for first, second in itertools.pairwise(found))
        assert sum(row[0] for row in found) == pytest.approx(best_total(candidates))


def segmentations(first, length, types):
    """Every set of typed spans without overlap over the tokens from `first` on."""
    if first >= length:
        yield []
        return
    yield from segmentations(first + 1, length, types)
    for end in range(first + 1, length + 1):
        for rest in segmentations(end, length, types):
            for type_id in range(types):
                yield [(first, end, type_id), *rest]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(2, 3), st.integers(0, 999))
def test_flat_optimal_is_the_likeliest_of_all_labels_that_spell_flat_entities(length, classes, seed):
    head, scores, _ = random_scores((1, length, 1, classes), seed)
    starts, ends = probabilities(scores, 0)

    def log_likelihood(entities):
        start_labels, end_labels = [0] * length, [0] * length
        for start, end, type_id in entities:
            start_labels[start] = end_labels[end - 1] = type_id + 1
        return sum(starts[i][start_labels[i]] + ends[i][end_labels[i]] for i in range(length))

    best = max(segmentations(0, length, classes - 1), key=log_likelihood)
    decoded = decode(head, scores, torch.ones(1, length, dtype=torch.bool), "flat_optimal")
    assert [row[2:] for row in rows_of(decoded, 0)] == best


def literal_published(scores, mask, b, width, threshold):
    """The published loop: from each start to the first end at or after it with the same label."""
    starts, ends = probabilities(scores, b)
    length = int(mask[b].sum())
    start_labels = [max(range(len(row)), key=lambda label: row[label]) for row in starts[:length]]
    end_labels = [max(range(len(row)), key=lambda label: row[label]) for row in ends[:length]]
    found = []
    for i, label in enumerate(start_labels):
        if label == 0:
            continue
        for j, end_label in enumerate(end_labels[i:], i):
            if end_label == label:
                logit = starts[i][label] + ends[j][label]
                margin = logit - starts[i][0] - ends[j][0]
                if (width is None or j - i < width) and math.exp(logit) >= threshold[label - 1]:
                    found.append((margin, math.exp(logit), i, j + 1, label - 1))
                break
    return found


@settings(max_examples=80, deadline=None)
@given(sizes, widths, st.booleans(), st.sampled_from([0.0, 1.0]), st.integers(0, 9999))
def test_published_decoding_equals_the_published_loop(size, width, with_threshold, bias, seed):
    head, scores, mask = random_scores(size, seed, bias)
    head.max_span_width = width
    threshold = torch.rand(size[3] - 1, generator=torch.Generator().manual_seed(seed)) * with_threshold / 3
    decoded = decode(head, scores, mask, "published", threshold)
    assert len(decoded.invalid) == 0
    for b in range(size[0]):
        assert_rows(rows_of(decoded, b), literal_published(scores, mask, b, width, threshold.tolist()))


def pointer_band(starts, ends, length, types=2):
    """A head, and scores with the given (token, type): margin, all else far below class 0."""
    head = PointerHead(1, types_of(types + 1))
    logits = torch.full((2, 1, length, types + 1), -30.0)
    logits[..., 0] = 0.0
    for row, given_scores in zip(logits, (starts, ends), strict=True):
        for (token, type_id), margin in given_scores.items():
            row[0, token, type_id + 1] = margin
    head.end_logits = lambda scores, starts=None: logits[1]
    return head, PointerScores(logits[0], logits[1]), torch.ones(1, length, dtype=torch.bool)


def test_two_neighbours_of_a_type_stay_two():
    case = pointer_band({(0, 0): 9.0, (3, 0): 8.0}, {(1, 0): 8.0, (4, 0): 9.0}, 6)
    spans = {mode: [row[2:] for row in rows_of(decode(*case, mode), 0)] for mode in case[0].decodings}
    assert spans["flat_optimal"] == [(0, 2, 0), (3, 5, 0)]
    assert spans["published"] == [(0, 2, 0), (3, 5, 0)]
    assert spans["flat_greedy"] == [(0, 5, 0)]


def test_the_scores_rank_differently():
    # Two types contend for the first span, so its margin is the larger and its probability the smaller.
    starts, ends = {(0, 0): 5.0, (0, 1): 5.0, (1, 0): 3.0}, {(1, 0): 5.0, (1, 1): 5.0, (2, 0): 3.0}
    head, scores, mask = pointer_band(starts, ends, 3)
    spans = {
        score: [row[2:] for row in rows_of(decode(head, scores, mask, "flat_greedy", score=score), 0)]
        for score in ("margin", "logit", "probability")
    }
    assert spans == {"margin": [(0, 2, 0)], "logit": [(1, 3, 0)], "probability": [(1, 3, 0)]}


def test_published_spans_may_overlap_where_scored_ones_do_not():
    case = pointer_band({(0, 0): 9.0, (1, 0): 2.0}, {(2, 0): 9.0}, 4)
    assert [row[2:] for row in rows_of(decode(*case, "published"), 0)] == [(0, 3, 0), (1, 3, 0)]
    assert [row[2:] for row in rows_of(decode(*case, "flat_optimal"), 0)] == [(0, 3, 0)]


def test_a_weak_start_is_carried_by_a_sure_end():
    case = pointer_band({(0, 0): -1.0}, {(2, 0): 5.0}, 4)
    assert rows_of(decode(*case, "published"), 0) == []
    assert [row[2:] for row in rows_of(decode(*case, "flat_optimal"), 0)] == [(0, 3, 0)]


@pytest.mark.parametrize("mode", PointerHead.decodings)
def test_padding_batch_and_conditioning(mode):
    for conditioning in ("soft", "hard"):
        head, encoded, _ = setup((3, 7, 4, 3), 1, conditioning=conditioning)
        head.eval()
        lengths = [7, 4, 1]
        mask = torch.arange(10) < torch.tensor(lengths).unsqueeze(1)
        padded = F.pad(encoded, (0, 0, 0, 3)).masked_fill(~mask.unsqueeze(-1), 7.0)
        together = decode(head, head(padded, mask), mask, mode)
        for b, length in enumerate(lengths):
            real = torch.ones(1, length, dtype=torch.bool)
            alone = decode(head, head(encoded[b : b + 1, :length], real), real, mode)
            assert_rows(rows_of(together, b), rows_of(alone, 0))


@pytest.mark.parametrize("mode", PointerHead.decodings)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_scores_that_are_not_numbers_are_named(mode, bad, where):
    head, scores, _ = random_scores((4, 5, 1, 3), 0)
    mask = torch.arange(5) < torch.tensor([[5], [5], [3], [5]])
    scores[where][1, 2, 1] = bad
    scores[where][3, 4, 0] = bad
    scores[where][2, 4, 1] = bad  # not a token of the text
    decoded = decode(head, scores, mask, mode, torch.zeros(2))
    with pytest.raises(NerError, match=r"sentence\(s\) 1, 3 of the batch"):
        decoded.to_entities(4)


@pytest.mark.parametrize("mode", PointerHead.decodings)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(mode, dtype):
    torch.manual_seed(0)
    head, encoded = PointerHead(8, types_of(4)), torch.randn(2, 9, 8)
    mask, entities = torch.ones(2, 9, dtype=torch.bool), torch.tensor([[[0, 2, 1]], [[3, 7, 2]]])
    with torch.autocast("cpu", dtype):
        scores = head(encoded, mask)
        loss = head.loss(scores, entities, mask)
        decoded = decode(head, scores, mask, mode)
    loss.backward()
    assert scores.start.dtype == dtype
    assert loss.dtype == decoded.score.dtype == torch.float32
    torch.testing.assert_close(loss, head.loss(head(encoded, mask), entities, mask), rtol=0.05, atol=0.05)
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


def test_sizes_of_the_published_layers():
    shapes = {name: tuple(p.shape) for name, p in PointerHead(5, types_of(3)).named_parameters() if "weight" in name}
    assert shapes == {
        "start.weight": (3, 5), "end_hidden.weight": (8, 8), "end_norm.weight": (8,), "end.weight": (3, 8)
    }


def test_unknown_conditioning_is_named():
    options = Params({"type": "pointer", "conditioning": "gold"})
    with pytest.raises(ConfigError, match=r'conditioning is "gold".*soft or hard'):
        Head.from_params(options, encoding_dim=4, types=["a", "b"])
