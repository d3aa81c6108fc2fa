"""The models of a server: names, places and limits."""

from pathlib import Path

import pytest
from served_models import Letters

from ner_plugins.errors import ConfigError
from ner_plugins.serving import Limits, ModelPlace, Service
from ner_plugins.tagger import Tagger


@pytest.mark.parametrize(
    "written, name, path",
    [
        ("runs/mine/model.tar.gz", "mine", "runs/mine/model.tar.gz"),
        ("runs/mine", "mine", "runs/mine"),
        ("runs/mine/", "mine", "runs/mine/"),
        ("tuned.tar.gz", "tuned", "tuned.tar.gz"),
        ("모델=runs/a.tar.gz", "모델", "runs/a.tar.gz"),
        ("a=b=c.tar.gz", "a", "b=c.tar.gz"),
        ("项目 甲,乙/结果 #1 & 2/model.tar.gz", "结果-1-2", "项目 甲,乙/结果 #1 & 2/model.tar.gz"),
        ("runs/two words", "two-words", "runs/two words"),
    ],
)
def test_a_model_is_named_by_its_place_or_as_given(written: str, name: str, path: str) -> None:
    assert ModelPlace.parse(written) == ModelPlace(name, path)


def test_a_file_whose_name_has_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "rate=3.tar.gz"
    path.touch()
    assert ModelPlace.parse(str(path)) == ModelPlace("rate-3", str(path))
    assert ModelPlace.parse(f"mine={path}") == ModelPlace("mine", str(path))


@pytest.mark.parametrize("written", ["=a", "a=", "", "two words=a", "a/b=c"])
def test_names_that_cannot_be(written: str) -> None:
    with pytest.raises(ConfigError, match="NAME=PATH"):
        ModelPlace.parse(written)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"a/x\.tar\.gz and b/x\.tar\.gz would both be called 'x'.*first=a/x"):
        ModelPlace.parse_all(["a/x.tar.gz", "b/x.tar.gz"])
    assert [place.name for place in ModelPlace.parse_all(["a/x.tar.gz", "y=b/x.tar.gz"])] == ["x", "y"]


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"max_body": 0}, "max_body is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"batch_wait": -1}, "batch_wait is -1"),
        ({"queue": 10, "max_texts": 11}, "would never find room"),
    ],
)
def test_limits_out_of_range_are_named(limits: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Limits(**limits)


def test_a_model_may_be_left_out_if_there_is_one() -> None:
    one = Service(["a"], Limits(), lambda name: Tagger(Letters()), lambda name, answers: None)
    assert not one.ready
    one.load_all()
    assert one.ready and one.model(None) is one.model("a")
    two = Service(["a", "b"], Limits(), lambda name: Tagger(Letters()), lambda name, answers: None)
    two.load_all()
    with pytest.raises(ConfigError, match="model is missing: this server has a, b"):
        two.model(None)
    with pytest.raises(ConfigError, match="no model 'c'"):
        two.model("c")
    for service in (one, two):
        service.close(10)
