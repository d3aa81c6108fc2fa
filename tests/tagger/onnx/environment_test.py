"""An export predicts in an environment of its own, in which torch, Transformers and AllenNLP are not installed."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
from exported_models import export_model
from gpu_cases import build_with_reader

from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = ("numpy", "onnxruntime", "tokenizers")
TEXTS = ["张三在北京大学读书", "我在上海", "张三在北京大学读书" * 9]
PROGRAM = """
import importlib.util, json, sys
from ner_plugins.tagger import Tagger
absent = [name for name in ("torch", "transformers", "allennlp", "numba") if importlib.util.find_spec(name) is None]
found = Tagger.from_path(sys.argv[1])(json.load(sys.stdin))
print(json.dumps({"absent": absent, "found": [tagged.to_json()["entities"] for tagged in found]}))
"""


def files_of(distribution: str, seen: set[str]) -> set[Path]:
    """The top-level entries in site-packages of a distribution and of what it requires, extras left out."""
    if distribution in seen:
        return set()
    seen.add(distribution)
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return set()
    site = Path(sysconfig.get_path("purelib"))
    entries = {site / Path(str(file)).parts[0] for file in found.files or () if Path(str(file)).parts[0] != ".."}
    for requirement in found.requires or ():
        if "extra ==" not in requirement:
            name = requirement.split(";")[0].strip()
            end = next(
                (place for place, letter in enumerate(name) if not (letter.isalnum() or letter in "-_.")), len(name)
            )
            entries |= files_of(name[:end], seen)
    return {entry for entry in entries if entry.exists() and entry.name != "__pycache__"}


@pytest.mark.exhaustive
def test_the_package_alone_with_numpy_onnxruntime_and_tokenizers(tmp_path: Path) -> None:
    model, reader, _ = build_with_reader("crf", "long_texts", tmp_path)
    target = export_model(model, reader, tmp_path / "export")
    expected = Tagger(ArchiveBackend(model, reader))(TEXTS)
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(wheel, check=True, timeout=300)
    [built] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    [site] = (tmp_path / "venv").glob("lib/python*/site-packages")
    # Linked from here instead of downloaded: tests reach no network.
    for name in RUNTIME:
        for entry in files_of(name, set()):
            if not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, built]
    subprocess.run(install, check=True, timeout=300)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [tmp_path / "venv/bin/python", "-c", PROGRAM, target]
    done = subprocess.run(
        command, input=json.dumps(TEXTS), capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["absent"] == ["torch", "transformers", "allennlp", "numba"]
    for entities, tagged in zip(result["found"], expected, strict=True):
        assert [(e["start"], e["end"], e["type"]) for e in entities] == [
            (e.start, e.end, e.type) for e in tagged.entities
        ]
        assert [e["score"] for e in entities] == pytest.approx([e.score for e in tagged.entities], abs=1e-4)
