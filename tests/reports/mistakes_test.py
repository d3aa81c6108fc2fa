from sentence_results import result

from ner_plugins.entities import Entity
from ner_plugins.reports.mistakes import confident_mistakes, unreachable_gold


def test_the_surest_mistakes_with_what_is_around_them() -> None:
    text = "一" * 30 + "青禾银行" + "二" * 30
    gold = [Entity(30, 34, "ORG"), Entity(0, 1, "PER")]
    predicted = [Entity(32, 34, "ORG", 0.9), Entity(0, 1, "PER", 1.0), Entity(40, 41, "PER", 0.95)]
    first, second = confident_mistakes([result(text, predicted, gold, "f:3", id=7)], 10)
    assert (first["kind"], first["score"], first["gold"]) == ("spurious", 0.95, None)
    assert second == {
        "score": 0.9,
        "kind": "boundary",
        "predicted": {"start": 32, "end": 34, "type": "ORG", "text": "银行"},
        "gold": {"start": 30, "end": 34, "type": "ORG", "text": "青禾银行"},
        "before": "一" * 18 + "青禾",
        "after": "二" * 20,
        "id": 7,
        "source": "f:3",
    }
    assert confident_mistakes([result(text, predicted, gold)], 1)[0]["score"] == 0.95


def test_unreachable_gold_says_why() -> None:
    sentence = result("青禾银行", [], [Entity(0, 4, "ORG")])
    sentence.unreachable.append((Entity(0, 4, "ORG"), "too wide"))
    assert list(unreachable_gold([sentence])) == [
        {
            "entity": {"start": 0, "end": 4, "type": "ORG", "text": "青禾银行"},
            "why": "too wide",
            "id": None,
            "source": "made:1",
        }
    ]
