"""What every benchmark says beside its figures: the machine, the versions, median and spread."""

import platform
import statistics
from collections.abc import Sequence
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
    """Median, minimum and maximum, and how many there were."""
    return (
        f"median {statistics.median(values):.4g} {unit} "
        f"(min {min(values):.4g}, max {max(values):.4g}, {len(values)} repeats)"
    )
