"""The parts of results that all benchmarks share: machine, versions, spread, tables and sections of RESULTS.md."""

import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path


def machine() -> str:
    """Processor, cores and Python in one line."""
    import os

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def versions(*distributions: str) -> str:
    """`name version` of installed distributions."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in distributions)


def spread(values: Sequence[float], unit: str) -> str:
    """Median, minimum, maximum and number of values."""
    return (
        f"median {statistics.median(values):.4g} {unit} "
        f"(min {min(values):.4g}, max {max(values):.4g}, {len(values)} repeats)"
    )


def table(header: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; the header has bars between its columns."""
    lines = [f"| {header} |", "|" + " --- |" * (header.count("|") + 1)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]) + "\n"


def replace_section(results: Path, title: str, text: str) -> None:
    """Replace the section of this title, or insert it before the last one."""
    parts = re.split(r"(?m)^(?=## )", results.read_text(encoding="utf-8"))
    section = f"## {title}\n\n{text.rstrip()}\n\n"
    places = [index for index, part in enumerate(parts) if part.startswith(f"## {title}\n")]
    if places:
        parts[places[0]] = section
    else:
        parts.insert(max(1, len(parts) - 1), section)
    results.write_text("".join(parts).rstrip() + "\n", encoding="utf-8")
