"""
Weibo, Resume and KMOU: dev F1 of every head over one encoder, and test F1 where there is a test file.

    python benchmarks/corpora.py weibo|resume|kmou [--data DIR] [--encoder DIR] [--seeds 1 2 3] [--epochs N]

Resumable, like `cluener.py`. KMOU has no test file; `--sentences` trains every head on the same random sample of that
many sentences.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from training_runs import ALLENNLP, HEADS, ROOT, SHARED, Corpus, add_arguments, run_all, runs_of, table

EPOCHS = {"weibo": 5, "resume": 2, "kmou": 2}
FILES = {"weibo": "weibo", "resume": "resume", "kmou": "kmou/kmou_ner.tar.gz"}
ENCODER = SHARED / "encoders/bge-small-zh-v1.5-int8deq"


def corpus_of(arguments: argparse.Namespace) -> Corpus:
    name, data = arguments.corpus, arguments.data
    test = None if name == "kmou" else f"{data}#test"
    reader = "cluener" if arguments.sentences else name
    if arguments.subwords:
        tokenizer = {"type": "ner_subwords", "model_name": arguments.encoder}
        reader = json.dumps({"type": reader, "tokenizer": tokenizer})
    if arguments.sentences is None:
        return Corpus(name, reader, f"{data}#train", f"{data}#dev", test)
    folder = arguments.runs / "data"
    folder.mkdir(parents=True, exist_ok=True)
    files = {"train": folder / f"train_{arguments.sentences}.json", "dev": folder / "dev.json"}
    drawn = {"train": ["sample", "-n", str(arguments.sentences), "--seed", "1"], "dev": ["convert"]}
    for split, (action, *options) in drawn.items():
        if not files[split].exists():
            command = [ALLENNLP, "ner-data", action, f"{data}#{split}", str(files[split]), "--to", "cluener", *options]
            subprocess.run(command, cwd=ROOT, check=True)
    return Corpus(f"{name}, {arguments.sentences} sentences", reader, *map(str, files.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=sorted(FILES))
    parser.add_argument("--data", help="folder or archive of the corpus")
    parser.add_argument("--sentences", type=int, help="size of the training sample (default: all)")
    parser.add_argument("--subwords", action="store_true", help="use the encoder's pieces as tokens")
    parser.add_argument("--runs", type=Path)
    add_arguments(parser, str(ENCODER), 0, list(HEADS))
    arguments = parser.parse_args()
    arguments.data = arguments.data or str(SHARED / "data" / FILES[arguments.corpus])
    arguments.epochs = arguments.epochs or EPOCHS[arguments.corpus]
    folder = arguments.corpus + ("-subwords" if arguments.subwords else "")
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs" / folder
    for path in (arguments.data, arguments.encoder):
        if not (ROOT / path).exists():
            sys.exit(f"{path}: not found; name the corpus with --data and a pretrained encoder with --encoder")
    corpus = corpus_of(arguments)
    results = run_all(corpus, runs_of(corpus, HEADS, arguments), arguments.runs, arguments.minutes)
    print(f"\n{table(results, list(HEADS))}")


if __name__ == "__main__":
    main()
