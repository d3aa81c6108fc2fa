"""What the README, CONTRIBUTING.md and the pages of docs/ hold: commands, code, tables, headings, links."""

import json
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
GUIDES = ("first-steps", "data", "heads", "lattices", "training", "reports", "prediction", "bulk", "extending")
GUIDES += ("published",)
PAGES = (README, CONTRIBUTING, *sorted((ROOT / "docs").rglob("*.md")))


def read(page: str | Path) -> str:
    """A page's text: a path, or a guide's name."""
    path = page if isinstance(page, Path) else ROOT / "docs" / f"{page}.md"
    return path.read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """The `allennlp` commands, indented or in a block of bash, in order."""
    return [line.strip() for line in re.findall(r"^(?:    |[A-Z_]+=\S+ )?allennlp .*$", text, re.MULTILINE)]


def table(text: str, heading: str) -> list[list[str]]:
    """The rows, as cells, of all tables whose first row begins with `| heading |`."""
    tables = [part.split("\n\n")[0].splitlines() for part in text.split(f"| {heading} |")[1:]]
    assert tables, f"no table begins with the column {heading}"
    lines = [line for table in tables for line in table[2:]]
    return [[cell.strip() for cell in re.split(r" \| ?|^\| ", line.rstrip("|"))[1:]] for line in lines]


def names(cell: str) -> list[str]:
    """The names in backticks."""
    return re.findall(r"`(\w+)`", cell)


def anchors(text: str) -> set[str]:
    """What links to headings of a page end in."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def with_overrides(command: str, overrides: dict) -> list[str]:
    """The arguments of a command that trains, with these overrides too; the command's own win."""
    arguments = shlex.split(command)[1:]
    if "-o" in arguments:
        place = arguments.index("-o")
        overrides = {**overrides, **json.loads(arguments[place + 1])}
        del arguments[place : place + 2]
    return [*arguments, "-o", json.dumps(overrides)]
