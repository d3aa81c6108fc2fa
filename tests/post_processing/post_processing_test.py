"""Rules against sets of characters and brute force; in a model, its archive, its evaluation and its exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.models.archival import load_archive
from export_sources import source_of
from fitted_archive import fitted_archive
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.archives.assets import loading
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ArchiveError, ConfigError, DataError, NerError
from ner_plugins.exports.onnx.description import check_exportable
from ner_plugins.exports.token_classifier import obstacles
from ner_plugins.post_processing import AddRule, ForbidRule, PostProcessing, RetypeRule, SpanMatcher, SpanRule
from ner_plugins.post_processing.post_processing import changes
from ner_plugins.post_processing.span_rule import conflicts
from ner_plugins.reports.collect import run_model
from ner_plugins.tagger import Tagger

TYPES = ["A", "B"]
CCKS = {"type": "strip", "characters": "，。（）()"}


def rules(*configs: dict[str, Any]) -> PostProcessing:
    return PostProcessing([SpanRule.from_params(Params(dict(config))) for config in configs], TYPES)


def applied(text: str, entities: list[Entity], *configs: dict[str, Any], nested: bool = False) -> list[tuple]:
    return [(text[e.start : e.end], e.type) for e in rules(*configs)(entities, text, nested)]


def test_the_rules_of_ccks() -> None:
    text = "（文一路，12号。在（）"
    found = [Entity(0, 5, "A"), Entity(5, 9, "B"), Entity(10, 12, "A")]
    assert applied(text, found, CCKS) == [("文一路", "A"), ("12号", "B")]
    inner = {"type": "forbid", "pattern": ".*[，。].*"}
    assert applied("东，西", [Entity(0, 3, "A")], CCKS, inner) == []


def test_add_keeps_or_replaces_what_it_meets() -> None:
    text, found = "沿文三路走", [Entity(1, 3, "B", 0.4)]
    add = {"type": "add", "words": ["文三路", "文三"], "entity_type": "A"}
    assert applied(text, found, add) == [("文三", "B")]
    assert applied(text, found, {**add, "overlap": "replace"}) == [("文三路", "A")]
    assert applied(text, found, add, nested=True) == [("文三", "B"), ("文三路", "A")]
    assert applied(" 12 号", [], {"type": "add", "pattern": r"\s*\d+\s*", "entity_type": "A"}) == [("12", "A")]


@pytest.mark.parametrize(
    "pattern, problem",
    [
        ("(?R)", "calls itself"),
        ("(a|(?1))*b", "calls itself"),
        ("(?P<x>a(?&x)?)", "calls itself"),
        ("((a{1000}){1000}){1000}", "repeats a part more than 100,000 times"),
        ("(?:a{3,400}b){1,300}", "repeats a part"),
        ("a{99999999999}", "repeats a part"),
    ],
)
def test_expressions_without_a_bound_are_refused(pattern: str, problem: str) -> None:
    """They would take minutes and gigabytes, and their time cannot be limited."""
    with pytest.raises(ConfigError, match=problem):
        SpanMatcher(pattern)


def test_expressions_that_only_look_so() -> None:
    assert SpanMatcher(r"\(?R[(?R)]").matches("(R?") and SpanMatcher(r"[{999999}]+").matches("{9}")
    assert SpanMatcher(r"(a{300}){300}b|c{2,}\){9}").matches("cc" + ")" * 9)
    assert SpanMatcher("(?P<x>a)(?P=x)").matches("aa") and SpanMatcher(r"(.)\1").matches("大大")


@pytest.mark.parametrize("saved", [[], ["雾港"], {"": None}, {"雾港": 3}, {"雾港": ""}, None])
def test_a_damaged_dictionary_of_an_archive(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("雾港\tA\n", encoding="utf-8")
    add = {"type": "add", "path": str(path)}
    SpanRule.from_params(Params(dict(add)), serialization_dir=str(tmp_path / "run"))
    [file] = (tmp_path / "run").rglob("dictionary-*")
    file.write_text(json.dumps(saved), encoding="utf-8")
    with loading(), pytest.raises(ArchiveError, match=r"the dictionary .* of model\.post_processing is damaged"):
        SpanRule.from_params(Params(dict(add)), serialization_dir=str(tmp_path / "run"))


@pytest.mark.parametrize(
    "kind, option, value",
    [
        ("add", "entity_type", {"A": 1}), ("retype", "entity_type", ["A"]), ("forbid", "entity_types", [["A"]]),
        ("forbid", "words", [1]), ("forbid", "words", "雾港"), ("add", "pattern", {"x": 1}), ("forbid", "name", [1]),
    ],
)  # fmt: skip
def test_options_of_other_kinds(kind: str, option: str, value: Any) -> None:
    """Archives may hold anything, and AllenNLP lets some of it through."""
    classes = {"add": AddRule, "retype": RetypeRule, "forbid": ForbidRule}
    options = {"pattern": "a", **({} if kind == "forbid" else {"entity_type": "A"})}
    with pytest.raises(ConfigError, match=rf"{option} is .*, but has to be a"):
        classes[kind](**{**options, **({"pattern": None} if option == "words" else {}), option: value})


def test_null_is_no_rule() -> None:
    with pytest.raises(ConfigError, match=r"model\.post_processing\.0 is None, but has to be a rule"):
        PostProcessing([None], TYPES)  # type: ignore[list-item]


def test_retype_and_order() -> None:
    text, found = "ab", [Entity(0, 2, "A", 0.5)]
    to_b = {"type": "retype", "pattern": "a.", "entity_type": "B"}
    assert applied(text, found, to_b) == [("ab", "B")]
    assert applied(text, found, {**to_b, "entity_types": ["B"]}) == [("ab", "A")]
    forbid = {"type": "forbid", "words": ["ab"], "entity_types": ["A"]}
    assert applied(text, found, to_b, forbid) == [("ab", "B")] and applied(text, found, forbid, to_b) == []


spans = st.builds(
    lambda start, width, type_, score: Entity(start, start + width, type_, score),
    st.integers(0, 8), st.integers(1, 4), st.sampled_from(TYPES), st.floats(0, 1),
)  # fmt: skip
configs = st.lists(
    st.one_of(
        st.builds(lambda c: {"type": "strip", "characters": c}, st.sampled_from("abc")),
        st.builds(lambda c: {"type": "strip", "characters": c, "entity_types": ["A"]}, st.sampled_from("abc")),
        st.builds(lambda p: {"type": "forbid", "pattern": p}, st.sampled_from(["a+", "b.", ".*c.*"])),
        st.builds(
            lambda p, o, t: {"type": "add", "pattern": p, "overlap": o, "entity_type": t},
            st.sampled_from(["a+b", "c", " ?b"]), st.sampled_from(["keep", "replace"]), st.sampled_from(TYPES),
        ),
        st.builds(
            lambda w, t: {"type": "retype", "words": [w], "entity_type": t},
            st.sampled_from(["ab", "a"]), st.sampled_from(TYPES),
        ),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.text("abc ", min_size=12, max_size=12), st.lists(spans, max_size=6), configs, st.booleans())
def test_any_rules_leave_entities_that_fit(text: str, found: list[Entity], of: list[dict], nested: bool) -> None:
    found = sorted({entity for entity in resolve_overlaps(found) if text[entity.start : entity.end].strip()})
    processing = rules(*of)
    result = processing(found, text, nested)
    assert result == sorted(set(result)) == rules(*of)(found, text, nested)
    assert all(0 <= entity.start < entity.end <= len(text) for entity in result)
    pairs = [(one, other) for place, one in enumerate(result) for other in result[:place]]
    assert not any(conflicts(one, other, nested) for one, other in pairs)
    counts = processing.get_metric()
    added, removed = (sum(v for k, v in counts.items() if k.endswith(kind)) for kind in ("/added", "/removed"))
    assert len(result) - len(found) == added - removed
    assert not any(processing.get_metric().values())


@settings(max_examples=100, deadline=None)
@given(st.text("ab", max_size=10), st.sets(st.text("ab", min_size=1, max_size=4), min_size=1))
def test_words_match_as_the_longest_alternative_of_a_regular_expression(text: str, words: set[str]) -> None:
    expected = re.compile("|".join(sorted(words, key=lambda word: -len(word)))).finditer(text)
    found = [(start, end) for start, end, _ in SpanMatcher(words=sorted(words)).find(text)]
    assert found == [match.span() for match in expected]


def test_changes_are_counted_once() -> None:
    before, after = [Entity(0, 3, "A"), Entity(4, 5, "A")], [Entity(1, 3, "A"), Entity(7, 8, "B")]
    assert changes(before, after) == (1, 1, 1)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"type": "forbid", "pattern": "("}, r"pattern is '\('.*no regular expression.*missing \)"),
        ({"type": "forbid"}, "exactly one"),
        ({"type": "forbid", "words": []}, "empty list"),
        ({"type": "add", "words": ["a"]}, "entity_type is missing, as 'a' has none"),
        ({"type": "add", "pattern": "a", "entity_type": "C"}, r"post_processing\.0.*'C'.*A, B"),
        ({"type": "add", "path": "absent.tsv"}, "absent.tsv"),
        ({"type": "strip", "characters": ""}, "characters is empty"),
        ({"type": "strip", "characters": "a", "name": "a/b"}, "slash"),
        ({"type": "add", "pattern": "a", "entity_type": "A", "overlap": "both"}, "keep or replace"),
    ],
)
def test_bad_rules_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        rules(config)


def test_two_rules_need_two_names() -> None:
    with pytest.raises(ConfigError, match="two rules have the name 'edges'"):
        rules({**CCKS, "name": "edges"}, {**CCKS, "name": "edges"})


def test_a_word_has_one_type(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("文一路\tA\n\n文二路\tB\n", encoding="utf-8")
    add = {"type": "add", "path": str(path)}
    assert applied("文二路与文一路", [], add) == [("文二路", "B"), ("文一路", "A")]
    path.write_text("文一路\tA\n文一路\tB\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.tsv:2.*A and B"):
        rules(add)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="without a word"):
        rules(add)


def test_exponential_time_ends_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_plugins.post_processing.span_matcher.TIME_LIMIT", 0.05)
    with pytest.raises(NerError, match="exponential time"):
        applied("a" * 40 + "c", [], {"type": "add", "pattern": "(a|a)*b|(x+x+)+y", "entity_type": "A"})
    with pytest.raises(NerError, match="exponential time"):
        applied("a" * 40 + "c", [Entity(0, 41, "A")], {"type": "forbid", "pattern": "(a|a)*b|(x+x+)+y"})


def test_an_archive_carries_its_dictionary_and_every_way_applies_it(repository: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.tsv"
    words.write_text("大学\torganization\n", encoding="utf-8")
    params = Params.from_file(repository / "fixtures/experiments/crf_tagger.json")
    for key in ("train_data_path", "validation_data_path"):
        params[key] = str(repository / params[key])
    params["trainer"]["num_epochs"] = 1
    params["model"]["post_processing"] = [
        {"type": "add", "path": str(words), "overlap": "replace", "name": "schools"},
        {"type": "strip", "characters": "大"},
    ]
    train_model(params, str(tmp_path / "run"))
    words.unlink()
    archive = tmp_path / "run/model.tar.gz"
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best_validation_post_processing/schools/added"] >= 0
    tagged = Tagger.from_path(archive)(["他在大学里"])[0]
    assert ("学", "organization", 1.0) in [(e.text, e.type, e.score) for e in tagged.entities]
    loaded = load_archive(archive)
    figures = run_model(loaded.model, loaded.validation_dataset_reader, str(repository / "fixtures/cluener/dev.json"))
    counts = {key: value for key, value in figures.metrics.items() if key.startswith("post_processing/")}
    assert sorted(counts)[:3] == [f"post_processing/1_strip/{change}" for change in ("added", "changed", "removed")]
    with pytest.raises(ArchiveError, match="dictionary"):
        load_archive(archive, overrides={"model.post_processing": [{"type": "forbid", "path": "another.tsv"}]})


def test_rules_of_an_override_are_counted_in_evaluation(repository: Path) -> None:
    plain = load_archive(fitted_archive(repository))
    forbid = [{"type": "forbid", "pattern": ".*", "name": "all"}]
    ruled = load_archive(fitted_archive(repository), overrides={"model.post_processing": forbid})
    assert not load_archive(fitted_archive(repository), overrides={"model.post_processing": None}).model.post_processing
    data = str(repository / "fixtures/sample#dev")
    before, after = (run_model(a.model, a.dataset_reader, data) for a in (plain, ruled))
    number = sum(len(sentence.predicted) for sentence in before.sentences)
    assert number > 0 and after.metrics["post_processing/all/removed"] == number
    assert after.metrics["seqeval/micro_f1"] == 0 and not any(sentence.predicted for sentence in after.sentences)


def test_other_types_drop_the_rules_of_types_that_are_gone(caplog: pytest.LogCaptureFixture) -> None:
    processing = rules({"type": "forbid", "pattern": "a", "entity_types": ["A"]}, CCKS)
    assert list(processing.for_types(["B"]).rules) == ["1_strip"] and "0_forbid" in caplog.text


def test_exports_without_rules_refuse_them(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    source.model.post_processing = PostProcessing(rules(CCKS).rules.values(), source.model.types)
    with pytest.raises(ConfigError, match=r"does not export rules.*--overrides"):
        check_exportable(source)
    assert any("model.post_processing" in reason for reason in obstacles(source.model))
