"""Tables for a terminal, aligned although some characters are two columns wide."""

from typing import Sequence

from ner_plugins.data_tools.statistics.collect import Comparison, CorpusStatistics
from ner_plugins.metrics.report import display_width, printable, shortened, type_name

_WIDEST = 60  # columns of the name of a corpus
_SUMMARY = ("min", "mean", "median", "p95", "max")


def format_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal length as lines: the first column is aligned to the left, the others to the right."""
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first = row[0] + " " * (widths[0] - display_width(row[0]))
        others = [" " * (width - display_width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *others]).rstrip())
    return lines


def format_statistics(comparison: Comparison) -> str:
    """One table per dataset with a column per split, then remarks on shared texts and unseen types."""
    datasets: dict[str, list[CorpusStatistics]] = {}
    for corpus in comparison.corpora:
        datasets.setdefault(corpus.dataset, []).append(corpus)
    blocks = [_dataset_table(corpora) for corpora in datasets.values()]
    remarks = _remarks(comparison)
    return "\n\n".join("\n".join(block) for block in [*blocks, remarks] if block)


def _dataset_table(corpora: Sequence[CorpusStatistics]) -> list[str]:
    rows = [
        ["", *(shortened(printable(corpus.name), _WIDEST) for corpus in corpora)],
        ["sentences", *(f"{corpus.sentences:,}" for corpus in corpora)],
        ["  unlabelled", *(f"{corpus.sentences - corpus.labelled:,}" for corpus in corpora)],
        ["  without entity", *(_of_gold(corpus, corpus.without_entity) for corpus in corpora)],
        ["  repeated texts", *(f"{corpus.texts.repeated:,}" for corpus in corpora)],
        ["tokens of the file", *("-" if corpus.tokens is None else f"{corpus.tokens:,}" for corpus in corpora)],
        ["characters", *(f"{corpus.characters:,}" for corpus in corpora)],
        ["entities", *(_of_gold(corpus, corpus.entities) for corpus in corpora)],
    ]
    for type_ in sorted(set().union(*(corpus.types for corpus in corpora))):
        rows.append([f"  {type_name(type_)}", *(_type_cell(corpus, type_) for corpus in corpora)])
    if any(corpus.blank_edges for corpus in corpora):
        rows.append(["blanks at an edge", *(_of_gold(corpus, corpus.blank_edges) for corpus in corpora)])
    for key in ("nested", "crossing", "same_span", "adjacent"):
        rows.append([f"{key.replace('_', '-')} pairs", *(_of_gold(corpus, getattr(corpus, key)) for corpus in corpora)])
    for title, key in (
        ("characters of a text", "text_lengths"),
        ("tokens of a text", "token_lengths"),
        ("characters of an entity", "widths"),
    ):
        summaries = [getattr(corpus, key).summary() for corpus in corpora]
        if any(summaries) and not (key == "token_lengths" and _tokens_are_characters(corpora)):
            rows.append([title, *("" for _ in corpora)])
            for name in _SUMMARY:
                rows.append([f"  {name}", *(_number(summary[name]) if summary else "-" for summary in summaries)])
    lines = format_columns(rows)
    return [lines[0], "-" * max(map(display_width, lines)), *lines[1:]]


def _tokens_are_characters(corpora: Sequence[CorpusStatistics]) -> bool:
    return all(corpus.token_lengths.items() == corpus.text_lengths.items() for corpus in corpora)


def _of_gold(corpus: CorpusStatistics, count: int) -> str:
    return f"{count:,}" if corpus.labelled else "-"


def _type_cell(corpus: CorpusStatistics, type_: str) -> str:
    if not corpus.labelled:
        return "-"
    count = corpus.types[type_]
    return f"{count:,} {count / max(corpus.entities, 1):6.1%}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _remarks(comparison: Comparison) -> list[str]:
    lines = []
    sizes = {corpus.name: corpus.sentences for corpus in comparison.corpora}
    for shared in comparison.shared_texts():
        first, second = shared["first"], shared["second"]
        what = "1 text is" if shared["texts"] == 1 else f"{shared['texts']:,} texts are"
        lines.append(
            f"{what} both in {first} ({shared['in_first']:,} of {sizes[first]:,} sentences) "
            f"and in {second} ({shared['in_second']:,} of {sizes[second]:,} sentences)"
        )
    for unseen in comparison.unseen_types():
        types = ", ".join(f"{type_name(type_)} ({count:,})" for type_, count in unseen["types"].items())
        lines.append(f"types of {unseen['name']} that are not in train: {types}")
    return lines
