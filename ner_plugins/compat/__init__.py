"""
The one place where AllenNLP 2.10.1 meets newer libraries.

One function per breakage; each names the upstream version that made it needed and does nothing where it is not.
`install` is cheap: it puts an import hook (`ner_plugins.compat.hook`) in front of Python's own finders. The functions
run when the module that they mend is imported; a module that is there already is mended at once.
"""

from ner_plugins.compat.hook import install

__all__ = ["install"]
