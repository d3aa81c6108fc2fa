"""Loading the members of an ensemble, and checks of what they have in common."""

import logging
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

from allennlp.models.archival import load_archive

from ner_plugins.archives.digest import archive_digest
from ner_plugins.archives.reading import extracted_archive, naming_archive
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.errors import ConfigError, shown
from ner_plugins.models.ner_model import NerModel
from ner_plugins.tagger.archive import move_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """
    A loaded archive.

    # Parameters

    path : `str`
        As the user named it.
    digest : `str`
        SHA-256 of the file.
    folder : `Path`
        Where it is extracted.
    model : `NerModel`
        In evaluation mode.
    reader : `NerDatasetReader`
        The one that reads texts to predict.
    config : `dict[str, Any]`
        The archive's configuration.
    """

    path: str
    digest: str
    folder: Path
    model: NerModel
    reader: NerDatasetReader
    config: dict[str, Any]

    @property
    def reader_config(self) -> dict[str, Any]:
        """The configuration of `reader`."""
        found: dict[str, Any] = self.config.get("validation_dataset_reader") or self.config["dataset_reader"]
        return found


def load_members(paths: Sequence[str], stack: ExitStack, cuda_device: Optional[int] = None) -> list[Member]:
    """
    Load archives, which stay extracted until `stack` is closed. One that is named twice is loaded twice.

    # Raises

    `ConfigError` for fewer than two, a folder, a model that is not of this package or is itself an ensemble; and
    whatever loading an archive raises.
    """
    if len(paths) < 2:
        raise ConfigError("an ensemble has at least two members: name two archives or more")
    members = [_load(path, stack, cuda_device) for path in paths]
    for digest, number in Counter(member.digest for member in members).items():
        if number > 1:
            same = [member.path for member in members if member.digest == digest]
            logger.warning("%s: the same archive is a member %d times, and counts as often", same[-1], number)
    return members


def _load(path: str, stack: ExitStack, cuda_device: Optional[int]) -> Member:
    from allennlp.common.file_utils import cached_path

    file = path if os.path.exists(path) else str(cached_path(path))
    if os.path.isdir(file):
        raise ConfigError(f"{path} is a folder: name the model.tar.gz in it")
    folder = stack.enter_context(extracted_archive(file))
    with naming_archive(path):
        archive = load_archive(folder)
    reader, model = archive.validation_dataset_reader, archive.model.eval()
    for what, found, kind in (("model", model, NerModel), ("dataset reader", reader, NerDatasetReader)):
        if not isinstance(found, kind):
            raise ConfigError(f"{path}: its {what} is a {type(found).__name__}, which is not one that can be a member")
    move_model(model, cuda_device, "--cuda-device")
    return Member(path, archive_digest(file), Path(folder), model, reader, archive.config.as_dict(quiet=True))


def check_types(members: Sequence[Member]) -> None:
    """
    Check that all members know the same entity types, in any order.

    # Raises

    `ConfigError` naming the first difference: a member that never learnt a type would count as one that saw none.
    """
    first = members[0]
    for member in members[1:]:
        for one, other in ((first, member), (member, first)):
            lacking = [name for name in one.model.types if name not in other.model.types]
            if lacking:
                raise ConfigError(
                    f"{one.path} has the entity type {shown(lacking[0])}, which {other.path} lacks. Members have to "
                    "know the same types: one that never learnt a type would count as seeing none of it. Train them on "
                    "the same types, or leave this one out"
                )


def check_alike(
    members: Sequence[Member], differences: Callable[[Member, Member], Iterator[str]], consequence: str
) -> None:
    """
    Compare all members with the first one.

    # Parameters

    members : `Sequence[Member]`
    differences : `Callable[[Member, Member], Iterator[str]]`
        What two members differ in.
    consequence : `str`
        The rest of the message after "A and B differ in X".

    # Raises

    `ConfigError` naming the first difference.
    """
    first = members[0]
    for member in members[1:]:
        difference = next(differences(first, member), None)
        if difference is not None:
            raise ConfigError(f"{first.path} and {member.path} differ in {difference}{consequence}")


def align_types(members: Sequence[Member]) -> None:
    """
    Give the types of all members the ids that they have in the first one, where weights or scores are averaged. The
    order of ids follows from the training data, so those of two folds may differ. Predictions stay the same.

    # Raises

    `ConfigError` if a head does not know which of its parameters depend on the types.
    """
    types = members[0].model.types
    for member in members[1:]:
        model = member.model
        if model.types != types:
            ids = {name: place for place, name in enumerate(types)}
            model.vocab._token_to_index[ENTITY_NAMESPACE] = ids
            model.vocab._index_to_token[ENTITY_NAMESPACE] = {place: name for name, place in ids.items()}
            model.change_types(keep=True)


def check_weights(weights: Optional[Sequence[float]], members: Sequence[Member]) -> list[float]:
    """
    The weights of the members; equal ones by default.

    # Raises

    `ConfigError` for another number of them, a negative one, one that is not finite, or if all are 0.
    """
    if weights is None:
        return [1.0] * len(members)
    if len(weights) != len(members):
        raise ConfigError(f"--weights has {len(weights)} numbers, but there are {len(members)} archives")
    if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ConfigError(f"--weights {' '.join(f'{w:g}' for w in weights)}: need numbers from 0 on, not all of them 0")
    return list(weights)
