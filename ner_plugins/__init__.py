"""
AllenNLP plugins for Chinese and Korean named entity recognition.

Importing the package installs an import hook. When `allennlp` is imported, the hook patches AllenNLP 2.10.1 to work
with today's libraries and registers this package's commands.
"""

from ner_plugins import compat
from ner_plugins.version import VERSION as __version__

compat.install()

__all__ = ["__version__"]
