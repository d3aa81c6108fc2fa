"""Imports run one way: no room (a folder, or a module beside them) imports a room above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ner_plugins"

# From the ground up.
ROOMS = [
    "version", "visible", "errors", "entities", "distributed", "plotting", "brackets", "tag_schemes", "thresholds",
    "kernels", "decoding", "segmentation",
    "compat", "options", "settings", "progress", "console", "install_hook", "__main__",
    "files", "archives", "pretrained", "lexicon", "tokenizers", "token_indexers", "fields", "dataset_readers",
    "metrics", "modules", "token_embedders", "heads", "post_processing", "models",
    "tagger", "predictors", "bulk", "data_tools", "training", "reports", "audit", "sweeps", "folds", "comparison",
    "ensembles", "pseudo_labels", "exports", "serving", "commands",
]  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """The rooms that a file imports, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "ner_plugins":
            names = [f"ner_plugins.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name.startswith("ner_plugins."):
                yield name.split(".")[1]


def test_every_room_has_its_place() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_none_above_it(room: str) -> None:
    below = set(ROOMS[: ROOMS.index(room) + 1])
    files = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else sorted((PACKAGE / room).rglob("*.py"))
    above = {(path.name, name) for path in files for name in imports(path) if name not in below}
    assert not above


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The length of a function without its docstring."""
    docstring = ast.get_docstring(function, clean=False)
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    return length - (docstring.count("\n") + 1 if docstring else 0)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_at_most_400_lines_and_a_function_60(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert {function.name: lines_of(function) for function in functions if lines_of(function) > 60} == {}


def undocumented(tree: ast.AST, inherits: bool = False) -> Iterator[str]:
    """The classes and functions with a public name and without a docstring, but for what a private class overrides."""
    for node in ast.iter_child_nodes(tree):
        described = not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or ast.get_docstring(node) or inherits
        if not described and not node.name.startswith("_"):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, node.name.startswith("_") and any(map(overrides, node.bases)))


def overrides(base: ast.expr) -> bool:
    """Whether a class with this base has methods that the base describes."""
    return ast.unparse(base) != "NamedTuple"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_has_a_public_name_has_a_docstring(path: Path) -> None:
    assert list(undocumented(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_a_missing_docstring_is_found() -> None:
    code = "class A:\n def f(self): ...\nclass _B(A):\n def f(self): ...\nclass _C(NamedTuple):\n def g(self): ..."
    assert list(undocumented(ast.parse(code))) == ["A", "f", "g"]
