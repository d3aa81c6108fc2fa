"""Diagrams for a page, as SVG without any script, in the colours of the page's style sheet."""

from typing import Any, Mapping

from ner_plugins.reports.markup import Markup, element

_SIZE = 200
_LEFT, _BOTTOM = 44, 40


def reliability_diagram(calibration: Mapping[str, Any]) -> Markup:
    """
    Precision over mean score: columns on the broken line mean scores that are what they say they are.

    # Parameters

    calibration : `Mapping[str, Any]`
        `Calibration.to_json()`.
    """
    parts = [f'<rect class="axis" x="{_LEFT}" y="6" width="{_SIZE}" height="{_SIZE}"/>']
    for bin in calibration["bins"]:
        x, width = _LEFT + bin["first"] * _SIZE, (bin["last"] - bin["first"]) * _SIZE
        height = bin["precision"] * _SIZE
        said = f"{bin['predictions']:,} predictions, mean score {bin['mean_score']:.3f}, right {bin['precision']:.3f}"
        shape = f'x="{x + 1:.1f}" y="{6 + _SIZE - height:.1f}" width="{width - 2:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="column" {shape}>{element("title", said)}</rect>')
    parts.append(f'<path class="ideal" d="M{_LEFT} {6 + _SIZE} L{_LEFT + _SIZE} 6"/>')
    for tick in (0.0, 0.5, 1.0):
        x, y = _LEFT + tick * _SIZE, 6 + _SIZE * (1 - tick)
        parts.append(f'<text x="{x}" y="{_SIZE + 22}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:.1f}</text>')
    middle = _LEFT + _SIZE / 2
    parts.append(f'<text x="{middle}" y="{_SIZE + _BOTTOM}" text-anchor="middle">score of the prediction</text>')
    turned = f'transform="rotate(-90 12 {6 + _SIZE / 2})"'
    parts.append(f'<text x="12" y="{6 + _SIZE / 2}" text-anchor="middle" {turned}>share that is right</text>')
    width, height = _LEFT + _SIZE + 12, _SIZE + _BOTTOM + 10
    opening = f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return Markup(opening + "".join(parts) + "</svg>")


def bar(share: float) -> Markup:
    """A table cell with a bar as long as `share` of it."""
    return Markup(f'<td class="bar"><i style="width:{100 * share:.1f}%"></i></td>')


def heat_cell(count: int, share: float, wrong: bool) -> Markup:
    """A table cell shaded by `share`, in the colour of mistakes if it is one."""
    if not count:
        return Markup("<td></td>")
    colour = "--heat-wrong" if wrong else "--heat"
    return Markup(f'<td style="background:rgba(var({colour}),{0.08 + 0.5 * share:.2f})">{count:,}</td>')
