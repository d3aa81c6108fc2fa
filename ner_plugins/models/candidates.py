"""What a model says of a sentence beyond its prediction: every candidate, and the probability of the gold."""

from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from allennlp.data import TextFieldTensors
from allennlp.nn.util import get_text_field_mask
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.heads.head import Head
from ner_plugins.models.ner_model import NerModel
from ner_plugins.models.offsets import in_tokens, names_of
from ner_plugins.modules.crf.tagging import Spans
from ner_plugins.modules.lattice.lattice_encoder import Lattice
from ner_plugins.segmentation.blanks import trimmed

Key = tuple[int, int, str]


class Candidates(NamedTuple):
    """
    What a model says of a sentence. Offsets are characters, scores are rounded to six digits.

    # Parameters

    predicted : `list[Entity]`
        Its prediction.
    candidates : `list[Entity]`
        Every span and type that reaches the floor, and all of `predicted`; ordered by start, end and type.
    gold : `list[Entity]`
        The gold in its order, with the probability of exactly this span and type as the score; `None` where the head
        cannot score it.
    """

    predicted: list[Entity]
    candidates: list[Entity]
    gold: list[Entity]


@torch.no_grad()
def find_candidates(
    model: NerModel,
    tokens: TextFieldTensors,
    metadata: Sequence[Mapping[str, Any]],
    gold: Sequence[Sequence[Entity]],
    floor: float,
    lattice: Optional[Lattice] = None,
    **unused: Any,
) -> list[Candidates]:
    """
    `NerModel.find`, with the candidates of each sentence and the probability of its gold.

    As in predictions, spans have no blanks at their edges. Where spans of one type differ in blanks alone, the most
    probable counts, or the one that was predicted.

    # Parameters

    model : `NerModel`
        In evaluation mode.
    tokens, metadata, lattice
        As in the model's `forward`; other arguments of it have no effect.
    gold : `Sequence[Sequence[Entity]]`
        The gold of each sentence, in characters.
    floor : `float`
        The lowest probability of a candidate.

    # Raises

    `NerError` if a sentence's scores are not numbers; `ConfigError` if the head has no candidates.
    """
    mask = get_text_field_mask(tokens)  # Shape: (batch, tokens)
    scores = model.score(model.contextualise(tokens, mask, lattice), mask)
    predicted = model.entities_of(scores, mask, metadata)
    rows = model.head.candidates(scores, mask, floor).to_entities(len(metadata), names_of(metadata))
    of_gold = _of_gold(model.head, scores, mask, metadata, gold)
    found = []
    for place, sentence in enumerate(metadata):
        known = _by_span(rows[place], sentence["offsets"], sentence["text"], model.types)
        known.update({_key(entity): entity.score or 0.0 for entity in predicted[place]})
        ordered = [Entity(*key, score) for key, score in sorted(known.items())]
        with_scores = [
            Entity(*_key(entity), known.get(_key(entity), of_gold.get((place, entity)))) for entity in gold[place]
        ]
        found.append(Candidates(predicted[place], ordered, with_scores))
    return found


def _key(entity: Entity) -> Key:
    return entity.start, entity.end, entity.type


def _by_span(
    rows: Sequence[tuple[int, int, int, float]], offsets: Sequence[tuple[int, int]], text: str, types: Sequence[str]
) -> dict[Key, float]:
    """The highest probability of each typed span of characters."""
    found: dict[Key, float] = {}
    for first, end, type_id, probability in rows:
        start, stop = trimmed(text, offsets[first][0], offsets[end - 1][1])
        if start < stop:
            key = start, stop, types[type_id]
            found[key] = max(found.get(key, 0.0), round(probability, 6))
    return found


def _of_gold(
    head: Head, scores: Any, mask: Tensor, metadata: Sequence[Mapping[str, Any]], gold: Sequence[Sequence[Entity]]
) -> dict[tuple[int, Entity], float]:
    """The probability of each gold entity that the head can score, by its sentence."""
    ids = {name: number for number, name in enumerate(head.types)}
    known, rows = [], []
    for place, (sentence, entities) in enumerate(zip(metadata, gold, strict=True)):
        for entity in entities:
            spans = in_tokens([entity], sentence["offsets"], sentence["text"]) if entity.type in ids else {}
            for span in spans.values():
                known.append((place, entity))
                rows.append((place, span.start, span.end, ids[entity.type]))
    if not rows:
        return {}
    columns = torch.tensor(rows, device=mask.device).unbind(1)
    values = head.span_probabilities(scores, mask, Spans(*columns)).tolist()
    pairs = zip(known, values, strict=True)
    return {key: _rounded(min(max(value, 0.0), 1.0)) for key, value in pairs if value == value}


def _rounded(probability: float) -> float:
    """With 6 decimals, as the scores of predictions; three digits of a small one, since an audit ranks by them."""
    return round(probability, 6) if probability >= 1e-4 else float(f"{probability:.3g}")
