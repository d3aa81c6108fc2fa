"""The spaCy pipeline component `ner_plugins`: a `Tagger` that writes entities into documents."""

import io
import json
import logging
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Collection, Iterable, Iterator, Mapping, Optional, Sequence, Union

from ner_plugins.archives.copying import copy_model
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.tagger import TaggedText, Tagger

logger = logging.getLogger(__name__)

StrPath = Union[str, "os.PathLike[str]"]

SETTINGS = "settings.json"


class NerComponent:
    """
    Finds the entities of spaCy's documents with a model of this package.

    - `doc.ents` gets the entities that begin and end with a token of spaCy. Of those that overlap it gets the longest,
      as spaCy allows no overlap there.
    - `doc.spans[spans_key]` gets all of them, also those that overlap. One that begins or ends inside a token is the
      whole tokens there. `doc.spans[spans_key].attrs` has, in the same order, `scores` (probabilities) and `offsets`
      (the exact half-open characters).

    The model is loaded when the first document comes. `to_disk` and `to_bytes` keep the model inside, so that what is
    written can be moved to another machine.

    # Parameters

    path : `Optional[str]`, optional (default=`None`)
        The model: an archive, the folder of a run, or an export that `Tagger` reads. `None` for a component that is
        read from disk or bytes.
    thresholds, types, device, overrides
        See `Tagger` and `Tagger.from_path`.
    spans_key : `str`, optional (default=`"ner"`)
        The key in `doc.spans`.
    """

    def __init__(
        self,
        path: Optional[StrPath] = None,
        thresholds: Optional[Union[float, Mapping[str, float]]] = None,
        types: Optional[Collection[str]] = None,
        device: Optional[int] = None,
        overrides: str = "",
        spans_key: str = "ner",
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.overrides, self.spans_key = overrides, spans_key
        self._options: dict[str, Any] = {"thresholds": thresholds, "types": types, "device": device}
        self._tagger: Optional[Tagger] = None
        self._labels: tuple[str, ...] = ()
        self._unpacked: Optional[tempfile.TemporaryDirectory[str]] = None
        self._warned = False

    @property
    def tagger(self) -> Tagger:
        """
        The tagger, loaded if need be.

        # Raises

        `ConfigError` if there is no model at `path`, and what `Tagger.from_path` raises.
        """
        if self._tagger is None:
            self.use(Tagger.from_path(self._model(), overrides=self.overrides, **self._options))
        assert self._tagger is not None
        return self._tagger

    def use(self, tagger: Tagger) -> None:
        """Use a tagger of the model at `path` that is loaded already."""
        types = self._options["types"]
        self._labels = tuple(type_ for type_ in tagger.backend.types if types is None or type_ in types)
        self._tagger = tagger

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that it may find, once the model is loaded or read from disk."""
        return self._labels

    def __call__(self, doc: Any) -> Any:
        """Find the entities of one document."""
        [tagged] = self.tagger([doc.text])
        return self._annotate(doc, tagged)

    def pipe(self, stream: Iterable[Any], *, batch_size: int = 128) -> Iterator[Any]:
        """Find those of many, `batch_size` at a time, which the tagger sorts and batches by length."""
        from spacy.util import minibatch

        for docs in minibatch(stream, size=batch_size):
            for doc, tagged in zip(docs, self.tagger([doc.text for doc in docs]), strict=True):
                yield self._annotate(doc, tagged)

    def _annotate(self, doc: Any, tagged: TaggedText) -> Any:
        from spacy.tokens import SpanGroup

        spans = [doc.char_span(e.start, e.end, label=e.type, alignment_mode="expand") for e in tagged.entities]
        attributes = {
            "scores": [found.score for found in tagged.entities],
            "offsets": [[found.start, found.end] for found in tagged.entities],
        }
        doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, attrs=attributes, spans=spans)
        exact = {
            Entity(found.start, found.end, found.type): span
            for found, span in zip(tagged.entities, spans, strict=True)
            if (span.start_char, span.end_char) == (found.start, found.end)
        }
        doc.set_ents([exact[entity] for entity in resolve_overlaps(list(exact))], default="outside")
        if len(exact) < len(spans):
            self._warn_of_tokens(tagged, len(spans) - len(exact))
        return doc

    def _warn_of_tokens(self, tagged: TaggedText, number: int) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%d entities of %r begin or end inside a token of spaCy: they are in doc.spans[%r] alone, not in "
                "doc.ents. A tokenizer that splits characters avoids it, as that of `allennlp ner-export --to spacy`",
                number, tagged.text[:40], self.spans_key,
            )  # fmt: skip

    def to_disk(self, path: StrPath, *, exclude: Sequence[str] = ()) -> None:
        """Write the model into a folder, with what `from_disk` needs to know of it."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"model": copy_model(self._model(), folder), "overrides": self.overrides, "labels": self.labels}
        with atomic_path(folder / SETTINGS) as partial:
            Path(partial).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")

    def from_disk(self, path: StrPath, *, exclude: Sequence[str] = ()) -> "NerComponent":
        """
        Use the model in a folder that `to_disk` wrote.

        # Raises

        `ArchiveError` if it is not one.
        """
        try:
            settings = parsed_json(Path(path, SETTINGS).read_bytes())
            model, self.overrides, self._labels = settings["model"], settings["overrides"], tuple(settings["labels"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ArchiveError(f"{path}: not the folder of a spaCy component ner_plugins ({error!r})") from error
        self.path, self._tagger = os.path.join(os.path.abspath(path), os.path.basename(model)), None
        return self

    def to_bytes(self, *, exclude: Sequence[str] = ()) -> bytes:
        """The files of `to_disk`, as a ZIP file."""
        buffer = io.BytesIO()
        with tempfile.TemporaryDirectory(prefix="ner-spacy-") as folder, zipfile.ZipFile(buffer, "w") as packed:
            self.to_disk(folder)
            for file in sorted(Path(folder).rglob("*")):
                packed.write(file, file.relative_to(folder))
        return buffer.getvalue()

    def from_bytes(self, data: bytes, *, exclude: Sequence[str] = ()) -> "NerComponent":
        """Use the model of `to_bytes`. Its files are in a temporary folder as long as there is the component."""
        self._unpacked = tempfile.TemporaryDirectory(prefix="ner-spacy-")
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            packed.extractall(self._unpacked.name)
        return self.from_disk(self._unpacked.name)

    def __getstate__(self) -> dict[str, Any]:
        # A process that gets the component must not delete the files.
        return {**self.__dict__, "_unpacked": None}

    def _model(self) -> str:
        if self.path is None:
            raise ConfigError(
                "the spaCy component ner_plugins has no model: give its path, as in "
                'nlp.add_pipe("ner_plugins", config={"path": "model.tar.gz"})'
            )
        return self.path
