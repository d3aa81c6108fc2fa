"""What is registered, before and after ours, and that allennlp_models is there for who names it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

REGISTRY = """
    from allennlp.common import Registrable
    def names():
        return {base.__name__ + ":" + name: cls.__module__ + "." + cls.__name__
                for base, known in Registrable._registry.items() for name, (cls, _) in known.items()}
"""


def python(code: str) -> Any:
    code = textwrap.dedent(REGISTRY) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


STOCK = """
    from ner_plugins.compat import hook
    needed = ("supply_", "nltk_kept_offline")
    hook.PATCHES = tuple(p for p in hook.PATCHES if p[3].startswith(needed) and p[3] != "supply_external_variables")
"""


LOAD_ALL = """
    import json, allennlp.commands
    from allennlp.common.plugins import import_plugins
    getattr(import_plugins, "__wrapped__", import_plugins)()
"""


@pytest.fixture(scope="module")
def ours_last() -> dict[str, str]:
    """What is registered if AllenNLP imports all of its plugins first."""
    ours = """
        from allennlp.common.util import import_module_and_submodules
        import_module_and_submodules("ner_plugins")
        print(json.dumps(names()))
    """
    return python(textwrap.dedent(LOAD_ALL) + textwrap.dedent(ours))


@pytest.fixture(scope="module")
def ours_first() -> dict[str, Any]:
    """What is registered if the plugins follow, which addresses they connect to, and whose `nltk.download` is."""
    return python(
        """
        import json, socket
        tried = []
        def refuse(*args, **kwargs):
            tried.append(str(args))
            raise OSError("no network")
        socket.socket.connect = refuse
        socket.getaddrinfo = refuse
        from ner_plugins.compat import plugins
        from allennlp.common.util import import_module_and_submodules
        import_module_and_submodules("ner_plugins")
        plugins.load_all_plugins()
        import nltk
        print(json.dumps({"tried": tried, "restored": nltk.download.__module__, "names": names()}))
        """
    )


def test_ours_changes_nothing_that_was_registered(ours_last: dict[str, str]) -> None:
    before = python(textwrap.dedent(STOCK) + textwrap.dedent(LOAD_ALL) + "print(json.dumps(names()))")
    after = ours_last
    overridden = {name for name in before if after.get(name) != before[name]}
    # Only the commands of the same name and `wandb` take the place of AllenNLP's, and the CRF tagger that of
    # allennlp_models'.
    commands = {"Subcommand:evaluate", "Subcommand:predict", "Subcommand:train"}
    assert overridden == {"Model:crf_tagger", "TrainerCallback:wandb", *commands}
    # What is new is what the package defines, and what it declares in the snapshot of its public surface.
    registered = json.loads((ROOT / "tests/golden/public_surface.json").read_text(encoding="utf-8"))["registered"]
    declared = {f"{base}:{name}" for base, names in registered.items() for name in names}
    assert set(after) - set(before) == declared - overridden
    assert declared == {name for name, path in after.items() if path.startswith("ner_plugins.")}


@pytest.mark.exhaustive
def test_either_order_of_import_registers_the_same(ours_first: dict[str, Any], ours_last: dict[str, str]) -> None:
    assert ours_first["names"] == ours_last


def test_a_name_of_allennlp_models_is_found_when_it_is_asked_for() -> None:
    found = python(
        """
        import json, sys
        from allennlp.common import Params
        from allennlp.common.checks import ConfigurationError
        from allennlp.models import Model
        from allennlp.data import DatasetReader
        early = "allennlp_models" in sys.modules
        reader = DatasetReader.from_params(Params({"type": "conll2003"}))
        names = {"early": early, "model": Model.by_name("crf_tagger").__module__,
                 "theirs": Model.by_name("allennlp_models.tagging.models.crf_tagger.CrfTagger").__module__,
                 "listed": "conll2003" in DatasetReader.list_available(), "reader": type(reader).__name__}
        try:
            DatasetReader.from_params(Params({"type": "conll2004"}))
        except ConfigurationError as error:
            message = str(error)
        print(json.dumps([names, message]))
        """
    )
    theirs = "allennlp_models.tagging.models.crf_tagger"
    assert found[0] == {
        "early": False, "model": "ner_plugins.models.named", "theirs": theirs, "listed": True,
        "reader": "Conll2003DatasetReader",
    }  # fmt: skip
    assert "conll2004" in found[1] and "'conll2003'" in found[1], "a misspelt one is still an error"


@pytest.mark.parametrize(
    "first", ["allennlp_models.tagging", pytest.param("ner_plugins.models.named", marks=pytest.mark.exhaustive)]
)
def test_our_crf_tagger_wins_whichever_is_imported_first(first: str) -> None:
    found = python(
        f"""
        import importlib, json
        import ner_plugins
        both = ("ner_plugins.models.named", "allennlp_models.tagging")
        for module in sorted(both, key=lambda name: name != {first!r}):
            importlib.import_module(module)
        from allennlp.models import Model
        from allennlp.data import DatasetReader
        print(json.dumps([Model.by_name("crf_tagger").__module__, DatasetReader.by_name("conll2003").__module__]))
        """
    )
    assert found == ["ner_plugins.models.named", "allennlp.data.dataset_readers.conll2003"]


@pytest.mark.exhaustive
def test_importing_allennlp_models_downloads_nothing(ours_first: dict[str, Any]) -> None:
    assert ours_first["tried"] == [] and ours_first["restored"].startswith("nltk")
