"""The wrong predictions that a model was most sure of, and the gold that it cannot reach."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ner_plugins.entities import Entity
from ner_plugins.metrics.confusion import CORRECT, Pair
from ner_plugins.reports.collect import SentenceResult

# Characters of the text on either side of a prediction.
_CONTEXT = 20


def confident_mistakes(sentences: Sequence[SentenceResult], limit: int) -> List[Dict[str, Any]]:
    """
    The predictions that are no exact match, by falling score (then in the order of the data), `limit` at most.

    # Returns

    `List[Dict[str, Any]]`
        `score`; `kind` as in `ner_plugins.metrics.confusion.KINDS`; `predicted` and `gold` (the gold entity that the
        prediction was assigned to, or `None`), each `{"start", "end", "type", "text"}`; `before` and `after`, the text
        around the prediction; `id` and `source` of the sentence.
    """
    ranked = sorted(_mistakes(sentences), key=lambda found: -found[0])[:limit]
    return [_describe(sentence, pair, predicted) for _, sentence, pair, predicted in ranked]


def _mistakes(sentences: Sequence[SentenceResult]) -> Iterator[Tuple[float, SentenceResult, Pair, Entity]]:
    for sentence in sentences:
        for pair in sentence.pairs:
            if pair.predicted is not None and pair.predicted.score is not None and pair.kind != CORRECT:
                yield pair.predicted.score, sentence, pair, pair.predicted


def _describe(sentence: SentenceResult, pair: Pair, predicted: Entity) -> Dict[str, Any]:
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


def unreachable_gold(sentences: Sequence[SentenceResult]) -> Iterator[Dict[str, Any]]:
    """The gold entities that no prediction of the model could have hit: `entity`, `why`, `id` and `source`."""
    for sentence in sentences:
        for entity, why in sentence.unreachable:
            described = with_text(entity, sentence.text)
            yield {"entity": described, "why": why, "id": sentence.id, "source": sentence.source}


def with_text(entity: Optional[Entity], text: str) -> Optional[Dict[str, Any]]:
    """`{"start", "end", "type", "text"}`; `None` for none."""
    return None if entity is None else {**entity.to_json(), "text": text[entity.start : entity.end]}
