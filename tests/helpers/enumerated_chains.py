"""Random linear chains, and what they compute by looking at every tagging."""

import itertools

import torch
from hypothesis import strategies as st

from ner_plugins.modules.crf.semiring import Potentials

FORBIDDEN = -1e6
# batch, length, tags, seed
sizes = st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(1, 4), st.integers(0, 9999))


def random_potentials(batch, length, tags, seed, dtype=torch.float64, kept=0.75, scale=1.0, forbidden=0.0):
    """Potentials with gaps in their masks; what the masks leave out is NaN. `forbidden`: the share of such arcs."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    mask = torch.rand(batch, length, generator=generator) < kept
    emissions = draw(batch, length, tags).masked_fill(~mask.unsqueeze(2), torch.nan)
    arcs, start, end = draw(tags, tags), draw(tags), draw(tags)
    # Tag 0 is always allowed, as O is.
    for scores in (arcs, start, end):
        banned = torch.rand(scores.shape, generator=generator) < forbidden
        banned[..., 0] = False
        scores += FORBIDDEN * banned
    return Potentials(emissions.to(dtype), mask, arcs.to(dtype), start.to(dtype), end.to(dtype))


def with_gradients(potentials):
    """The same as leaves of a graph."""
    leaves = [tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor for tensor in potentials]
    return Potentials(*leaves)


def scores_of(potentials):
    return [tensor for tensor in potentials if tensor.is_floating_point()]


def taggings(potentials, b):
    """All taggings of the kept tokens of row b, shape (taggings, kept), and their scores, in float64."""
    emissions, mask, transitions, start, end = (t.double() if t.is_floating_point() else t for t in potentials)
    kept = mask[b].nonzero().flatten().tolist()
    paths = torch.tensor(list(itertools.product(range(len(start)), repeat=len(kept))), dtype=torch.int64)
    paths = paths.view(len(start) ** len(kept), len(kept))
    scores = 0 * start.sum().expand(len(paths))
    for place, token in enumerate(kept):
        scores = scores + emissions[b, token][paths[:, place]]
        scores = scores + (start[paths[:, 0]] if place == 0 else transitions[paths[:, place - 1], paths[:, place]])
    return paths, (scores + end[paths[:, -1]] if kept else scores)


def enumerated_log_partition(potentials):
    values = [taggings(potentials, b)[1].logsumexp(0) for b in range(len(potentials.mask))]
    return torch.stack(values) if values else potentials.start.sum().double() * torch.zeros(0).double()


def enumerated_marginals(potentials):
    found = torch.zeros(potentials.emissions.shape, dtype=torch.float64)
    for b, mask in enumerate(potentials.mask):
        paths, scores = taggings(potentials, b)
        for place, token in enumerate(mask.nonzero().flatten().tolist()):
            found[b, token].index_add_(0, paths[:, place], scores.softmax(0))
    return found
