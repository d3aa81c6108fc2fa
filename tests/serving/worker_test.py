"""The thread of a model: batches that requests share, thresholds, and texts at which the model fails."""

import logging
import time

import pytest
from served_models import Letters

from ner_plugins.serving import Answer, Failure, FairQueue, WaitingText, Worker
from ner_plugins.tagger import Tagger


def run(backend: Letters, waiting: list[WaitingText]) -> list[Answer]:
    """The answers to texts that wait when the thread starts."""
    queue: FairQueue[WaitingText] = FairQueue(1000, lambda one: one.cost)
    answers: list[Answer] = []
    worker = Worker("letters", Tagger(backend), queue, answers.extend)
    for one in waiting:
        queue.put(one.owner, [one])
    worker.start()
    queue.close()
    assert worker.join(20)
    return answers


def test_requests_share_batches() -> None:
    backend = Letters(budget=14)
    answers = run(backend, [WaitingText(owner, 0, text) for owner, text in enumerate(["aB", "Cd", "EF", "g", "h"])])
    assert {len(batch) for batch in backend.batches} == {2, 3}
    assert [answer.waiting.owner for answer in answers] == list(range(5))
    assert [len(answer.outcome.entities) for answer in answers] == [1, 1, 3, 0, 0]


def test_each_request_has_its_own_thresholds() -> None:
    options = [None, (0.0, 0.9, 0.9), None, (0.9, 0.0, 0.0), (0.0, 0.9, 0.9)]
    texts = ["AZ", "BA", "CD", "AB", "ZE"]
    backend = Letters(budget=1000)
    answers = run(backend, [WaitingText(n, 0, text, options[n]) for n, text in enumerate(texts)])
    assert len(backend.batches) == 3
    for answer in answers:
        number = answer.waiting.owner
        tagger = Tagger(Letters())
        if options[number] is not None:
            tagger = tagger.with_options(thresholds=dict(zip(["VOWEL", "OTHER", "PAIR"], options[number], strict=True)))
        assert answer.outcome == tagger([texts[number]])[0]


def test_a_text_at_which_the_model_fails_fails_alone_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = run(Letters(budget=1000), [WaitingText(0, n, text) for n, text in enumerate(["A", "secret! B", "C"])])
    outcomes = {answer.waiting.place: answer.outcome for answer in answers}
    assert outcomes[1] == Failure("ValueError")
    assert [outcomes[n].entities[0].text for n in (0, 2)] == ["A", "C"]
    [message] = [record.getMessage() for record in caplog.records]
    assert "ValueError at" in message and "served_models.py" in message and "secret" not in caplog.text


def test_the_delay_is_estimated_from_the_last_batches_and_by_turns() -> None:
    queue: FairQueue[WaitingText] = FairQueue(1000, lambda one: one.cost)
    worker = Worker("letters", Tagger(Letters()), queue, lambda _: time.sleep(0))
    assert worker.delay() == 0
    queue.put(0, [WaitingText(0, n, "a") for n in range(100)])
    queue.put(1, [WaitingText(1, n, "a") for n in range(20)])
    assert worker.delay() == pytest.approx(0.02) and worker.delay(50) == pytest.approx(0.7)
    worker.start()
    queue.close()
    assert worker.join(20) and worker.delay(50) == 0
