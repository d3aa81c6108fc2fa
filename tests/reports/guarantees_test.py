"""The guaranteed threshold against the definition, and by simulation: the recall of new sentences is what was said."""

import random

import pytest
from sentence_results import result

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.guarantees import guaranteed_threshold, losses_at, parse_guarantee, risk_bound

GRID = [step / 100 for step in range(100)]


def drawn(generator: random.Random, number: int) -> list[SentenceResult]:
    """Sentences whose gold entities get scores of a skewed distribution; few are not found at all."""
    sentences = []
    for _ in range(number):
        gold = [Entity(place, place + 1, "PER") for place in range(generator.randint(1, 4))]
        hard = generator.random() ** 2  # the entities of a sentence resemble each other
        found = [
            Entity(e.start, e.end, e.type, round(generator.betavariate(2, 0.2 + 2 * hard), 6))
            for e in gold if generator.random() > 0.02
        ]  # fmt: skip
        sentences.append(result("abcd", found, gold))
    return sentences


def test_new_sentences_have_the_recall_on_average_and_a_higher_threshold_would_not() -> None:
    generator = random.Random(5)
    pool = drawn(generator, 3000)
    losses = {threshold: losses_at(pool, threshold) for threshold in GRID}
    recall, number, rounds = 0.9, 40, 400
    kept, beyond = 0.0, 0.0
    for _ in range(rounds):
        chosen = generator.sample(range(len(pool)), number + 1)
        new = chosen.pop()
        threshold = guaranteed_threshold(lambda t, of=chosen: [losses[t][i] for i in of], GRID, recall)
        kept += sum(losses[threshold]) / len(pool)
        beyond += sum(losses[min(0.99, round(threshold + 0.2, 2))]) / len(pool)
        assert 0 <= losses[threshold][new] <= 1
    # The standard error of these means over rounds is below 0.003.
    assert kept / rounds <= 0.1 + 0.006
    assert kept / rounds >= 0.1 - 0.04  # 1 / (n + 1) is 0.024: it does not keep everything
    assert beyond / rounds > 0.13


def test_without_the_correction_for_few_sentences_the_recall_is_missed() -> None:
    """The simulation can fail: the threshold of the plain mean breaks the same bound with few sentences."""
    generator = random.Random(6)
    pool = drawn(generator, 3000)
    losses = {threshold: losses_at(pool, threshold) for threshold in GRID}
    total, rounds = 0.0, 400
    for _ in range(rounds):
        chosen = generator.sample(range(len(pool)), 10)
        good = [t for t in GRID if sum(losses[t][i] for i in chosen) / 10 <= 0.1]
        total += sum(losses[max(good, default=0.0)]) / len(pool)
    assert total / rounds > 0.1 + 0.006


def test_the_bound_and_the_highest_threshold_by_definition() -> None:
    sentences = drawn(random.Random(1), 60)
    assert risk_bound([0.0] * 19) == pytest.approx(0.05)
    found = guaranteed_threshold(lambda t: losses_at(sentences, t), GRID, 0.8)
    good = [t for t in GRID if (sum(losses_at(sentences, t)) + 1) / 61 <= 0.2]
    assert found == max(good)


def test_losses_that_fall_again_count_at_their_highest() -> None:
    losses = {0.0: [0.0] * 19, 0.5: [0.9] * 19, 0.9: [0.0] * 19}
    assert guaranteed_threshold(losses.__getitem__, sorted(losses), 0.95) == 0.0


def test_sentences_without_gold_do_not_count() -> None:
    assert losses_at([result("ab", [], []), result("ab", [], [Entity(0, 1, "PER")])], 0.0) == [1.0]


@pytest.mark.parametrize(
    "losses, message",
    [
        ([0.0] * 9, r"0\.95 cannot.*mean recall on 9 sentences.*1\.0000.*recall=0\.9000.*about 19 such"),
        ([0.0] * 50 + [1.0] * 50, r"recall=0\.4950.*more data would not change"),
        ([], "no gold entity"),
    ],
)
def test_what_cannot_be_guaranteed_is_refused_with_what_can(losses: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        guaranteed_threshold(lambda _: losses, GRID, 0.95)


def test_the_option() -> None:
    assert parse_guarantee("recall=0.95") == 0.95 and parse_guarantee("recall=.9") == 0.9
    for bad in ("recall", "recall=1", "recall=0", "recall=95", "f1=0.9", "recall=1e-3", "recall=x"):
        with pytest.raises(ConfigError, match="has to be recall=R"):
            parse_guarantee(bad)
    with pytest.raises(ConfigError, match="may fall when a threshold rises"):
        parse_guarantee("precision=0.9")
