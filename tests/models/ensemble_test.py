"""The model `ner_ensemble`: copies of a model are the model, for every head; votes and mean scores by hand."""

import itertools
import math
import pickle
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.models.archival import extracted_archive, load_archive
from tiny_encoders import make_encoder
from untrained_archives import HEADS, untrained_archive

from ner_plugins.ensembles.making import make_ensemble, make_soup
from ner_plugins.ensembles.members import load_members
from ner_plugins.ensembles.packing import pack_archive
from ner_plugins.entities import ENTITY_NAMESPACE, Sentence
from ner_plugins.errors import ArchiveError, ConfigError, NerError
from ner_plugins.exports.card_facts import card_facts
from ner_plugins.exports.target import ExportSource
from ner_plugins.tagger.tagger import Tagger

TEXTS = [
    "渔津孔雀制药股份有限公司负责人：龚建", "到翠屏寨玩记得带雨伞。", "", "《镜像之门》片尾曲太燃了", " a 去北京 ",
    "有鹭州音乐学院食堂的照片吗，急。转发：汾北摄影研究院招聘若干",
]  # fmt: skip
Found = list[list[tuple[int, int, str, float]]]


def found_by(archive: Path, texts: Sequence[Any] = TEXTS, **options: Any) -> Found:
    tagged = Tagger.from_path(archive, device=-1, **options)(texts)
    return [[(e.start, e.end, e.type, e.score) for e in one.entities] for one in tagged]


def combined(paths: list[Path], target: Path, method: str, weights: list[float] | None = None, **options: Any) -> Path:
    """The archive that `ner-ensemble` makes."""
    target.parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        members = load_members(list(map(str, paths)), stack, -1)
        folder = target.with_suffix(".folder")
        folder.mkdir()
        make: Callable[..., Any] = make_soup if method == "soup" else make_ensemble
        named = {} if method == "soup" else {"method": method}
        make(members, folder, weights or [1.0] * len(paths), **named, **options)
        pack_archive(folder, str(target))
        shutil.rmtree(folder)
    return target


@pytest.mark.parametrize("head", HEADS)
def test_copies_of_a_model_are_the_model(head: str, repository: Path, tmp_path: Path) -> None:
    archive = untrained_archive(repository, tmp_path / "one.tar.gz", HEADS[head])
    alone = found_by(archive)
    assert sum(map(len, alone)) > 5
    for method in ("votes", "scores", "soup"):
        together = combined([archive] * 3, tmp_path / f"{method}.tar.gz", method, [1.0, 0.3, 0.7])
        assert found_by(together) == alone, method


@torch.no_grad()
def test_scores_are_means_of_logits(repository: Path, tmp_path: Path) -> None:
    """Of a band, by hand: the mean of the members' logits, decoded by one of them."""
    paths = [untrained_archive(repository, tmp_path / f"{n}.tar.gz", HEADS["biaffine"], n) for n in (1, 2)]
    together = combined(paths, tmp_path / "both.tar.gz", "scores", [1.0, 3.0])
    taggers = [Tagger.from_path(path, device=-1) for path in paths]
    models: list[Any] = [tagger.backend.model for tagger in taggers]  # type: ignore[attr-defined]
    texts = [text for text in TEXTS if text and " " not in text]
    for text, expected in zip(texts, found_by(together, texts), strict=True):
        bands = []
        for model, tagger in zip(models, taggers, strict=True):
            batch = tagger.backend._tensors(tagger.backend.encode([text], ["t"]))  # type: ignore[attr-defined]
            mask = torch.ones(1, len(text), dtype=torch.bool)
            bands.append(model.score(model.contextualise(batch["tokens"], mask), mask))
        mean = (bands[0] + 3 * bands[1]) / 4
        rows = models[0].head.decode(mean, mask).to_entities(1)[0]
        found = [(start, end, models[0].types[kind], round(score, 4)) for start, end, kind, score in rows]
        assert found == [(*span, round(score, 4)) for *span, score in expected]


@torch.no_grad()
def test_scores_of_taggers_are_those_of_the_mean_chain(repository: Path, tmp_path: Path) -> None:
    """All taggings of three tokens, each with the mean of its scores under both models."""
    few = {"type": "cluener", "entity_types": ["name", "company"]}
    paths = [untrained_archive(repository, tmp_path / f"{n}.tar.gz", HEADS["crf"], n, reader=few) for n in (1, 2)]
    together = combined(paths, tmp_path / "both.tar.gz", "scores")
    taggers = [Tagger.from_path(path, device=-1) for path in paths]
    number = 0
    for text in ("到北京", "龚建说", "去雨伞"):
        chains = []
        for tagger in taggers:
            model: Any = tagger.backend.model  # type: ignore[attr-defined]
            batch = tagger.backend._tensors(tagger.backend.encode([text], ["t"]))  # type: ignore[attr-defined]
            mask = torch.ones(1, 3, dtype=torch.bool)
            chains.append(model.head.logits_of(model.score(model.contextualise(batch["tokens"], mask), mask), mask))
        mean = [((one + other) / 2).double().tolist() for one, other in zip(*chains, strict=True)]
        shares = shares_of_entities(mean, model.head.tag_set, model.types)
        [found] = found_by(together, [text])
        number += len(found)
        for *span, score in found:
            assert score == pytest.approx(shares[tuple(span)], abs=2e-5)
    assert number


def shares_of_entities(chain: list[Any], tag_set: Any, types: list[str]) -> dict[tuple[Any, ...], float]:
    """The share of all taggings that each entity has."""
    [emissions], transitions, start, end = chain
    shares: dict[tuple[Any, ...], float] = {}
    everything = 0.0
    mask = torch.ones(1, len(emissions), dtype=torch.bool)
    for path in itertools.product(range(len(tag_set)), repeat=len(emissions)):
        score = start[path[0]] + end[path[-1]] + sum(emissions[i][tag] for i, tag in enumerate(path))
        weight = math.exp(score + sum(transitions[a][b] for a, b in itertools.pairwise(path)))
        everything += weight
        spans = tag_set.spans(torch.tensor([path]), mask)
        for first, last, kind in zip(spans.start.tolist(), spans.end.tolist(), spans.type.tolist(), strict=True):
            key = (first, last, types[kind])
            shares[key] = shares.get(key, 0.0) + weight
    return {key: weight / everything for key, weight in shares.items()}


def test_members_of_other_tokens_indexers_and_order_of_types_vote(repository: Path, tmp_path: Path) -> None:
    """Each member sees a text as it does alone: another tokenizer, another vocabulary, other ids of types."""
    words = {"type": "cluener", "tokenizer": {"type": "ner_words"}}
    paths = [
        untrained_archive(repository, tmp_path / "1.tar.gz", HEADS["crf"], 1),
        untrained_archive(repository, tmp_path / "2.tar.gz", HEADS["biaffine"], 2, first=60),
        untrained_archive(repository, tmp_path / "3.tar.gz", HEADS["global_pointer"], 3, reader=words),
    ]
    together = combined(paths, tmp_path / "all.tar.gz", "votes", agreement=0.0, decoding="all")
    alone = [found_by(path) for path in paths]
    for place, found in enumerate(found_by(together)):
        scores: dict[tuple[int, int, str], list[float]] = {}
        for member in alone:
            for start, end, name, score in member[place]:
                scores.setdefault((start, end, name), []).append(score)
        assert {(s, e, t) for s, e, t, _ in found} == set(scores)
        for start, end, name, score in found:
            assert score == pytest.approx(sum(scores[start, end, name]) / 3, abs=2e-6)


def test_members_with_neighbours_and_without_read_what_they_read_alone(repository: Path, tmp_path: Path) -> None:
    """An encoder with a sentence on each side, one with two, and a model without."""
    encoder = make_encoder(tmp_path / "encoder")
    of_encoder: dict[str, Any] = {"type": "ner_transformer", "model_name": encoder}
    paths = []
    for number in (1, 2):
        reader = {"type": "cluener", "documents": "file", "context_sentences": number}
        reader["token_indexers"] = {"tokens": of_encoder}
        embedder = {"token_embedders": {"tokens": of_encoder}}
        parts = {"reader": reader, "text_field_embedder": embedder, "encoder": None}
        paths.append(untrained_archive(repository, tmp_path / f"{number}.tar.gz", HEADS["biaffine"], number, **parts))
    paths.append(untrained_archive(repository, tmp_path / "3.tar.gz", HEADS["crf"], 3))
    together = combined(paths, tmp_path / "all.tar.gz", "votes", agreement=0.0, decoding="all")
    around = ["我在上海", "北京大学", "他是行长"]
    given = [Sentence("王小明喜欢看电影", before=around, after=around), Sentence("他在北京读书")]
    alone: list[Any] = []
    for path, number in zip(paths, (1, 2, 0), strict=True):
        own = [replace(one, before=one.before[3 - number :], after=one.after[:number]) for one in given]
        alone.append(found_by(path, own if number else [one.text for one in given]))
    assert alone[0] != found_by(paths[0], [one.text for one in given])  # the neighbours count
    for place, found in enumerate(found_by(together, given)):
        scores: dict[Any, float] = {}
        for member in alone:
            for *span, score in member[place]:
                scores[tuple(span)] = scores.get(tuple(span), 0.0) + score / 3
        assert {tuple(span): pytest.approx(score, abs=2e-5) for *span, score in found} == scores


def test_a_tagger_of_an_ensemble_is_pickled_as_its_path(pair: Path) -> None:
    tagger = Tagger.from_path(pair, device=-1)
    assert pickle.loads(pickle.dumps(tagger))(TEXTS) == tagger(TEXTS)


def test_the_card_of_an_ensemble(pair: Path) -> None:
    archive = load_archive(pair)
    source = ExportSource(str(pair), archive.model, archive.validation_dataset_reader, archive.config.as_dict())
    facts = card_facts(source)
    settings = dict(facts["settings"])
    assert settings["ensemble"].startswith("votes of 2 models") and "a CRF" in settings["head"]
    assert (facts["reader"], facts["language"], facts["nested"]) == ("cluener", "zh", False)


def test_another_order_of_types_changes_no_mean(repository: Path, tmp_path: Path) -> None:
    from varied_archives import with_types_in_another_order

    for head in ("crf", "biaffine", "pointer", "efficient_global_pointer"):
        archive = untrained_archive(repository, tmp_path / f"{head}.tar.gz", HEADS[head])
        other = with_types_in_another_order(archive, tmp_path / f"{head}-other.tar.gz")
        alone = found_by(archive)
        for method in ("scores", "soup"):
            together = combined([archive, other], tmp_path / f"{head}-{method}.tar.gz", method)
            assert found_by(together) == alone, (head, method)


def test_thresholds_and_agreement(repository: Path, tmp_path: Path) -> None:
    paths = [untrained_archive(repository, tmp_path / f"{n}.tar.gz", HEADS["crf"], n) for n in (1, 2, 3)]
    everything = combined(paths, tmp_path / "0.tar.gz", "votes", agreement=0.0, decoding="all")
    found = found_by(everything)
    assert found_by(everything, thresholds=0.3) == [[e for e in one if e[3] >= 0.3] for one in found]
    overridden = found_by(everything, overrides={"model.agreement": 0.9})
    alone = [found_by(path) for path in paths]
    unanimous = [
        sorted(set.intersection(*({e[:3] for e in member[place]} for member in alone))) for place in range(len(TEXTS))
    ]
    assert [[e[:3] for e in one] for one in overridden] == unanimous


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"model.agreement": 2}, "model.agreement is 2"),
        ({"model.weights.member1": -1}, "numbers from 0 on"),
        ({"model.weights": {"member1": 0, "member2": 0}}, "not all of them 0"),
        ({"model.thresholds": {"nmae": 0.5}}, "did you mean 'name'"),
        ({"model.decoding": "flat"}, "it can be flat_greedy, flat_optimal, nested or all"),
    ],
)
def test_options_of_the_archive_are_checked(overrides: dict[str, Any], message: str, pair: Path) -> None:
    with pytest.raises(NerError, match=message):
        Tagger.from_path(pair, overrides=overrides)


def test_it_has_no_n_best_list(pair: Path) -> None:
    with pytest.raises(ConfigError, match="an ensemble has no n-best list"):
        Tagger.from_path(pair).n_best(TEXTS[0], 2)


def test_a_class_by_its_path_is_refused_in_a_member_too(pair: Path, tmp_path: Path) -> None:
    from varied_archives import varied

    def name_a_class(config: Any) -> None:
        config["model"]["members"]["member2"]["encoder"]["type"] = "subprocess.Popen"

    with pytest.raises(ArchiveError, match=r"model.members.member2.encoder.type .*'subprocess.Popen'"):
        Tagger.from_path(varied(pair, tmp_path / "hostile.tar.gz", config=name_a_class))


def test_a_member_without_vocabulary_is_told(pair: Path, tmp_path: Path) -> None:
    with extracted_archive(pair) as folder:
        Path(folder, "ner_assets/members/member1/vocabulary.json").unlink()
        pack_archive(folder, str(tmp_path / "damaged.tar.gz"))
    with pytest.raises(ArchiveError, match=r"damaged.tar.gz/ner_assets/members/member1: does not hold the vocabulary"):
        Tagger.from_path(tmp_path / "damaged.tar.gz")


@pytest.fixture(scope="module")
def pair(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Votes of two copies."""
    folder = tmp_path_factory.mktemp("pair")
    archive = untrained_archive(repository, folder / "one.tar.gz", HEADS["crf"])
    return combined([archive] * 2, folder / "both.tar.gz", "votes")


def test_it_cannot_be_trained(pair: Path, tmp_path: Path) -> None:
    archive = load_archive(pair)
    instances = archive.dataset_reader.texts_to_instances(TEXTS[:1], ["t"])
    assert archive.model.eval().forward_on_instances(instances)[0]["text"] == TEXTS[0]
    with pytest.raises(ConfigError, match="cannot be trained"):
        archive.model.train()(members={}, metadata=[])
    vocab = Vocabulary({ENTITY_NAMESPACE: {"name": 1}}, non_padded_namespaces=[ENTITY_NAMESPACE])
    with pytest.raises(ConfigError, match="cannot be trained"):
        Model.from_params(
            Params({"type": "ner_ensemble", "members": {}}), vocab=vocab, serialization_dir=str(tmp_path)
        )
