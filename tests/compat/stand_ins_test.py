import sys
import types

import pytest

from ner_plugins.compat import stand_ins


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch):
    """Makes `import name` fail, as on a machine without the library, and undoes what the test supplies."""
    before = dict(sys.modules)

    def make(name: str) -> None:
        for known in [known for known in sys.modules if known.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, known)

        def refuse(library: str) -> types.ModuleType:
            raise ImportError(library)

        monkeypatch.setattr(stand_ins.importlib, "import_module", refuse)
        monkeypatch.setattr(stand_ins.importlib.util, "find_spec", lambda library: None)

    yield make
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize("library", ["torchvision", "fairscale", "spacy"])
def test_a_missing_library_imports_and_fails_on_use(missing, library: str) -> None:
    missing(library)
    getattr(stand_ins, f"supply_{library}")()
    module = sys.modules[library]
    assert isinstance(module, stand_ins.StandInModule)
    thing = module.Anything
    assert not isinstance(3, thing)
    with pytest.raises(ImportError, match=f"pip install {library}"):
        thing()


def test_a_stand_in_can_be_a_base_class(missing) -> None:
    missing("spacy")
    stand_ins.supply_spacy()
    base = sys.modules["spacy.tokens"].Token

    class Mine(base):
        pass

    assert isinstance(Mine(), base)


def test_special_names_are_not_made_up(missing) -> None:
    missing("spacy")
    stand_ins.supply_spacy()
    assert not hasattr(sys.modules["spacy"], "__version__")


def test_a_real_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = types.ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", real)
    stand_ins.supply_torchvision()
    assert sys.modules["torchvision"] is real


def test_transformers_does_not_take_the_stand_in_for_the_library() -> None:
    import allennlp  # noqa: F401
    from transformers.utils import is_torchvision_available

    if isinstance(sys.modules.get("torchvision"), stand_ins.StandInModule):
        assert not is_torchvision_available()
