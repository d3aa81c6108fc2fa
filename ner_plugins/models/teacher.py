"""A trained model whose predictions another model learns."""

import os
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import torch
from allennlp.data import Batch, Instance
from allennlp.models.archival import load_archive
from allennlp.nn.util import get_text_field_mask, move_to_device
from torch import Tensor

from ner_plugins.archives.digest import archive_digest
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.errors import ConfigError, shown
from ner_plugins.heads.distributions import DistributionAxis, mean_of
from ner_plugins.heads.head import Head

Offsets = Sequence[tuple[int, int]]


class TokenizedText(NamedTuple):
    """
    A text, and the half-open characters of the student's tokens in it.

    # Parameters

    text : `str`
    offsets : `Sequence[tuple[int, int]]`
    """

    text: str
    offsets: Offsets


class Teacher:
    """
    The model of an archive, in evaluation and without gradients, with the reader that encodes texts for it. It is no
    module, so it is no part of a model that holds it: not of its state dict, its checkpoints or its archive.

    # Parameters

    path : `str`
        A `model.tar.gz` or the folder of a run: a model of this package, or an ensemble of such models.
    student : `Head`
        The head that learns.

    # Raises

    `ConfigError` if it predicts something else than the student: other types, another tag scheme, another kind of
    head; and whatever loading an archive raises.
    """

    def __init__(self, path: str, student: Head) -> None:
        self.path = path
        if not os.path.exists(path):
            raise ConfigError(f"model.distillation.teacher: {shown(path, 200)} does not exist: name an archive")
        with torch.random.fork_rng(devices=[]):  # the student's weights are drawn as without a teacher
            archive = load_archive(path)
        self.model: Any = archive.model.eval()
        self.reader: Any = archive.validation_dataset_reader
        if not isinstance(self.reader, NerDatasetReader) or not self._heads():
            raise self._refused("it is not a model of ner_plugins")
        axis = student.distribution_axis()
        self._orders = {name: self._order(head, axis) for name, head in self._heads().items()}
        self._axis = axis.axis
        self.identity = f"{archive_digest(path)} {axis.kind} {list(axis.labels)}"
        """What its predictions for the student depend on, beside the text and the temperature."""

    def distributions(self, texts: Sequence[TokenizedText], device: torch.device, temperature: float) -> list[Tensor]:
        """
        What the teacher predicts for texts: see `Head.distributions`.

        # Parameters

        texts : `Sequence[TokenizedText]`
        device : `torch.device`
            Where to compute.
        temperature : `float`

        # Returns

        `list[torch.Tensor]`
            For each text, with the student's order of types, on the CPU. Shape of each: (tokens, ..., parts, classes)

        # Raises

        `ConfigError` if the teacher splits a text into other tokens than the student.
        """
        self.model.to(device)
        # On a CPU one by one, so that nothing depends on what else is asked for, to the last bit.
        size = 1 if device.type == "cpu" else 32
        found: list[Tensor] = []
        for start in range(0, len(texts), size):
            found += self._of_batch(texts[start : start + size], device, temperature)
        return found

    @torch.no_grad()
    def _of_batch(self, texts: Sequence[TokenizedText], device: torch.device, temperature: float) -> list[Tensor]:
        instances = self._instances(texts)
        for instance in instances:
            instance.index_fields(self.model.vocab)
        tensors: Any = move_to_device(Batch(instances).as_tensor_dict(), device)
        with torch.autocast(device.type, enabled=False):
            mean = self._mean(tensors, device, temperature).cpu()
        rows = zip(mean, (len(one.offsets) for one in texts), strict=True)
        # Without padding; a band also without the widths that a text of this length has not.
        return [row[:length, :length].clone() if row.dim() == 4 else row[:length].clone() for row, length in rows]

    def _mean(self, tensors: Mapping[str, Any], device: torch.device, temperature: float) -> Tensor:
        """The distributions of a batch, of several models the mean. Shape: (batch, tokens, ..., parts, classes)"""
        parts: list[Tensor] = []
        weights: list[float] = []
        for name, weight, model, batch in self._members(tensors):
            mask = get_text_field_mask(batch["tokens"])  # Shape: (batch, tokens)
            vectors = model.contextualise(batch["tokens"], mask, batch.get("lattice"))
            logs = model.head.distributions(model.score(vectors, mask), mask, temperature)
            parts.append(logs.index_select(self._axis, self._orders[name].to(device)).float())
            weights.append(weight)
        return mean_of(parts, weights)

    def check_tokens(self, texts: Sequence[TokenizedText]) -> None:
        """
        # Raises

        `ConfigError` if the teacher splits one of the texts into other tokens than the student.
        """
        self._instances(texts)

    def _instances(self, texts: Sequence[TokenizedText]) -> list[Instance]:
        instances: list[Instance] = self.reader.texts_to_instances([one.text for one in texts], [""] * len(texts))
        for one, instance in zip(texts, instances, strict=True):
            metadata = instance["metadata"].metadata
            for offsets in (metadata["offsets"], *metadata.get("member_offsets", {}).values()):
                self._check_offsets(one, offsets)
        return instances

    def _members(self, tensors: Mapping[str, Any]) -> Iterator[tuple[str, float, Any, Mapping[str, Any]]]:
        """Name, weight, model and arguments of each model: one, or those of an ensemble."""
        if not self._is_ensemble():
            yield "", 1.0, self.model, tensors
            return
        for weight, (name, member) in zip(self.model.weights, self.model.members.items(), strict=True):
            yield name, float(weight), member, tensors["members"][name]

    def _is_ensemble(self) -> bool:
        """Whether it is a `NerEnsemble`, which is built of the models that this is a part of."""
        return hasattr(self.model, "members")

    def _heads(self) -> dict[str, Head]:
        members = dict(self.model.members.items()) if self._is_ensemble() else {"": self.model}
        heads = {name: getattr(member, "head", None) for name, member in members.items()}
        return {name: head for name, head in heads.items() if isinstance(head, Head)}

    def _order(self, head: Head, student: DistributionAxis) -> Tensor:
        """For each of the student's labels the teacher's entry."""
        own = head.distribution_axis()
        if own.kind != student.kind:
            raise self._refused(f"it predicts {own.kind}, the student {student.kind}")
        missing = [one for one in student.labels if one not in own.labels]
        others = [one for one in own.labels if one not in student.labels]
        if missing or others:
            which = f"it lacks {shown(missing[0])}" if missing else f"the student lacks {shown(others[0])}"
            raise self._refused(f"its entity types are not those of the training data ({which})")
        places = {label: place for place, label in enumerate(own.labels)}
        return torch.tensor([places[label] for label in student.labels])

    def _check_offsets(self, text: TokenizedText, offsets: Offsets) -> None:
        own, theirs = [tuple(place) for place in offsets], [tuple(place) for place in text.offsets]
        if own == theirs:
            return
        place = next((a for a, b in zip(own, theirs, strict=False) if a != b), min(own[-1], theirs[-1]))
        raise self._refused(
            f"its tokens are not the student's. In {shown(text.text)} it has {len(own)}, the student {len(theirs)}; "
            f"they differ from character {place[0]} on. Both need tokenizers that agree, such as ner_characters"
        )

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(f"model.distillation.teacher: {shown(self.path, 200)} cannot teach this model: {why}")
