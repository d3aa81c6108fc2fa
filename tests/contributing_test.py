"""The examples of CONTRIBUTING.md: written into a package as they stand, trained by the command, and tested."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import documents
import pytest
import torch

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError, DataError

TEXT = documents.read(documents.CONTRIBUTING)
PACKAGE = "my_ner"
SENTENCES = ["刘晓燕去了北京\t刘晓燕\tname", "周文博到了上海\t周文博\tname", "他在南京大学读书\t南京大学\torganization"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the package, its config beside copies of ours, and data."""
    folder = tmp_path_factory.mktemp("contributing")
    (folder / PACKAGE).mkdir()
    (folder / PACKAGE / "__init__.py").touch()
    for code in documents.fences(TEXT, "python"):
        name = re.match(r"# (\w+\.py)\n", code)
        assert name is not None
        (folder / PACKAGE / name[1]).write_text(code, encoding="utf-8")
    (folder / "training_config").mkdir()
    for name, config in zip(("runs", "mine"), documents.fences(TEXT, "jsonnet"), strict=True):
        config = config.replace("import 'lib/", f"import '{documents.ROOT}/training_config/lib/")
        (folder / f"training_config/{name}.jsonnet").write_text(config, encoding="utf-8")
    (folder / "data/mine").mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        (folder / "data/mine" / name).write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    (folder / "input.txt").write_text("刘晓燕去了北京\n", encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def load(package: Path, module: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{module}")


def test_the_commands_train_with_all_four_and_predict(allennlp, package: Path) -> None:
    train, predict = documents.commands(TEXT)
    [setting, train] = train.split(" ", 1)
    overrides = {"trainer.num_epochs": 1, "trainer.cuda_device": -1}
    [name, value] = setting.split("=")
    done = allennlp(*documents.with_overrides(train, overrides), cwd=package, **{name: value})
    assert done.returncode == 0, done.stdout + done.stderr
    done = allennlp(*shlex.split(predict)[1:], cwd=package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["text"] == "刘晓燕去了北京"
    [epoch] = (package / "runs/mine/epochs.jsonl").read_text().splitlines()
    assert json.loads(epoch)["epoch"] == 0 and "training_loss" in json.loads(epoch)


def test_the_head_alone_trains_on_the_sample(allennlp, package: Path) -> None:
    overrides = {"trainer.num_epochs": 1, "trainer.cuda_device": -1, "dataset_reader.max_instances": 20}
    arguments = ["training_config/runs.jsonnet", "-s", "runs/head", "-o", json.dumps(overrides)]
    packages = ["--include-package", "ner_plugins", "--include-package", PACKAGE]
    done = allennlp("train", *arguments, *packages, cwd=package, NER_DATA=str(documents.ROOT / "fixtures/sample"))
    assert done.returncode == 0, done.stdout + done.stderr
    model = json.loads((package / "runs/head/config.json").read_text(encoding="utf-8"))["model"]
    assert (model["type"], model["head"]) == ("ner", {"type": "runs"})


def test_the_reader(package: Path) -> None:
    reader = load(package, "surfaces").SurfaceReader
    found = list(reader().sentences(str(package / "data/mine#train")))
    assert [found[2].text[e.start : e.end] for e in found[2].entities] == ["南京大学"]
    lines = (package / "data/mine/train.tsv").read_bytes()
    file_start = importlib.import_module("ner_plugins.dataset_readers.recognition").FileStart
    assert reader.sniff(file_start("train.tsv", lines)) and not reader.sniff(file_start("a", b"x\ty\n"))
    bad = package / "bad.tsv"
    bad.write_text(f"{SENTENCES[0]}\n刘晓燕\t北京\tname\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.tsv:2"):
        list(reader().sentences(str(bad)))
    assert len(list(reader(on_error="skip").sentences(str(bad)))) == 1


def test_the_loss(package: Path) -> None:
    loss = load(package, "poly").PolyLoss(epsilon=0.5)
    logits, targets = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]]), torch.tensor([1, 0])
    p = logits.softmax(-1)[[0, 1], targets]
    torch.testing.assert_close(loss.cell_losses(logits, targets), -p.log() + 0.5 * (1 - p))
    with pytest.raises(ConfigError, match=r"loss\.epsilon must be >= -1"):
        load(package, "poly").PolyLoss(epsilon=-2.0)


TYPES = ["LOC", "PER"]


def spelt(entities: list[Entity], length: int) -> list[int]:
    """The labels that spell flat entities: class 0 is outside."""
    labels = [0] * length
    for entity in resolve_overlaps(entities):
        for token in range(entity.start, entity.end):
            labels[token] = 1 + TYPES.index(entity.type)
    return labels


@pytest.mark.parametrize(
    "entities",
    [
        [],
        [Entity(0, 2, "PER"), Entity(2, 5, "LOC")],
        [Entity(0, 5, "LOC"), Entity(1, 2, "PER")],
        [Entity(0, 1, "PER"), Entity(1, 3, "PER"), Entity(4, 5, "PER")],  # the first two are one run
    ],
)
def test_the_head_decodes_what_it_can_reach(package: Path, entities: list[Entity]) -> None:
    head = load(package, "runs").RunsHead(4, TYPES)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    labels = torch.tensor([spelt(entities, 5), [0, 2, 2, 0, 0]])  # the second sentence ends within a run
    scores = torch.nn.functional.one_hot(labels, 3) * 2.0
    decoded = head.decode(scores, mask).to_entities(2)
    found = {Entity(start, end, TYPES[type_id]) for start, end, type_id, _ in decoded[0]}
    assert set(head.reachable(entities)) == found & set(entities)
    [(start, end, type_id, probability)] = decoded[1]
    of_token = scores.softmax(-1).max().item()
    assert (start, end, type_id) == (1, 2, 1) and probability == pytest.approx(of_token)
    for start, end, _, probability in decoded[0]:
        assert probability == pytest.approx(of_token ** (end - start), rel=1e-5)
    thresholds = torch.tensor([0.0, 1.0])
    assert all(type_id == 0 for row in head.decode(scores, mask, thresholds).to_entities(2) for *_, type_id, _ in row)


def test_the_loss_of_the_head_is_that_of_its_labels(package: Path) -> None:
    head = load(package, "runs").RunsHead(4, TYPES)
    torch.manual_seed(1)
    scores, mask = torch.randn(1, 4, 3), torch.tensor([[True, True, True, False]])
    entities = torch.tensor([[[0, 2, 1], [-1, -1, -1]]])
    expected = torch.nn.functional.cross_entropy(scores[0, :3], torch.tensor([2, 2, 0]))
    torch.testing.assert_close(head.loss(scores, entities, mask), expected)
