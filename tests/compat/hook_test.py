"""The import hook, in every way of starting Python that has to work."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ner_plugins.compat import hook
from ner_plugins.install_hook import install_hook

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *flags: str) -> str:
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_start_without_allennlp_imports_nothing_heavy() -> None:
    out = python("import sys; print([m for m in ('torch', 'transformers', 'allennlp', 'numpy') if m in sys.modules])")
    assert out == "[]"


def test_a_notebook_may_import_allennlp_first_and_so_do_its_workers() -> None:
    """A spawned worker imports what it unpickles, a class of AllenNLP."""
    out = python(
        """
        import multiprocessing

        def main():
            import allennlp.commands
            from allennlp.commands.subcommand import Subcommand
            from allennlp.common import Params
            print(Subcommand.by_name("train").__module__)
            context = multiprocessing.get_context("spawn")
            with context.Pool(1) as pool:
                print(pool.apply(str, (Params({"a": 1}),)))

        if __name__ == "__main__":
            main()
        """
    )
    assert out.splitlines() == ["ner_plugins.commands.train", "Params({'a': 1})"]


def test_importing_the_package_is_enough_without_the_pth_file() -> None:
    # -S: no site-packages processing, hence no .pth; the path is given by hand.
    code = f"""
    import sys
    sys.path[:0] = [{str(ROOT)!r}] + {[p for p in sys.path if "site-packages" in p]!r}
    import ner_plugins
    import allennlp.commands
    from allennlp.commands.subcommand import Subcommand
    print(Subcommand.by_name("predict").__module__)
    """
    assert python(code, "-S") == "ner_plugins.commands.predict"


def test_install_is_idempotent() -> None:
    before = list(sys.meta_path)
    hook.install()
    assert sys.meta_path == before


@pytest.mark.parametrize("trigger, moment, module, function", hook.PATCHES)
def test_every_patch_exists_names_its_version_and_may_run_again(
    trigger: str, moment: str, module: str, function: str
) -> None:
    import importlib

    patch = getattr(importlib.import_module(f"ner_plugins.{module}"), function)
    assert patch.__doc__, f"{function} does not say why it is needed"
    if moment != "around":
        importlib.import_module(trigger)
        patch()
        patch()


def test_the_real_loader_is_given_back() -> None:
    import allennlp.commands

    assert type(allennlp.commands.__spec__.loader).__name__ == "SourceFileLoader"


def test_install_hook_writes_a_file_that_site_accepts(tmp_path: Path) -> None:
    written = install_hook(str(tmp_path))
    lines = written.read_text().splitlines()
    assert len(lines) == 1 and lines[0].startswith("import ")
    exec(lines[0], {})


def test_a_wheel_carries_the_pth_file(tmp_path: Path) -> None:
    import zipfile

    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "ner_plugins.pth" in names and "ner_plugins/compat/hook.py" in names
