"""
Reading corpora: seconds against a Hugging Face `datasets` build and AllenNLP's own reader, memory, and every corpus.

Every measurement runs in a separate process, without timing its imports. Compared sides alternate, and digests of what
they read are compared after the clock has stopped.

- MSRA's training file to `Sentence`s by our `msra`, against `Dataset.from_generator` into a fresh cache. The peer's
  generator is a plain parser of just this format: it splits lines, joins characters to the text and BIO tags to
  (start, end, type), and checks nothing. Its rows have tokens and tags, as is usual in `datasets`, and text and
  entities, as `Sentence`s do. It is also measured without tokens and tags, which is not what users want (no bound).
- The same file to Instances by our `msra`, against AllenNLP's `conll2003` on the same sentences in its four columns
  (uncompressed, which gives it an advantage), both with their default tokens and indexers, in this environment.
- Memory to read generated files of `--megabytes` as a stream of sentences: the peak of the process, and its part above
  the imports, which the bound applies to.
- Every split of every corpus in `--data` to Instances.

`datasets` has its own environment (`make .venv-readers/.ready` creates it). The section "Reading" of the results file
is replaced.

    python benchmarks/readers.py [--repeats 5] [--data DIR] [--megabytes 1000] [--results FILE]
"""

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
FASTER_THAN_DATASETS, FASTER_THAN_ALLENNLP, MEGABYTES, SECONDS = 3.0, 1.0, 200, 15
MSRA = "msra_bio/msra_train_bio.gz"
# The reader and the splits of each corpus.
CORPORA = {
    "cluener2020": ("cluener", "train dev test"),
    "msra_bio": ("msra", "train test"),
    "msra_bmes": ("msra", "train test"),
    "peoples_daily": ("peoples_daily", "dev test"),
    "weibo": ("weibo", "train dev test"),
    "resume": ("resume", "train dev test"),
    "kmou/kmou_ner.tar.gz": ("kmou", "train dev"),
    "conll2003": ("conll2003_ner", "train dev test"),
    "germeval2014": ("germeval", "train dev test"),
}
# Generated files, their readers, and whether each sentence has a unique token.
STREAMS = (("stream.txt", "msra", False), ("stream.txt.gz", "msra", True), ("stream.json", "cluener", True))

Result = tuple[str, list[str]]  # text for the results file, and the bounds that were missed


# Generated files.


def four_columns(source: str, target: Path) -> None:
    """Write MSRA in the four columns of CoNLL-2003."""
    with (
        gzip.open(source, "rt", encoding="utf-8", newline="\n") as lines,
        open(target, "w", encoding="utf-8", newline="\n") as file,
    ):
        for line in lines:
            file.write("\n" if line == "\n" else "{} -X- O {}".format(*line.split("\t")))


def generated(megabytes: int, as_json: bool, tokens_of_their_own: bool) -> Iterator[bytes]:
    """Blocks of 5,000 sentences, repeated or with a unique token in each sentence."""
    draw = random.Random(0)
    bodies = [sentence(draw) for _ in range(5000)]
    written = number = 0
    while written < megabytes * 1_000_000:
        block = []
        for body in bodies:
            number += 1
            own = f"№{number}" if tokens_of_their_own else ""
            block.append(json_line(own, *body) if as_json else columns_of(own, *body))
        data = "".join(block).encode()
        written += len(data)
        yield data


def sentence(draw: random.Random) -> tuple[str, str, int, int]:
    """A text, and the type, start and end of its entity."""
    length = draw.randint(10, 90)
    text = "".join(map(chr, draw.choices(range(0x4E00, 0x5DA0), k=length)))
    start = draw.randrange(length - 5)
    return text, draw.choice(("PER", "LOC", "ORG")), start, start + draw.randint(1, 5)


def columns_of(own: str, text: str, type_: str, start: int, end: int) -> str:
    tags = ["O"] * start + [f"B-{type_}"] + [f"I-{type_}"] * (end - start - 1) + ["O"] * (len(text) - end)
    lines = "".join(f"{character}\t{tag}\n" for character, tag in zip(text, tags, strict=True))
    return f"{lines}{own}\tO\n\n" if own else f"{lines}\n"


def json_line(own: str, text: str, type_: str, start: int, end: int) -> str:
    label = f'{{"{type_}": {{"{text[start:end]}": [[{start}, {end - 1}]]}}}}'
    return f'{{"text": "{text}{own}", "label": {label}}}\n'


def write(target: Path, megabytes: int, as_json: bool, tokens_of_their_own: bool) -> None:
    # Level 1, since compression is not measured.
    opened = gzip.open(target, "wb", compresslevel=1) if target.suffix == ".gz" else open(target, "wb")  # noqa: SIM115
    with opened as file:
        file.writelines(generated(megabytes, as_json, tokens_of_their_own))


# Measurements and their tables.


def measure(child: str, *arguments: str, python: str = sys.executable) -> dict:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    command = [python, str(ROOT / "benchmarks/reading.py"), child, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{child}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turn(repeats: int, sides: dict[str, Callable[[], dict]]) -> dict[str, list[dict]]:
    """Measurements of each side; exits unless all have read the same."""
    runs: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, run in sides.items():
            runs[side].append(run())
            print(f"{side:24s}{runs[side][-1]['seconds']:7.2f} s ({runs[side][-1]['cpu']:.2f} s)", flush=True)
    digests = {run["digest"] for found in runs.values() for run in found}
    if len(digests) > 1:
        sys.exit(f"the sides have read different data: {runs}")
    return runs


def seconds_of(runs: list[dict], clock: str = "seconds") -> list[float]:
    return [run[clock] for run in runs]


def spread_row(side: str, runs: list[dict]) -> tuple[str, ...]:
    seconds = seconds_of(runs)
    return side, *(f"{f(seconds):.2f} s" for f in (statistics.median, min, max)), f"{cpu_of(runs):.2f} s"


def cpu_of(runs: list[dict]) -> float:
    return statistics.median(seconds_of(runs, "cpu"))


def ratio_of_medians(peer: list[dict], ours: list[dict], clock: str = "seconds") -> float:
    return statistics.median(seconds_of(peer, clock)) / statistics.median(seconds_of(ours, clock))


def against_datasets(arguments: argparse.Namespace) -> Result:
    file, peer = str(arguments.data / MSRA), arguments.peer_python
    runs = in_turn(
        arguments.repeats,
        {
            "ours to sentences": lambda: measure("ours_to_sentences", file),
            "datasets": lambda: measure("datasets_wide", file, python=peer),
            "datasets, less": lambda: measure("datasets_narrow", file, python=peer),
        },
    )
    ours, wide, narrow = runs.values()
    ratio, less = ratio_of_medians(wide, ours), ratio_of_medians(narrow, ours)
    text = f"MSRA's training file ({ours[0]['sentences']:,} sentences, {ours[0]['entities']:,} entities; "
    text += f"{arguments.repeats} repeats, alternating sides; all read the same texts and entities):\n\n"
    rows = [
        spread_row("ours, `msra` to `Sentence`s", ours),
        spread_row(f"`Dataset.from_generator` ({wide[0]['versions']}): tokens, tags, text, entities", wide),
        spread_row("the same without tokens and tags", narrow),
    ]
    text += table("side | median | min | max | processor time, median", rows)
    text += f"\nRatio of medians: **{ratio:.1f}** (bound {FASTER_THAN_DATASETS:g}; of processor times "
    text += f"{ratio_of_medians(wide, ours, 'cpu'):.1f}), {less:.1f} for rows without tokens and tags.\n\n"
    return text, [f"{ratio:.2f} times as fast as datasets"] if ratio < FASTER_THAN_DATASETS else []


def against_allennlp(arguments: argparse.Namespace, folder: Path) -> Result:
    file, columns = str(arguments.data / MSRA), folder / "four_columns.txt"
    four_columns(file, columns)
    runs = in_turn(
        arguments.repeats,
        {
            "ours to instances": lambda: measure("ours_to_instances", file),
            "AllenNLP's conll2003": lambda: measure("allennlp_to_instances", str(columns)),
        },
    )
    ours, stock = runs.values()
    ratio = ratio_of_medians(stock, ours)
    rows = [
        spread_row("ours, `msra` to Instances, from .gz", ours),
        spread_row("AllenNLP's `conll2003`, from four columns", stock),
    ]
    text = table("side | median | min | max | processor time, median", rows)
    text += f"\nRatio of medians: **{ratio:.2f}** (bound {FASTER_THAN_ALLENNLP:g}; of processor times "
    text += f"{ratio_of_medians(stock, ours, 'cpu'):.2f}).\n\n"
    return text, [f"{ratio:.2f} times as fast as conll2003"] if ratio < FASTER_THAN_ALLENNLP else []


def memory(arguments: argparse.Namespace, folder: Path) -> Result:
    rows, broken = [], []
    for name, reader, own in STREAMS:
        path = folder / name
        write(path, arguments.megabytes, as_json=reader == "cluener", tokens_of_their_own=own)
        run = measure("memory_of_stream", str(path), reader)
        path.unlink()
        print(f"{name:24s}{run['seconds']:7.2f} s, {run['above']:.0f} MB above {run['process'] - run['above']:.0f}")
        if run["above"] >= MEGABYTES:
            broken.append(f"{run['above']:.0f} MB to read {name}")
        peaks = (f"{run['process']:.0f} MB", f"**{run['above']:.0f} MB**")
        which = ", a unique token in each sentence" if own else ""
        rows.append((f"`{name}` by `{reader}`{which}", f"{run['sentences']:,}", *peaks, f"{run['seconds']:.0f} s"))
    text = f"Memory while reading a generated file of {arguments.megabytes:,} MB (before compression) as a stream:\n\n"
    text += table("file | sentences | peak of the process | above the imports | seconds", rows)
    return f"{text}\nBound {MEGABYTES} MB above the imports, which are AllenNLP and torch.\n\n", broken


def corpora(arguments: argparse.Namespace) -> Result:
    rows, broken = [], []
    for name, (reader, splits) in CORPORA.items():
        if not (arguments.data / name).exists():
            continue
        runs = [measure("corpus_to_instances", str(arguments.data / name), reader, splits) for _ in range(3)]
        print(f"{name:24s}{statistics.median(seconds_of(runs)):7.2f} s")
        row = (f"`{name}` ({splits.replace(' ', ', ')}) by `{reader}`", f"{runs[0]['sentences']:,}")
        rows.append((*row, *spread_row("", runs)[1:]))
        if max(seconds_of(runs)) > SECONDS:
            broken.append(f"{max(seconds_of(runs)):.1f} s to read {name}")
    text = "Reading all splits of each corpus into Instances (3 repeats, one process):\n\n"
    text += table("corpus | sentences | median | min | max | processor time, median", rows)
    return f"{text}\nBound {SECONDS} s each.\n", broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of the corpora")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the generated files")
    parser.add_argument("--peer-python", default=str(ROOT / ".venv-readers/bin/python"))
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    arguments = parser.parse_args()
    if not Path(arguments.peer_python).exists():
        sys.exit(f"{arguments.peer_python}: not found; `make .venv-readers/.ready` creates it")
    if not (arguments.data / MSRA).exists():
        sys.exit(f"{arguments.data / MSRA}: not found; --data names the folder of the corpora")
    command = f"`python benchmarks/readers.py --repeats {arguments.repeats} --megabytes {arguments.megabytes}`"
    head = f"{command}. {machine()}; {versions('allennlp', 'allennlp-models', 'torch')}.\n\n"
    with tempfile.TemporaryDirectory() as folder:
        parts = [
            against_datasets(arguments),
            against_allennlp(arguments, Path(folder)),
            memory(arguments, Path(folder)),
            corpora(arguments),
        ]
    text = head + "".join(part for part, _ in parts)
    broken = [bound for _, found in parts for bound in found]
    print(f"\n{text}")
    replace_section(arguments.results, "Reading", text)
    sys.exit(f"bounds missed: {'; '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
