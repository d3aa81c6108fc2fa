"""The targets of `allennlp ner-export --to`."""

from ner_plugins.exports.target import ExportTarget

TARGETS: dict[str, ExportTarget] = {}
