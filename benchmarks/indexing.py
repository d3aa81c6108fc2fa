"""
Sentences indexed per second: our `ner_transformer` indexer against AllenNLP's `pretrained_transformer_mismatched`.

Both index CLUENER's training sentences, one token per character, with the same fast tokenizer in one thread. They run
alternately in separate processes: ours in this environment, AllenNLP's in one with Transformers 4.41, the last version
that its tokenizer supports (`make .venv-indexing/.ready` creates it). Each process indexes every sentence once with a
fresh indexer; tokens are created before the clock starts. The result is the ratio of the medians.

    python benchmarks/indexing.py [--repeats 5] [--data FILE] [--encoder DIR] [--peer-python PATH]
"""

import argparse
import gzip
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
BOUND = 20
INDEXERS = {"ours": "ner_transformer", "allennlp": "pretrained_transformer_mismatched"}


def texts_of(file: Path) -> list[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def child(side: str, file: Path, encoder: str) -> None:
    """Print the seconds to index all sentences, and the versions."""
    sys.path.insert(0, str(ROOT))
    importlib.import_module("ner_plugins")  # AllenNLP's side needs its stand-ins
    import torch
    import transformers
    from allennlp.common import Params
    from allennlp.data import Token, TokenIndexer, Vocabulary

    torch.set_num_threads(1)
    sentences = [[Token(character) for character in text] for text in texts_of(file)]
    indexer = TokenIndexer.from_params(Params({"type": INDEXERS[side], "model_name": encoder}))
    vocabulary = Vocabulary()
    started = time.perf_counter()
    pieces = 0
    for tokens in sentences:
        indices = indexer.tokens_to_indices(tokens, vocabulary)
        pieces += len(indices["piece_ids" if side == "ours" else "token_ids"])
    seconds = time.perf_counter() - started
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    print(json.dumps({"seconds": seconds, "sentences": len(sentences), "pieces": pieces, "versions": versions}))


def measure(python: str, side: str, arguments: argparse.Namespace) -> dict:
    command = [python, __file__, "--child", side, "--data", str(arguments.data), "--encoder", arguments.encoder]
    environment = {
        **os.environ,
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=SHARED / "data/cluener2020/train.json.gz")
    parser.add_argument("--encoder", default=str(SHARED / "encoders/bge-small-zh-v1.5-int8deq"))
    parser.add_argument("--peer-python", default=str(ROOT / ".venv-indexing/bin/python"))
    parser.add_argument("--child", choices=sorted(INDEXERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.data, arguments.encoder)
        return
    if not Path(arguments.peer_python).exists():
        sys.exit(f"{arguments.peer_python}: not found; `make .venv-indexing/.ready` creates it")
    from results import machine, spread

    runs: dict[str, list[dict]] = {"ours": [], "allennlp": []}
    for _ in range(arguments.repeats):
        for side, python in (("ours", sys.executable), ("allennlp", arguments.peer_python)):
            runs[side].append(measure(python, side, arguments))
            print(f"{side:9s}{runs[side][-1]['sentences'] / runs[side][-1]['seconds']:10.0f} sentences/s", flush=True)
    rates = {side: [run["sentences"] / run["seconds"] for run in found] for side, found in runs.items()}
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["allennlp"])
    print(f"\n{machine()}; {runs['ours'][0]['sentences']} sentences")
    for side, found in rates.items():
        print(f"{side} ({runs[side][0]['versions']}): {spread(found, 'sentences/s')}")
    print(f"ratio of medians: {ratio:.1f} (bound {BOUND})")
    sys.exit(ratio < BOUND)


if __name__ == "__main__":
    main()
