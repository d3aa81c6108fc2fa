"""
Compose the bundled sample: sentences in CLUENER's format, from the frames in `sample_frames.txt` and the word lists
and name grammar in `sample_names.json`, all written for this project.

The output is the same on every Python from 3.10: the only randomness is a seeded `random.Random`.

    python scripts/make_sample.py                      # rewrites fixtures/sample/
    python scripts/make_sample.py --output-dir DIR
"""

import argparse
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Iterator, Optional

HERE = Path(__file__).resolve().parent
TYPES = ("address", "book", "company", "game", "government", "movie", "name", "organization", "position", "scene")
SEED = 20240229
SIZES = {"train": 2400, "dev": 400, "test": 100}
MAX_LENGTH = 90
POOL_SIZE = 400
HELD_OUT_EVERY = 5
"""One in this many words of each open list is held out of train."""
NOVEL_SURFACE = 0.5
"""Probability that a labelled slot outside train gets a surface that train lacks."""
NOVEL_WORD = 0.45
"""Probability that a word of such a surface is a held-out one."""

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{([a-z]*)(?:=([a-z0-9_]+))?(?:#([a-z]))?\}")
SYMBOL = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass
class Sample:
    """A composed text and its entities, each `(start, end, type)` with `end` exclusive."""

    text: str
    entities: list[tuple[int, int, str]] = field(default_factory=list)

    def surfaces(self) -> list[tuple[str, str]]:
        """`(type, surface)` of every mention, in order."""
        return [(kind, self.text[start:end]) for start, end, kind in self.entities]

    def joined(self, other: "Sample") -> "Sample":
        """This text followed by `other`."""
        shift = len(self.text)
        moved = [(start + shift, end + shift, kind) for start, end, kind in other.entities]
        return Sample(self.text + other.text, self.entities + moved)

    def as_record(self) -> dict[str, Any]:
        """The layout of CLUENER2020: `{type: {surface: [[start, last], ...]}}`, the last character included."""
        label: dict[str, dict[str, list[list[int]]]] = {}
        for start, end, kind in sorted(self.entities, key=lambda entity: (entity[2], entity[0])):
            label.setdefault(kind, {}).setdefault(self.text[start:end], []).append([start, end - 1])
        return {"text": self.text, "label": label}


class Names:
    """
    The name grammar. A symbol is a closed word list, an open word list with words held out of train, or a set of
    weighted productions over other symbols.
    """

    def __init__(self, path: Path, rng: random.Random) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.closed = {symbol: " ".join(lines).split() for symbol, lines in content["closed"].items()}
        self.open = {symbol: " ".join(lines).split() for symbol, lines in content["open"].items()}
        self.grammar: dict[str, dict[str, int]] = content["grammar"]
        self.rng = rng
        self.pools: dict[tuple[str, bool], list[str]] = {}
        self.used: dict[str, list[str]] = {}
        """The surfaces that train has used, by symbol, in order of first use."""
        self.train_surfaces: set[str] = set()

    def expand(self, symbol: str, novel: bool = False) -> str:
        """A string of `symbol`; `novel` allows held-out words."""
        if symbol in self.grammar:
            productions = self.grammar[symbol]
            production = self.rng.choices(list(productions), weights=list(productions.values()))[0]
            return SYMBOL.sub(lambda match: self.expand(match[1], novel), production)
        if symbol in self.closed:
            return self.rng.choice(self.closed[symbol])
        words = self.open[symbol]
        held_out = novel and self.rng.random() < NOVEL_WORD
        return self.rng.choice(
            [word for i, word in enumerate(words) if (i % HELD_OUT_EVERY == HELD_OUT_EVERY - 2) == held_out]
        )

    def pool(self, symbol: str, novel: bool) -> list[str]:
        """The distinct surfaces to draw from; the novel pool has none that train uses with any type."""
        if (symbol, novel) not in self.pools:
            drawn = dict.fromkeys(self.expand(symbol, novel) for _ in range(2 * POOL_SIZE))
            kept = [surface for surface in drawn if not (novel and surface in self.train_surfaces)]
            self.pools[symbol, novel] = kept[:POOL_SIZE]
        return self.pools[symbol, novel]

    def surface(self, symbol: str, split: str) -> str:
        """A surface for a labelled slot of `split`."""
        if split == "train":
            return self.rng.choice(self.pool(symbol, novel=False))
        novel = self.pool(symbol, novel=True)
        seen = self.used.get(symbol, [])
        if novel and (not seen or self.rng.random() < NOVEL_SURFACE):
            return self.rng.choice(novel)
        return self.rng.choice(seen)

    def note(self, symbol: str, surface: str) -> None:
        """Record that train uses `surface`."""
        used = self.used.setdefault(symbol, [])
        if surface not in used:
            used.append(surface)
        self.train_surfaces.add(surface)


class Composer:
    """Turns frames into distinct sentences."""

    def __init__(self, names: Names, frames: list[str], rng: random.Random) -> None:
        self.names = names
        self.frames = frames
        self.rng = rng
        self.texts: set[str] = set()

    def fill(self, frame: str, split: str) -> tuple[Sample, list[tuple[str, str]]]:
        """A sentence of `frame`, and the `(symbol, surface)` pairs of its labelled slots."""
        wording = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), frame.lstrip("!"))
        sample, position = Sample(""), 0
        bound: dict[str, str] = {}
        drawn: list[tuple[str, str]] = []
        for slot in SLOT.finditer(wording):
            sample.text += wording[position : slot.start()]
            position = slot.end()
            kind, symbol, key = slot[1], slot[2] or slot[1], slot[3]
            if key in bound:
                surface = bound[key]
            elif not kind:
                surface = self.names.expand(symbol, novel=split != "train")
            else:
                surface = self.new_surface(symbol, split, [surface for _, surface in drawn])
                drawn.append((symbol, surface))
            if key:
                bound[key] = surface
            if kind:
                sample.entities.append((len(sample.text), len(sample.text) + len(surface), kind))
            sample.text += surface
        sample.text += wording[position:]
        return sample, drawn

    def new_surface(self, symbol: str, split: str, taken: list[str]) -> str:
        """A surface that is new in the sentence."""
        while True:
            surface = self.names.surface(symbol, split)
            if surface not in taken:
                return surface

    def sentence(self, frame: str, frames: list[str], split: str) -> Optional[Sample]:
        """A new sentence of `frame`, sometimes followed by a second one; `None` if none was found."""
        for _ in range(30):
            sample, drawn = self.fill(frame, split)
            chance = self.rng.random()
            if sample.text[-1] in "。！？" and chance < 0.08:
                second, more = self.fill(self.rng.choice(frames), split)
                sample, drawn = sample.joined(second), drawn + more
            elif sample.text.endswith("。") and chance > 0.85:
                sample.text = sample.text[:-1]
            if sample.text not in self.texts and len(sample.text) <= MAX_LENGTH:
                self.texts.add(sample.text)
                if split == "train":
                    for symbol, surface in drawn:
                        self.names.note(symbol, surface)
                return sample
        return None

    def compose(self, split: str, count: int) -> list[Sample]:
        """`count` sentences, spread evenly over the frames of the split except for chance and duplicates."""
        frames = [frame for frame in self.frames if split != "train" or not frame.startswith("!")]
        samples: list[Sample] = []
        while len(samples) < count:
            self.rng.shuffle(frames)
            made = (self.sentence(frame, frames, split) for frame in list(frames))
            samples.extend(sample for sample in made if sample is not None)
        return samples[:count]


def read_frames(path: Path) -> list[str]:
    """The frames of the file, checked for known types and unmatched braces or brackets."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").split("\n"))
    frames = [line for line in lines if line and not line.startswith("#")]
    for frame in frames:
        assert not set("{}[]") & set(SLOT.sub("", CHOICE.sub(lambda match: match[1], frame))), frame
        assert all(slot[1] in ("", *TYPES) for slot in SLOT.finditer(frame)), frame
    assert len(frames) == len(set(frames)), "a frame is repeated"
    return frames


def compose_all() -> tuple[list[str], dict[str, list[Sample]]]:
    """The frames, and the sentences of every split."""
    rng = random.Random(SEED)
    frames = read_frames(HERE / "sample_frames.txt")
    composer = Composer(Names(HERE / "sample_names.json", rng), frames, rng)
    return frames, {split: composer.compose(split, count) for split, count in SIZES.items()}


def unseen(train: list[Sample], dev: list[Sample]) -> tuple[float, float]:
    """The shares of dev's distinct surfaces and of its mentions that train never labels, with any type."""
    known = {surface for sample in train for _, surface in sample.surfaces()}
    mentions = [surface for sample in dev for _, surface in sample.surfaces()]
    distinct = set(mentions)
    return len(distinct - known) / len(distinct), sum(surface not in known for surface in mentions) / len(mentions)


def check(splits: dict[str, list[Sample]]) -> None:
    """Assert the properties stated in `fixtures/sample/README.md`."""
    texts = [sample.text for samples in splits.values() for sample in samples]
    assert len(texts) == len(set(texts)), "a sentence is repeated"
    for split in ("train", "dev"):
        samples = splits[split]
        assert {kind for sample in samples for kind, _ in sample.surfaces()} == set(TYPES), split
        assert any(not sample.entities for sample in samples), f"{split}: every sentence has entities"
        assert any(len(surface) > 10 for sample in samples for _, surface in sample.surfaces()), f"{split}: none long"
        for sample in samples:
            spans = sorted(sample.entities)
            assert all(left[1] <= right[0] for left, right in pairwise(spans)), sample
    assert min(unseen(splits["train"], splits["dev"])) >= 1 / 3, "too few unseen surfaces in dev"


def summary(frames: list[str], splits: dict[str, list[Sample]]) -> Iterator[str]:
    """The lines of a table of statistics."""
    dev_only = sum(frame.startswith("!") for frame in frames)
    yield f"{len(frames)} frames, {dev_only} of them not in train"
    yield f"{'':<22}" + "".join(f"{split:>9}" for split in splits)
    counts = {split: Counter(kind for s in samples for kind, _ in s.surfaces()) for split, samples in splits.items()}
    rows: dict[str, list[object]] = {"sentences": [len(samples) for samples in splits.values()]}
    rows["without entities"] = [sum(not s.entities for s in samples) for samples in splits.values()]
    lengths = [sorted(len(s.text) for s in samples) for samples in splits.values()]
    for percent in (0, 25, 50, 75, 95, 100):
        rows[f"length, {percent}%"] = [values[(len(values) - 1) * percent // 100] for values in lengths]
    rows["entities"] = [sum(counts[split].values()) for split in splits]
    for kind in TYPES:
        rows[f"  {kind}"] = [counts[split][kind] for split in splits]
    shares = [unseen(splits["train"], samples) for samples in splits.values()]
    rows["unseen surfaces"] = [f"{surfaces:.1%}" for surfaces, _ in shares]
    rows["unseen mentions"] = [f"{mentions:.1%}" for _, mentions in shares]
    for row, values in rows.items():
        yield f"{row:<22}" + "".join(f"{value!s:>9}" for value in values)


def write(splits: dict[str, list[Sample]], folder: Path) -> None:
    """Write `train.json`, `dev.json` and an unlabelled `test.json`, with one JSON object per line."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, samples in splits.items():
        records = [sample.as_record() for sample in samples]
        if split == "test":
            records = [{"id": i, "text": sample.text} for i, sample in enumerate(samples)]
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / f"{split}.json").write_bytes(lines.encode("utf-8"))


def main(arguments: Optional[list[str]] = None) -> None:
    """Compose, check, write, and print the summary."""
    parser = argparse.ArgumentParser(description="Compose the bundled sample.")
    parser.add_argument("--output-dir", type=Path, default=HERE.parent / "fixtures" / "sample")
    options = parser.parse_args(arguments)
    frames, splits = compose_all()
    check(splits)
    write(splits, options.output_dir)
    print("\n".join(summary(frames, splits)))


if __name__ == "__main__":
    main()
