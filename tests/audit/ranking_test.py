import csv
import io
import json
from dataclasses import replace

import pytest

from ner_plugins.audit.files import COLUMNS, suspects_csv, suspects_jsonl
from ner_plugins.audit.ranking import audit
from ner_plugins.audit.suspects import KINDS
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.files.folds_file import FoldRecord

NAME, CITY = Entity(0, 3, "name", 0.97), Entity(5, 7, "address", 1e-6)
SCHOOL = Entity(5, 9, "organization", 0.95)
RECORDS = [
    FoldRecord(0, 0, "刘晓燕去了北京大学", (NAME, CITY), (), (NAME, SCHOOL), file="a.json", line=1),
    FoldRecord(1, 1, "在北京大学", (Entity(1, 5, "organization", 0.9),), (), ()),
    FoldRecord(2, 1, "北京大学好", (Entity(0, 4, "organization", 0.9),), (), ()),
    FoldRecord(3, 0, "去北京大学吧", (), (), ()),
    FoldRecord(4, 1, "首尔见林志远", (Entity(0, 2, "address", 0.8),), (), (Entity(3, 6, "name", 0.999),)),
    FoldRecord(5, 1, "就是这样的", (Entity(1, 3, "address", 0.0),), (), ()),
]


def test_suspects_are_ranked_and_described() -> None:
    found = audit(RECORDS)
    first = {(suspect.kind, suspect.record.id): suspect for suspect in found[:4]}
    assert set(first) == {("boundary", 0), ("spurious", 5), ("missed", 4), ("unlabelled", 3)}
    assert [suspect.score for suspect in found] == sorted((suspect.score for suspect in found), reverse=True)
    assert all(0.0 <= suspect.score <= 1.0 for suspect in found)
    edges = first["boundary", 0]
    assert (edges.remove, edges.add, edges.seen_given, edges.seen_suggested) == ((CITY,), (SCHOOL,), 0, 2)
    elsewhere = first["unlabelled", 3]
    assert elsewhere.add == (Entity(1, 5, "organization"),) and elsewhere.seen_suggested == 2
    assert elsewhere.score == pytest.approx(0.01 * 2.5 / 0.5 / (1 + 0.01 * 2.5 / 0.5))
    assert elsewhere.types == ["organization"] and elsewhere.place == elsewhere.add[0]
    assert {suspect.place for suspect in found if suspect.record.id == 0} == {NAME, CITY}  # each label once


def test_kinds_and_scores_are_chosen_and_the_rate_keeps_the_order_of_labels() -> None:
    assert {suspect.kind for suspect in audit(RECORDS, kinds=["missed", "type"])} == {"missed"}
    assert len(audit(RECORDS, lowest=0.5)) < len(audit(RECORDS))
    orders = [[(s.kind, s.place) for s in audit(RECORDS, rate=rate)] for rate in (0.001, 0.01, 0.1)]
    assert orders[0] == orders[1] == orders[2]
    with pytest.raises(ConfigError, match="rate of errors is 0"):
        audit(RECORDS, rate=0)
    with pytest.raises(ConfigError, match="lowest score is 2"):
        audit(RECORDS, lowest=2)
    assert audit([]) == []


def test_a_suggestion_replaces_every_label_that_it_overlaps() -> None:
    parts = (Entity(5, 7, "address", 0.001), Entity(7, 9, "name", 0.0001))
    (first, second) = audit([replace(RECORDS[0], gold=parts, candidates=(SCHOOL,))])
    assert set(first.remove) == set(second.remove) == set(parts) and first.remove[0] == parts[1]


def test_lines_and_cells() -> None:
    hostile = FoldRecord(0, 0, "=1+\u202e2", (Entity(0, 2, "@x", 0.5),), (), (), file="-a", line=None)
    lines = [suspect.to_json(rank) for rank, suspect in enumerate(audit([hostile, *RECORDS[1:]]), 1)]
    read = [json.loads(line) for line in suspects_jsonl(lines).decode().splitlines()]
    assert read == lines and [line["rank"] for line in read] == list(range(1, len(read) + 1))
    rows = list(csv.reader(io.StringIO(suspects_csv(lines).decode())))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(lines) + 1
    of_hostile = next(row for row, line in zip(rows[1:], lines, strict=True) if line["text"].startswith("="))
    assert of_hostile[3] == "'-a" and of_hostile[-1] == "'=1+\\u202e2" and of_hostile[7].startswith("'@x =1")
    assert {row[2] for row in rows[1:]} <= set(KINDS)
