import warnings
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("matplotlib")

from ner_plugins import plotting
from ner_plugins.modules.losses.contrastive import unit_rows
from ner_plugins.training import scatter
from ner_plugins.training.scatter import TokenVectors, draw_scatter, principal_components, sample, separation


def random_tokens(seed: int, tokens: int = 30, dim: int = 5, types: int = 3) -> TokenVectors:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(tokens, dim, generator=generator)
    return TokenVectors(vectors, torch.randint(-1, types, (tokens,), generator=generator))


def mean_cosine(vectors: Tensor, pairs: Tensor) -> float:
    """Of pairs of different rows, by enumeration."""
    pairs = pairs & ~torch.eye(len(vectors), dtype=torch.bool)
    cosines = torch.nn.functional.cosine_similarity(vectors.unsqueeze(1), vectors.unsqueeze(0), dim=-1)
    return float(cosines[pairs].mean())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 25), st.integers(1, 4), st.integers(1, 4))
def test_figures_equal_their_definitions(seed: int, tokens: int, dim: int, types: int) -> None:
    from sklearn.metrics import silhouette_score

    drawn = random_tokens(seed, tokens, dim, types)
    vectors, of_type = drawn.vectors.double(), drawn.types
    figures = separation(drawn)
    inside = of_type >= 0
    same = of_type.unsqueeze(1) == of_type
    both = inside.unsqueeze(1) & inside
    apart = ~torch.eye(tokens, dtype=torch.bool)
    pairs = {"within": same & both, "between": ~same & both, "outside": inside.unsqueeze(1) & ~inside}
    expected = {name: mean_cosine(vectors, kind) for name, kind in pairs.items() if (kind & apart).any()}
    number = len(of_type[inside].unique())
    if number > 1:
        expected["silhouette"] = 0.0  # of single tokens of types
        if number < int(inside.sum()):
            expected["silhouette"] = silhouette_score(
                vectors[inside].numpy(), of_type[inside].numpy(), metric="cosine"
            )
    assert figures == pytest.approx(expected, abs=1e-9)


def test_separated_types_have_better_figures() -> None:
    tokens = random_tokens(1, 200, 8)
    centres = torch.eye(8)[tokens.types + 1]
    apart = separation(TokenVectors(centres * 4 + tokens.vectors * 0.3, tokens.types))
    mixed = separation(tokens)
    assert apart["within"] > 0.9 > 0.2 > apart["between"] and apart["silhouette"] > 0.8 > 0.1 > mixed["silhouette"]


def test_principal_components_are_those_of_the_singular_values() -> None:
    rows = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 7.0)
    coordinates, shares = principal_components(rows)
    centred = rows.double() - rows.double().mean(0)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    torch.testing.assert_close(coordinates.abs(), (u * s)[:, :2].abs())
    torch.testing.assert_close(shares, (s**2 / (s**2).sum())[:2])
    # The sign is that of the data, not of the solver; an order of rows is not looked at.
    again, _ = principal_components(rows.flip(0))
    torch.testing.assert_close(again.flip(0), coordinates)
    loadings = centred.T @ coordinates
    assert (loadings.gather(0, loadings.abs().argmax(0, keepdim=True)) > 0).all()


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0], [2.0], [4.0]], [[1.0, 2.0, 3.0]] * 4])
def test_principal_components_of_few_dimensions(rows: list) -> None:
    coordinates, shares = principal_components(torch.tensor(rows))
    assert coordinates.shape == (len(rows), 2) and shares.shape == (2,)
    assert torch.isfinite(coordinates).all() and torch.isfinite(shares).all() and not coordinates[:, 1].any()


@pytest.mark.parametrize(
    "inside, outside, limit, expected",
    [(5, 5, 10, (5, 5)), (30, 100, 20, (10, 10)), (4, 100, 20, (4, 16)), (30, 2, 20, (18, 2)), (0, 50, 20, (0, 20))],
)
def test_a_sample_has_tokens_of_entities_first(inside: int, outside: int, limit: int, expected: tuple) -> None:
    types = torch.cat([torch.zeros(inside), torch.full((outside,), -1)]).long()
    places = sample(types, limit)
    assert torch.equal(places, places.unique()) and torch.equal(places, sample(types, limit))
    assert (int((types[places] == 0).sum()), int((types[places] < 0).sum())) == expected


def test_tokens_of_batches() -> None:
    z = torch.arange(12.0).view(2, 3, 2).requires_grad_()
    mask = torch.tensor([[True, True, False], [True, False, False]])
    types = torch.tensor([[0, -1, -1], [1, -1, -1]])
    tokens = TokenVectors.of_batches([(z.bfloat16(), mask, types), (z[:1], mask[:1], types[:1])])
    assert tokens.vectors.tolist() == [[0, 1], [2, 3], [6, 7], [0, 1], [2, 3]] and not tokens.vectors.requires_grad
    assert tokens.vectors.dtype == torch.float32 and tokens.types.tolist() == [0, -1, 1, 0, -1]


def two_stages(types: int, tokens: int = 300) -> dict[str, TokenVectors]:
    before = random_tokens(2, tokens, 12, types)
    after = TokenVectors(before.vectors + 3 * torch.eye(max(12, types + 1))[before.types + 1, :12], before.types)
    return {"before": before, "after": after}


def test_a_picture(tmp_path: Path) -> None:
    import matplotlib
    from matplotlib.image import imread

    settings_before = dict(matplotlib.rcParams)
    file = tmp_path / "scatter.png"
    picture = draw_scatter(two_stages(3), ["PER", "$LOC$", "_x"], str(file))
    assert file.read_bytes().startswith(b"\x89PNG") and picture.dtype == numpy.uint8
    assert numpy.array_equal((imread(file) * 255).round().astype(numpy.uint8)[..., :3], picture)
    assert picture.shape[1] > picture.shape[0] > 400
    assert dict(matplotlib.rcParams) == settings_before
    draw_scatter(two_stages(3), ["PER", "$LOC$", "_x"], str(tmp_path / "again.png"))
    assert file.read_bytes() == (tmp_path / "again.png").read_bytes()


@pytest.fixture
def panels_drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """The axes of each panel."""
    drawn = []
    draw = scatter._draw_panel

    def noted(axes, title, tokens):
        draw(axes, title, tokens)
        drawn.append(axes)

    monkeypatch.setattr(scatter, "_draw_panel", noted)
    return drawn


def test_what_a_picture_says(tmp_path: Path, panels_drawn: list) -> None:
    panels = two_stages(3, tokens=9000)
    draw_scatter(panels, ["PER", "LOC", "ORG"], str(tmp_path / "p.png"))
    before, after = panels_drawn
    assert before.get_title() == "before: 4,000 of 9,000 tokens" and before.get_xlim() == after.get_xlim()
    _, shares = principal_components(unit_rows(panels["after"].vectors[sample(panels["after"].types)]))
    assert after.get_xlabel() == f"1st component ({float(shares[0]):.0%} of the variance)"
    figures = separation(panels["after"])
    assert f"within types {figures['within']:.2f}, between types {figures['between']:.2f}" in after.texts[0].get_text()
    groups = after.collections
    assert tuple(groups[0].get_facecolor()[0][:3]) == (0.85,) * 3  # what is outside is below
    assert [len(group.get_offsets()) for group in groups[1:]] == sorted(
        (len(group.get_offsets()) for group in groups[1:]), reverse=True
    )
    assert sum(len(group.get_offsets()) for group in groups) == 4000
    (legend,) = after.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["PER", "LOC", "ORG", "O"]


def test_many_types_and_few_tokens(tmp_path: Path, panels_drawn: list) -> None:
    draw_scatter(two_stages(50), [f"T{i}" for i in range(50)], str(tmp_path / "many.png"))
    styles = {(scatter._style(i)["color"], scatter._style(i)["marker"]) for i in range(50)}
    assert len(styles) == 50 and len(panels_drawn[0].figure.legends[0].get_texts()) == 51
    single = TokenVectors(torch.ones(1, 3), torch.tensor([-1]))
    draw_scatter({"alone": single}, ["T"], str(tmp_path / "one.png"))
    assert panels_drawn[-1].get_title() == "alone: 1 tokens" and panels_drawn[-1].texts[0].get_text() == ""


def test_names_that_no_font_shows_are_numbered_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, panels_drawn: list
) -> None:
    monkeypatch.setattr(plotting, "CJK_FONTS", ("No Such Font",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_scatter(two_stages(2), ["公司", "PER"], str(tmp_path / "p.png"))
    assert [text.get_text() for text in panels_drawn[0].figure.legends[0].get_texts()] == ["#1", "PER", "O"]
    assert "#1 = 公司" in caplog.text
