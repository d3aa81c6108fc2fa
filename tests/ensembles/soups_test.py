"""Soups: weights are means, what cannot be averaged is refused, and the greedy soup follows its recipe."""

from pathlib import Path

import pytest
import torch
from allennlp.models.archival import extracted_archive
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.archives.weights import load_weights
from ner_plugins.commands.ner_ensemble import ensemble_from_args  # noqa: F401 (the command imports lazily)
from ner_plugins.ensembles.soups import greedy, mean_of


def weights_in(archive: Path) -> dict[str, torch.Tensor]:
    with extracted_archive(archive) as folder:
        return load_weights(Path(folder, "weights.th"))


def test_the_mean_by_hand() -> None:
    first = {"w": torch.tensor([1.0, 2.0]), "places": torch.tensor([0, 1])}
    second = {"w": torch.tensor([4.0, 0.0]), "places": torch.tensor([0, 1])}
    found = mean_of([first, second], [1, 2])
    assert torch.allclose(found["w"], torch.tensor([3.0, 2 / 3]))
    assert torch.equal(found["places"], first["places"])


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=6), st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_the_greedy_soup_is_the_recipe_of_the_paper(values: list[int], scores: list[int]) -> None:
    """A soup's score is how near its weight is to 1, which a literal loop over lists repeats."""

    def score(number: float) -> float:
        return -abs(number - 1) if number else 3.0

    given_scores = scores[: len(values)]
    ranked = sorted(range(len(values)), key=lambda place: (-given_scores[place], place))
    soup, best = [ranked[0]], float(given_scores[ranked[0]])
    for place in ranked[1:]:
        candidate = [*soup, place]
        mean = sum(values[one] for one in candidate) / len(candidate)
        if score(round(mean, 4)) >= best:
            soup, best = candidate, score(round(mean, 4))
    found, chosen, reached = greedy(
        [{"w": torch.tensor([float(value)], dtype=torch.float64)} for value in values],
        [float(one) for one in given_scores],
        lambda weights: score(round(weights["w"].item(), 4)),
    )
    assert (chosen, reached) == (soup, best)
    assert found["w"].item() == pytest.approx(sum(values[one] for one in soup) / len(soup))
