"""
Model soups (Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time"): one model, whose weights are means of those of several.
"""

import copy
import shutil
from pathlib import Path, PurePath
from typing import Any, Callable, Iterator, Sequence

from torch import Tensor

from ner_plugins.archives.assets import ASSETS_FOLDER
from ner_plugins.ensembles.combining import common_options, write_config
from ner_plugins.ensembles.members import Member, check_alike
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.modules.averages import weighted_mean
from ner_plugins.options import written

Weights = dict[str, Tensor]

# Options that change neither what the weights mean nor how scores are decoded.
_OF_TRAINING = frozenset(
    {
        "dropout", "dropout_samples", "token_dropout", "dimension_dropout", "metrics", "training_metrics",
        "initializer", "regularizer", "thresholds", "post_processing", "ddp_accelerator",
    }
)  # fmt: skip


def check_architectures(members: Sequence[Member]) -> None:
    """
    Check that each weight means the same in all members: equal models, vocabularies and tokens.

    # Raises

    `ConfigError` naming the first difference.
    """
    consequence = ". Their weights have no mean; --method votes combines what the models predict instead"
    check_alike(members, _differences, consequence)


def _differences(first: Member, other: Member) -> Iterator[str]:
    parts = [_architecture(one) for one in (first, other)]
    for key in sorted(parts[0].keys() | parts[1].keys()):
        found = [part.get(key) for part in parts]
        if found[0] != found[1]:
            yield f"{key} ({' and '.join(map(written, found))})"
    shapes = [{name: tensor.shape for name, tensor in one.model.state_dict().items()} for one in (first, other)]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        if shapes[0].get(name) != shapes[1].get(name):
            yield f"the size of {name}"
    vocabularies = [one.model.vocab for one in (first, other)]
    for namespace in sorted(vocabularies[0].get_namespaces() | vocabularies[1].get_namespaces()):
        tables = [one.get_index_to_token_vocabulary(namespace) for one in vocabularies]
        if namespace != ENTITY_NAMESPACE and tables[0] != tables[1]:
            yield f"the vocabulary {namespace!r}"
    assets = [_assets(one) for one in (first, other)]
    for name in sorted(assets[0].keys() | assets[1].keys()):
        if assets[0].get(name) != assets[1].get(name):
            yield f"{ASSETS_FOLDER}/{name}"


def _architecture(member: Member) -> dict[str, Any]:
    """The options that weights depend on, by dotted key. Of an encoder's folder only the name counts."""
    model = {key: value for key, value in member.config["model"].items() if key not in _OF_TRAINING}
    reader = {key: member.reader_config.get(key) for key in ("tokenizer", "token_indexers", "lexicon")}
    flat = dict(_leaves({"model": model, "dataset_reader": reader}, ""))
    return {
        key: PurePath(value).name if key.endswith("model_name") and isinstance(value, str) else value
        for key, value in flat.items()
    }


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is not None:
                yield from _leaves(inner, f"{place}.{key}" if place else key)
    else:
        yield place, value


def _assets(member: Member) -> dict[str, bytes]:
    """The files of the tokenizers, without the path that their folders are named for."""
    folder = member.folder / ASSETS_FOLDER
    found = {}
    for file in sorted(folder.glob("*/tokenizer.json")):
        found[f"{file.parent.name.rpartition('-')[0]}/{file.name}"] = file.read_bytes()
    return found


def copy_first(members: Sequence[Member], folder: Path) -> list[str]:
    """
    Copy all that the archive of a soup has of the first member: all but weights. Thresholds and rules stay if all
    members have the same; those of a part of them were made for scores that the soup does not have.

    # Parameters

    members : `Sequence[Member]`
    folder : `Path`
        An empty one.

    # Returns

    `list[str]`
        What was left out of the configuration: `thresholds`, `post_processing`.
    """
    first = members[0]
    for part in (ASSETS_FOLDER, "vocabulary"):
        shutil.copytree(first.folder / part, folder / part)
    if (first.folder / "meta.json").is_file():
        shutil.copyfile(first.folder / "meta.json", folder / "meta.json")
    config = copy.deepcopy(first.config)
    _, left_out = common_options(members)
    for key in left_out:
        config["model"].pop(key, None)
    write_config(folder, config)
    return left_out


def weights_of(member: Member) -> Weights:
    """All that a model's archive stores of it."""
    return {name: tensor.detach() for name, tensor in member.model.state_dict().items()}


def mean_of(ingredients: Sequence[Weights], weights: Sequence[float]) -> Weights:
    """
    The mean of each parameter. What is no floating number (positions, counts) is that of the first one.

    # Parameters

    ingredients : `Sequence[Weights]`
        With equal names and shapes.
    weights : `Sequence[float]`
        See `weighted_mean`.
    """
    return {
        name: weighted_mean([one[name] for one in ingredients], weights) if tensor.is_floating_point() else tensor
        for name, tensor in ingredients[0].items()
    }


def greedy(
    ingredients: Sequence[Weights], scores: Sequence[float], score: Callable[[Weights], float]
) -> tuple[Weights, list[int], float]:
    """
    The greedy soup (the paper's recipe 1): from the best member to the worst, each is added to the uniform soup of
    those before it and stays if the soup's score does not fall.

    # Parameters

    ingredients : `Sequence[Weights]`
    scores : `Sequence[float]`
        Of each ingredient on held-out data. Of equal ones the first is the better.
    score : `Callable[[Weights], float]`
        That of a soup.

    # Returns

    `tuple[Weights, list[int], float]`
        The soup, the places of its ingredients in the order in which they were added, and its score.
    """
    order = sorted(range(len(ingredients)), key=lambda place: -scores[place])
    chosen, best = [order[0]], scores[order[0]]
    for place in order[1:]:
        tried = [*chosen, place]
        found = score(mean_of([ingredients[one] for one in tried], [1.0] * len(tried)))
        if found >= best:
            chosen, best = tried, found
    return mean_of([ingredients[one] for one in chosen], [1.0] * len(chosen)), chosen, best
