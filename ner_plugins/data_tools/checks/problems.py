"""The kinds of problems that a corpus may have, and a list of those found."""

import difflib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from ner_plugins.errors import ConfigError

SEVERITIES = ("error", "warning", "note")


class Kind(NamedTuple):
    """
    A kind of problem.

    # Parameters

    severity : `str`
        `error`: the file breaks its own format. `warning`: most likely a mistake, or a result that cannot be trusted.
        `note`: worth knowing.
    meaning : `str`
        For people.
    """

    severity: str
    meaning: str


KINDS: Dict[str, Kind] = {
    "unreadable": Kind("error", "a record that cannot be read: its syntax, or offsets that do not fit the text"),
    "illegal-tags": Kind("error", "a tag that its scheme does not allow there"),
    "misaligned": Kind("error", "an entity that leaves the text"),
    "empty-entity": Kind("error", "an entity without a character other than white space"),
    "leak": Kind("warning", "a text that stands in two splits"),
    "conflicting-copy": Kind("warning", "a text that has other gold where it stands again"),
    "unlabelled-repeat": Kind("warning", "a labelled surface that occurs again in its text without a label"),
    "conflict": Kind("warning", "a surface with two types in one text"),
    "same-span": Kind("warning", "one span with two types"),
    "crossing": Kind("warning", "entities that overlap without one containing the other"),
    "unlabelled": Kind("warning", "a file for training or development without a label"),
    "wrong-reader": Kind("warning", "a file that looks like one for another reader, or for other options"),
    "one-sentence": Kind("warning", "a column file without a blank line"),
    "unseen-type": Kind("warning", "a type that the training split lacks"),
    "edge-space": Kind("warning", "an entity that begins or ends with white space"),
    "cut-character": Kind("warning", "an entity that begins or ends between a character and its accent or joiner"),
    "odd-character": Kind("warning", "an entity with a control, invisible, private-use or replacement character"),
    "normalisation": Kind("warning", "a surface of which Unicode has another spelling, in part or also in the data"),
    "empty-text": Kind("warning", "a text without a character other than white space"),
    "cut-word": Kind("note", "an entity that begins or ends inside a Latin word or a number"),
    "nested": Kind("note", "an entity inside another one"),
    "rare-type": Kind("note", "a type that a frequent surface has almost never"),
    "repeated-text": Kind("note", "a text that stands in its split before"),
    "long-text": Kind("note", "a text that is longer than most encoders read at once"),
}


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

    def to_json(self) -> Dict[str, str]:
        """Its parts."""
        return {"kind": self.kind, "severity": self.severity, "place": self.place, "message": self.message}


class Findings:
    """
    Problems, of each kind the first few, and how many there are.

    # Parameters

    kinds : `Optional[Iterable[str]]`, optional (default=`None`)
        Only these count; all by default.
    limit : `int`, optional (default=`10`)
        How many of each kind to keep; 0 keeps all.

    # Attributes

    counts : `Counter[str]`
        Problems by kind.
    places : `Counter[str]`
        By kind, how many places they are at: one text may have several.
    sentences : `int`
        How many were looked at.

    # Raises

    `ConfigError` for a kind that there is not.
    """

    def __init__(self, kinds: Optional[Iterable[str]] = None, limit: int = 10) -> None:
        self.kinds = list(KINDS) if kinds is None else list(dict.fromkeys(kinds))
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            named = ", ".join(map(repr, unknown)) or "none"
            close = [match for kind in unknown for match in difflib.get_close_matches(kind.lower(), KINDS, n=1)]
            hint = f"Did you mean {' and '.join(map(repr, close))}? " if close else ""
            raise ConfigError(f"--kinds names {named}. {hint}There are {', '.join(KINDS)}")
        if limit < 0:
            raise ConfigError(f"--limit is {limit}; it must be 0 (all) or more")
        self.limit = limit
        self.counts: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self.sentences = 0
        self._kept: Dict[str, List[Problem]] = {kind: [] for kind in self.kinds}
        self._last_place: Dict[str, str] = {}

    def wants(self, *kinds: str) -> bool:
        """Whether any of these kinds counts."""
        return any(kind in self._kept for kind in kinds)

    def add(self, kind: str, place: str, message: str) -> None:
        """Count one problem, if its kind counts. Those of one place come one after the other."""
        if kind not in self._kept:
            return
        self.counts[kind] += 1
        self.places[kind] += self._last_place.get(kind) != place
        self._last_place[kind] = place
        if not self.limit or len(self._kept[kind]) < self.limit:
            self._kept[kind].append(Problem(kind, place, message))

    def found(self) -> List[str]:
        """The kinds that there are problems of, errors first."""
        return [kind for kind in KINDS if self.counts[kind]]

    def problems(self, kind: str) -> List[Problem]:
        """Those kept of one kind."""
        return list(self._kept[kind])

    def by_severity(self) -> Dict[str, int]:
        """How many errors, warnings and notes there are."""
        totals = dict.fromkeys(SEVERITIES, 0)
        for kind, count in self.counts.items():
            totals[KINDS[kind].severity] += count
        return totals

    def to_json(self) -> Dict[str, Any]:
        """Everything, as `allennlp ner-data check --json` prints it."""
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
    """The problems by kind, then how many there are of each."""
    lines: List[str] = []
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
    lines.append(f"{findings.sentences:,} sentences: {', '.join(parts) or 'no problem found'}")
    return "\n".join(lines)
