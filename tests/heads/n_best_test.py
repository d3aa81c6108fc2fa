"""The n-best list of the head `tags` against all taggings, one by one."""

import itertools

import pytest
import torch

from ner_plugins.errors import ConfigError
from ner_plugins.heads import BiaffineHead, TagsHead
from ner_plugins.tag_schemes import illegal_tags, tags_to_spans


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "IOB1"])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_it_lists_the_legal_taggings_by_their_probability(scheme: str, decoder: str) -> None:
    torch.manual_seed(4)
    head = TagsHead(5, ["PER", "LOC"], scheme=scheme, decoder=decoder).eval()
    mask = torch.ones(1, 3, dtype=torch.bool)
    emissions = 2 * torch.randn(1, 3, len(head.tag_set))
    crf, tags = head.crf, head.tag_set.tags
    scores: dict[tuple[str, ...], float] = {}
    for path in itertools.product(range(len(tags)), repeat=3):
        names = tuple(tags[tag] for tag in path)
        if not illegal_tags(names, scheme):
            score = sum(emissions[0, place, tag] for place, tag in enumerate(path))
            score = score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
            if crf.start_scores is not None and crf.end_scores is not None:
                score = score + crf.start_scores[path[0]] + crf.end_scores[path[-1]]
            scores[names] = float(score.detach())
    shares = torch.tensor(list(scores.values())).softmax(0)
    expected = sorted(zip(shares.tolist(), scores, strict=True), reverse=True)
    found = head.n_best(emissions, mask, 7)
    assert [share for _, share in found] == pytest.approx([share for share, _ in expected[:7]], abs=1e-5)
    for (entities, _), (_, names) in zip(found, expected, strict=False):
        assert [(a, b, head.types[kind]) for a, b, kind in entities] == tags_to_spans(names, scheme)
    assert len(head.n_best(emissions, mask, len(scores) + 50)) == len(scores)


def test_heads_of_spans_have_none() -> None:
    head = BiaffineHead(4, ["PER"])
    with pytest.raises(ConfigError, match="BiaffineHead has no n-best list"):
        head.n_best(torch.zeros(1, 2, 2, 2), torch.ones(1, 2, dtype=torch.bool), 3)
