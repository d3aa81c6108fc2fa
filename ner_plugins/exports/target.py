"""What an export target is given, and what it returns."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional

from ner_plugins.errors import ConfigError

if TYPE_CHECKING:
    from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
    from ner_plugins.models.entity_model import EntityModel
    from ner_plugins.models.ner_model import NerModel


@dataclass(frozen=True)
class ExportSource:
    """
    A loaded archive.

    # Parameters

    path : `str`
        The archive, as the user named it.
    model : `EntityModel`
        In evaluation mode, on the CPU.
    reader : `NerDatasetReader`
        The one that reads texts to predict.
    config : `Mapping[str, Any]`
        The archive's configuration.
    overrides : `str`, optional (default=`""`)
        JSON of the changes that it was loaded with.
    """

    path: str
    model: "EntityModel"
    reader: "NerDatasetReader"
    config: Mapping[str, Any]
    overrides: str = ""

    @property
    def single_model(self) -> "NerModel":
        """
        The model, for targets that represent its parts.

        # Raises

        `ConfigError` if it is an ensemble.
        """
        from ner_plugins.models.ensemble import NerEnsemble
        from ner_plugins.models.ner_model import NerModel

        if isinstance(self.model, NerModel):
            return self.model
        kind = f"an ensemble of {len(self.model.members)}" if isinstance(self.model, NerEnsemble) else "another"
        raise ConfigError(
            f"this export is of one model, and the archive's is {kind}: what it runs has no way to combine them. "
            "A soup is one model (ner-ensemble --method soup), or use the archive, or --to spacy"
        )


@dataclass(frozen=True)
class ExportOptions:
    """
    The options of an export. A target names those that it takes (`ExportTarget.options`); all take `language`.

    # Parameters

    dev : `Optional[str]`, optional (default=`None`)
        Labelled data to measure on: PATH or PATH#SPLIT, for the archive's own reader.
    quantize : `Optional[str]`, optional (default=`None`)
        `int8`.
    max_loss : `float`, optional (default=`0.3`)
        The greatest loss of micro F1 by quantization, in points (hundredths).
    language : `Optional[str]`, optional (default=`None`)
        The code of the texts' language, such as `zh`; `None` for that of the reader's corpus, if it is of one.
    """

    dev: Optional[str] = None
    quantize: Optional[str] = None
    max_loss: float = 0.3
    language: Optional[str] = None


ExportFunction = Callable[[ExportSource, Path, ExportOptions], Mapping[str, Any]]
"""Fills an empty folder, and returns the `details` of its manifest."""


@dataclass(frozen=True)
class ExportTarget:
    """
    A target.

    # Parameters

    module : `str`
        The module whose function `export` (an `ExportFunction`) does it; imported when used.
    summary : `str`
        What it is for, in one line.
    options : `frozenset[str]`, optional (default=`frozenset()`)
        The fields of `ExportOptions` that it takes. Others are refused when given.
    """

    module: str
    summary: str
    options: frozenset[str] = frozenset()

    def export(self, source: ExportSource, folder: Path, options: ExportOptions) -> Mapping[str, Any]:
        """Fill an empty folder; see `ExportFunction`."""
        function: ExportFunction = importlib.import_module(self.module).export
        return function(source, folder, options)
