"""
Patches that make AllenNLP 2.10.1 work with newer libraries.

One function per breakage; each names the upstream version that made it needed and does nothing where it is not.
`install` is cheap: it puts an import hook (`ner_plugins.compat.hook`) in front of Python's own finders. A patch runs
when the module it changes is imported, or at once if that module is imported already.
"""

from ner_plugins.compat.hook import install

__all__ = ["install"]
