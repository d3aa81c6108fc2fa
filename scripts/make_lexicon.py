"""
Generate the bundled lexicon `fixtures/lexicon/`: words of the sample made by `scripts/make_sample.py`, and vectors of
words and characters. As in real vectors, words of one kind are close to each other.

The words are those of the word lists in `sample_names.json` and the wordings in `sample_frames.txt`, all written for
this project. The vector of a word is the mean of one random point per list that has the word, plus noise; the vector
of a character comes from the words that contain it. The only randomness is a seeded `random.Random`.

    python scripts/make_lexicon.py                      # rewrites fixtures/lexicon/
    python scripts/make_lexicon.py --output-dir DIR
"""

import argparse
import json
import random
import re
import struct
from pathlib import Path
from typing import Optional

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
SEED = 20240301
WIDTH = 16
NOISE = 0.35
"""Standard deviation of a vector around the point of its list; that of the points is 1."""
WORDING = re.compile(r"(?<=[\[|])[\u4e00-\u9fff]{2,4}(?=[|\]])")

Vector = list[float]


def word_lists() -> dict[str, list[str]]:
    """The words by list: names, and wordings of the frames."""
    names = json.loads((HERE / "sample_names.json").read_text(encoding="utf-8"))
    parts = ("closed", "open")
    lists = {f"{part}.{key}": " ".join(lines).split() for part in parts for key, lines in names[part].items()}
    frames = (HERE / "sample_frames.txt").read_text(encoding="utf-8").split("\n")
    lists["frames"] = [word for line in frames if not line.startswith("#") for word in WORDING.findall(line)]
    return {key: list(dict.fromkeys(words)) for key, words in lists.items()}


def sample_characters() -> list[str]:
    """All characters of the sample, the most frequent first."""
    counts: dict[str, int] = {}
    for split in ("train", "dev", "test"):
        for line in (FIXTURES / "sample" / f"{split}.json").read_text(encoding="utf-8").splitlines():
            for character in json.loads(line)["text"]:
                counts[character] = counts.get(character, 0) + 1
    return sorted((c for c in counts if not c.isspace()), key=lambda character: (-counts[character], character))


def mean(points: list[Vector]) -> Vector:
    """The mean of vectors; 0 if there are none."""
    return [sum(point[i] for point in points) / max(len(points), 1) for i in range(WIDTH)]


def rounded(vector: Vector, rng: random.Random) -> Vector:
    """A vector with noise added, rounded to the digits that are written."""
    return [round(number + rng.gauss(0.0, NOISE), 2) for number in vector]


def compose() -> dict[str, dict[str, Vector]]:
    """`words` and `characters` with their vectors."""
    rng = random.Random(SEED)
    lists = word_lists()
    points = {key: [rng.gauss(0.0, 1.0) for _ in range(WIDTH)] for key in lists}
    of_word: dict[str, list[Vector]] = {}
    of_character: dict[str, list[Vector]] = {}
    for key, words in lists.items():
        for word in words:
            of_word.setdefault(word, []).append(points[key])
            for character in word:
                of_character.setdefault(character, []).append(points[key])
    words = {word: rounded(mean(near), rng) for word, near in of_word.items() if len(word) > 1}
    characters = {c: rounded(mean(of_character.get(c, [])), rng) for c in sample_characters()}
    return {"words": words, "characters": characters}


def text_format(vectors: dict[str, Vector]) -> str:
    """Word2vec's text format."""
    lines = [f"{word} {' '.join(f'{number:g}' for number in vector)}\n" for word, vector in vectors.items()]
    return f"{len(vectors)} {WIDTH}\n{''.join(lines)}"


def binary_format(vectors: dict[str, Vector], line_feeds: bool) -> bytes:
    """Word2vec's binary format, with or without a line feed after each vector."""
    parts = [f"{len(vectors)} {WIDTH}\n".encode()]
    for word, vector in vectors.items():
        parts.append(word.encode() + b" " + struct.pack(f"<{WIDTH}f", *vector) + b"\n" * line_feeds)
    return b"".join(parts)


def write(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = compose()
    words = vectors["words"]
    (folder / "words.txt").write_bytes("".join(f"{word}\n" for word in words).encode())
    (folder / "words.vec").write_bytes(text_format(words).encode())
    (folder / "words.bin").write_bytes(binary_format(words, line_feeds=True))
    (folder / "characters.vec").write_bytes(text_format(vectors["characters"]).encode())
    print(f"{len(words)} words, {len(vectors['characters'])} characters, {WIDTH} numbers each")


def main(arguments: Optional[list[str]] = None) -> None:
    """Compose and write."""
    parser = argparse.ArgumentParser(description="Generate the bundled lexicon.")
    parser.add_argument("--output-dir", type=Path, default=FIXTURES / "lexicon")
    write(parser.parse_args(arguments).output_dir)


if __name__ == "__main__":
    main()
