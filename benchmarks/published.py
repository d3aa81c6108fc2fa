"""
The published configs, `training_config/benchmarks`: the time and memory of each run, as `--dry-run` estimates them.

    python benchmarks/published.py --encoder ENCODER [--data FOLDER] [--only NAME ...] [--threads N] [--results FILE]

ENCODER stands for the published ones. A step's time depends on its size alone, but an encoder of another language
splits texts into other numbers of pieces. Resumable: each estimate is kept in benchmarks/records/published.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import results
from training_runs import ALLENNLP, IMPORTED, ROOT, SHARED

CONFIGS = ROOT / "training_config/benchmarks"
RECORDS = ROOT / "benchmarks/records/published"
# What the configs' first lines call the corpora and vectors, and where these are under --data.
PLACES = {
    "data/cluener": "cluener2020", "data/kmou": "kmou", "data/conll2003": "conll2003", "data/weibo": "weibo",
    "data/resume": "resume", "data/msra": "msra_bio", "words.vec": "lexicon/synonyms-3.8.0.words.vector.gz",
    "characters.vec": "lexicon/macropodus-0.0.7.w2v_model_wiki_char.vec.gz",
}  # fmt: skip
FIGURES = {
    "step_seconds": r"a step +(\S+) s for",
    "step_tokens": r"a step +\S+ s for ([\d,]+) tokens",
    "epoch": r"an epoch +(.+?) \(",
    "epochs": r"\n +(\d+) epochs? ",
    "run": r"\n +\d+ epochs? +(.+)",
    "memory": r"at the peak of a step +(.+)",
}


def settings_of(config: Path, encoder: str, data: Path) -> dict[str, str]:
    """What a config's first lines say it is run with, with the data and the encoder of this machine."""
    exported = re.findall("//   export ([^#\n]*)", config.read_text(encoding="utf-8"))
    settings = dict(setting.split("=") for line in exported for setting in line.split())
    places = {name: str(data / PLACES[value]) for name, value in settings.items() if value in PLACES}
    return {**settings, **places, **({"NER_ENCODER": encoder} if settings.get("NER_ENCODER") else {})}


def estimate(config: Path, settings: Mapping[str, str], threads: int) -> dict[str, str]:
    """The figures of `allennlp train CONFIG --dry-run`; none if it needs more memory than this machine has."""
    count = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [ALLENNLP, "train", str(config), "--dry-run", "--include-package", "ner_plugins"]
    environment = {**os.environ, **settings, **count, "PYTHONPATH": IMPORTED}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:  # by the kernel, which is out of memory
        return {}
    if done.returncode != 0:
        sys.exit(f"{config.name}: {' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}"[-2000:])
    found = {name: re.search(pattern, done.stdout) for name, pattern in FIGURES.items()}
    return {name: match.group(1) for name, match in found.items() if match is not None}


def table(estimates: Mapping[str, Mapping[str, str]]) -> str:
    """A row for each config."""
    rows = []
    for name, one in estimates.items():
        if "epoch" not in one:
            rows.append([f"`{name}`", "", "", "", "", "more than this machine has"])
            continue
        step = f"{one['step_seconds']} s for {one['step_tokens']} tokens"
        rows.append([f"`{name}`", step, one["epoch"], one["epochs"], one.get("run", one["epoch"]), one["memory"]])
    return results.table("config | a step | an epoch | epochs | the run | memory, at the peak", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Estimate each config that has no record, and print the table."""
    names = sorted(path.stem for path in CONFIGS.glob("*.jsonnet"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="a pretrained encoder's folder or hub name")
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="the folder with the corpora")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, help="a file such as RESULTS.md, whose section is replaced")
    given = parser.parse_args(arguments)
    RECORDS.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in given.only:
        record = RECORDS / f"{name}-{Path(given.encoder).name}-t{given.threads}.json"
        if not record.exists():
            config = CONFIGS / f"{name}.jsonnet"
            figures = estimate(config, settings_of(config, given.encoder, given.data), given.threads)
            record.write_text(json.dumps({**figures, "machine": results.machine()}, indent=1))
        found[name] = json.loads(record.read_text())
        print(name, found[name], flush=True)
    text = table(found)
    print(f"\n{text}")
    if given.results is not None:
        versions = results.versions("torch", "transformers", "allennlp")
        command = f"`python benchmarks/published.py --encoder {Path(given.encoder).name} --threads {given.threads}`"
        heading = f"{command}, estimates from one step each.\n{results.machine()}; {versions}."
        results.replace_section(given.results, "Published configs", f"{heading}\n\n{text}")


if __name__ == "__main__":
    main()
