"""
AllenNLP's own tests on the libraries of this environment, with ner_plugins loaded as in any `allennlp` command.

    python scripts/allennlp_suite.py ALLENNLP ALLENNLP_MODELS [--only PART] [--report FILE]

`ALLENNLP` and `ALLENNLP_MODELS` are checkouts of the tag v2.10.1 (`make test-allennlp` names the commands that make
them; the source distributions have no tests). The tests are copied to a temporary folder, so that they import the
installed AllenNLP. `scripts/allennlp_failures.json` lists the tests that are known to fail, by cause. Any other failure
makes the exit code 1; known failures that pass are reported.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple, Optional
from xml.etree import ElementTree

KNOWN = Path(__file__).with_name("allennlp_failures.json")
VERSION = "2.10.1"
PARTS = ("data", "modules", "training", "commands", "nn", "models", "predictors", "common", "tagging")
OF_MODELS = {"tagging"}
"""Parts of allennlp-models; the others are AllenNLP's."""
_SPACY = "en_core_web_sm"
_CONFTEST = """
from allennlp.models import Model
from allennlp_models.tagging.models.crf_tagger import CrfTagger
from ner_plugins.compat.plugins import load_this_package

load_this_package()
Model._registry[Model]["crf_tagger"] = (CrfTagger, None)  # ner_plugins has a model of this name, which wins elsewhere
"""


class Result(NamedTuple):
    """What a test gave: its name as pytest's reports write it, and the outcome, with the message of a failure."""

    test: str
    outcome: str
    message: str


def main(arguments: Optional[list[str]] = None) -> int:
    """Run the parts one after another; the exit code."""
    options = _parser().parse_args(arguments)
    for folder, package in ((options.allennlp, "allennlp"), (options.allennlp_models, "allennlp_models")):
        _check_source(folder, package)
    results: list[Result] = []
    known = known_failures(KNOWN)
    with tempfile.TemporaryDirectory() as temporary:
        for part in options.only or PARTS:
            source = options.allennlp_models if part in OF_MODELS else options.allennlp
            of_part = run_part(part, source, Path(temporary))
            print(f"{part:12} {counts(of_part)}", flush=True)
            results += of_part
    if options.report:
        options.report.write_text(json.dumps([result._asdict() for result in results], indent=1), encoding="utf-8")
    print(f"{'together':12} {counts(results)}")
    return report(results, known)


def run_part(part: str, source: Path, temporary: Path) -> list[Result]:
    """The results of the tests in `tests/PART` of a checkout."""
    folder = temporary / part
    shutil.copytree(source / "tests", folder / "tests")
    shutil.copytree(source / "test_fixtures", folder / "test_fixtures")
    for name in ("pytest.ini", "README.md"):
        shutil.copy(source / name, folder / name)
    if part in OF_MODELS:
        (folder / "conftest.py").write_text(_CONFTEST)
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **os.environ, "ALLENNLP_SRC_DIR": str(folder)}
    if importlib.util.find_spec(_SPACY) is None:
        places = [str(stand_in_for_spacy(temporary / "spacy")), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, places))
    written = folder / "results.xml"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "--junitxml", str(written)]
    done = subprocess.run(
        [sys.executable, *command, f"tests/{part}"], cwd=folder, env=environment, capture_output=True, text=True
    )
    if not written.exists():
        raise SystemExit(f"pytest failed in the part {part}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return list(read_results(written))


def stand_in_for_spacy(folder: Path) -> Path:
    """
    A package `en_core_web_sm` without the tagger and the parser: most tests use its tokenizer alone, which is that of
    spaCy's English, and no package index has the real one.
    """
    package, about = folder / _SPACY, folder / f"{_SPACY}-3.8.0.dist-info"
    for place in (package, about):
        place.mkdir(parents=True, exist_ok=True)
    load = "import spacy\n\n\ndef load(**options):\n    return spacy.blank('en', vocab=options.get('vocab', True))\n"
    (package / "__init__.py").write_text(load)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_SPACY}\nVersion: 3.8.0\n")
    return folder


def read_results(path: Path) -> Iterator[Result]:
    """The results in a file that pytest's `--junitxml` wrote. A test that fails twice, also in its teardown, is one."""
    seen: dict[str, Result] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        test = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        outcome, message = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, message = "failed", f"{child.get('message') or ''}\n{child.text or ''}"
            elif child.tag == "skipped" and outcome == "passed":
                outcome = "skipped"
        if test not in seen or outcome == "failed":
            seen[test] = Result(test, outcome, message)
    yield from seen.values()


def known_failures(path: Path) -> dict[str, str]:
    """The cause of each known failure, by the test's name."""
    causes = json.loads(path.read_text(encoding="utf-8"))
    return {test: cause for cause, tests in causes.items() for test in tests}


def counts(results: list[Result]) -> str:
    """How many tests passed, failed and were skipped."""
    outcomes = [result.outcome for result in results]
    return ", ".join(f"{outcomes.count(name)} {name}" for name in ("passed", "failed", "skipped"))


def report(results: list[Result], known: dict[str, str]) -> int:
    """Print the failures by cause, those that nobody expects in full; 1 if there is one, else 0."""
    failed = {result.test: result for result in results if result.outcome == "failed"}
    of_cause: dict[str, int] = {}
    for test in failed:
        if test in known:
            of_cause[known[test]] = of_cause.get(known[test], 0) + 1
    for cause, number in of_cause.items():
        print(f"known: {number} {cause}")
    for result in results:
        if result.outcome == "passed" and result.test in known:
            print(f"passes now: {result.test} ({known[result.test]})")
    unknown = [result for test, result in failed.items() if test not in known]
    for result in unknown:
        message = "\n".join(result.message.strip().splitlines()[:3] + result.message.strip().splitlines()[-12:])
        print(f"\nfails, which is not known: {result.test}\n{message}")
    print(f"{len(unknown)} failures that are not known" if unknown else "no failure that is not known")
    return 1 if unknown else 0


def _check_source(folder: Path, package: str) -> None:
    """Stop unless `folder` is a checkout of the version that is installed."""
    path = folder / package / "version.py"
    repository = package.replace("_", "-")
    remedy = f"git clone --depth 1 --branch v{VERSION} https://github.com/allenai/{repository} {folder}"
    if not path.is_file() or not (folder / "tests").is_dir():
        raise SystemExit(f"{folder}: there is no checkout of {repository} here. Make one:\n  {remedy}")
    parts = dict(re.findall(r'^_(MAJOR|MINOR|PATCH) = "(\d+)"', path.read_text(encoding="utf-8"), re.M))
    found = ".".join(parts.get(name, "?") for name in ("MAJOR", "MINOR", "PATCH"))
    if found != VERSION:
        raise SystemExit(f"{folder}: this is version {found}, and the tests of {VERSION} are needed:\n  {remedy}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="AllenNLP's own tests with ner_plugins, on today's libraries")
    parser.add_argument("allennlp", type=Path, help="a checkout of allennlp")
    parser.add_argument("allennlp_models", type=Path, help="a checkout of allennlp-models")
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be repeated")
    parser.add_argument("--report", type=Path, help="write every result to this file, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
