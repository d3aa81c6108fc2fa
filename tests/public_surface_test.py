"""What users can name (registered names and options, commands and flags, importable names) changes only on purpose."""

import json
from pathlib import Path

from forked import run_forked

ROOT = Path(__file__).resolve().parent.parent


def test_the_public_surface_is_as_it_was() -> None:
    # In a process of its own: other tests register classes of theirs.
    done = run_forked(script=ROOT / "scripts/public_surface.py")
    assert done.returncode == 0, done.stderr
    expected = (ROOT / "tests/golden/public_surface.json").read_text(encoding="utf-8")
    assert json.loads(done.stdout) == json.loads(expected), (
        "the public surface changed; if that is meant, run: python scripts/public_surface.py --update"
    )
