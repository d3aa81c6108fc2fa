"""The pages of docs/: all are in the menu, their links lead somewhere, the names that they mention exist."""

import importlib
import json
import pkgutil
import re
import subprocess
from pathlib import Path

import documents
import pytest
import yaml

import ner_plugins
from ner_plugins.settings import SETTINGS
from ner_plugins.sweeps import parse_sweep, runs_of

ROOT, DOCS = documents.ROOT, documents.ROOT / "docs"
MENU = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
API = "\n".join(documents.read(path) for path in (DOCS / "api").glob("*.md"))
IN_EXAMPLES = {"surfaces", "runs", "epoch_log", "mine"}  # files that the pages ask their reader to write


def pages_in(menu: list | dict | str) -> list[str]:
    if isinstance(menu, str):
        return [menu]
    return [page for entry in (menu.values() if isinstance(menu, dict) else menu) for page in pages_in(entry)]


def test_every_page_is_in_the_menu_once() -> None:
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(pages_in(MENU["nav"])) == sorted(pages)


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", documents.read(page), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), target
        if DOCS in page.parents:
            assert DOCS in path.parents, f"{target} is no page of the site"
        included = [ROOT / name for name in re.findall(r'^--8<-- "(.*)"$', documents.read(path), re.MULTILINE)]
        known = {known for where in (path, *included) for known in documents.anchors(documents.read(where))}
        assert not anchor or anchor in known, target


def test_every_included_file_exists_and_has_no_relative_link() -> None:
    included = [name for path in documents.PAGES for name in re.findall(r'--8<-- "(.*)"', documents.read(path))]
    assert sorted(included) == ["CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md"]
    for name in included:  # its links would be relative to another folder
        assert not re.search(r"\]\((?!https://)", documents.read(ROOT / name)), name


@pytest.mark.parametrize("page", documents.PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_name_of_the_package_exists(page: Path) -> None:
    text = documents.read(page)
    for dotted in set(re.findall(r"\bner_plugins(?:\.\w+)+", text)) - {"ner_plugins.pth"}:
        found, path = ner_plugins, "ner_plugins"
        for name in dotted.split(".")[1:]:
            path = f"{path}.{name}"
            if not hasattr(found, name):
                importlib.import_module(path)
            found = getattr(found, name)
    for name in re.findall(r"`((?:ner_plugins|training_config|benchmarks|scripts|fixtures|tests|docs)/[\w/.]*)`", text):
        path = ROOT / name
        assert path.exists() or (path.stem.removesuffix("_test") in IN_EXAMPLES and path.parent.is_dir()), name


def test_every_module_has_its_place_in_the_api() -> None:
    modules = {module.name for module in pkgutil.iter_modules(ner_plugins.__path__)} - {"__main__", "version"}
    assert sorted(re.findall(r"^::: ner_plugins\.(\w+)$", API, re.MULTILINE)) == sorted(modules)


def test_the_layout_names_every_folder() -> None:
    rows = documents.table(documents.read(documents.CONTRIBUTING), "folder")
    named = [name.removeprefix("ner_plugins/") for row in rows for name in re.findall(r"`([\w/]+)`", row[0])]
    packages = {module.name for module in pkgutil.iter_modules(ner_plugins.__path__) if module.ispkg}
    assert sorted(named) == sorted(
        packages | {"training_config", "examples", "fixtures", "tests", "scripts", "docs", "benchmarks"}
    )
    assert len(rows) == 11


def test_code_blocks_of_json_and_jsonnet_are_valid() -> None:
    import _jsonnet

    for page in documents.PAGES:
        for block in documents.fences(documents.read(page), "json"):
            json.loads(block)
        for block in documents.fences(documents.read(page), "jsonnet"):
            place = str(ROOT / "training_config/mine.jsonnet")  # where the page says to save it
            content = json.loads(_jsonnet.evaluate_snippet(place, block, ext_vars=SETTINGS))
            if page.stem == "experiments":
                assert list(runs_of(parse_sweep(content)))
            else:
                assert content["model"]["type"]


TABLES = [
    ("heads", "head", "ner_plugins.heads.head", "Head"),
    ("heads", "loss", "ner_plugins.modules.losses", "CellLoss"),
    ("heads", "type", "ner_plugins.modules.losses", "NegativeSampling"),
    ("training", "metric", "allennlp.training.metrics", "Metric"),
    ("lattices training", "callback", "allennlp.training.callbacks", "TrainerCallback"),
]


def registered(module: str, base: str) -> set[str]:
    """The names that this package registers for a base class."""
    from allennlp.common.util import import_module_and_submodules

    import_module_and_submodules("ner_plugins")
    registry = getattr(importlib.import_module(module), base)
    return {
        name
        for name in registry.list_available()
        if registry.resolve_class_name(name)[0].__module__.startswith("ner_plugins.")
    }


@pytest.mark.parametrize("page, heading, module, base", TABLES, ids=[base for *_, base in TABLES])
def test_the_tables_name_what_is_registered(page: str, heading: str, module: str, base: str) -> None:
    rows = [row for one in page.split() for row in documents.table(documents.read(one), heading)]
    named = {name for row in rows for name in documents.names(row[0]) + re.findall(r'"type": "(\w+)"', row[0])}
    named |= {name for row in rows for name in documents.names(row[1].partition("Also named")[2])}
    assert named == registered(module, base)


@pytest.mark.parametrize(
    "kind, module, base",
    [
        ("models", "allennlp.models", "Model"),
        ("tokenizers", "allennlp.data", "Tokenizer"),
        ("metrics", "allennlp.training.metrics", "Metric"),
        ("callbacks", "allennlp.training.callbacks", "TrainerCallback"),
        ("schedule", "allennlp.training.learning_rate_schedulers", "LearningRateScheduler"),
        ("optimizer", "allennlp.training.optimizers", "Optimizer"),
    ],
)
def test_the_readme_names_all_of_a_kind(kind: str, module: str, base: str) -> None:
    rows = documents.table(documents.read(documents.README), "kind")
    assert {name for row in rows if row[0] == kind for name in documents.names(row[1])} == registered(module, base)


@pytest.mark.exhaustive
def test_the_site_is_built(tmp_path: Path) -> None:
    """`make docs` reports broken links and unknown names as errors; entries of docstrings are items of lists."""
    subprocess.run(["make", "docs"], cwd=ROOT, check=True, timeout=900)
    pages = {path.relative_to(ROOT / "site"): documents.read(path) for path in (ROOT / "site").rglob("*.html")}
    assert len(pages) > 25
    for path, page in pages.items():
        fetched = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="?(https?:[^"\s>]*)', page)
        assert not fetched, f"{path} fetches {fetched[0]}"
    assert "<strong><code>serialization_dir</code></strong>" in pages[Path("api/training.html")]
