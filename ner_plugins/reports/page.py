"""The report as one HTML page that needs nothing else: no network, no other file, and scripts only for its filter."""

import base64
import hashlib
from importlib.resources import files
from itertools import islice
from string import Template
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ner_plugins.metrics.confusion import KINDS, SPURIOUS
from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.confusion_files import axis_names, shares_of
from ner_plugins.reports.diagrams import bar, heat_cell, reliability_diagram
from ner_plugins.reports.figures import errors_of
from ner_plugins.reports.highlight import KIND_NAMES, sentence_html
from ner_plugins.reports.markup import Markup, element, escape, join, table

_RATES = ("precision", "recall", "f1")
_METRICS = {
    "seqeval": "seqeval, strict",
    "typed_span_f1": "typed spans",
    "cluener": "CLUENER2020, official",
}

_FILES = ("page.html", "page.js")

Section = Callable[[Mapping[str, Any]], List[str]]


def report_page(figures: Mapping[str, Any], sentences: Sequence[SentenceResult], examples: int) -> str:
    """
    The page.

    # Parameters

    figures : `Mapping[str, Any]`
        Those of `report_figures`: the page says nothing else.
    sentences : `Sequence[SentenceResult]`
        In the order of the data.
    examples : `int`
        How many of them to show: those with the most mistakes first, then in the order of the data.

    # Returns

    `str`
        Its only script is `page.js`: the page allows no other to run, whatever the data hold.
    """
    about = figures["about"]
    sections: Dict[str, List[str]] = {name: make(figures) for name, make in _SECTIONS.items()}
    sections["Sentences"] = _examples(sentences, examples, list(figures["types"]))
    anchors = {name: name.lower().replace(" ", "-") for name in sections}
    template, script = (files("ner_plugins.reports").joinpath(name).read_text("utf-8") for name in _FILES)
    return Template(template).substitute(
        script=script,
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        title=escape(f"NER report: {about['model']} on {about['data']}"),
        about=escape(f"archive {about['archive']}, model {about['model']}, data {about['data']}"),
        navigation=join([element("a", name, href=f"#{anchor}") for name, anchor in anchors.items()]),
        sections=join(
            [
                element("section", join([element("h2", name), *parts]), id=anchors[name])
                for name, parts in sections.items()
            ]
        ),
    )


def _overview(figures: Mapping[str, Any]) -> List[str]:
    metrics = figures["metrics"]
    tiles: List[Tuple[Any, str]] = [
        (metrics["seqeval/micro_f1"], "micro F1"),
        (metrics["seqeval/macro_f1"], "macro F1"),
        (figures["sentences"], "sentences"),
        (figures["gold"], "gold entities"),
        (figures["predicted"], "predictions"),
        *((figures["kinds"][kind], KIND_NAMES[kind]) for kind in KINDS),
        (figures["unreachable"]["number"], "unreachable gold"),
    ]
    shown = [
        element("div", Markup(element("b", value) + element("span", name)), class_="tile") for value, name in tiles
    ]
    rows = [
        [name, *(metrics.get(f"{key}/{average}_{rate}") for average in ("micro", "macro") for rate in _RATES)]
        for key, name in _METRICS.items()
    ]
    header = [f"{average} {rate}" for average in ("micro", "macro") for rate in ("precision", "recall", "F1")]
    return [
        element("div", join(shown), class_="tiles"),
        table(["metric", *header], rows, "rates"),
        _note(
            "All divide by the raw gold. seqeval compares flat typed spans (of entities that overlap the longest, the "
            "others are missed or spurious); typed spans count nested entities too, and are the same on flat data; the "
            "official scorer of CLUENER2020 compares the sets of surfaces of each sentence, blind to their positions, "
            "and averages over types: it has no micro figures, and is not comparable with the other two."
        ),
    ]


def _types(figures: Mapping[str, Any]) -> List[str]:
    header = ["type", "precision", "recall", "F1", "support", "predicted", "CLUENER F1"]
    rows: List[List[Any]] = [
        [type_, *(found[rate] for rate in _RATES), found["support"], found["predicted"], found["cluener_f1"]]
        for type_, found in figures["types"].items()
    ]
    metrics = figures["metrics"]
    for average in ("micro", "macro"):
        averages = [metrics[f"seqeval/{average}_{rate}"] for rate in _RATES]
        cluener = metrics.get(f"cluener/{average}_f1")
        rows.append([element("th", average), *averages, figures["gold"], figures["predicted"], cluener])
    kinds = [[type_, *_kind_counts(found)] for type_, found in figures["types"].items()]
    return [
        table(header, rows, "rates"),
        element("h3", "What becomes of each type"),
        table(["type", *KIND_NAMES.values()], kinds, "rates"),
        _note(
            "Gold entities of the type by what was predicted for them, and spurious predictions of it. Predictions are "
            "assigned to gold entities that they overlap, one to one: those of the same span and type first, then of "
            "the same span, then of the same type, then the rest, where more shared characters go first. Gold that is "
            "left is missed, predictions that are left are spurious."
        ),
    ]


def _kind_counts(found: Mapping[str, Any]) -> List[int]:
    return [found["predicted_kinds" if kind == SPURIOUS else "gold_kinds"][kind] for kind in KINDS]


def _confusion(figures: Mapping[str, Any]) -> List[str]:
    confusion = figures["confusion"]
    cells, types = confusion["cells"], len(confusion["cells"]) - 3
    names, columns = axis_names(confusion["rows"]), axis_names(confusion["columns"])
    rows = []
    for y, (name, counts, shares) in enumerate(zip(names, cells, shares_of(cells), strict=True)):
        row: List[Any] = [heat_cell(count, shares[x], x != y) for x, count in enumerate(counts)]
        if y >= types:
            row[types:] = [Markup('<td class="void"></td>')] * 3
        rows.append([name, *row])
    confused = [
        [pair["gold"], pair["predicted"], KIND_NAMES[pair["kind"]], pair["count"]]
        for pair in islice(figures["type_confusions"], 20)
    ]
    return [
        table(["gold ↓ predicted →", *columns], rows, "heat"),
        _note(
            "Rows are gold types, columns predicted types, shaded by the share of the row (the last three rows: of the "
            "column). Among the types are the entities whose span is right; those with wrong edges are in their gold "
            "type's row and in their predicted type's column, so that a type's row sums up to its gold entities and "
            "its column to its predictions."
        ),
        *([element("h3", "Types taken for each other")] if confused else []),
        *([table(["gold", "predicted", "mistake", "times"], confused)] if confused else []),
    ]


def _breakdowns(figures: Mapping[str, Any]) -> List[str]:
    parts: List[str] = []
    for key, title in (("by_width", "width of the entity"), ("by_length", "length of the text")):
        bins = figures[key]
        counted = ["sentences"] if key == "by_length" else []
        header = ["characters", "F1", "", *("precision", "recall"), "support", "predicted", *counted]
        rows = [
            [_range(found), found["f1"], bar(found["f1"]), found["precision"], found["recall"], found["support"],
             found["predicted"], *(found[name] for name in counted)]
            for found in bins
        ]  # fmt: skip
        parts += [element("h3", f"By {title}"), table(header, rows, "rates")]
    return parts


def _range(found: Mapping[str, Any]) -> str:
    first, last = found["first"], found["last"]
    if last is None:
        return f"{first:,} and more"
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _calibration(figures: Mapping[str, Any]) -> List[str]:
    calibration = figures["calibration"]
    rows = [
        [f"{found['first']:.1f} to {found['last']:.1f}", found["predictions"], found["mean_score"], found["precision"]]
        for found in calibration["bins"]
    ]
    return [
        element("p", f"Expected calibration error: {calibration['expected_calibration_error']:.4f}"),
        reliability_diagram(calibration),
        table(["score", "predictions", "mean score", "share that is right"], rows, "rates"),
    ]


def _mistakes(figures: Mapping[str, Any]) -> List[str]:
    rows = []
    for found in figures["confident_mistakes"]:
        predicted, gold = found["predicted"], found["gold"]
        marked = element("mark", predicted["text"], class_=found["kind"])
        context = Markup(escape(found["before"]) + marked + escape(found["after"]))
        rows.append(
            [
                element("td", f"{found['score']:.4f}", class_="number"),
                KIND_NAMES[found["kind"]],
                predicted["type"],
                _named(gold),
                element("td", element("bdi", context), class_="context"),
                element("td", found["source"] or found["id"], class_="source"),
            ]
        )
    return [
        _note("Wrong predictions with the highest scores; the place to look for mistakes in the gold, too."),
        table(["score", "mistake", "predicted", "gold", "context", "where"], rows),
    ]


def _named(entity: Any) -> Any:
    return None if entity is None else f"{entity['type']}: {entity['text']}"


def _examples(sentences: Sequence[SentenceResult], examples: int, types: Sequence[str]) -> List[str]:
    ranked = sorted(sentences, key=lambda sentence: -errors_of(sentence))[:examples]
    legend = [element("mark", name, class_=kind) for kind, name in KIND_NAMES.items()]
    wrong = sum(errors_of(sentence) > 0 for sentence in sentences)
    places = {type_: place for place, type_ in enumerate(types)}
    chosen = " They are those with the most mistakes; --examples sets how many." if len(ranked) < len(sentences) else ""
    return [
        element("p", f"{len(ranked):,} of {len(sentences):,} sentences, {wrong:,} of which have mistakes.{chosen}"),
        _filter(types),
        element("p", join(legend), class_="legend"),
        *(sentence_html(sentence, places) for sentence in ranked),
    ]


def _filter(types: Sequence[str]) -> Markup:
    """Fields that choose among the sentences; hidden until the page's script serves them."""
    kinds = {"": "anything", "wrong": "any mistake", "right": "no mistake", **KIND_NAMES}
    options = {"type": {"": "any", **{str(place): type_ for place, type_ in enumerate(types)}}, "kind": kinds}
    fields = [element("label", Markup('text <input name="text" type="search" autocomplete="off">'))]
    for name, labels in options.items():
        choices = Markup("".join(element("option", label, value=value) for value, label in labels.items()))
        fields.append(element("label", Markup(f"{name} {element('select', choices, name_=name)}")))
    fields += [element("button", "Show all", type="reset"), element("output", "")]
    return element("form", join(fields), id="filter", hidden="")


def _unreachable(figures: Mapping[str, Any]) -> List[str]:
    unreachable = figures["unreachable"]
    parts: List[str] = [
        element("p", f"{unreachable['number']:,} of {figures['gold']:,} gold entities are out of the model's reach.")
    ]
    if unreachable["number"]:
        parts.append(table(["why", "entities"], list(unreachable["why"].items())))
        rows = [[found["entity"]["type"], found["entity"]["text"], found["why"], found["source"] or found["id"]]
                for found in unreachable["entities"]]  # fmt: skip
        parts.append(table(["type", "entity", "why", "where"], rows))
        if len(rows) < unreachable["number"]:
            parts.append(_note(f"The first {len(rows):,}."))
    return parts


def _note(text: str) -> Markup:
    return element("p", text, class_="note")


_SECTIONS: Dict[str, Section] = {
    "Overview": _overview,
    "Types": _types,
    "Confusion": _confusion,
    "Widths and lengths": _breakdowns,
    "Scores": _calibration,
    "Confident mistakes": _mistakes,
    "Unreachable gold": _unreachable,
}
