"""The files of a folder that `ner-export --to onnx` writes, and the `details` of its manifest."""

import os
from pathlib import Path
from typing import Any, Mapping, Union

from ner_plugins.errors import ArchiveError
from ner_plugins.files.export_manifest import MANIFEST, ExportManifest

TARGET = "onnx"
ENCODER, TOKENS, SPANS = "encoder.onnx", "tokens.onnx", "spans.onnx"
"""The graphs: from piece ids to vectors of pieces; from vectors or ids of tokens to the head's scores, or to vectors of
first and last tokens; from these to scores of spans."""
TOKENIZER, SEGMENTER = "tokenizer.json", "segmenter.json"
"""The tokenizer of the encoder, and that of `ner_subwords`, which makes the tokens."""
ARRAYS = "head.npz"
INDEPENDENT_SPANS = "independent_spans"
"""The kind of a head over spans with a probability for each type by itself; with a softmax it is `spans`."""
VOCABULARY = "vocabulary-{}.json"
"""The tokens of an indexer's vocabulary, in order of their ids."""


def read_layout(folder: Union[str, "os.PathLike[str]"]) -> ExportManifest:
    """
    The manifest of an ONNX export.

    # Raises

    `ArchiveError` as `ExportManifest.read`, if it was exported to another target, or if a file is missing or shorter
    than it was written.
    """
    manifest = ExportManifest.read(folder)
    if manifest.target != TARGET:
        raise ArchiveError(
            f"{folder}: exported with --to {manifest.target}, which a Tagger does not read. Export the archive again, "
            f"with --to {TARGET}"
        )
    sizes = manifest.details.get("files")
    if not isinstance(sizes, Mapping):
        raise ArchiveError(f"{folder}: its manifest lists no files. Copy the folder again, or export the archive again")
    for name, size in sizes.items():
        path = Path(folder, name)
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            problem = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise ArchiveError(f"{path}: {problem}. Copy the folder again, or export the archive again")
    return manifest


def file_sizes(folder: Union[str, "os.PathLike[str]"]) -> dict[str, Any]:
    """The size of each file in a folder, for the manifest."""
    files = (path for path in sorted(Path(folder).iterdir()) if path.is_file() and path.name != MANIFEST)
    return {path.name: path.stat().st_size for path in files}
