"""`--include-package` imports what AllenNLP imports, in its order, and looks into folders once."""

import importlib
import sys
from pathlib import Path

import pytest
from allennlp.common import util

STOCK = util.import_module_and_submodules.__wrapped__
FILES = (
    "__init__.py", "b.py", "z.py", "a/__init__.py", "a/inner.py", "a/deeper/__init__.py", "a/deeper/leaf.py",
    "_private/__init__.py", "_private/hidden.py", "_alone.py", "tests/__init__.py", "tests/some_test.py", "testing.py",
    "json/__init__.py", "json/lines.py", "no_package/module.py",
)  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in FILES:
        path = tmp_path / "tried_package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import tried_log\ntried_log.names.append(__name__)\n")
    (tmp_path / "tried_log.py").write_text("names = []\n")
    monkeypatch.chdir(tmp_path)
    return "tried_package"


def imported(importing: object, package: str, monkeypatch: pytest.MonkeyPatch, **options: object) -> list[str]:
    for name in [name for name in sys.modules if name.split(".")[0] in (package, "tried_log")]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.path)
    with monkeypatch.context() as patch:
        patch.setattr(util, "import_module_and_submodules", importing)  # which calls itself by this name
        importing(package, **options)  # type: ignore[operator]
    assert sys.path == before
    names: list[str] = list(sys.modules["tried_log"].names)
    for name in names:
        del sys.modules[name]
    return names


@pytest.mark.parametrize("options", [{}, {"exclude": {"tried_package.a.deeper", "tried_package.z"}}])
def test_the_same_modules_are_imported_in_the_same_order(
    package: str, options: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = imported(util.import_module_and_submodules, package, monkeypatch, **options)
    assert found == imported(STOCK, package, monkeypatch, **{name: set(value) for name, value in options.items()})
    assert f"{package}.a.inner" in found and f"{package}.json.lines" in found
    assert (f"{package}.z" in found) == (not options)


def test_folders_are_listed_anew_once(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = importlib.invalidate_caches
    monkeypatch.setattr(importlib, "invalidate_caches", lambda: calls.append(original()))
    imported(util.import_module_and_submodules, package, monkeypatch)
    assert len(calls) == 1
    imported(STOCK, package, monkeypatch)
    assert len(calls) > 8


def test_a_package_in_an_absent_folder_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="tried_absent"):
        util.import_module_and_submodules("tried_absent")
