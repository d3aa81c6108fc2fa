"""The actor: a model that is loaded once, and tags tables of rows."""

import os
from typing import Any, Mapping, Optional, Sequence

from ner_plugins.errors import NerError


class TaggerActor:
    """
    A `Tagger`, for Ray Data's `map_batches`.

    Ray restarts an actor that fails when it is made, so an error of loading is kept, and raised by the first call.

    # Parameters

    archive : `str`
        See `Tagger.from_path`.
    threads : `Optional[int]`
        Of torch or onnxruntime, on a CPU.
    packages : `Sequence[str]`, optional (default=`()`)
        Packages to import, for classes that the model needs.
    **options
        Those of `Tagger.from_path`.
    """

    def __init__(self, archive: str, threads: Optional[int], packages: Sequence[str] = (), **options: Any) -> None:
        self._error: Optional[Exception] = None
        try:
            self._tagger = _load(archive, threads, packages, options)
        except Exception as error:
            self._error = error

    def __call__(self, table: Any) -> Any:
        """
        Tag the texts of a table.

        # Parameters

        table : `pyarrow.Table`
            As `input_schema` describes.

        # Returns

        `pyarrow.Table`
            As `output_schema` describes, with the same rows.

        # Raises

        What loading the model has raised.
        """
        import pyarrow as pa

        if self._error is not None:
            raise self._error
        texts, errors = table["text"].to_pylist(), table["error"].to_pylist()
        places = [place for place, text in enumerate(texts) if text is not None]
        entities: list[Optional[list[dict[str, Any]]]] = [None] * len(texts)
        for place, found in zip(places, self._tagged([texts[place] for place in places]), strict=True):
            if isinstance(found, NerError):
                errors[place] = str(found)
            else:
                entities[place] = found
        columns = {name: table[name] for name in table.schema.names}
        columns.update(entities=entities, error=errors)
        schema = output_schema()
        return pa.table([_column(columns[field.name], field.type) for field in schema], schema)

    def _tagged(self, texts: Sequence[str]) -> list[Any]:
        """The entities of each text, or the error that it causes."""
        try:
            return [[entity.to_json() for entity in tagged.entities] for tagged in self._tagger(texts)]
        except NerError as error:
            if len(texts) == 1:
                return [error]
        half = len(texts) // 2
        return self._tagged(texts[:half]) + self._tagged(texts[half:])


def output_schema() -> Any:
    """The columns of results: those of `input_schema`, with `entities` after `text`."""
    import pyarrow as pa

    from ner_plugins.bulk.rows import input_schema

    whole, string, score = pa.int64(), pa.string(), pa.float64()
    entity = pa.struct([("start", whole), ("end", whole), ("type", string), ("text", string), ("score", score)])
    fields = list(input_schema())
    place = [field.name for field in fields].index("text") + 1
    return pa.schema([*fields[:place], pa.field("entities", pa.list_(entity)), *fields[place:]])


def result_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of results as an object of JSON: `fields` is one, too."""
    import json

    fields = row["fields"]
    return {**row, "fields": None if fields is None else json.loads(fields)}


def _column(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    return pa.array(values, kind) if isinstance(values, list) else values.cast(kind)


def _load(archive: str, threads: Optional[int], packages: Sequence[str], options: Mapping[str, Any]) -> Any:
    import torch
    from allennlp.common.plugins import import_module_and_submodules

    from ner_plugins.tagger.tagger import Tagger

    for package in packages:
        if package != "ner_plugins":  # loading an archive imports what it needs of this one
            import_module_and_submodules(package)
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # which onnxruntime takes for an exported model
        torch.set_num_threads(threads)
    return Tagger.from_path(archive, **options)
