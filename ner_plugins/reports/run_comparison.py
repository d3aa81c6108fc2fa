"""Training runs side by side: what differs between them, and their figures."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Mapping, Optional

from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.run_record import read_record
from ner_plugins.metrics.report import RATES, display_width, shortened

_COMPARED = ("versions", "device", "seeds", "data", "parameters", "validation_metric")
_WIDEST = 48  # columns of a cell
_MISSING = "-"


@dataclass(frozen=True)
class Run:
    """
    A run to compare.

    # Parameters

    name : `str`
    record : `Mapping[str, Any]`
        The content of `run.json`.
    config : `Mapping[str, Any]`
        The content of `config.json`.
    """

    name: str
    record: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)


def read_run(path: "PathLike[str]") -> Run:
    """
    The run in a folder, or with a `run.json`.

    # Raises

    `ConfigError` if there is none.
    """
    record = read_record(path)
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    try:
        config = parsed_json((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        config = {}
    return Run(str(path), record, config if isinstance(config, dict) else {})


def compare(runs: Sequence[Run]) -> str:
    """
    Three tables with a column per run: how the runs went, what differs, and the figures of the best epochs on the
    validation data. Of two runs, the figures have a column with their difference.
    """
    sections = [_table(["run", *(run.name for run in runs)], [_row(name, runs) for name in _COURSE])]
    rows = differences(runs)
    compared = "versions, device, seeds, data, parameters and config"
    if len(runs) > 1 and not rows:
        sections.append(f"Nothing differs in {compared}.")
    elif rows:
        sections.append("What differs:\n" + _table(None, rows))
    figures = _figures(runs)
    if figures:
        head = ["best epoch", *(run.name for run in runs), *(["difference"] if len(runs) == 2 else [])]
        sections.append(_table(head, figures))
    return "\n\n".join(sections)


def _time(record: Mapping[str, Any]) -> str:
    minutes, seconds = divmod(round(record.get("seconds") or 0), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _memory(record: Mapping[str, Any], place: str) -> str:
    value = (record.get("peak_memory_mib") or {}).get(place)
    return _MISSING if value is None else f"{value:,.0f} MiB"


def _epochs(record: Mapping[str, Any]) -> str:
    epochs = record.get("epochs")
    return f"{epochs['done']} of {epochs['planned']}" if epochs else "0"


_COURSE: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "exit": lambda record: record.get("exit"),
    "started": lambda record: str(record.get("started", _MISSING))[:19].replace("T", " "),
    "time": _time,
    "epochs": _epochs,
    "peak memory": lambda record: _memory(record, "process"),
    "peak memory of the GPU": lambda record: _memory(record, "cuda"),
}


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [name, *(_cell(_COURSE[name](run.record)) for run in runs)]


def differences(runs: Sequence[Run]) -> list[list[str]]:
    """For each value that is not the same in all runs: its key, and the value in each run."""
    flat = []
    for run in runs:
        facts = _flat({name: run.record.get(name, {}) for name in _COMPARED})
        config = run.record.get("config") or {}
        facts |= {f"{key} of the config": config[key] for key in ("commit", "uncommitted_changes") if key in config}
        flat.append({**facts, **{f"config: {key}": value for key, value in _flat(run.config).items()}})
    keys = dict.fromkeys(key for facts in flat for key in facts)
    rows = [(key, [facts.get(key, _MISSING) for facts in flat]) for key in keys]
    return [
        [_shortened(key), *map(_cell, values)]
        for key, values in rows
        if any(json.dumps(value) != json.dumps(values[0]) for value in values)
    ]


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries and lists by their dotted keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or not value:
        return {key: value}
    leaves: dict[str, Any] = {}
    for name, inner in items:
        leaves |= _flat(inner, f"{key}.{name}" if key else str(name))
    return leaves


def _figures(runs: Sequence[Run]) -> list[list[str]]:
    """The best epoch, the averages, and the F1 of each type."""
    found = [dict(run.record.get("best_validation") or {}) for run in runs]
    names = dict.fromkeys(name for figures in found for name in figures)
    kept = [name for name in names if name.count("/") < 2 or name.endswith("/f1")]
    kept.sort(key=lambda name: name.count("/") >= 2)
    if not kept:
        return []
    rows = [["(number)", *(_cell(run.record.get("best_epoch")) for run in runs), *([""] if len(runs) == 2 else [])]]
    for name in kept:
        values = [figures.get(name) for figures in found]
        rows.append([name, *(_number(name, value) for value in values), *_difference(values)])
    return rows


def _number(name: str, value: Optional[float]) -> str:
    """Four decimals for a rate, none for a count."""
    if value is None:
        return _MISSING
    return f"{value:.0f}" if float(value).is_integer() and not name.endswith(RATES) else f"{value:.4f}"


def _difference(values: Sequence[Optional[float]]) -> list[str]:
    if len(values) != 2:
        return []
    one, other = values
    return [_MISSING if one is None or other is None else f"{other - one:+.4f}"]


def _cell(value: Any) -> str:
    if value is None or value == _MISSING:
        return _MISSING
    return _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _shortened(text: str) -> str:
    """At most `_WIDEST` columns, without the middle; digests differ in their first digits."""
    return shortened("".join(one if one.isprintable() else " " for one in text), _WIDEST)


def _table(head: Optional[Sequence[str]], rows: Sequence[Sequence[str]]) -> str:
    """Lines whose columns align on a terminal, the first to the left and the others to the right."""
    all_rows = [*([] if head is None else [list(map(_shortened, head))]), *rows]
    widths = [max(display_width(cell) for cell in column) for column in zip(*all_rows, strict=True)]
    lines = []
    for first, *others in all_rows:
        cells = [first + " " * (widths[0] - display_width(first))]
        cells += [
            " " * (width - display_width(cell)) + cell for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    if head is not None:
        lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines)
