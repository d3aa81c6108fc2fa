"""The backend of a `Tagger` that runs an archive's model in torch."""

import logging
import os
from typing import Any, Mapping, Optional, Sequence, Union

import torch
from allennlp.data import Batch, DatasetReader, Instance
from allennlp.models.archival import load_archive
from allennlp.nn.util import move_to_device

from ner_plugins.archives.trust import trusting
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.fields.lengths import padded_length
from ner_plugins.models.candidates import Candidates, find_candidates
from ner_plugins.models.entity_model import EntityModel
from ner_plugins.models.ner_model import NerModel
from ner_plugins.tagger.backend import Alternative, Backend, EncodedText, GivenText, shown_alternatives

logger = logging.getLogger(__name__)

CPU_BUDGET, GPU_BUDGET = 1_024, 32_768
"""Tokens of a batch. More make a CPU slower, since what a layer computes no longer fits its caches."""


class ArchiveBackend(Backend):
    """
    A `EntityModel` and the dataset reader that encodes texts for it.

    # Parameters

    model : `EntityModel`
        Put into evaluation mode.
    reader : `DatasetReader`
        That of the model's archive.

    # Raises

    `ConfigError` if either is not of this package.
    """

    def __init__(self, model: EntityModel, reader: DatasetReader) -> None:
        for what, found, kind in (("model", model, EntityModel), ("dataset reader", reader, NerDatasetReader)):
            if not isinstance(found, kind):
                name = type(found).__name__
                raise ConfigError(f"a Tagger needs a {what} of ner_plugins, but the archive's is a {name}")
        self.model, self.reader = model.eval(), reader
        self.types = model.types
        self.device = next(model.parameters()).device
        self.budget = CPU_BUDGET if self.device.type == "cpu" else GPU_BUDGET
        self._place: Optional[tuple[Any, ...]] = None
        self._process = os.getpid()
        self._warned = False

    @classmethod
    def load(
        cls,
        path: Union[str, "os.PathLike[str]"],
        device: Optional[int] = None,
        overrides: Union[str, Mapping[str, Any]] = "",
        weights_file: Optional[str] = None,
        trust_archive: bool = False,
    ) -> "ArchiveBackend":
        """
        Load an archive.

        # Parameters

        path : `str`
            A `model.tar.gz`, the folder of a run, or a URL.
        device : `Optional[int]`, optional (default=`None`)
            The number of a GPU, -1 for the CPU; `None` for the first GPU if there is one.
        overrides : `Union[str, Mapping[str, Any]]`, optional (default=`""`)
            Changes of the archive's configuration.
        weights_file : `Optional[str]`, optional (default=`None`)
            Weights to use instead of the archive's.
        trust_archive : `bool`, optional (default=`False`)
            Whether the archive's configuration may name any code, instead of registered classes alone
            (`ner_plugins.archives.trust`).

        # Raises

        `ConfigError` if the archive's model is not of this package or there is no such device, and whatever loading an
        archive raises.
        """
        name = os.fspath(path)
        name = os.path.abspath(name) if os.path.exists(name) else name
        overrides = overrides if isinstance(overrides, str) else dict(overrides)
        with trusting(trust_archive):
            archive = load_archive(name, overrides=overrides, weights_file=weights_file)
        if isinstance(archive.model, EntityModel):
            move_model(archive.model, device)
        backend = cls(archive.model, archive.validation_dataset_reader)
        backend._place = (name, device, overrides, weights_file, trust_archive)
        return backend

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        if self._place is None:
            raise ConfigError("a Tagger of a model in memory cannot be pickled: make it by Tagger.from_path")
        return ArchiveBackend.load, self._place

    def encode(self, texts: Sequence[GivenText], names: Sequence[str]) -> list[EncodedText]:
        """`Backend.encode`; the content is an `Instance`."""
        self._warn_of_lone_texts(texts)
        return list(map(self.encoded, self.reader.texts_to_instances(texts, names)))

    def _warn_of_lone_texts(self, texts: Sequence[GivenText]) -> None:
        """Say once that the model reads texts without the neighbours that it was trained with."""
        if self._warned or self.reader.neighbours is None or not any(isinstance(text, str) for text in texts):
            return
        self._warned = True
        logger.warning(
            "the model was trained with context_sentences, but these texts have no neighbours: each is tagged alone. "
            'Give JSON lines with "before" and "after" (lists of sentences), or a corpus with --use-dataset-reader'
        )

    def encoded(self, instance: Instance) -> EncodedText:
        """An instance of the reader, labelled or not, for `find`; it gets indexed."""
        instance.index_fields(self.model.vocab)
        return EncodedText(instance["metadata"].metadata["text"], padded_length(instance), instance)

    def find(self, batch: Sequence[EncodedText], thresholds: Optional[Sequence[float]] = None) -> list[list[Entity]]:
        """`Backend.find`."""
        lowest = None if thresholds is None else torch.tensor(thresholds).to(self.device, non_blocking=True)
        found: list[list[Entity]] = self.model.find(**self._tensors(batch), thresholds=lowest)
        return found

    def candidates(
        self, batch: Sequence[EncodedText], gold: Sequence[Sequence[Entity]], floor: float
    ) -> list[Candidates]:
        """
        The entities of encoded texts, every candidate that reaches a probability, and the probability of their gold:
        see `find_candidates`.
        """
        if not isinstance(self.model, NerModel):
            raise ConfigError("an ensemble has no candidates: name the archive of one of its members")
        return find_candidates(self.model, **{**self._tensors(batch), "gold": gold, "floor": floor})

    def tokens(self, text: str) -> list[tuple[int, int]]:
        """`Backend.tokens`."""
        offsets = self.reader.text_to_instance(text)["metadata"].metadata["offsets"]
        return [(start, end) for start, end in offsets if end > start]  # an instance has at least one token

    def n_best(self, encoded: EncodedText, number: int) -> list[Alternative]:
        """`Backend.n_best`."""
        found = self.model.n_best(number, **self._tensors([encoded]))
        return shown_alternatives([Alternative(*one) for one in found], encoded.text)

    def _tensors(self, batch: Sequence[EncodedText]) -> dict[str, Any]:
        """The arguments of the model's `forward`."""
        if os.getpid() != self._process:
            self._start_in_fork()
        tensors: dict[str, Any] = Batch([encoded.content for encoded in batch]).as_tensor_dict()
        return tensors if self.device.type == "cpu" else move_to_device(tensors, self.device)

    def _start_in_fork(self) -> None:
        """Make the model usable in a process forked from the one that loaded it."""
        if self.device.type != "cpu":
            raise ConfigError(
                "a Tagger on a GPU cannot be used in a forked process: start processes with "
                'multiprocessing.get_context("spawn"), or load the model in each of them'
            )
        # The threads of OpenMP do not exist after a fork, and it would wait for them.
        torch.set_num_threads(1)
        self._process = os.getpid()


def move_model(model: EntityModel, device: Optional[int], key: str = "device") -> int:
    """
    Move a model to a GPU, and return the device's number.

    # Parameters

    model : `EntityModel`
    device : `Optional[int]`
        The number of a GPU, -1 for the CPU; `None` for the first GPU if there is one.
    key : `str`, optional (default=`"device"`)
        The option's name in messages.

    # Raises

    `ConfigError` if there is no such GPU.
    """
    if device is None:
        device = 0 if torch.cuda.is_available() else -1
    if not -1 <= device < torch.cuda.device_count():
        raise ConfigError(
            f"{key} is {device}, but this machine has {torch.cuda.device_count()} GPUs: leave it out, or use -1 for "
            "the CPU"
        )
    if device >= 0:
        model.cuda(device)
    return device
