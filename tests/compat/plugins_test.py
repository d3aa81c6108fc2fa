"""What is registered, before and after ours, and that allennlp_models is there for who names it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from forked import run_forked

ROOT = Path(__file__).resolve().parents[2]

REGISTRY = """
    from allennlp.common import Registrable
    def names():
        return {base.__name__ + ":" + name: cls.__module__ + "." + cls.__name__
                for base, known in Registrable._registry.items() for name, (cls, _) in known.items()}
"""


def python(*codes: str) -> Any:
    """What a fresh process prints last."""
    command = [sys.executable, "-c", "".join(map(textwrap.dedent, (REGISTRY, *codes)))]
    return printed(subprocess.run(command, capture_output=True, text=True, timeout=300))


def forked(folder: Path, *codes: str) -> Any:
    """What a process prints that has imported the package and AllenNLP already, and none of its plugins."""
    script = folder / "program.py"
    script.write_text("".join(map(textwrap.dedent, (REGISTRY, *codes))), encoding="utf-8")
    return printed(run_forked(script=script))


def printed(done: subprocess.CompletedProcess) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


STOCK = """
    import sys
    from ner_plugins.compat import hook
    everything, needed = hook.PATCHES, ("supply_", "nltk_kept_offline")
    hook.PATCHES = tuple(p for p in hook.PATCHES if p[3].startswith(needed) and p[3] != "supply_external_variables")
"""

LATE = """
    from allennlp.commands.subcommand import Subcommand
    import allennlp.training
    before, theirs = names(), Subcommand.by_name("train").__module__
    hook.PATCHES = everything
    sys.meta_path = [f for f in sys.meta_path if not isinstance(f, hook._PatchingFinder)]
    hook.install()
    from allennlp.training.gradient_descent_trainer import torch
    patched = [theirs, Subcommand.by_name("train").__module__, torch.load.__module__]
    from allennlp.models import Model
    models = [Model.by_name("crf_tagger").__module__]
    import ner_plugins.models.named
    models.append(Model.by_name("crf_tagger").__module__)
    print(json.dumps({"names": before, "patched": patched, "models": models}))
"""


LOAD_ALL = """
    import json, allennlp.commands
    from allennlp.common.plugins import import_plugins
    getattr(import_plugins, "__wrapped__", import_plugins)()
"""


OURS = """
    from allennlp.common.util import import_module_and_submodules
    import_module_and_submodules("ner_plugins")
    print(json.dumps(names()))
"""


@pytest.fixture(scope="module")
def ours_last() -> dict[str, str]:
    """What is registered if AllenNLP imports all of its plugins first."""
    return python(LOAD_ALL, OURS)


@pytest.fixture(scope="module")
def ours_first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is registered if the plugins follow, which addresses they connect to, and whose `nltk.download` is."""
    return forked(
        tmp_path_factory.mktemp("first"),
        """
        import json, socket, sys
        early = "allennlp_models" in sys.modules
        tried = []
        def refuse(*args, **kwargs):
            tried.append(str(args))
            raise OSError("no network")
        socket.socket.connect = refuse
        socket.getaddrinfo = refuse
        from ner_plugins.compat import plugins
        plugins.load_all_plugins()
        import nltk
        restored = nltk.download.__module__
        print(json.dumps({"early": early, "tried": tried, "restored": restored, "names": names()}))
        """,
    )


@pytest.fixture(scope="module")
def stock() -> dict[str, Any]:
    """
    What is registered where AllenNLP was imported unpatched, as on a machine that has every library it asks for; and
    what a package that is imported late makes of that.
    """
    return python(STOCK, LOAD_ALL, LATE)


def test_ours_changes_nothing_that_was_registered(ours_first: dict[str, Any], stock: dict[str, Any]) -> None:
    before, after = stock["names"], ours_first["names"]
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


def test_a_package_imported_late_patches_what_is_there(stock: dict[str, Any]) -> None:
    theirs, *patched = stock["patched"]
    assert not theirs.startswith("ner_plugins")
    assert patched == ["ner_plugins.commands.train", "ner_plugins.archives.weights"]


def test_our_crf_tagger_wins_though_it_is_imported_last(stock: dict[str, Any]) -> None:
    assert stock["names"]["Model:crf_tagger"].startswith("allennlp_models.")
    assert stock["models"] == ["ner_plugins.models.named"] * 2


def test_importing_allennlp_models_downloads_nothing(ours_first: dict[str, Any]) -> None:
    assert not ours_first["early"]
    assert ours_first["tried"] == [] and ours_first["restored"].startswith("nltk")


@pytest.mark.exhaustive
def test_either_order_of_import_registers_the_same(ours_first: dict[str, Any], ours_last: dict[str, str]) -> None:
    assert ours_first["names"] == ours_last


def test_a_name_of_allennlp_models_is_found_when_it_is_asked_for(tmp_path: Path) -> None:
    found = forked(
        tmp_path,
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
        """,
    )
    theirs = "allennlp_models.tagging.models.crf_tagger"
    assert found[0] == {
        "early": False, "model": "ner_plugins.models.named", "theirs": theirs, "listed": True,
        "reader": "Conll2003DatasetReader",
    }  # fmt: skip
    assert "conll2004" in found[1] and "'conll2003'" in found[1], "a misspelt one is still an error"


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", ["allennlp_models.tagging", "ner_plugins.models.named"])
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


@pytest.mark.parametrize("name", [".", "..", "a..B", ".x", "x."])
def test_a_name_of_dots_is_no_class_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="neither a registered name nor the path of a class"):
        DatasetReader.by_name(name)
