"""The experiments of training_config, and what the published ones say they are run with."""

from pathlib import Path

from loaded_scripts import load_script
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "training_config").rglob("*.jsonnet"))
PUBLISHED = [path for path in CONFIGS if path.parent.name == "benchmarks"]


def published_settings(config: Path, folder: Path) -> dict[str, str]:
    """What a published experiment says it is run with, on the fixtures and a tiny encoder."""
    settings: dict[str, str] = load_script("golden").published_settings(ROOT / config)
    encoder = make_encoder(folder / "encoder") if settings.get("NER_ENCODER") else ""
    return {**settings, "NER_ENCODER": encoder}
