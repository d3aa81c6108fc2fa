"""
The measurements of `benchmarks/readers.py`, each in a separate process that prints times, counts and a digest as JSON.

The peer's side runs in the peer's environment, so this module imports only the standard library.

    python benchmarks/reading.py NAME ARGUMENT …
"""

import gzip
import hashlib
import importlib
import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Spans = list[tuple[int, int, str]]


class Clock:
    """Wall-clock and processor seconds since creation; other processes disturb the latter less."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def read(self) -> dict:
        return {"seconds": time.perf_counter() - self._started[0], "cpu": time.process_time() - self._started[1]}


def digest(records: Iterable[tuple[str, Spans]]) -> dict:
    """Counts and a checksum of texts and their entities."""
    found, entities, checksum = 0, 0, hashlib.sha256()
    for text, spans in records:
        found, entities = found + 1, entities + len(spans)
        checksum.update(repr((text, sorted(spans))).encode())
    return {"sentences": found, "entities": entities, "digest": checksum.hexdigest()[:16]}


def our_reader(name: str):
    sys.path.insert(0, str(ROOT))
    importlib.import_module("ner_plugins.dataset_readers")
    from allennlp.data import DatasetReader

    return DatasetReader.by_name(name)()


def ours_to_sentences(file: str) -> dict:
    reader = our_reader("msra")
    clock = Clock()
    sentences = list(reader.sentences(file))
    return {**clock.read(), **digest((s.text, [(e.start, e.end, e.type) for e in s.entities]) for s in sentences)}


def plain_rows(file: str, wide: bool) -> Iterator[dict]:
    """A parser like those of dataset scripts: `char<TAB>tag`, BIO without illegal tags."""
    tokens: list[str] = []
    tags: list[str] = []

    def row() -> dict:
        entities: list[dict] = []
        for index, tag in enumerate(tags):
            if tag[0] == "B":
                entities.append({"start": index, "end": index + 1, "type": tag[2:]})
            elif tag[0] == "I":
                entities[-1]["end"] = index + 1
        more = {"tokens": tokens, "tags": tags} if wide else {}
        return {"text": "".join(tokens), "entities": entities, **more}

    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line == "\n":
                yield row()
                tokens, tags = [], []
            else:
                token, tag = line.rstrip("\n").split("\t")
                tokens.append(token)
                tags.append(tag)


def datasets_build(file: str, wide: bool) -> dict:
    import datasets

    text = datasets.Value("string")
    number = datasets.Value("int32")
    columns = {"text": text, "entities": [{"start": number, "end": number, "type": text}]}
    if wide:
        columns |= {"tokens": [text], "tags": [text]}
    with tempfile.TemporaryDirectory() as cache:
        clock = Clock()
        built = datasets.Dataset.from_generator(
            plain_rows,
            features=datasets.Features(columns),
            cache_dir=cache,
            gen_kwargs={"file": file, "wide": wide},
        )
        taken = clock.read()
        rows = ((row["text"], [(e["start"], e["end"], e["type"]) for e in row["entities"]]) for row in built)
        return {**taken, **digest(rows), "versions": f"datasets {datasets.__version__}"}


def ours_to_instances(file: str) -> dict:
    reader = our_reader("msra")
    clock = Clock()
    instances = list(reader.read(file))
    taken = clock.read()
    gold = (instance["metadata"].metadata for instance in instances)
    return {
        **taken,
        **digest((m["text"], [(e["start"], e["end"], e["type"]) for e in m["entities"]]) for m in gold),
    }


def allennlp_to_instances(file: str) -> dict:
    sys.path.insert(0, str(ROOT))
    importlib.import_module("ner_plugins")  # AllenNLP's side needs its stand-ins
    importlib.import_module("allennlp_models.tagging")
    from allennlp.data import DatasetReader

    reader = DatasetReader.by_name("conll2003")()
    clock = Clock()
    instances = list(reader.read(file))
    taken = clock.read()

    def records() -> Iterator[tuple[str, Spans]]:
        for instance in instances:
            spans: list[list] = []
            for index, tag in enumerate(instance["tags"].labels):
                if tag[0] == "B":
                    spans.append([index, index + 1, tag[2:]])
                elif tag[0] == "I":
                    spans[-1][1] = index + 1
            yield "".join(token.text for token in instance["tokens"].tokens), [tuple(span) for span in spans]

    return {**taken, **digest(records())}


def corpus_to_instances(path: str, name: str, splits: str) -> dict:
    reader = our_reader(name)
    clock = Clock()
    sentences = sum(1 for split in splits.split() for _ in reader.read(f"{path}#{split}"))
    return {**clock.read(), "sentences": sentences}


def memory_of_stream(file: str, name: str) -> dict:
    """Peak megabytes while a file is read as a stream: of the process, and above its imports."""
    reader = our_reader(name)
    peak = peak_megabytes()
    before = resident_megabytes()
    forget_peak()
    clock = Clock()
    sentences = sum(1 for _ in reader.sentences(file))
    taken = clock.read()
    reading = peak_megabytes()
    return {**taken, "sentences": sentences, "process": max(peak, reading), "above": reading - before}


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def resident_megabytes() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_megabytes()
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
    return int(found[1]) / 1024 if found else peak_megabytes()


def forget_peak() -> None:
    """Reset the peak on Linux. Elsewhere the peak of the imports may hide a part of the reader's."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


CHILDREN: dict[str, Callable[..., dict]] = {
    "ours_to_sentences": ours_to_sentences,
    "datasets_narrow": lambda file: datasets_build(file, wide=False),
    "datasets_wide": lambda file: datasets_build(file, wide=True),
    "ours_to_instances": ours_to_instances,
    "allennlp_to_instances": allennlp_to_instances,
    "corpus_to_instances": corpus_to_instances,
    "memory_of_stream": memory_of_stream,
}


if __name__ == "__main__":
    name, *values = sys.argv[1:]
    print(json.dumps(CHILDREN[name](*values)))
