"""setup.py, requirements.txt and the code agree about what is needed."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def names(lines: list[str]) -> set[str]:
    found = [re.split(r"[=<>;, ]", line)[0] for line in lines if line and line[0] != "#"]
    return {name.lower().replace("_", "-") for name in found}


def test_every_requirement_has_an_exact_version_and_is_in_setup() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    for line in requirements.splitlines():
        assert not line or line.startswith("#") or re.match(r"[\w-]+==[\w.]+(; python_version .*)?$", line), line
    setup = (ROOT / "setup.py").read_text()
    required = names(re.findall(r'^        "([^"]+)",', setup, re.M))
    development = {"hypothesis", "mypy", "pytest", "pytest-xdist", "pytorch-crf", "ruff", "wheel"}
    assert required == names(requirements.splitlines()) - development


def test_every_library_that_is_imported_is_required() -> None:
    setup = (ROOT / "setup.py").read_text()
    imported = set()
    for path in (ROOT / "ner_plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    outside = imported - set(sys.stdlib_module_names) - {"ner_plugins", "allennlp"}
    for name in outside:
        name = {"ahocorasick": "pyahocorasick"}.get(name, name)
        assert re.search(rf'"{name.replace("_", "[-_]")}["<>=]', setup) or name in {"nltk", "transformers"}, name
