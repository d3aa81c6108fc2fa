"""Out-of-fold predictions as Parquet, for tools that read columns."""

from pathlib import Path
from typing import Any, Iterable

from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.folds_file import FoldRecord

FILE = "out_of_fold.parquet"
_ROWS = 4096


def needs_pyarrow() -> Any:
    """
    The module `pyarrow`.

    # Raises

    `ConfigError` if it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigError("--parquet needs pyarrow: pip install 'ner_plugins[parquet]'") from error
    return pyarrow


def write_parquet(folder: Path, records: Iterable[FoldRecord]) -> Path:
    """
    Write the records to `out_of_fold.parquet`: the keys of the lines of JSON are its columns.

    A lone surrogate, which Parquet cannot hold, becomes U+FFFD.

    # Returns

    `Path`
        The file.
    """
    pyarrow = needs_pyarrow()
    import pyarrow.parquet as parquet

    schema = _schema(pyarrow)
    with atomic_path(folder / FILE) as partial, parquet.ParquetWriter(partial, schema) as writer:
        rows: list[dict[str, Any]] = []
        for record in records:
            rows.append(_without_surrogates(record.to_json()))
            if len(rows) == _ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return folder / FILE


def _schema(pa: Any) -> Any:
    whole = pa.int32()

    def entities(score: str) -> Any:
        fields = [("start", whole), ("end", whole), ("type", pa.string()), (score, pa.float64())]
        return pa.list_(pa.struct(fields))

    return pa.schema(
        [
            ("id", pa.int64()),
            ("key", pa.string()),
            ("fold", whole),
            ("source", pa.struct([("file", pa.string()), ("line", pa.int64())])),
            ("document", pa.string()),
            ("text", pa.string()),
            ("tokens", pa.list_(pa.list_(whole))),
            ("gold", entities("probability")),
            ("predicted", entities("score")),
            ("candidates", entities("score")),
        ]
    )


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _without_surrogates(one) for key, one in value.items()}
    return [_without_surrogates(one) for one in value] if isinstance(value, list) else value
