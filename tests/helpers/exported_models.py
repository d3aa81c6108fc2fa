"""Models exported to ONNX in a folder of their own, without an archive."""

from pathlib import Path
from typing import Any

from ner_plugins.exports import ExportOptions, ExportSource
from ner_plugins.exports.onnx import export
from ner_plugins.files.export_manifest import ExportManifest
from ner_plugins.tagger.onnx.layout import TARGET


def export_model(model: Any, reader: Any, folder: Path, **options: Any) -> Path:
    """Export a model, which is put into evaluation mode, into a new folder."""
    folder.mkdir()
    details = export(ExportSource("", model.eval(), reader, {}), folder, ExportOptions(**options))
    ExportManifest(TARGET, list(model.types), "", "", details=details).write(folder)
    return folder
