"""The problems found in corpora: counted, kept up to a limit, and listed."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterable, Optional

from ner_plugins.data_tools.problem_kinds import KINDS, SEVERITIES
from ner_plugins.errors import ConfigError
from ner_plugins.options import check_name


@dataclass(frozen=True)
class Problem:
    """
    One problem.

    # Parameters

    kind : `str`
        A key of `KINDS`.
    place : `str`
        `file:line`.
    message : `str`
    """

    kind: str
    place: str
    message: str

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        return KINDS[self.kind].severity

    def to_json(self) -> dict[str, str]:
        """Its fields and its severity."""
        return {"kind": self.kind, "severity": self.severity, "place": self.place, "message": self.message}


class Findings:
    """
    Problem counts by kind, and the first few problems of each kind.

    # Parameters

    kinds : `Optional[Iterable[str]]`, optional (default=`None`)
        Ignore all other kinds.
    limit : `int`, optional (default=`10`)
        How many of each kind to keep; 0 keeps all.

    # Attributes

    counts : `Counter[str]`
        Problems by kind.
    places : `Counter[str]`
        Places with problems, by kind: one place may have several.
    sentences : `int`
        Sentences checked.

    # Raises

    `ConfigError` for an unknown kind or a negative limit.
    """

    def __init__(self, kinds: Optional[Iterable[str]] = None, limit: int = 10) -> None:
        self.kinds = list(KINDS) if kinds is None else list(dict.fromkeys(kinds))
        for kind in self.kinds or [""]:
            check_name("--kinds", kind, KINDS)
        if limit < 0:
            raise ConfigError(f"--limit must be >= 0 (0 keeps all), got {limit}")
        self.limit = limit
        self.counts: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.sentences = 0
        self._kept: dict[str, list[Problem]] = {kind: [] for kind in self.kinds}
        self._last_place: dict[str, str] = {}

    def wants(self, *kinds: str) -> bool:
        """Whether any of these kinds is counted."""
        return any(kind in self._kept for kind in kinds)

    def add(self, kind: str, place: str, message: str) -> None:
        """Count a problem, unless its kind is ignored. Add the problems of one place one after the other."""
        if kind not in self._kept:
            return
        self.counts[kind] += 1
        self.places[kind] += self._last_place.get(kind) != place
        self._last_place[kind] = place
        if not self.limit or len(self._kept[kind]) < self.limit:
            self._kept[kind].append(Problem(kind, place, message))

    def found(self) -> list[str]:
        """The kinds with problems, errors first."""
        return [kind for kind in KINDS if self.counts[kind]]

    def problems(self, kind: str) -> list[Problem]:
        """The problems kept of one kind."""
        return list(self._kept[kind])

    def by_severity(self) -> dict[str, int]:
        """Counts of errors, warnings and notes."""
        totals = dict.fromkeys(SEVERITIES, 0)
        for kind, count in self.counts.items():
            totals[KINDS[kind].severity] += count
        return totals

    def to_json(self) -> dict[str, Any]:
        """All findings, as `allennlp ner-data check --json` prints it."""
        return {
            "sentences": self.sentences,
            "totals": self.by_severity(),
            "kinds": {
                kind: {"severity": KINDS[kind].severity, "count": self.counts[kind], "places": self.places[kind]}
                for kind in self.found()
            },
            "problems": [problem.to_json() for kind in self.found() for problem in self._kept[kind]],
        }


def format_findings(findings: Findings) -> str:
    """The problems kept, by kind, then the counts."""
    lines: list[str] = []
    for kind in findings.found():
        lines.append(f"{KINDS[kind].severity} {kind}: {KINDS[kind].meaning}")
        kept = findings.problems(kind)
        lines += [f"  {problem.place}: {problem.message}" for problem in kept]
        if findings.counts[kind] > len(kept):
            lines.append(f"  … and {findings.counts[kind] - len(kept):,} more (--limit 0 lists all)")
        lines.append("")
    width = max(map(len, findings.found()), default=0)
    for kind in findings.found():
        count, places = findings.counts[kind], findings.places[kind]
        at = f" in {places:,} place{'s' * (places != 1)}" if places != count else ""
        lines.append(f"{KINDS[kind].severity:<7}  {kind:<{width}}  {count:>7,}{at}")
    totals = findings.by_severity()
    parts = [f"{count:,} {severity}{'s' * (count != 1)}" for severity, count in totals.items() if count]
    sentences = f"{findings.sentences:,} sentence{'s' * (findings.sentences != 1)}"
    lines.append(f"{sentences}: {', '.join(parts) or 'no problem found'}")
    return "\n".join(lines)
