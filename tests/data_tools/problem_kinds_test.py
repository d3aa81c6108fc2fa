from ner_plugins.data_tools.problem_kinds import KINDS, SEVERITIES


def test_kinds_are_listed_by_severity() -> None:
    assert {kind.severity for kind in KINDS.values()} == set(SEVERITIES)
    ranks = [SEVERITIES.index(kind.severity) for kind in KINDS.values()]
    assert ranks == sorted(ranks)
