"""`model.distillation`: the loss against literal formulas, what is refused, and runs."""

import itertools
import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from allennlp.common import Params
from allennlp.models.archival import load_archive
from allennlp.training.callbacks import TrainerCallback
from killed_runs import assert_same, events, run
from staged_runs import experiment, train
from torch.distributions import Bernoulli, Categorical, kl_divergence

from ner_plugins.archives import weights as safe_load
from ner_plugins.ensembles.making import make_ensemble
from ner_plugins.ensembles.members import load_members
from ner_plugins.ensembles.packing import pack_archive
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.distributions import divergences, mean_of
from ner_plugins.heads.head import Head
from ner_plugins.models.distillation import CACHE, Distillation
from ner_plugins.models.teacher import Teacher, TokenizedText
from ner_plugins.tagger import Tagger

MASK = torch.arange(4) < torch.tensor([[4], [2]])
HEADS: dict[str, dict[str, Any]] = {
    "crf": {"type": "tags"},
    "crf_bioes": {"type": "tags", "scheme": "BIOES", "use_start_end": False},
    "softmax": {"type": "tags", "decoder": "softmax"},
    "biaffine": {"type": "biaffine", "projection": {"dim": 4}},
    "pairs": {"type": "pairs", "width_dim": 2, "max_span_width": 2},
    "global_pointer": {"type": "efficient_global_pointer", "inner_dim": 4},
    "pointer": {"type": "pointer"},
}


def made(name: str, seed: int = 3, types: Sequence[str] = ("address", "name")) -> tuple[Head, Any]:
    torch.manual_seed(seed)
    head = Head.from_params(Params({**HEADS[name]}), encoding_dim=6, types=list(types)).double().eval()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return head, torch.randn(2, 4, 6, dtype=torch.float64).masked_fill(~MASK.unsqueeze(-1), 0.0)


def marginals(head: Any, scores: torch.Tensor, sentence: int, temperature: float) -> torch.Tensor:
    """Of each token's tags, by the probability of every tagging that the scheme allows. Shape: (tokens, tags)"""
    length, tags = int(MASK[sentence].sum()), len(head.tag_set)
    allowed, crf = head.tag_set.constraints(), head.crf
    sums = torch.zeros(length, tags, dtype=torch.float64)
    for tagging in itertools.product(range(tags), repeat=length):
        if not (allowed.start[tagging[0]] and allowed.end[tagging[-1]]):
            continue
        if not all(allowed.transitions[one, other] for one, other in itertools.pairwise(tagging)):
            continue
        score = sum(scores[sentence, place, tag] for place, tag in enumerate(tagging))
        score = score + sum(crf.transitions[one, other] for one, other in itertools.pairwise(tagging))
        if crf.start_scores is not None:
            score = score + crf.start_scores[tagging[0]] + crf.end_scores[tagging[-1]]
        for place, tag in enumerate(tagging):
            sums[place, tag] = sums[place, tag] + (score / temperature).exp()
    return sums / sums.sum(-1, keepdim=True)


def literal(name: str, heads: Sequence[Any], scores: Sequence[Any], sentence: int, t: float) -> torch.Tensor:
    """KL(q || p) of a sentence at the temperature t, for teacher and student, one cell at a time."""
    length = int(MASK[sentence].sum())
    if name.startswith("crf"):
        both = [marginals(head, one, sentence, t) for head, one in zip(heads, scores, strict=True)]
        return sum(kl_divergence(*(Categorical(one[place]) for one in both)) for place in range(length))
    if name == "softmax":
        return sum(kl_divergence(*(Categorical(logits=one[sentence, i] / t) for one in scores)) for i in range(length))
    if name == "pointer":
        ends = [head.end_logits(one) for head, one in zip(heads, scores, strict=True)]
        total = torch.zeros((), dtype=torch.float64)
        for i, logits in itertools.product(range(length), ([one.start for one in scores], ends)):
            total = total + kl_divergence(*(Categorical(logits=one[sentence, i] / t) for one in logits)) / 2
        return total
    total = torch.zeros((), dtype=torch.float64)
    for i, w in span_mask(MASK, scores[0].size(2))[sentence].nonzero().tolist():
        cells = [one[sentence, i, w] for one in scores]
        if name == "global_pointer":
            of_types = kl_divergence(*(Bernoulli(logits=(one[1:] - one[0]) / t) for one in cells))
            total = total + of_types.mean()
        else:
            total = total + kl_divergence(*(Categorical(logits=one / t) for one in cells))
    return total


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("name", HEADS)
def test_the_divergence_is_that_of_the_formula(name: str, temperature: float) -> None:
    teacher, encoded = made(name, seed=1)
    student, _ = made(name, seed=2)
    scores = [head(encoded, MASK) for head in (teacher, student)]
    target = teacher.distributions(scores[0], MASK, temperature).detach()
    found = divergences(target, student.distributions(scores[1], MASK, temperature))
    expected = [literal(name, [teacher, student], scores, sentence, temperature) for sentence in (0, 1)]
    assert found.tolist() == pytest.approx([one.item() for one in expected], rel=1e-8) and found.min().item() > 0.01
    learning = [one for one in student.parameters() if one.requires_grad]
    of_found = torch.autograd.grad(found.sum(), learning, allow_unused=True, retain_graph=True)
    of_expected = torch.autograd.grad(sum(expected), learning, allow_unused=True)
    for one, other in zip(of_found, of_expected, strict=True):
        assert (one is None and other is None) or torch.allclose(one, other, atol=1e-7)


@pytest.mark.parametrize("name", HEADS)
def test_a_student_that_is_its_teacher_has_nothing_to_learn(name: str) -> None:
    head, encoded = made(name)
    target = head.distributions(head(encoded, MASK), MASK, 2.0).detach()
    found = divergences(target, head.distributions(head(encoded, MASK), MASK, 2.0))
    assert found.abs().max().item() < 1e-12
    learning = [one for one in head.parameters() if one.requires_grad]
    for gradient in torch.autograd.grad(found.sum(), learning, allow_unused=True):
        assert gradient is None or gradient.abs().max().item() < 1e-10


def test_several_teachers_are_averaged() -> None:
    logits = torch.randn(2, 3, 1, 4, dtype=torch.float64), torch.randn(2, 3, 1, 4, dtype=torch.float64)
    found = mean_of([one.log_softmax(-1) for one in logits], [3.0, 1.0]).exp()
    assert torch.allclose(found, 0.75 * logits[0].softmax(-1) + 0.25 * logits[1].softmax(-1))
    narrow = mean_of([torch.zeros(2, 3, 2, 1, 4), torch.zeros(2, 3, 3, 1, 4)])
    assert narrow.shape == (2, 3, 2, 1, 4)


# Runs.

TAGGER = {"type": "crf_tagger", "scheme": "BIOES"}
SPANS = {"type": "biaffine", "projection": {"dim": 4}, "max_span_width": 6}


def settings(model: dict[str, Any], *callbacks: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    config = experiment(*callbacks, type="ner", **{"num_epochs": 1, **trainer})
    del config["model"]["type"]
    config["model"] |= model
    config["datasets_for_vocab_creation"] = ["train"]
    return config


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("teachers")
    for name, model in {"tags": TAGGER, "spans": SPANS, "softmax": {**TAGGER, "decoder": "softmax"}}.items():
        train(settings(model), folder / name)
    return {name: folder / name / "model.tar.gz" for name in ("tags", "spans", "softmax")}


def student(teacher: object, model: dict[str, Any] = TAGGER, *callbacks: dict[str, Any], **options: Any) -> Any:
    trainer = options.pop("trainer", {})
    return settings({**model, "distillation": {"teacher": teacher, **options}}, *callbacks, **trainer)


@TrainerCallback.register("losses_for_test")
class Batches(TrainerCallback):
    """The batches of training, and the model's weights before the first."""

    seen: ClassVar[list[Any]]
    model: ClassVar[Any]

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        Batches.seen, Batches.model = [], trainer.model

    def on_batch(
        self,
        trainer: Any,
        inputs: Any,
        outputs: Any,
        metrics: Any,
        epoch: int,
        number: int,
        is_training: bool,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if is_training:
            Batches.seen += inputs


@pytest.mark.parametrize(
    "name, model",
    [("tags", TAGGER), ("spans", SPANS), ("softmax", TAGGER), ("spans", {**SPANS, "max_span_width": 9})],
)
def test_the_loss_is_mixed_with_the_gold(name: str, model: dict[str, Any], teachers: dict[str, Path], tmp_path) -> None:
    config = student(str(teachers[name]), model, {"type": "losses_for_test"}, temperature=2.0, weight=0.3)
    trained = train(config, tmp_path / "run")
    batch = next(one for one in Batches.seen if one["entities"].size(1) > 0)
    trained.train()
    for part in trained.children():  # without dropout
        part.eval()
    found = trained(**batch)
    kept, trained.distillation = trained.distillation, None
    gold = trained(**batch)
    trained.distillation = kept
    teacher: Any = load_archive(teachers[name]).model.eval()
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    with torch.no_grad():
        q = teacher.head.distributions(teacher.score(teacher.encode(batch["tokens"], mask), mask), mask, 2.0)
    p = trained.head.distributions(trained.score(trained.encode(batch["tokens"], mask), mask), mask, 2.0)
    common = tuple(slice(0, min(sizes)) for sizes in zip(q.shape, p.shape, strict=True))
    divergence = 4.0 * (q[common].exp() * (q[common] - p[common])).sum() / gold["loss_weight"]
    assert found["loss"].item() == pytest.approx((0.7 * gold["loss"] + 0.3 * divergence).item(), rel=1e-4)
    assert found["loss_weight"] == gold["loss_weight"]
    trained.eval()
    validated = trained(**batch)["loss"].item()
    assert validated == pytest.approx(gold["loss"].item(), rel=1e-5), "validation has the gold alone"


def test_the_teacher_is_no_part_of_the_student(teachers: dict[str, Path], tmp_path: Path) -> None:
    trained = train(student(str(teachers["tags"])), tmp_path / "run")
    train(settings(TAGGER), tmp_path / "plain")
    names = [set(safe_load.load(tmp_path / one / "best.th")) for one in ("run", "plain")]
    assert names[0] == names[1] == set(trained.state_dict())
    assert not [name for name, _ in trained.named_modules() if "teacher" in name or "distil" in name]
    sizes = [(tmp_path / one / "model.tar.gz").stat().st_size for one in ("run", "plain")]
    assert sizes[0] < 1.2 * sizes[1]
    assert (tmp_path / "run" / CACHE).exists()


def test_the_student_starts_as_without_a_teacher(teachers: dict[str, Path], tmp_path: Path) -> None:
    one = train(student(str(teachers["tags"]), trainer={"optimizer": {"type": "sgd", "lr": 1e-12}}), tmp_path / "run")
    other = train(settings(TAGGER, optimizer={"type": "sgd", "lr": 1e-12}), tmp_path / "plain")
    for (name, first), (_, second) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert torch.allclose(first, second, atol=1e-6), name


def test_a_student_predicts_without_its_teacher(teachers: dict[str, Path], tmp_path: Path) -> None:
    moved = tmp_path / "teacher.tar.gz"
    moved.write_bytes(teachers["tags"].read_bytes())
    train(student(str(moved)), tmp_path / "run")
    moved.unlink()
    archive = tmp_path / "run/model.tar.gz"
    assert list(Tagger.from_path(archive).tag(["阿宝去了雾港"]))
    reader: Any = load_archive(archive).dataset_reader
    assert reader is not None


def test_a_killed_run_ends_as_an_unbroken_one(teachers: dict[str, Path], tmp_path: Path) -> None:
    config = student(
        str(teachers["tags"]), trainer={"num_epochs": 2, "checkpointer": {"save_every_num_batches": 1}}
    )
    assert run(config, tmp_path / "whole")
    assert not run(config, tmp_path / "killed", kill=events(tmp_path / "whole") * 3 // 4)
    assert run(config, tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_the_cache_is_shared_and_bounded(teachers: dict[str, Path], tmp_path: Path, caplog, monkeypatch) -> None:
    cache = tmp_path / "cache.sqlite"
    train(student(str(teachers["tags"]), cache=str(cache)), tmp_path / "one")
    size = cache.stat().st_size
    calls: list[Any] = []
    predict = Distillation._predict
    monkeypatch.setattr(Distillation, "_predict", lambda self, *a: calls.append(a) or predict(self, *a))
    train(student(str(teachers["tags"]), cache=str(cache)), tmp_path / "two")
    assert cache.stat().st_size == size and calls == []
    train(student(str(teachers["tags"]), cache=str(cache), temperature=3.0), tmp_path / "three")
    assert calls and cache.stat().st_size > size, "another temperature is another output"
    calls.clear()
    train(student(str(teachers["tags"]), cache_megabytes=0), tmp_path / "four")
    assert calls and not (tmp_path / "four" / CACHE).exists()


def test_a_file_that_is_no_cache_is_named(teachers: dict[str, Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    cache.write_text("something else, long enough to be no empty file" * 50)
    with pytest.raises(Exception, match=r"cache.sqlite: cannot be used as the cache of a teacher's outputs"):
        train(student(str(teachers["tags"]), cache=str(cache)), tmp_path / "run")


def test_two_teachers_teach_together(teachers: dict[str, Path], tmp_path: Path) -> None:
    trained = train(student([str(teachers["tags"]), str(teachers["softmax"])], weight=1.0), tmp_path / "run")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["training_loss"] > 0
    folder = tmp_path / "ensemble"
    folder.mkdir()
    with ExitStack() as stack:
        members = load_members([str(teachers[name]) for name in ("tags", "softmax")], stack, -1)
        make_ensemble(members, folder, [1.0, 3.0])
        pack_archive(folder, str(tmp_path / "ensemble.tar.gz"))
    text = TokenizedText("阿宝去了雾港", [(i, i + 1) for i in range(6)])
    [one], [other], [together] = (
        Teacher(str(path), trained.head).distributions([text], torch.device("cpu"), 1.5)
        for path in (teachers["tags"], teachers["softmax"], tmp_path / "ensemble.tar.gz")
    )
    assert torch.allclose(together.exp(), (one.exp() + 3 * other.exp()) / 4, atol=1e-6)


@pytest.mark.parametrize("data_loader", [{"batch_size": 4}])
def test_sentences_without_gold_learn_from_the_teacher_alone(
    data_loader: dict[str, Any], teachers: dict[str, Path], tmp_path: Path
) -> None:
    config = student(str(teachers["tags"]), TAGGER, {"type": "losses_for_test"}, weight=0.4)
    train_path = Path(config["train_data_path"].partition("#")[0], "train.json")
    labelled = [json.loads(line) for line in train_path.read_text(encoding="utf-8").splitlines()[:14]]
    lines = [line for one in labelled for line in (one, {"text": f"{one['text']}。"})]
    file = tmp_path / "train.json"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    config["train_data_path"], config["data_loader"] = str(file), {**data_loader, "shuffle": False}
    with pytest.raises(DataError, match=r'train.json:2.*set dataset_reader.unlabelled to "mix"'):
        train(config, tmp_path / "refused")
    config["dataset_reader"] |= {"unlabelled": "mix", "max_instances": 28}
    trained = train(config, tmp_path / "run")
    trained.train()
    for part in trained.children():
        part.eval()
    batch = Batches.seen[0]
    found = trained(**batch)
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    scores = trained.score(trained.encode(batch["tokens"], mask), mask)
    gold = -trained.head.crf.log_likelihood(scores, trained.head.tag_set.targets(batch["entities"], mask), mask)
    has_gold = torch.tensor([one["entities"] is not None for one in batch["metadata"]])
    taught = trained.distillation.divergences(trained.head, scores, mask, batch["metadata"])
    expected = (0.6 * gold[has_gold].sum() + 0.4 * taught.sum()) / len(mask)
    assert 0 < int(has_gold.sum()) < len(mask)
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-5) and found["loss_weight"] == len(mask)
    trained.distillation = None
    trained.head.train()
    with pytest.raises(ConfigError, match=r"has no gold, and nothing is learnt from it: set model\.distillation"):
        trained(**batch)
    trained.eval()
    trained(**batch)
    with pytest.raises(DataError, match="evaluation needs labelled data"):
        trained.get_metrics(reset=True)


@pytest.mark.parametrize(
    "name, model, message",
    [
        ("tags", {**TAGGER, "scheme": "BIO"}, "it predicts the tags of .* BIOES, the student the tags of .* BIO$"),
        ("spans", TAGGER, "it predicts the classes of spans, the student the tags of the scheme BIOES"),
        ("tags", {"type": "efficient_global_pointer", "inner_dim": 4}, "the student each type of a span by itself"),
    ],
)
def test_a_teacher_of_something_else_is_refused(
    name: str, model: dict[str, Any], message: str, teachers: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"model.distillation.teacher: .* cannot teach this model: .*{message}"):
        train(student(str(teachers[name]), model), tmp_path / "run")


def test_a_teacher_of_other_types_is_refused(teachers: dict[str, Path], tmp_path: Path) -> None:
    config = student(str(teachers["tags"]))
    config["dataset_reader"]["entity_types"] = ["name", "address"]
    with pytest.raises(ConfigError, match="its entity types are not those of the training data"):
        train(config, tmp_path / "run")


def test_a_teacher_with_other_tokens_is_refused_before_training(teachers: dict[str, Path], tmp_path: Path) -> None:
    for cache in ({}, {"cache_megabytes": 0}):
        config = student(str(teachers["tags"]), **cache)
        config["dataset_reader"]["tokenizer"] = {"type": "ner_words"}
        with pytest.raises(ConfigError, match=r"its tokens are not the student's. In .* it has .*, the student"):
            train(config, tmp_path / f"run{len(cache)}")
        assert not list((tmp_path / f"run{len(cache)}").glob("*.th"))


def test_types_in_another_order_are_put_in_order(teachers: dict[str, Path], tmp_path: Path) -> None:
    """A student whose data have the types in another order learns each of them as its own."""
    plain = train(student(str(teachers["tags"]), weight=1.0, cache_megabytes=0), tmp_path / "plain")
    head: Any = Head.from_params(Params({"type": "tags", "scheme": "BIOES"}), encoding_dim=6, types=plain.types[::-1])
    text = TokenizedText("阿宝去了雾港", [(i, i + 1) for i in range(6)])
    cpu = torch.device("cpu")
    [own] = Teacher(str(teachers["tags"]), plain.head).distributions([text], cpu, 1.0)
    [other] = Teacher(str(teachers["tags"]), head).distributions([text], cpu, 1.0)
    by_name = {tag: own[..., place] for place, tag in enumerate(plain.head.tag_set.tags)}
    for place, tag in enumerate(head.tag_set.tags):
        assert torch.equal(other[..., place], by_name[tag])
    assert own.exp().sum(-1).flatten().tolist() == pytest.approx([1.0] * 6, rel=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0.0}, "temperature is 0.0, but has to be above 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"weight": 0.0}, "weight is 0.0, but has to be above 0 and at most 1"),
        ({"weight": 1.5}, "weight is 1.5"),
        ({"cache_megabytes": -1}, "cache_megabytes is -1"),
        ({"teacher": []}, "teacher is an empty list"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"model.distillation.{message}"):
        Distillation(**{"teacher": "model.tar.gz", **options})


def test_a_teacher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"teacher: .*absent.tar.gz.* does not exist: name an archive"):
        train(student(str(tmp_path / "absent.tar.gz")), tmp_path / "run")
