"""
AllenNLP plugins for Chinese and Korean named entity recognition.

Importing the package makes AllenNLP 2.10.1 work on today's libraries and registers this package's commands; what it
costs is paid when `allennlp` is imported, not here.
"""

from ner_plugins import compat
from ner_plugins.version import VERSION as __version__

compat.install()

__all__ = ["__version__"]
