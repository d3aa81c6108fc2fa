"""A `Tagger` over the models of this package: the same answer alone and beside others, in threads and processes."""

import json
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from fitted_archive import fitted_archive
from forked import context
from gpu_cases import DECODERS, build_with_reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError
from ner_plugins.tagger import TaggedText, Tagger
from ner_plugins.tagger.archive import ArchiveBackend

CASES = [(head, "transformer") for head in DECODERS]
CASES += [(head, "long_texts") for head in ("crf", "biaffine", "pairs", "pointer")]
CASES += [("crf", "unpadded"), ("crf", "bilstm"), ("crf", "flat"), ("biaffine", "flat_of_two_layers")]
TEXTS = st.lists(
    st.text("张三在北京大学读书我上海abcXY1, \t\ud800👍", max_size=12)
    | st.sampled_from(["张三在北京大学读书" * 3, "我在上海，张三在北京。" * 2]),
    min_size=1,
    max_size=7,
)
ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "fixtures/sample/dev.json").read_text(encoding="utf-8").splitlines()
SENTENCES = [json.loads(line)["text"] for line in LINES[:9]] + ["", "王五 ", "a" * 90]


def spans(tagged: TaggedText) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in tagged.entities]


def check_equal(found: list[TaggedText], expected: list[TaggedText]) -> None:
    assert [one.text for one in found] == [one.text for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert spans(one) == spans(other)
        scores = [entity.score for entity in other.entities]
        assert [entity.score for entity in one.entities] == pytest.approx(scores, abs=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("head, encoder", CASES, ids=["-".join(case) for case in CASES])
def test_a_text_gets_the_same_entities_alone_and_beside_any_others(head: str, encoder: str, folder: Path) -> None:
    model, reader, _ = build_with_reader(head, encoder, folder)
    tagger = Tagger(ArchiveBackend(model, reader))
    found = 0

    @settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(TEXTS, st.integers(1, 120), st.integers(0, 6))
    def check(texts: list[str], budget: int, first: int) -> None:
        nonlocal found
        alone = [tagger([text])[0] for text in texts]
        found += sum(len(one.entities) for one in alone)
        check_equal(tagger(texts), alone)
        check_equal(tagger.with_options(budget=budget)(texts), alone)
        check_equal(tagger(texts[first:] + texts[:first]), alone[first:] + alone[:first])

    check()
    assert found > 0


@pytest.fixture(scope="module", params=["crf_tagger", "biaffine"])
def archive(request: pytest.FixtureRequest, repository: Path) -> Path:
    return fitted_archive(repository, request.param)


@pytest.fixture(scope="module")
def tagger(archive: Path) -> Tagger:
    return Tagger.from_path(archive)


def test_the_entities_are_those_of_the_model(tagger: Tagger) -> None:
    backend: Any = tagger.backend
    instances = [backend.reader.text_to_instance(text, id=place) for place, text in enumerate(SENTENCES)]
    for instance in instances:
        backend.reader.apply_token_indexers(instance)
    expected = backend.model.forward_on_instances(instances)
    found = [tagged.to_json()["entities"] for tagged in tagger.with_options(window=1)(SENTENCES)]
    assert sum(map(len, found)) >= 4
    for one, output in zip(found, expected, strict=True):
        assert [{**entity, "score": 0} for entity in one] == [{**entity, "score": 0} for entity in output["entities"]]
        scores = [entity["score"] for entity in output["entities"]]
        assert [entity["score"] for entity in one] == pytest.approx(scores, abs=1e-5)


def test_thresholds_are_those_of_the_models_option(archive: Path, tagger: Tagger) -> None:
    thresholds = {name: 0.5 + place / 25 for place, name in enumerate(tagger.backend.types)}
    configured = Tagger.from_path(archive, overrides={"model.thresholds": thresholds})
    check_equal(tagger.with_options(thresholds=thresholds)(SENTENCES), configured(SENTENCES))
    everything = configured.with_options(thresholds=0)(SENTENCES)
    check_equal(everything, tagger(SENTENCES))
    assert sum(len(one.entities) for one in everything) > sum(len(one.entities) for one in configured(SENTENCES))


def test_each_batch_is_copied_to_the_host_once(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    copies, batches = [], []
    backend: Any = tagger.backend
    cpu, find = torch.Tensor.cpu, backend.find
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: copies.append(tensor) or cpu(tensor))
    monkeypatch.setattr(backend, "find", lambda *arguments: batches.append(arguments) or find(*arguments))
    tagger.with_options(batch_size=2)(SENTENCES)
    assert len(copies) == len(batches) >= 6


def test_in_threads_as_one_after_the_other(tagger: Tagger) -> None:
    jobs = [SENTENCES[place % 5 :] * (1 + place % 3) for place in range(24)]
    expected = [tagger(texts) for texts in jobs]
    start = threading.Barrier(8)

    def run(texts: list[str]) -> list[TaggedText]:
        if not start.broken:
            start.wait(timeout=30)
        return tagger(texts)

    backend: Any = tagger.backend
    for indexer in backend.reader.token_indexers.values():  # empty caches are the hardest case
        getattr(indexer, "_memo", {}).clear()
    with ThreadPoolExecutor(8) as pool:
        for found, of_one in zip(pool.map(run, jobs), expected, strict=True):
            check_equal(found, of_one)


def test_pickled_it_is_its_archive_and_its_options(tagger: Tagger) -> None:
    first = tagger.backend.types[0]
    strict = tagger.with_options(thresholds=0.7, types=[first], budget=50, batch_size=2, window=3)
    pickled = pickle.dumps(strict)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert again._options == strict._options and again.backend is not strict.backend
    assert again(SENTENCES) == strict(SENTENCES)


def test_a_model_in_memory_cannot_be_pickled(folder: Path) -> None:
    model, reader, _ = build_with_reader("crf", "embedding", folder)
    with pytest.raises(ConfigError, match=r"Tagger\.from_path"):
        pickle.dumps(Tagger(ArchiveBackend(model, reader)))


def test_in_a_forked_process_after_threads_were_used(tagger: Tagger) -> None:
    expected = tagger(SENTENCES)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.rand(700, 700) @ torch.rand(700, 700)  # starts the threads that a fork does not copy
    context = multiprocessing.get_context("fork")
    queue: Any = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(tagger.with_options(window=50)(SENTENCES * 20)))
    process.start()
    process.join(60)
    alive = process.is_alive()
    if alive:
        process.kill()
    torch.set_num_threads(before)
    assert not alive and process.exitcode == 0
    check_equal(queue.get(), expected * 20)


@pytest.mark.parametrize("start", ["forkserver", pytest.param("spawn", marks=pytest.mark.exhaustive)])
def test_in_another_process_that_unpickles_it(start: str, tagger: Tagger) -> None:
    mp_context = context() if start == "forkserver" else multiprocessing.get_context(start)
    with ProcessPoolExecutor(1, mp_context=mp_context) as pool:
        check_equal(pool.submit(tagger, SENTENCES).result(timeout=120), tagger(SENTENCES))


def test_another_archive_is_refused(folder: Path) -> None:
    _, reader, _ = build_with_reader("crf", "embedding", folder)
    with pytest.raises(ConfigError, match="needs a model of ner_plugins"):
        ArchiveBackend(torch.nn.Linear(1, 1), reader)


def test_a_device_that_is_not_there_is_named(archive: Path) -> None:
    with pytest.raises(ConfigError, match="device is 5"):
        Tagger.from_path(archive, device=5)


def test_the_best_taggings_of_a_crf_share_what_the_entities_have(repository: Path) -> None:
    tagger = Tagger.from_path(fitted_archive(repository, "crf_tagger"))
    text = next(one.text for one in tagger(SENTENCES) if len(one.entities) == 2)
    taggings = tagger.n_best(text, 12)
    shares = [share for _, share in taggings]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-5
    best = [(entity.start, entity.end, entity.type) for entity in taggings[0].entities]
    [tagged] = tagger([text])
    assert best == spans(tagged)
    for entity in tagged.entities:  # exact, as far as the list goes
        of_list = sum(
            share for entities, share in taggings
            if (entity.start, entity.end, entity.type) in {(e.start, e.end, e.type) for e in entities}
        )  # fmt: skip
        assert of_list <= entity.score + 1e-5 <= of_list + 1 - sum(shares) + 2e-5
    with pytest.raises(ConfigError, match="has no n-best list"):
        Tagger.from_path(fitted_archive(repository, "biaffine")).n_best(text, 3)
