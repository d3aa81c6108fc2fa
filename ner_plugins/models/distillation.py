"""`model.distillation`: a model learns what a trained one predicts, beside the gold."""

import hashlib
import logging
import os
from typing import Any, Mapping, Optional, Sequence, Union

import torch
from allennlp.common import FromParams
from allennlp.common.tqdm import Tqdm
from torch import Tensor

from ner_plugins.archives.assets import is_loading
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.heads.distributions import divergences, mean_of
from ner_plugins.heads.head import Head
from ner_plugins.models.distribution_cache import DistributionCache
from ner_plugins.models.parts import moved
from ner_plugins.models.teacher import Teacher, TokenizedText

logger = logging.getLogger(__name__)

CACHE = "teacher_outputs.sqlite"
_AT_ONCE = 64  # texts that are written together
_VERSION = "1"  # of what is in the cache


class Distillation(FromParams):
    """
    Knowledge distillation (Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network", section 2). The
    loss of a sentence, as a term of the head's mean or sum, is

        (1 - weight) gold + weight T² Σ KL(q || p)

    where q and p are what the teacher and the student predict at the temperature T, summed over tokens or spans
    (`Head.distributions`): for `tags` the marginals of each token's tags, exact for a CRF (the posterior distillation
    of Wang et al. 2020, "Structure-Level Knowledge Distillation for Multilingual Sequence Labeling", section 3.2), for
    heads that score spans the classes of each span. A sentence without gold has the second term alone.

    # Parameters

    teacher : `Union[str, list[str]]`
        An archive or the folder of a run; of several the mean of what they predict.
    temperature : `float`, optional (default=`1.0`)
        T: higher ones show more of what the teacher thinks of wrong answers.
    weight : `float`, optional (default=`0.5`)
        Above 0; 1 learns from the teacher alone.
    cache : `Optional[str]`, optional (default=`None`)
        A file that keeps what the teacher predicts, for other runs too; `None` for one in the run's folder.
    cache_megabytes : `int`, optional (default=`4096`)
        The size from which on nothing is added to it; 0 for no cache.

    # Raises

    `ConfigError` for values out of range.
    """

    def __init__(
        self,
        teacher: Union[str, list[str]],
        temperature: float = 1.0,
        weight: float = 0.5,
        cache: Optional[str] = None,
        cache_megabytes: int = 4096,
    ) -> None:
        self.paths = [teacher] if isinstance(teacher, str) else list(teacher)
        if not self.paths:
            raise ConfigError("model.distillation.teacher is an empty list: name an archive")
        if not 0.0 < temperature < float("inf"):
            raise ConfigError(f"model.distillation.temperature is {temperature}, but has to be above 0")
        if not 0.0 < weight <= 1.0:
            raise ConfigError(f"model.distillation.weight is {weight}, but has to be above 0 and at most 1")
        if cache_megabytes < 0:
            raise ConfigError(f"model.distillation.cache_megabytes is {cache_megabytes}, but has to be 0 or more")
        self.temperature, self.weight = temperature, weight
        self._cache_path, self._cache_bytes = cache, cache_megabytes << 20
        self._cache: Optional[DistributionCache] = None
        self._teachers: list[Teacher] = []

    @property
    def is_ready(self) -> bool:
        """Whether the teachers are loaded: in training alone."""
        return bool(self._teachers)

    def start(self, student: Head, folder: Optional[str]) -> None:
        """
        Load the teachers, unless the student is being loaded from an archive.

        # Parameters

        student : `Head`
        folder : `Optional[str]`
            The folder of the run.

        # Raises

        `ConfigError` if a teacher cannot teach this student (`Teacher`).
        """
        if is_loading():
            return
        self._teachers = [Teacher(path, student) for path in self.paths]
        path = self._cache_path or (None if folder is None else os.path.join(folder, CACHE))
        if path is not None and self._cache_bytes:
            self._cache = DistributionCache(path, self._cache_bytes)

    def prepare(self, metadata: Sequence[Mapping[str, Any]], device: torch.device) -> None:
        """
        Let the teachers predict all training sentences that are not in the cache, before the first epoch.

        # Raises

        `ConfigError` if a teacher has other tokens than the student in one of them.
        """
        texts = {self._key(one): one for one in map(_text_of, metadata)}
        if self._cache is None:
            for teacher in self._teachers:
                teacher.check_tokens(list(texts.values()))
            return
        known = list(texts.values())
        for start in Tqdm.tqdm(range(0, len(known), _AT_ONCE), desc="the teacher predicts"):
            self._outputs(known[start : start + _AT_ONCE], device)

    def divergences(
        self, head: Head, scores: Any, mask: Tensor, metadata: Sequence[Mapping[str, Any]]
    ) -> Tensor:
        """
        T² KL(q || p) of each sentence.

        # Parameters

        head : `Head`
            The student's.
        scores, mask
            As in `Head.distributions`.
        metadata : `Sequence[Mapping[str, Any]]`
            Of the sentences: `text` and `offsets`.

        # Returns

        `torch.Tensor`
            Shape: (batch,)
        """
        student = head.distributions(scores, mask, self.temperature)  # Shape: (batch, tokens, ..., parts, classes)
        outputs = self._outputs([_text_of(sentence) for sentence in metadata], student.device)
        # Put together on the host, so that one copy goes to a GPU and nothing waits for it.
        teacher, known = torch.zeros(student.shape), torch.zeros(student.shape, dtype=torch.bool)
        for row, output in enumerate(outputs):
            sizes = map(min, output.shape, student.shape[1:])
            place = tuple(slice(0, size) for size in sizes)
            teacher[row][place] = output[place]
            known[row][place] = True
        # Where a teacher has narrower spans than the student, it says nothing.
        teacher, known = (moved(one, student.device) for one in (teacher, known))
        return self.temperature**2 * divergences(teacher, torch.where(known, student, 0.0))

    def _outputs(self, texts: Sequence[TokenizedText], device: torch.device) -> list[Tensor]:
        """What the teachers predict, from the cache where it is there."""
        if not self._teachers:
            raise NerError("the model was loaded without its teacher, and can be used, but not be trained further")
        keys = [self._key(one) for one in texts]
        found = {} if self._cache is None else self._cache.find(keys)
        missing = {key: one for key, one in zip(keys, texts, strict=True) if key not in found}
        if missing:
            new = dict(zip(missing, self._predict(list(missing.values()), device), strict=True))
            if self._cache is not None:
                self._cache.add(new)
            found |= new
        return [found[key] for key in keys]

    def _predict(self, texts: Sequence[TokenizedText], device: torch.device) -> list[Tensor]:
        of_each = [teacher.distributions(texts, device, self.temperature) for teacher in self._teachers]
        return [mean_of(of_text) for of_text in zip(*of_each, strict=True)]

    def _key(self, text: TokenizedText) -> bytes:
        parts = [_VERSION, repr(self.temperature), *(teacher.identity for teacher in self._teachers)]
        parts += [repr([tuple(place) for place in text.offsets]), text.text]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _text_of(sentence: Mapping[str, Any]) -> TokenizedText:
    return TokenizedText(sentence["text"], sentence["offsets"])
