"""
Exports of trained models to other runtimes.

`target.py` says what a target is, `registry.py` lists them, and `run.py` writes the folder; each target has a module.
"""

from ner_plugins.exports.target import ExportOptions, ExportSource, ExportTarget

__all__ = ["ExportOptions", "ExportSource", "ExportTarget"]
