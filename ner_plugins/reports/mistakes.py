"""The most confident mistakes of a model, and the gold entities that it cannot predict."""

from typing import Any, Iterator, Optional, Sequence

from ner_plugins.entities import Entity
from ner_plugins.metrics.confusion import CORRECT, Pair
from ner_plugins.reports.collect import SentenceResult

# Characters of context on either side of a prediction.
_CONTEXT = 20


def confident_mistakes(sentences: Sequence[SentenceResult], limit: int) -> list[dict[str, Any]]:
    """
    The first `limit` predictions that are no exact match, by descending score, then in the order of the data.

    # Returns

    `list[dict[str, Any]]`
        `score`; `kind`, one of `ner_plugins.metrics.confusion.KINDS`; `predicted` and `gold` (the assigned gold
        entity, or `None`), each `{"start", "end", "type", "text"}`; `before` and `after`, the text around the
        prediction; `id` and `source` of the sentence.
    """
    ranked = sorted(_mistakes(sentences), key=lambda found: -found[0])[:limit]
    return [_describe(sentence, pair, predicted) for _, sentence, pair, predicted in ranked]


def _mistakes(sentences: Sequence[SentenceResult]) -> Iterator[tuple[float, SentenceResult, Pair, Entity]]:
    for sentence in sentences:
        for pair in sentence.pairs:
            if pair.predicted is not None and pair.predicted.score is not None and pair.kind != CORRECT:
                yield pair.predicted.score, sentence, pair, pair.predicted


def _describe(sentence: SentenceResult, pair: Pair, predicted: Entity) -> dict[str, Any]:
    text = sentence.text
    return {
        "score": predicted.score,
        "kind": pair.kind,
        "predicted": with_text(predicted, text),
        "gold": with_text(pair.gold, text),
        "before": text[max(predicted.start - _CONTEXT, 0) : predicted.start],
        "after": text[predicted.end : predicted.end + _CONTEXT],
        "id": sentence.id,
        "source": sentence.source,
    }


def unreachable_gold(sentences: Sequence[SentenceResult]) -> Iterator[dict[str, Any]]:
    """The gold entities that the model cannot predict: `entity`, `why`, `id` and `source`."""
    for sentence in sentences:
        for entity, why in sentence.unreachable:
            described = with_text(entity, sentence.text)
            yield {"entity": described, "why": why, "id": sentence.id, "source": sentence.source}


def with_text(entity: Optional[Entity], text: str) -> Optional[dict[str, Any]]:
    """`{"start", "end", "type", "text"}`; `None` for `None`."""
    return None if entity is None else {**entity.to_json(), "text": text[entity.start : entity.end]}
