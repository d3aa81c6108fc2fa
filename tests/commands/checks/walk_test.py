"""The objects of a config, and the names and options that do not exist; always as AllenNLP would build them."""

from typing import Any, Optional, Union

import pytest
from allennlp.common import FromParams, Lazy, Params, Registrable
from allennlp.models import Model
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.optimizers import Optimizer
from allennlp.training.trainer import Trainer

from ner_plugins.commands.checks.walk import Walk


def walked(value: Any, annotation: Any, key: str = "part") -> Walk:
    walk = Walk()
    walk.visit(key, value, annotation)
    return walk


def messages(value: Any, annotation: Any, key: str = "part") -> list[str]:
    return [mistake.text for mistake in walked(value, annotation, key).mistakes]


class Inner(FromParams):
    def __init__(self, size: int, name: Optional[str] = None, rates: Optional[dict[str, float]] = None) -> None:
        self.size = size


class Animal(Registrable):
    pass


@Animal.register("walk_test_dog")
class Dog(Animal):
    def __init__(
        self, legs: int = 4, inner: Optional[Inner] = None, friends: Optional[list[Lazy[Animal]]] = None
    ) -> None:
        self.legs = legs


@Animal.register("walk_test_any")
class AnyAnimal(Animal):
    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs


@Animal.register("walk_test_own")
class OwnWay(Animal):
    @classmethod
    def from_params(cls, params: Any, **extras: Any) -> "OwnWay":  # type: ignore[override]
        params.pop("anything")
        return cls()


@Animal.register("walk_test_method", constructor="made_of")
class Made(Animal):
    def __init__(self, two: int) -> None:
        self.two = two

    @classmethod
    def made_of(cls, one: int) -> "Made":
        return cls(one + 1)


class Holder(FromParams):
    def __init__(
        self,
        either: Union[int, str] = 1,
        animal: Union[Animal, str] = "none",
        pair: Optional[tuple[int, Animal]] = None,
        animals: Optional[dict[str, Animal]] = None,
        pep: int | None = None,
    ) -> None:
        self.either = either


# What AllenNLP builds, the walk accepts.
VALID = [
    (Animal, {"type": "walk_test_dog"}),
    (Animal, "walk_test_dog"),
    (Animal, {"type": "walk_test_dog", "legs": None, "friends": ["walk_test_dog", {"type": "walk_test_any", "x": 1}]}),
    (Animal, {"type": "walk_test_dog", "legs": True, "inner": {"size": 3, "rates": {"a": 1, "b": 0.5}}}),
    (Animal, {"type": "walk_test_any", "whatever": [1]}),
    (Animal, {"type": "walk_test_own", "anything": 3}),
    (Animal, {"type": "walk_test_method", "one": 3}),
    (Holder, {"either": "a", "animal": "walk_test_dog", "pair": [1, "walk_test_dog"], "pep": "not checked"}),
    (Holder, {"either": 3, "animal": {"type": "walk_test_dog", "legs": 3}, "animals": {"rex": "walk_test_dog"}}),
]


@pytest.mark.parametrize("annotation, value", VALID)
def test_what_allennlp_builds_has_no_mistake(annotation: Any, value: Any) -> None:
    assert messages(value, annotation) == []
    params = Params({"type": value} if isinstance(value, str) else value)
    assert isinstance(annotation.from_params(params), annotation)


# What the walk refuses, AllenNLP cannot build.
INVALID = [
    (Animal, {"type": "walk_test_dgo"}, "part.type: there is no 'walk_test_dgo': did you mean 'walk_test_dog'?"),
    (Animal, {}, 'part has no "type"'),
    (Animal, {"type": 3}, "part.type is 3, but has to be a name"),
    (Animal, 3, 'part is 3, but has to be an object with a "type", or the name of one'),
    (Animal, {"type": "no_such_module.Dog"}, "part.type: tried to interpret no_such_module.Dog as a path to a class"),
    (Animal, {"type": "walk_test_dog", "leg": 3}, "part: walk_test_dog has no option 'leg': did you mean 'legs'?"),
    (Animal, {"type": "walk_test_dog", "legs": "3"}, 'part.legs is "3", but has to be a whole number'),
    (Animal, {"type": "walk_test_dog", "inner": {"sizes": 3}}, "part.inner: Inner has no option 'sizes'"),
    (
        Animal,
        {"type": "walk_test_dog", "inner": {"size": 3, "rates": [1]}},
        "part.inner.rates is [1], but has to be an o",
    ),
    (Animal, {"type": "walk_test_dog", "friends": {"type": "walk_test_dog"}}, "part.friends is {"),
    (Animal, {"type": "walk_test_method", "two": 1}, "part: walk_test_method has no option 'two'"),
    (Holder, {"either": [1]}, "part.either is [1], but has to be a whole number or a string"),
    (Holder, {"animal": {"type": "walk_test_dog", "x": 1}}, "part.animal: walk_test_dog has no option 'x'"),
    (Holder, {"pair": [1, {"type": "walk_test_dog", "x": 1}]}, "part.pair.1: walk_test_dog has no option 'x'"),
    (Holder, {"animals": {"rex": {"type": "walk_test_dog", "x": 1}}}, "part.animals.rex: walk_test_dog has no option"),
]


@pytest.mark.parametrize("annotation, value, expected", INVALID)
def test_what_is_refused_cannot_be_built(annotation: Any, value: Any, expected: str) -> None:
    [message] = messages(value, annotation)
    assert message.startswith(expected)
    with pytest.raises(Exception):  # noqa: B017 (whatever AllenNLP raises; a list of lazy objects fails when made)
        made = annotation.from_params(Params(value) if isinstance(value, dict) else value)
        raise ValueError(f"built {made}") if "friends" in str(value) else AssertionError(made)


def test_all_mistakes_are_found() -> None:
    value = {"type": "walk_test_dog", "legs": "3", "inner": {"x": 1, "size": "y"}, "friends": ["walk_test_cat"], "z": 1}
    found = messages(value, Animal)
    assert len(found) == 5


def test_objects_have_their_place_and_options() -> None:
    walk = walked({"type": "walk_test_dog", "friends": [{"type": "walk_test_dog", "legs": 3}]}, Lazy[Animal])
    assert [(found.key, found.cls, found.options.get("legs")) for found in walk.objects] == [
        ("part", Dog, None),
        ("part.friends.0", Dog, 3),
    ]
    assert walk.at("part.friends.0") in list(walk.of(Animal)) and walk.at("part.friends.1") is None
    assert not walk.objects[0].is_known and walk.objects[0].place("legs") == "part.legs"


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"num_epoch": 3}, "trainer has no option 'num_epoch': did you mean 'num_epochs'? It has: amp_dtype, "),
        ({"amp_type": "bfloat16"}, "trainer has no option 'amp_type': did you mean 'amp_dtype'?"),
        ({"optimizer": {"type": "adam", "learning_rate": 1}}, "trainer.optimizer: adam has no option 'learning_rate'"),
        (
            {"callbacks": ["tensorbord"]},
            "trainer.callbacks.0.type: there is no 'tensorbord': did you mean 'tensorboard'?",
        ),
        (
            {"callbacks": [{"type": "nerco", "epoch": 1}]},
            "trainer.callbacks.0: nerco has no option 'epoch': did you mean",
        ),
    ],
)
def test_a_trainer(options: dict[str, Any], expected: str) -> None:
    [message] = messages(options, Lazy[Trainer], "trainer")
    assert message.startswith(expected)


def test_options_that_a_trainer_passes_on() -> None:
    options = {
        "patience": 3, "run_sanity_checks": False, "amp_dtype": "bfloat16", "use_amp": True, "checkpointer": None,
        "moving_average": {"type": "exponential", "decay": 0.9}, "enable_default_callbacks": False, "no_grad": ["x"],
    }  # fmt: skip
    assert messages(options, Lazy[Trainer], "trainer") == []


def test_models_and_optimizers_of_allennlp() -> None:
    assert messages({"type": "from_archive", "archive_file": "model.tar.gz"}, Lazy[Model], "model") == []
    assert messages("sgd", Lazy[Optimizer]) == []
    stock = "allennlp_models.tagging.models.crf_tagger.CrfTagger"
    given = {"type": stock, "text_field_embedder": {"token_embedders": {}}, "encoder": "pass_through", "own": 1}
    assert messages(given, Lazy[Model], "model") == []  # it takes any option
    [message] = messages({**given, "type": "biaffine"}, Lazy[Model], "model")
    assert message.startswith("model: biaffine has no option 'own'")
    assert list(walked({"type": "tensorboard"}, Lazy[TrainerCallback]).of(TrainerCallback))
