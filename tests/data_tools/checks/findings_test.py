import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.checks.findings import Findings, Problem, format_findings
from ner_plugins.data_tools.problem_kinds import KINDS
from ner_plugins.errors import ConfigError


def filled(limit: int = 10, kinds: list[str] | None = None) -> Findings:
    findings = Findings(kinds, limit)
    findings.sentences = 1234
    for number in range(12):
        findings.add("nested", f"f:{number // 3}", f"message {number}")
    findings.add("illegal-tags", "g:7", "bad")
    return findings


def test_kinds_are_found_errors_first() -> None:
    assert filled().found() == ["illegal-tags", "nested"]


def test_counts_and_limits() -> None:
    findings = filled()
    assert findings.counts == {"nested": 12, "illegal-tags": 1} and findings.places["nested"] == 4
    assert findings.by_severity() == {"error": 1, "warning": 0, "note": 12}
    assert [problem.message for problem in findings.problems("nested")] == [f"message {n}" for n in range(10)]
    assert len(filled(0).problems("nested")) == 12 and len(filled(1).problems("nested")) == 1
    assert Problem("nested", "f:1", "m").to_json() == {
        "kind": "nested", "severity": "note", "place": "f:1", "message": "m",
    }  # fmt: skip


def test_only_the_kinds_that_are_asked_for() -> None:
    findings = filled(kinds=["nested", "leak"])
    assert findings.found() == ["nested"] and findings.by_severity()["error"] == 0
    assert findings.wants("leak", "illegal-tags") and not findings.wants("illegal-tags", "misaligned")


def test_text() -> None:
    assert format_findings(filled(2)).split("\n") == [
        "error illegal-tags: a tag that its scheme does not allow there",
        "  g:7: bad",
        "",
        "note nested: an entity inside another one",
        "  f:0: message 0",
        "  f:0: message 1",
        "  … and 10 more (--limit 0 lists all)",
        "",
        "error    illegal-tags        1",
        "note     nested             12 in 4 places",
        "1,234 sentences: 1 error, 12 notes",
    ]
    assert format_findings(Findings()) == "0 sentences: no problem found"


def test_json() -> None:
    found = filled(1).to_json()
    assert found["sentences"] == 1234 and found["totals"] == {"error": 1, "warning": 0, "note": 12}
    assert found["kinds"]["nested"] == {"severity": "note", "count": 12, "places": 4}
    assert [problem["place"] for problem in found["problems"]] == ["g:7", "f:0"]


@pytest.mark.parametrize("kinds", [["nested", "leek"], [""], []])
def test_unknown_kinds(kinds: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"--kinds is \".*\"; it can be unreadable, illegal-tags"):
        Findings(kinds)


def test_a_negative_limit() -> None:
    with pytest.raises(ConfigError, match=r"--limit must be >= 0 .* got -1"):
        Findings(limit=-1)


@given(st.lists(st.sampled_from(sorted(KINDS))), st.integers(0, 3))
def test_nothing_is_lost(kinds: list[str], limit: int) -> None:
    findings = Findings(limit=limit)
    for number, kind in enumerate(kinds):
        findings.add(kind, str(number), "")
    assert sum(findings.by_severity().values()) == len(kinds)
    for kind in KINDS:
        expected = min(kinds.count(kind), limit or len(kinds))
        assert len(findings.problems(kind)) == expected


def test_a_kind_that_is_misspelt() -> None:
    with pytest.raises(ConfigError, match=r"--kinds is \"leaks\"; it can be .* or long-text\. Did you mean leak\?"):
        Findings(["nested", "leaks"])
