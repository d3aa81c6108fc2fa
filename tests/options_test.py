"""Misspelt options and names, on stock classes and ours; choices; nested overrides."""

from typing import Any, Literal, Optional, Sequence, Union

import pytest
from allennlp.common import FromParams, Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from allennlp.data import DatasetReader, Tokenizer, Vocabulary
from allennlp.models import Model
from allennlp.modules import Seq2SeqEncoder
from allennlp.training.optimizers import Optimizer

from ner_plugins.errors import ConfigError
from ner_plugins.options import OptionError, check_name


@pytest.mark.parametrize(
    "reader, expected",
    [
        ({"type": "weibo", "dev_fracton": 0.1}, r"^weibo has no option 'dev_fracton': did you mean 'dev_fraction'\?"),
        ({"type": "cluener", "max_instance": 3}, r"'max_instances'\? It has: augmentation, .*, tokenizer, unlabelled$"),
        ({"type": "kmou", "manual_distributed_shardin": 1}, r"kmou has no option '[^']*'\. It has"),
        ({"type": "weibo", "tokenizer": {"type": "character", "x": 1}}, r"^tokenizer: character has no"),
        ({"type": "cluener", "max" * 999: 3}, r"^cluener has no option '(max){25}m\.\.\.\. It has: "),
    ],
)
def test_an_unknown_option_of_ours(reader: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        DatasetReader.from_params(Params(reader))


def test_it_is_told_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="'thresholds'"):
        Model.from_params(Params({"type": "crf_tagger", "threshold": 1}), vocab=Vocabulary())


def test_a_stock_class_without_further_keys() -> None:
    with pytest.raises(ConfigError, match=r"^character has no option 'x'\. It has: byte_encoding, .*, start_tokens$"):
        Tokenizer.from_params(Params({"type": "character", "x": 1}))
    with pytest.raises(ConfigurationError, match=r"^adam has no option 'lrr': did you mean 'lr'"):
        Optimizer.from_params(Params({"type": "adam", "lrr": 1}), model_parameters=[])


class Open(FromParams):
    """A class of somebody else's that takes any key."""

    def __init__(self, a: int = 0, **kwargs: Any) -> None:
        self.a, self.rest = a, kwargs


class Closed(FromParams):
    def __init__(self, b: int = 0) -> None:
        self.b = b


class Either(FromParams):
    def __init__(self, part: Optional[Union[Closed, Open]] = None) -> None:
        self.part = part


def test_a_class_that_takes_any_key_still_does() -> None:
    made = Open.from_params(Params({"a": 1, "other": 2}))
    assert (made.a, made.rest) == (1, {"other": 2})


def test_one_type_after_the_other_is_still_tried() -> None:
    part = Either.from_params(Params({"part": {"other": 2}})).part
    assert isinstance(part, Open) and part.rest == {"other": 2}
    assert isinstance(Either.from_params(Params({"part": {"b": 2}})).part, Closed)


def test_an_unknown_name_lists_ours() -> None:
    with pytest.raises(ConfigError) as caught:
        DatasetReader.from_params(Params({"type": "webio"}))
    told = str(caught.value)
    assert told.startswith("type: there is no 'webio': did you mean 'weibo'? ner_plugins has brackets_ner, ")
    assert "squad" not in told and "more" in told and len(told) < 500


def test_an_unknown_name_where_we_have_few_lists_those_of_allennlp_too() -> None:
    told = r"did you mean 'adam'\? ner_plugins has layerwise_decay; AllenNLP .* \d+ more: .*adamw,.* huggingface_adamw,"
    with pytest.raises(ConfigurationError, match=told):
        Optimizer.from_params(Params({"type": "adaam"}), model_parameters=[])


def test_an_unknown_name_where_we_have_none_lists_those_of_allennlp() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'lstm'.*AllenNLP and its plugins have \d+: "):
        Seq2SeqEncoder.from_params(Params({"type": "lstmm"}))


class Chooser(FromParams):
    def __init__(
        self,
        mode: Literal["flat", "flat_optimal", "nested"] = "flat",
        level: Optional[Literal[1, 2]] = None,
        parts: Sequence[Literal["loss", "head"]] = (),
        either: Union[Literal["all"], float] = "all",
        needed: Optional[Literal["a", "b"]] = "a",
    ) -> None:
        self.chosen = (mode, level, parts, either, needed)


class Owner(FromParams):
    def __init__(self, choosers: list[Chooser]) -> None:
        self.choosers = choosers


def test_a_choice_is_taken() -> None:
    assert Chooser.from_params(Params({})).chosen == ("flat", None, (), "all", "a")
    given = {"mode": "nested", "level": 2, "parts": ["loss", "head"], "either": 0.5, "needed": None}
    assert Chooser.from_params(Params(given)).chosen == ("nested", 2, ["loss", "head"], 0.5, None)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"mode": "nestd"}, 'mode is "nestd"; it can be flat, flat_optimal or nested. Did you mean nested?'),
        ({"mode": "x"}, 'mode is "x"; it can be flat, flat_optimal or nested'),
        ({"mode": 3}, "mode is 3; it can be flat, flat_optimal or nested"),
        ({"mode": None}, "mode is null; it can be flat, flat_optimal or nested"),
        ({"mode": {"type": "flat"}}, 'mode is {"type": "flat"}; it can be flat, flat_optimal or nested'),
        ({"level": True}, "level is true; it can be 1 or 2"),
        ({"level": "1"}, 'level is "1"; it can be 1 or 2. Did you mean 1?'),
        ({"parts": ["loss", "heads"]}, 'parts.1 is "heads"; it can be loss or head. Did you mean head?'),
        ({"parts": "loss"}, 'parts is "loss", but has to be a list; its items can be loss or head'),
    ],
)
def test_no_choice_of_an_option(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Owner.from_params(Params({"choosers": [{}, given]}, history="model."))
    assert str(caught.value) == f"model.choosers.1.{message}"


def test_a_choice_among_types_is_tried_in_turn() -> None:
    with pytest.raises(ConfigurationError, match="Failed to construct argument either"):
        Chooser.from_params(Params({"either": "none"}))


@pytest.mark.parametrize(
    "config, key",
    [
        ({"choosers": [{}, {"mode": "x"}]}, "choosers.1.mode"),
        ({"choosers": [3]}, "choosers.0"),
        ({"choosers": [{"kind": 1}]}, "choosers.0"),
        ({}, ""),
    ],
)
def test_an_error_has_the_innermost_key(config: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Owner.from_params(Params(config))
    assert caught.value.config_key == key  # type: ignore[attr-defined]


def test_a_name_instead_of_an_object_has_a_key() -> None:
    with pytest.raises(ConfigError, match=r"^dataset_reader\.tokenizer\.type: there is no 'charcter'"):
        DatasetReader.from_params(Params({"type": "weibo", "tokenizer": "charcter"}, history="dataset_reader."))


GIVEN = {"reader": {"type": "a", "n": 1, "deep": {"x": 1, "y": 2}}, "list": [{"k": 1}], "number": 3}


@pytest.mark.parametrize(
    "nested, dotted",
    [
        ({"reader": {"n": 2}}, {"reader.n": 2}),
        ({"reader": {"deep": {"x": 5}, "new": {"z": 1}}}, {"reader.deep.x": 5, "reader.new": {"z": 1}}),
        ({"reader": {"deep.x": 5}}, {"reader.deep.x": 5}),
        ({"reader": {"n": 2}, "reader.deep.y": 7}, {"reader.n": 2, "reader.deep.y": 7}),
    ],
)
def test_nested_overrides_are_dotted_ones(nested: dict[str, Any], dotted: dict[str, Any]) -> None:
    assert with_overrides(GIVEN, nested) == with_overrides(GIVEN, dotted) != GIVEN
    assert with_overrides(GIVEN, nested)["reader"]["deep"]["y"] in (2, 7)


@pytest.mark.parametrize(
    "overrides",
    [
        {"reader": {"type": "b"}},
        {"reader": {}},
        {"reader": None},
        {"number": {"a": 1}},
        {"list": [1]},
        {"fresh": {"a": {"b": 1}}},
    ],
)
def test_what_is_no_part_of_an_object_replaces_as_ever(overrides: dict[str, Any]) -> None:
    assert with_overrides(GIVEN, overrides) == {**GIVEN, **overrides}


@pytest.mark.parametrize(
    "value, message",
    [
        ("betta", 'letter is "betta"; it can be alpha or beta. Did you mean beta?'),
        ("BETA", 'letter is "BETA"; it can be alpha or beta. Did you mean beta?'),
        ("gamma ray", 'letter is "gamma ray"; it can be alpha or beta'),
        ("", 'letter is ""; it can be alpha or beta'),
        (None, "letter is null; it can be alpha or beta"),
        (["beta"], 'letter is ["beta"]; it can be alpha or beta. Did you mean beta?'),
    ],
)
def test_a_name_among_others(value: Any, message: str) -> None:
    check_name("letter", "beta", {"alpha": 0, "beta": 1})
    with pytest.raises(OptionError) as caught:
        check_name("letter", value, ("alpha", "beta"))
    assert str(caught.value) == message


@pytest.mark.parametrize("overrides", [[1], "text", 3])
def test_overrides_that_are_no_object_are_refused(overrides: Any) -> None:
    with pytest.raises(ConfigError, match=r"--overrides is .*, but has to be an object"):
        with_overrides(GIVEN, overrides)
