import pytest
import torch

from ner_plugins.heads.tag_scorers import FactoredTagScorer, make_tag_scorer
from ner_plugins.modules.crf.tagging import TagSet
from ner_plugins.tag_schemes import SCHEMES, split_tag


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("types", [["A"], ["Y", "B-X", "PER.NAM"]])
def test_a_tags_score_is_that_of_its_letter_and_that_of_its_type(scheme: str, types: list[str]) -> None:
    tag_set = TagSet(types, scheme)
    head = FactoredTagScorer(4, tag_set).double()
    encoded = torch.randn(2, 3, 4, dtype=torch.float64)
    scores = head(encoded)
    assert scores.shape == (2, 3, len(tag_set))
    chunks, of_types = head.chunk_projection(encoded), head.type_projection(encoded)
    for place, tag in enumerate(tag_set.tags):
        letter, type_ = split_tag(tag)
        if letter == "O":
            expected = chunks[..., 0]
        else:
            expected = chunks[..., 1 + tag_set.letters.index(letter)] + of_types[..., types.index(type_)]
        assert torch.equal(scores[..., place], expected), tag


def test_it_is_a_joint_head_of_low_rank() -> None:
    tag_set = TagSet(["A", "B", "C"], "BIOES")
    head = FactoredTagScorer(16, tag_set).double()
    of_joint = torch.func.jacrev(head)(torch.randn(16, dtype=torch.float64))  # Shape: (tags, dim)
    # O, four letters and three types, less one: what all types have more, all letters may have less.
    assert torch.linalg.matrix_rank(of_joint) == 7 < len(tag_set)


def test_heads_by_name() -> None:
    tag_set = TagSet(["A", "B"])
    joint = make_tag_scorer("joint", 4, tag_set)
    assert isinstance(joint, torch.nn.Linear) and joint.out_features == 5
    assert isinstance(make_tag_scorer("factored", 4, tag_set), FactoredTagScorer)
