"""Regular expressions of optimizers and `no_grad`."""

from typing import Any

from allennlp.common import Lazy
from allennlp.nn import InitializerApplicator as Initializers
from allennlp.nn import RegularizerApplicator as Regularizers
from allennlp.training.trainer import Trainer

from ner_plugins.commands.checks.parameter_groups import malformed, without_parameters
from ner_plugins.commands.checks.walk import Walk

NAMES = ["text_field_embedder.token_embedder_tokens.weight", "head.scorer.weight", "head.scorer.bias"]


def trainer(groups: Any, no_grad: Any = None) -> Walk:
    walk = Walk()
    optimizer = {"type": "huggingface_adamw", "lr": 1e-3, "parameter_groups": groups}
    walk.visit("trainer", {"optimizer": optimizer, "no_grad": no_grad}, Lazy[Trainer])
    return walk


def test_well_formed_groups() -> None:
    groups = [
        [["bias", "weight$"], {"lr": 1e-4, "weight_decay": 0.0}],
        [["^head"], {"requires_grad": False, "extra": 1}],
    ]
    assert list(malformed(trainer(groups))) == [] and list(malformed(trainer(None))) == []


def test_malformed_groups() -> None:
    groups = [["bias", {"lr": 1}], [["a("], {}], [["b"], {"weight_decy": 0.0}], {"lr": 1}]
    told = [mistake.text for mistake in malformed(trainer(groups, no_grad=["*x", "fine"]))]
    key = "trainer.optimizer.parameter_groups"
    assert told[0] == f'{key}.0 is ["bias", {{"lr": 1}}], but has to be [[regular expressions], {{options}}]'
    assert told[1].startswith(f'{key}.1: "a(" is not a regular expression (missing )')
    assert told[2] == f"{key}.2 has no option 'weight_decy': did you mean 'weight_decay'?"
    assert told[3].startswith(f"{key}.3 is ")
    assert told[4].startswith('trainer.no_grad: "*x" is not a regular expression') and len(told) == 5


def test_groups_that_are_no_list() -> None:
    told = [mistake.text for mistake in malformed(trainer({"bias": 1}))]
    assert told == ['trainer.optimizer.parameter_groups is {"bias": 1}, but has to be a list']


def test_initializers_and_regularizers() -> None:
    walk = Walk()
    walk.visit(
        "model.initializer", {"regexes": [["a(", "zero"], ["b", "zero"]], "prevent_regexes": ["[c"]}, Initializers
    )
    walk.visit("model.regularizer", {"regexes": [["*d", "l2"]]}, Regularizers)
    told = [mistake.text for mistake in malformed(walk)]
    assert told[0].startswith('model.initializer.regexes: "a(" is not a regular expression')
    assert told[1].startswith('model.initializer.prevent_regexes: "[c" is not')
    assert told[2].startswith('model.regularizer.regexes: "*d" is not') and len(told) == 3


def test_groups_without_a_parameter() -> None:
    groups = [[["scorer", "nothing"], {}], [["token_embeder"], {}], [["^crf", "^lstm"], {}]]
    told = [mistake.text for mistake in without_parameters(trainer(groups, no_grad=["^head", "encoder"]), NAMES)]
    key = "trainer.optimizer.parameter_groups"
    assert told[0].startswith(f"{key}.1: 'token_embeder' matches no parameter of the model")
    assert (
        told[1].startswith(f"{key}.2: '^crf' and '^lstm' match no parameter") and "text_field_embedder, head" in told[1]
    )
    assert told[2].startswith("trainer.no_grad: 'encoder' matches no parameter") and len(told) == 3


def test_several_optimizers() -> None:
    optimizers = {"default": {"type": "adam"}, "head": {"type": "sgd", "lr": -0.1}}
    groups = [[["^head"], {"optimizer_name": "head"}], [["^tail"], {"optimizer_name": "head"}]]
    walk = Walk()
    optimizer = {"type": "multi", "optimizers": optimizers, "parameter_groups": groups}
    walk.visit("trainer", {"optimizer": optimizer}, Lazy[Trainer])
    assert walk.mistakes == [] and list(malformed(walk)) == []
    [told] = without_parameters(walk, NAMES)
    assert told.key == "trainer.optimizer.parameter_groups.1"
