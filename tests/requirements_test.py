"""setup.py, the files of requirements, the Makefile and the code agree on what is needed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def names(lines: list[str]) -> set[str]:
    found = [re.split(r"[=<>;, ]", line)[0] for line in lines if line and line[0] != "#"]
    return {name.lower().replace("_", "-") for name in found}


def pinned(file: str) -> set[str]:
    """The names in a file of requirements, each of which has exact versions."""
    lines = (ROOT / file).read_text().splitlines()
    for line in lines:
        assert not line or line.startswith("#") or re.match(r"[\w-]+==[\w.]+(; python_version .*)?$", line), line
    return names(lines)


def extras() -> dict[str, set[str]]:
    """The `extras_require` of setup.py, which is read without running it."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    lists = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.List)
    }
    [value] = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "extras_require"]
    return {name: names(value) for name, value in eval(ast.unparse(value), {}, lists).items()}


def test_every_requirement_has_an_exact_version_and_is_in_setup() -> None:
    setup = (ROOT / "setup.py").read_text()
    required = names(re.findall(r'^        "([^"]+)",', setup, re.M))
    assert required == pinned("requirements.txt") - {"wheel"}  # wheel is for the editable install


@pytest.mark.parametrize("extra", ["test", "docs"])
def test_each_extra_of_setup_has_a_file_of_exact_versions(extra: str) -> None:
    assert extras()[extra] == pinned(f"requirements-{extra}.txt")


def test_the_extra_for_development_is_the_others_and_the_hooks() -> None:
    found = extras()
    assert found["dev"] == found["test"] | found["docs"] | {"pre-commit"}


def test_all_files_pin_the_same_version() -> None:
    files = sorted(ROOT.glob("requirements*.txt"))
    assert len(files) == 3
    lines = {line for path in files for line in path.read_text().splitlines() if "==" in line}
    without_marker = [line.partition("==")[0] for line in lines if ";" not in line]
    assert len(without_marker) == len(set(without_marker))


def test_a_version_for_each_python() -> None:
    """A package with a marker has one line for Python 3.10 and one for the later versions."""
    for path in ROOT.glob("requirements*.txt"):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        for name in {line.partition("==")[0] for line in lines if ";" in line}:
            markers = [line.partition("; ")[2] for line in lines if line.startswith(f"{name}==")]
            assert markers == ['python_version < "3.11"', 'python_version >= "3.11"'], name


def test_make_installs_what_each_target_needs() -> None:
    def recipes(*targets: str) -> str:
        command = ["make", "--dry-run", "--always-make", *targets]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "-r requirements.txt" in recipes("train") and "requirements-test" not in recipes("train")
    assert "-r requirements-test.txt" in recipes("lint")
    assert "requirements-test.txt" in recipes("test") and '-m "not exhaustive"' in recipes("test")
    assert "requirements-test.txt" in recipes("test-all") and "exhaustive" not in recipes("test-all")
    assert "requirements-test.txt" in recipes("test-transformers4")
    newest = recipes("test-newest")
    assert "requirements-test.txt" in newest and "s/^torch==.*/torch/" in newest and '-m "not exhaustive"' in newest
    assert "scripts/allennlp_suite.py ../allennlp ../allennlp-models" in recipes("test-allennlp")
    assert "-r requirements-docs.txt" in recipes("docs") and "requirements.txt" not in recipes("docs")


def test_the_citation_and_the_licence_agree_with_setup() -> None:
    from ner_plugins.version import VERSION

    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {VERSION}\n" in citation and "\nlicense: MIT\n" in citation
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")
    assert 'license="MIT"' in (ROOT / "setup.py").read_text()


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
