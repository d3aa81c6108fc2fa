"""The experiments of training_config, and what the published ones say they are run with."""

import re
from pathlib import Path

from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "training_config").rglob("*.jsonnet"))
PUBLISHED = [path for path in CONFIGS if path.parent.name == "benchmarks"]
FIXTURES = {
    "data/cluener": "fixtures/cluener",
    "data/kmou": "fixtures/kmou",
    "data/conll2003": "fixtures/conll2003",
    "data/weibo": "fixtures/weibo",
    "data/resume": "fixtures/resume",
    "data/msra": "fixtures/msra",
    "words.vec": "fixtures/lexicon/words.vec",
    "characters.vec": "fixtures/lexicon/characters.vec",
}


def published_settings(config: Path, folder: Path) -> dict[str, str]:
    """What a published experiment says it is run with, on the fixtures."""
    lines = re.findall("//   export ([^#\n]*)", (ROOT / config).read_text())
    settings = dict(setting.split("=") for line in lines for setting in line.split())
    encoder = make_encoder(folder / "encoder") if settings.get("NER_ENCODER") else ""
    return {name: FIXTURES.get(value, value) for name, value in {**settings, "NER_ENCODER": encoder}.items()}
