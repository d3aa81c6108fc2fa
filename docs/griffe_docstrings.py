"""Docstrings in AllenNLP's style (`# Parameters`, then `name : type` lines) as Markdown, for the API pages."""

import re
from typing import Any

import griffe

LISTS = ("Parameters", "Returns", "Attributes", "Yields")


def as_markdown(docstring: str) -> str:
    """
    The Markdown of a docstring: section headings become bold, and each entry of a section an item of a list.

    An entry is a line that is not indented, and the indented lines that describe it.
    """
    lines: list[str] = []
    section = ""
    for line in docstring.splitlines():
        heading = re.match(r"#+ (\w[\w ]*)$", line)
        if heading:
            section = heading[1]
            lines += ["", f"**{section}**", ""]
        elif section in LISTS and line and not line[0].isspace():
            if lines and lines[-1].startswith("- ") and lines[-1].endswith(","):  # a list of names that goes on
                lines[-1] += f" {line}"
            else:
                lines.append(f"- {line}")
        elif section in LISTS and lines[-1].startswith("- ") and line:
            lines[-1] += "  "  # a line break
            lines.append(line)
        else:
            if line.startswith("- ") and lines and lines[-1] and not lines[-1].startswith(("- ", "  ")):
                lines.append("")  # Markdown begins no list within a paragraph
            lines.append(line)
    return "\n".join(_named(line) for line in lines)


def _named(line: str) -> str:
    """An entry's names as code: "- start, end : `int`" becomes "- **`start`**, **`end`** : `int`"."""
    entry = re.match(r"- (\*{0,2}\w+(?:, \*{0,2}\w+)*)( :.*|\s*)$", line)
    if entry is None:
        return line
    return "- " + ", ".join(f"**`{name}`**" for name in entry[1].split(", ")) + entry[2]


class AllenNLPDocstrings(griffe.Extension):
    """Rewrites every docstring before mkdocstrings renders it, and documents each object where it is defined."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object, if it has one."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_module_members(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Forget `__all__`: what a package imports from its modules is documented there."""
        mod.exports = None
