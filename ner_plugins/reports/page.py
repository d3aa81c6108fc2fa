"""The report as one self-contained HTML page: no network, no other file, and a script only for its filter."""

import base64
import hashlib
from importlib.resources import files
from typing import Any, Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.confusion_files import axis_names, shares_of
from ner_plugins.reports.figures import errors_of
from ner_plugins.reports.marks import KIND_NAMES, marked_sentence
from ner_plugins.visible import visible


def report_page(figures: Mapping[str, Any], sentences: Sequence[SentenceResult], examples: int) -> str:
    """
    The page, from the templates `page.html` and `page.macros.html` and the style sheet `page.css`.

    # Parameters

    figures : `Mapping[str, Any]`
        The figures of `report_figures`; the page has no others.
    sentences : `Sequence[SentenceResult]`
        In the order of the data.
    examples : `int`
        Sentences to show at most: those with the most mistakes first, then in the order of the data.

    # Returns

    `str`
        Its only script is `page.js`: the page allows no other to run, whatever the data hold.
    """
    script = files("ner_plugins.reports").joinpath("page.js").read_text("utf-8")
    places = {type_: place for place, type_ in enumerate(figures["types"])}
    ranked = sorted(sentences, key=lambda sentence: -errors_of(sentence))[:examples]
    return environment().get_template("page.html").render(
        figures,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        kind_names=KIND_NAMES,
        matrix=_matrix(figures["confusion"]),
        wrong=sum(errors_of(sentence) > 0 for sentence in sentences),
        examples=[marked_sentence(sentence, places) for sentence in ranked],
    )  # fmt: skip


def environment() -> Environment:
    """Jinja's environment of the page: everything inserted is made `visible` and escaped, numbers are formatted."""
    return Environment(
        loader=PackageLoader("ner_plugins.reports", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Rates with four decimals, counts with separators, a dash for nothing, and texts without invisible characters."""
    if hasattr(value, "__html__"):  # a macro's output
        return value
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


def _matrix(confusion: Mapping[str, Any]) -> dict[str, Any]:
    """The confusion matrix: names of columns; name, counts and shares of each row; and the number of types."""
    cells = confusion["cells"]
    rows = list(zip(axis_names(confusion["rows"]), cells, shares_of(cells), strict=True))
    return {"columns": axis_names(confusion["columns"]), "rows": rows, "types": len(cells) - 3}
