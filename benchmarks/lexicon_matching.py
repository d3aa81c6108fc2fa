"""
Lexicon matching: sentences per second and memory, against tries and dictionaries in plain Python.

CLUENER's training sentences are matched against jieba's dictionary: all its words, and those of at least two
characters, the default of a lattice. Every measurement runs in a separate process on one core. The sides alternate, and
digests of their matches are compared.

- ours: `WordLexicon.match`, Aho-Corasick by pyahocorasick over the bytes of UTF-16
- pyahocorasick over characters, its default
- a trie of nested dicts, walked from every character, as in the code of FLAT and Lattice LSTM
- a dict of words, queried with every substring up to the length of the longest word

Times are processor times of one pass over all sentences, the median of `--passes` in a process. Memory is the peak of
building and using lexicon and matcher, above the imports.

The section "Lexicon" of the results file is replaced.

    python benchmarks/lexicon_matching.py [--repeats 3] [--passes 3] [--data DIR] [--results FILE]
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from reading import forget_peak, peak_megabytes, resident_megabytes
from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared/data"
SENTENCES, WORDS = "cluener2020/train.json.gz", "lexicon/jieba-0.42.1.dict.txt.gz"
PER_SECOND, MEGABYTES = 20_000, 400

Match = tuple[int, int, int]
Matcher = Callable[[str], list[Match]]


# The sides.


def characters(words: Sequence[str]) -> Matcher:
    import ahocorasick

    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for place, word in enumerate(words):
        automaton.add_word(word, place)
    automaton.make_automaton()
    lengths = [len(word) for word in words]
    return lambda text: sorted([(end + 1 - lengths[word], end + 1, word) for end, word in automaton.iter(text)])


def trie(words: Sequence[str]) -> Matcher:
    root: dict = {}
    for place, word in enumerate(words):
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[None] = place

    def match(text: str) -> list[Match]:
        found = []
        for start in range(len(text)):
            node = root
            for end, character in enumerate(text[start:], start + 1):
                node = node.get(character)
                if node is None:
                    break
                if None in node:
                    found.append((start, end, node[None]))
        return found

    return match


def dictionary(words: Sequence[str]) -> Matcher:
    places = {word: place for place, word in enumerate(words)}
    longest = max(map(len, words))

    def match(text: str) -> list[Match]:
        found = []
        for start in range(len(text)):
            for end in range(start + 1, min(len(text), start + longest) + 1):
                place = places.get(text[start:end])
                if place is not None:
                    found.append((start, end, place))
        return found

    return match


PEERS = {
    "pyahocorasick over characters": characters,
    "trie of nested dicts": trie,
    "dict of words": dictionary,
}
OURS = "ours, `WordLexicon`"


def measure_here(side: str, min_length: int, passes: int, data: Path) -> dict:
    """One measurement, in a fresh process."""
    import ner_plugins  # noqa: F401  (before allennlp)
    from ner_plugins.lexicon import WordLexicon

    with gzip.open(data / SENTENCES, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    before = resident_megabytes()
    forget_peak()
    began = time.process_time()
    lexicon = WordLexicon(str(data / WORDS), min_length=min_length)
    match = lexicon.match if side == OURS else PEERS[side](lexicon.words)
    match("")  # ours is built by the first call
    made = time.process_time() - began
    seconds = []
    for _ in range(passes):
        began = time.process_time()
        for text in texts:
            match(text)
        seconds.append(time.process_time() - began)
    above = peak_megabytes() - before
    checksum = matches = 0
    for text in texts:
        found = match(lexicon.normalize(text))
        matches += len(found)
        checksum = zlib.crc32(repr(found).encode(), checksum)
    speed = len(texts) / statistics.median(seconds)
    found = {"sentences": len(texts), "words": len(lexicon), "matches": matches, "checksum": checksum}
    return {"speed": speed, "made": made, "above": above, "found": found}


def measure(side: str, min_length: int, arguments: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--side", side, "--min-length", str(min_length)]
    command += ["--passes", str(arguments.passes), "--data", str(arguments.data)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-3000:]}")
    run: dict = json.loads(done.stdout.splitlines()[-1])
    print(f"{side:32s}{run['speed']:9,.0f} sentences/s {run['above']:7.0f} MB", flush=True)
    return run


def compare(min_length: int, arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """A table of all sides, and the bounds that were missed."""
    runs: dict[str, list[dict]] = {side: [] for side in (OURS, *PEERS)}
    for _ in range(arguments.repeats):
        for side, measured in runs.items():
            measured.append(measure(side, min_length, arguments))
    found = [run["found"] for measured in runs.values() for run in measured]
    if any(other != found[0] for other in found):
        sys.exit(f"the sides have different matches: {found}")
    speeds = {side: [run["speed"] for run in measured] for side, measured in runs.items()}
    rows = []
    for side, measured in runs.items():
        speed = [f"{f(speeds[side]):,.0f}" for f in (statistics.median, min, max)]
        made = statistics.median(run["made"] for run in measured)
        rows.append((side, *speed, f"{made:.1f} s", f"{max(run['above'] for run in measured):.0f} MB"))
    ours, above = statistics.median(speeds[OURS]), max(run["above"] for run in runs[OURS])
    text = "{words:,} words, {matches:,} matches in {sentences:,} sentences:\n\n".format(**found[0])
    text += table("side | sentences per second, median | min | max | read and built in | memory", rows)
    ratios = [f"**{ours / statistics.median(speeds[side]):.1f}** to {side}" for side in PEERS]
    text += f"\nRatios of medians, ours to the others: {', '.join(ratios)}.\n\n"
    broken = [f"{ours:,.0f} sentences per second"] * (ours < PER_SECOND)
    return text, broken + [f"{above:.0f} MB"] * (above > MEGABYTES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the corpora and the dictionary")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--min-length", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure_here(arguments.side, arguments.min_length, arguments.passes, arguments.data)))
        return
    for file in (SENTENCES, WORDS):
        if not (arguments.data / file).exists():
            sys.exit(f"{arguments.data / file}: not found; --data names the folder of the corpora")
    options = f"--repeats {arguments.repeats} --passes {arguments.passes}"
    text = f"`python benchmarks/lexicon_matching.py {options}`, one core, each measurement in a separate process. "
    text += f"{machine()}; {versions('pyahocorasick')}.\n\n"
    broken = []
    for min_length in (1, 2):
        part, bounds = compare(min_length, arguments)
        text, broken = text + part, broken + bounds
    text += f"Bounds for ours: {PER_SECOND:,} sentences per second, {MEGABYTES} MB.\n"
    print(f"\n{text}")
    replace_section(arguments.results, "Lexicon", text)
    sys.exit(f"bounds missed: {'; '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
