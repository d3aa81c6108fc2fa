"""How well token vectors separate entity types: a scatter plot, and figures."""

from collections import Counter
from typing import Any, Mapping, NamedTuple, Sequence

import torch
from torch import Tensor

from ner_plugins.modules.losses.contrastive import unit_rows
from ner_plugins.plotting import PlotLabels

LIMIT = 4000  # tokens in a panel; more would not be distinguishable
_SEED = 0
_OUTSIDE = "O"
_OUTSIDE_COLOUR = "0.85"
# Colours for colour-blind readers too, without grey (after Okabe & Ito and Tol); more types get other shapes.
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
    The vectors and types of tokens.

    # Parameters

    vectors : `torch.FloatTensor`
        On the CPU. Shape: (tokens, dim)
    types : `torch.LongTensor`
        The type id of each token, -1 outside of entities. Shape: (tokens,)
    """

    vectors: Tensor
    types: Tensor

    @classmethod
    def of_batches(cls, batches: Sequence[tuple[Tensor, Tensor, Tensor]]) -> "TokenVectors":
        """
        The tokens of batches, copied to the CPU and without padding.

        # Parameters

        batches : `Sequence[tuple[Tensor, Tensor, Tensor]]`
            At least one batch: vectors, shape (batch, tokens, dim), mask, shape (batch, tokens), and type ids, shape
            (batch, tokens).
        """
        vectors = torch.cat([z.detach()[mask].float().cpu() for z, mask, _ in batches])  # Shape: (tokens, dim)
        return cls(vectors, torch.cat([types[mask].cpu() for _, mask, types in batches]))


def separation(tokens: TokenVectors) -> dict[str, float]:
    """
    How similar tokens of the same type and of different types are, as cosines.

    # Parameters

    tokens : `TokenVectors`

    # Returns

    `dict[str, float]`
        `within`: the mean cosine of all pairs of entity tokens of one type; `between`: of pairs of two types;
        `outside`: of pairs of an entity token and a token outside of entities; `silhouette`: the mean silhouette
        (Rousseeuw 1987) of the entity tokens with the cosine distance, from -1 to 1. Figures without pairs are missing.
    """
    directions = unit_rows(tokens.vectors.double())
    inside = tokens.types >= 0
    entity, other = directions[inside], directions[~inside]
    _, place = torch.unique(tokens.types[inside], return_inverse=True)  # type: ignore[no-untyped-call]
    number = torch.bincount(place).double()  # Shape: (types,)
    sums = entity.new_zeros(len(number), entity.size(1)).index_add_(0, place, entity)  # Shape: (types, dim)
    # The sum of the cosines of all pairs of two sets is the dot product of the sums of their vectors.
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
    """The result of `separation` in one line."""
    # Adding 0.0 prevents "-0.00".
    return ", ".join(f"{name} {round(figures[key], 2) + 0.0:.2f}" for key, name in _FIGURES.items() if key in figures)


def _silhouettes(entity: Tensor, place: Tensor, sums: Tensor, number: Tensor) -> Tensor:
    """
    The silhouette of each token: (b - a) / max(a, b), with a its mean distance to the others of its type, and b the
    smallest of its mean distances to another type; 0 for the only token of a type. Shape: (tokens,)
    """
    cosines = entity @ sums.T  # summed over each type. Shape: (tokens, types)
    is_own = torch.nn.functional.one_hot(place, len(number)).bool()  # Shape: (tokens, types)
    b = (1 - cosines / number).masked_fill(is_own, torch.inf).amin(1)  # Shape: (tokens,)
    others = number[place] - 1  # Shape: (tokens,)
    a = 1 - (cosines[is_own] - entity.square().sum(1)) / others.clamp(min=1)
    return torch.where(others > 0, (b - a) / torch.maximum(a, b).clamp(min=1e-12), 0.0)


def principal_components(rows: Tensor) -> tuple[Tensor, Tensor]:
    """
    The first two principal components: exact, from the eigenvectors of the covariance. The largest loading of each is
    positive, so that the same rows give the same plot.

    # Parameters

    rows : `torch.Tensor`
        Shape: (rows, dim)

    # Returns

    coordinates : `torch.DoubleTensor`
        0 for a missing component. Shape: (rows, 2)
    shares : `torch.DoubleTensor`
        The shares of the variance. Shape: (2,)
    """
    centred = rows.double() - rows.double().mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred)  # in ascending order
    directions = directions.flip(1)[:, :2]  # Shape: (dim, components)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    coordinates = centred @ (directions * largest.sign())
    shares = variances.flip(0)[:2].clamp(min=0) / variances.clamp(min=0).sum().clamp(min=1e-30)
    missing = 2 - coordinates.size(1)
    return torch.nn.functional.pad(coordinates, (0, missing)), torch.nn.functional.pad(shares, (0, missing))


def sample(types: Tensor, limit: int = LIMIT) -> Tensor:
    """
    The tokens in a plot: all, or `limit` of them, sampled with a fixed seed. At least half of them are entity tokens,
    if there are enough.

    # Parameters

    types : `torch.LongTensor`
        Shape: (tokens,)
    limit : `int`, optional (default=`4000`)

    # Returns

    `torch.LongTensor`
        Indices of `types`, in ascending order. Shape: (shown,)
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
    A plot of tokens by type with the figures of `separation`, for example in a panel for each stage of training. A
    panel shows the two principal components of the normalised vectors, which contrastive losses compare. All panels
    have the same scale.

    # Parameters

    panels : `Mapping[str, TokenVectors]`
        The tokens of each panel (at least one) by its title.
    types : `Sequence[str]`
        The name of each type id.
    file : `str`
        The PNG file to write.

    # Returns

    `numpy.ndarray`
        The same plot for TensorBoard's `add_image` with `dataformats="HWC"`: uint8, shape (height, width, 3).
    """
    # A Figure rather than pyplot, which would need a window system or change the user's state.
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
    """One scatter plot: tokens outside of entities at the bottom, then frequent types, rare types on top."""
    shown = sample(tokens.types)
    types = tokens.types[shown]
    coordinates, shares = principal_components(unit_rows(tokens.vectors[shown]))
    counts = Counter(types.tolist())
    for type_id in sorted(counts, key=lambda type_id: (type_id >= 0, -counts[type_id])):
        axes.scatter(*coordinates[types == type_id].T.numpy(), **_style(type_id))
    number = f"{len(shown):,} of {len(tokens.types):,}" if len(shown) < len(tokens.types) else f"{len(shown):,}"
    axes.set_title(f"{title}: {number} tokens")
    figures = caption(separation(tokens))
    axes.text(0.5, -0.14, figures, transform=axes.transAxes, ha="center", va="top", color="0.35", fontsize=9)
    axes.set_xlabel(f"1st component ({float(shares[0]):.0%} of the variance)")
    axes.set_ylabel(f"2nd component ({float(shares[1]):.0%} of the variance)")
    axes.tick_params(labelleft=True)
    axes.set_aspect("equal", adjustable="box")


def _style(type_id: int) -> dict[str, Any]:
    """The colour and marker of a type."""
    if type_id < 0:
        return {"color": _OUTSIDE_COLOUR, "marker": "o", "s": 6, "linewidths": 0}
    shape = _SHAPES[type_id // len(_COLOURS) % len(_SHAPES)]
    return {"color": _COLOURS[type_id % len(_COLOURS)], "marker": shape, "s": 12, "alpha": 0.75, "linewidths": 0}


def _draw_legend(figure: Any, of_panels: Sequence[Tensor], types: Sequence[str], labels: PlotLabels) -> None:
    """The legend of all panels, with each type in them."""
    from matplotlib.lines import Line2D

    found = sorted(set(torch.cat(list(of_panels)).tolist()), key=lambda type_id: (type_id < 0, type_id))
    handles = []
    for type_id in found:
        style = _style(type_id)
        name = _OUTSIDE if type_id < 0 else labels[types[type_id]]
        handles.append(Line2D([], [], linestyle="", marker=style["marker"], color=style["color"], label=name))
    columns = -(-len(handles) // 22)
    figure.legend(handles=handles, loc="outside right center", frameon=False, ncols=columns)
