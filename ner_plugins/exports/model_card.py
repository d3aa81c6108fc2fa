"""The model card of an export: `README.md`, as the Hugging Face hub shows it."""

from pathlib import Path
from typing import Any, Mapping, Optional

from jinja2 import Environment, PackageLoader, StrictUndefined

from ner_plugins.exports.card_facts import Scores, card_facts, data_name
from ner_plugins.exports.target import ExportSource
from ner_plugins.files.atomic import atomic_path
from ner_plugins.version import VERSION
from ner_plugins.visible import visible

CARD = "README.md"
TEMPLATE = "card.md"
LIBRARIES = {"huggingface": "transformers", "spacy": "spacy", "onnx": "onnx"}
"""The `library_name` that the hub knows of each target."""


def write_card(
    source: ExportSource,
    folder: Path,
    target: str,
    details: Mapping[str, Any],
    name: str,
    language: Optional[str] = None,
) -> None:
    """
    Write the card of an export.

    # Parameters

    source : `ExportSource`
    folder : `Path`
        The export's folder.
    target : `str`
        A key of `ner_plugins.exports.registry.TARGETS`.
    details : `Mapping[str, Any]`
        Those of the export's manifest.
    name : `str`
        The export's name, which is shown as that of the model and of its folder.
    language : `Optional[str]`, optional (default=`None`)
        See `card_facts`.
    """
    text = model_card(card_facts(source, language), target, details, name)
    with atomic_path(folder / CARD) as partial:
        Path(partial).write_text(text, encoding="utf-8", errors="backslashreplace")


def model_card(facts: Mapping[str, Any], target: str, details: Mapping[str, Any], name: str) -> str:
    """
    The text of a card, from the template `card.md`.

    # Parameters

    facts : `Mapping[str, Any]`
        Those of `card_facts`.
    target, details, name
        See `write_card`.
    """
    name = visible(" ".join(name.split())) or target
    given = {"name": name, "target": target, "details": details, "version": VERSION}
    return environment().get_template(TEMPLATE).render(facts, **given, front_matter=front_matter(facts, target, name))


def front_matter(facts: Mapping[str, Any], target: str, name: str) -> str:
    """The card's metadata for the hub, in YAML: language, library, tags, metrics and results."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="token-classification",
            task_name="Named Entity Recognition",
            dataset_type=facts["reader"],
            dataset_name=scores.data,
            dataset_split=scores.split,
            metric_type=rate,
            metric_name=f"{rate} (micro, {scores.metric})",
            metric_value=round(value, 6),
        )
        for scores in facts["scores"]
        for rate, value in scores.micro.items()
    ]
    data = ModelCardData(
        language=facts["language"],
        library_name=LIBRARIES.get(target, target),
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", "ner_plugins"],
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=name if results else None,
        eval_results=results or None,
        ignore_metadata_errors=False,
    )
    return str(data.to_yaml(line_break="\n"))


def environment() -> Environment:
    """Jinja's environment of the card. The filter `code` shows names as they are, whatever characters they have."""
    made = Environment(
        loader=PackageLoader("ner_plugins.exports", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update({"code": code, "file": data_name, "rate": rate, "support": support})
    return made


def code(value: Any) -> str:
    """A value as code in a table of Markdown, in which no character of it has a meaning."""
    text = visible(" ".join(str(value).split())).replace("`", "'").replace("|", "\\|")
    return f"`{text}`" if text else ""


def rate(figures: Mapping[str, float], name: str) -> str:
    """A figure with four decimals, a dash if there is none."""
    return f"{figures[name]:.4f}" if name in figures else "–"


def support(scores: Scores, type_: str) -> str:
    """The number of gold entities of a type."""
    value = scores.types[type_].get("support")
    return "–" if value is None else f"{value:,.0f}"
