"""How well vectors of tokens tell entity types apart: a picture of them, and the same in figures."""

from collections import Counter
from typing import Any, Mapping, NamedTuple, Sequence

import torch
from torch import Tensor

from ner_plugins.modules.losses.contrastive import unit_rows
from ner_plugins.plotting import PlotLabels

# How many tokens a panel shows: of more, no eye would see more.
LIMIT = 4000
_SEED = 0
_OUTSIDE = "O"
_OUTSIDE_COLOUR = "0.85"
# Colours that eyes of all kinds tell apart, no grey among them (after Okabe & Ito and Tol); then other shapes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e6ab02", "#56b4e9", "#882255", "#000000", "#999933")
_SHAPES = "o^sDvP*X"
_FIGURES = {
    "within": "cosine within types",
    "between": "between types",
    "outside": "to O",
    "silhouette": "silhouette",
}


class TokenVectors(NamedTuple):
    """
    Tokens as an encoder sees them.

    # Parameters

    vectors : `torch.FloatTensor`
        On the CPU. Shape: (tokens, dim)
    types : `torch.LongTensor`
        The type id of each, -1 outside of entities. Shape: (tokens,)
    """

    vectors: Tensor
    types: Tensor

    @classmethod
    def of_batches(cls, batches: Sequence[tuple[Tensor, Tensor, Tensor]]) -> "TokenVectors":
        """
        The tokens of batches, copied to the CPU and without padding.

        # Parameters

        batches : `Sequence[tuple[Tensor, Tensor, Tensor]]`
            At least one; of each the vectors, (batch, tokens, dim), the mask, (batch, tokens), and the type ids,
            (batch, tokens).
        """
        vectors = torch.cat([z.detach()[mask].float().cpu() for z, mask, _ in batches])
        return cls(vectors, torch.cat([types[mask].cpu() for _, mask, types in batches]))


def separation(tokens: TokenVectors) -> dict[str, float]:
    """
    How near to each other, as cosines, tokens of one type are, and of different ones.

    # Parameters

    tokens : `TokenVectors`

    # Returns

    `dict[str, float]`
        `within`: the mean cosine of all pairs of entity tokens of one type; `between`: of two types; `outside`: of
        a token of an entity and one outside of entities; `silhouette`: the mean silhouette (Rousseeuw 1987) of the
        entity tokens with the cosine distance, from -1 to 1. What there is no pair for is left out.
    """
    directions = unit_rows(tokens.vectors.double())
    inside = tokens.types >= 0
    entity, other = directions[inside], directions[~inside]
    _, place = torch.unique(tokens.types[inside], return_inverse=True)  # type: ignore[no-untyped-call]
    number = torch.bincount(place).double()  # Shape: (types,)
    sums = entity.new_zeros(len(number), entity.size(1)).index_add_(0, place, entity)  # Shape: (types, dim)
    # The sum of the cosines of all pairs of two sets is the product of their sums of vectors.
    own, same, every = entity.square().sum(), sums.square().sum(), sums.sum(0).square().sum()
    pairs = {
        "within": (same - own, (number * (number - 1)).sum()),
        "between": (every - same, number.sum() ** 2 - number.square().sum()),
        "outside": (sums.sum(0) @ other.sum(0), number.sum() * len(other)),
    }
    figures = {name: float(total / count) for name, (total, count) in pairs.items() if count > 0}
    if len(number) > 1:
        figures["silhouette"] = float(_silhouettes(entity, place, sums, number).mean())
    return figures


def caption(figures: Mapping[str, float]) -> str:
    """What `separation` returns, in a line."""
    # Plus 0.0, or -0.001 would be "-0.00"
    return ", ".join(f"{name} {round(figures[key], 2) + 0.0:.2f}" for key, name in _FIGURES.items() if key in figures)


def _silhouettes(entity: Tensor, place: Tensor, sums: Tensor, number: Tensor) -> Tensor:
    """
    The silhouette of each token: (b - a) / max(a, b), where a is its mean distance to the others of its type, and b the
    least of its mean distances to another; 0 for the only token of a type. Shape: (tokens,)
    """
    cosines = entity @ sums.T  # summed over each type. Shape: (tokens, types)
    is_own = torch.nn.functional.one_hot(place, len(number)).bool()
    b = (1 - cosines / number).masked_fill(is_own, torch.inf).amin(1)
    others = number[place] - 1
    a = 1 - (cosines[is_own] - entity.square().sum(1)) / others.clamp(min=1)
    return torch.where(others > 0, (b - a) / torch.maximum(a, b).clamp(min=1e-12), 0.0)


def principal_components(rows: Tensor) -> tuple[Tensor, Tensor]:
    """
    The first two principal components, exactly, by the eigenvectors of the covariance. The largest loading of each is
    positive, so that the same rows give the same picture.

    # Parameters

    rows : `torch.Tensor`
        Shape: (rows, dim)

    # Returns

    coordinates : `torch.DoubleTensor`
        0 for a component that the rows do not have. Shape: (rows, 2)
    shares : `torch.DoubleTensor`
        Of the variance. Shape: (2,)
    """
    centred = rows.double() - rows.double().mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred)  # from the least
    directions = directions.flip(1)[:, :2]  # Shape: (dim, components)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    coordinates = centred @ (directions * largest.sign())
    shares = variances.flip(0)[:2].clamp(min=0) / variances.clamp(min=0).sum().clamp(min=1e-30)
    missing = 2 - coordinates.size(1)
    return torch.nn.functional.pad(coordinates, (0, missing)), torch.nn.functional.pad(shares, (0, missing))


def sample(types: Tensor, limit: int = LIMIT) -> Tensor:
    """
    Which tokens a picture shows: all, or of more than `limit` that many, drawn with a fixed seed. At least half of the
    places are for tokens of entities, if there are so many.

    # Parameters

    types : `torch.LongTensor`
        Shape: (tokens,)
    limit : `int`, optional (default = `4000`)

    # Returns

    `torch.LongTensor`
        Places in `types`, in order. Shape: (shown,)
    """
    generator = torch.Generator().manual_seed(_SEED)
    inside, outside = ((types >= 0) == side for side in (True, False))
    of_entities = min(int(inside.sum()), max(limit // 2, limit - int(outside.sum())))
    numbers = of_entities, min(int(outside.sum()), limit - of_entities)
    drawn = []
    for places, number in zip((inside, outside), numbers, strict=True):
        candidates = places.nonzero().squeeze(1)
        drawn.append(candidates[torch.randperm(len(candidates), generator=generator)[:number]])
    return torch.cat(drawn).sort().values


def draw_scatter(panels: Mapping[str, TokenVectors], types: Sequence[str], file: str) -> Any:
    """
    Tokens by type in a panel for each stage of training, say, with the figures of `separation`. A panel shows the
    directions of the vectors, which is what contrastive losses look at, along the two in which they differ most. All
    panels have the same scale.

    # Parameters

    panels : `Mapping[str, TokenVectors]`
        By what is written above them; each with a token at least.
    types : `Sequence[str]`
        The name of each type id.
    file : `str`
        Where the picture is written, as PNG.

    # Returns

    `numpy.ndarray`
        The same picture, for TensorBoard's `add_image` with `dataformats="HWC"`: uint8, shape (height, width, 3).
    """
    # A Figure of its own rather than pyplot: no window system, and no state of the user's is touched.
    import matplotlib
    import numpy
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imsave

    labels = PlotLabels(types)
    with matplotlib.rc_context({"font.family": labels.fonts, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(5.6 * len(panels) + 2, 6), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        every_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (title, tokens) in zip(every_axes, panels.items(), strict=True):
            _draw_panel(axes, title, tokens)
        _draw_legend(figure, [tokens.types for tokens in panels.values()], types, labels)
        canvas.draw()
        picture = numpy.ascontiguousarray(numpy.asarray(canvas.buffer_rgba())[..., :3])
    imsave(file, picture, format="png")
    labels.explain(file)
    return picture


def _draw_panel(axes: Any, title: str, tokens: TokenVectors) -> None:
    """One scatter: the frequent types below the rare ones, and what is outside of entities below all."""
    shown = sample(tokens.types)
    types = tokens.types[shown]
    coordinates, shares = principal_components(unit_rows(tokens.vectors[shown]))
    counts = Counter(types.tolist())
    for type_id in sorted(counts, key=lambda type_id: (type_id >= 0, -counts[type_id])):
        axes.scatter(*coordinates[types == type_id].T.numpy(), **_style(type_id))
    said = caption(separation(tokens))
    number = f"{len(shown):,} of {len(tokens.types):,}" if len(shown) < len(tokens.types) else f"{len(shown):,}"
    axes.set_title(f"{title}: {number} tokens")
    axes.text(0.5, -0.14, said, transform=axes.transAxes, ha="center", va="top", color="0.35", fontsize=9)
    axes.set_xlabel(f"1st component ({float(shares[0]):.0%} of the variance)")
    axes.set_ylabel(f"2nd component ({float(shares[1]):.0%} of the variance)")
    axes.tick_params(labelleft=True)
    axes.set_aspect("equal", adjustable="box")


def _style(type_id: int) -> dict[str, Any]:
    """How tokens of a type are drawn."""
    if type_id < 0:
        return {"color": _OUTSIDE_COLOUR, "marker": "o", "s": 6, "linewidths": 0}
    shape = _SHAPES[type_id // len(_COLOURS) % len(_SHAPES)]
    return {"color": _COLOURS[type_id % len(_COLOURS)], "marker": shape, "s": 12, "alpha": 0.75, "linewidths": 0}


def _draw_legend(figure: Any, of_panels: Sequence[Tensor], types: Sequence[str], labels: PlotLabels) -> None:
    """One for all panels: each type that is in one of them."""
    from matplotlib.lines import Line2D

    found = sorted(set(torch.cat(list(of_panels)).tolist()), key=lambda type_id: (type_id < 0, type_id))
    handles = []
    for type_id in found:
        style = _style(type_id)
        name = _OUTSIDE if type_id < 0 else labels[types[type_id]]
        handles.append(Line2D([], [], linestyle="", marker=style["marker"], color=style["color"], label=name))
    columns = -(-len(handles) // 22)
    figure.legend(handles=handles, loc="outside right center", frameon=False, ncols=columns)
