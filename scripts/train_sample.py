"""
The script of `make train`: train, evaluate and predict on the bundled sample with a user's commands.

    python scripts/train_sample.py [--epochs N] [--directory DIR]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLENNLP = str(Path(sys.executable).with_name("allennlp"))
PACKAGE = ["--include-package", "ner_plugins"]

SENTENCES = """\
昨天下午，南京大学教授周文博在《江城夜话》的首发式上与读者见面。
华宁科技有限公司总经理刘晓燕表示，新游戏《星河远征》将于下月上线。
他家住在青州市解放路128号，离玉泉山公园不远。
周末想去看电影《归途的灯》，有人一起吗？
今天天气真好，什么也不想做。
"""


def run(*arguments: str, text_in: str | None = None) -> str | None:
    """Show and run a command. With `text_in`, pipe it into the command and return its output."""
    print(f"\n$ allennlp {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [ALLENNLP, *arguments],
        cwd=ROOT,
        input=text_in,
        stdout=None if text_in is None else subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def marked(prediction: dict) -> str:
    """The text with its entities in brackets: `<刘晓燕:name 0.98>表示`."""
    pieces, place = [], 0
    for entity in prediction["entities"]:
        pieces += [prediction["text"][place : entity["start"]]]
        pieces += [f"<{entity['text']}:{entity['type']} {entity['score']:.2f}>"]
        place = entity["end"]
    return "".join([*pieces, prediction["text"][place:]])


def main() -> None:
    """Train, evaluate, predict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, help="fewer for a quick look (default: as in the config)")
    parser.add_argument("--directory", default="runs/sample", help="serialization directory, overwritten")
    arguments = parser.parse_args()
    if arguments.epochs:
        os.environ["NER_EPOCHS"] = str(arguments.epochs)
    print(
        "This demonstration trains a small model from scratch on composed sentences (fixtures/sample).\n"
        "Its scores say nothing about real text. README.md explains training on your data with a pretrained encoder."
    )
    archive = f"{arguments.directory}/model.tar.gz"
    run("train", "training_config/biaffine.jsonnet", "-s", arguments.directory, "--force", *PACKAGE)
    run("evaluate", archive, "fixtures/sample#dev", *PACKAGE)
    lines = run("predict", archive, "-", *PACKAGE, text_in=SENTENCES)
    print()
    for line in (lines or "").splitlines():
        print(marked(json.loads(line)))


if __name__ == "__main__":
    main()
