"""The published contrastive losses, pair by pair, and batches for them."""

from typing import Any

import torch
from torch import Tensor


class Literal:
    """The tokens of a batch one by one, and which pairs of them are positive."""

    def __init__(self, options: dict[str, Any], z: Tensor, mask: Tensor, types: Tensor, entity_ids: Tensor) -> None:
        self.places = [(b, t) for b in range(mask.size(0)) for t in range(mask.size(1)) if mask[b, t]]
        self.type = [int(types[place]) for place in self.places]
        self.entity = [(b, int(entity_ids[b, t])) for b, t in self.places]
        self.other_entity = options.get("positives") == "same_type_other_entity"
        include_o = options.get("anchors_include_o", False)
        self.anchors = [i for i, type_id in enumerate(self.type) if type_id >= 0 or include_o]
        rows = [z[place] / z[place].norm() for place in self.places]
        temperature = options.get("temperature", 0.07)
        self.s = [[row @ other / temperature for other in rows] for row in rows]

    def __len__(self) -> int:
        return len(self.places)

    def is_positive(self, i: int, j: int) -> bool:
        same_entity = self.entity[i] == self.entity[j] and self.entity[i][1] >= 0
        return i != j and self.type[i] == self.type[j] and not (self.other_entity and same_entity)

    def positives(self, i: int) -> list[int]:
        return [j for j in self.anchors if self.is_positive(i, j)]

    def negatives(self, i: int) -> list[int]:
        return [k for k in range(len(self)) if self.type[k] != self.type[i]]


def literal_nerco(batch: Literal, class_weighting: str = "sum") -> Tensor | float:
    total, classes = 0.0, 0
    for type_id in {batch.type[i] for i in batch.anchors}:
        of_type = [i for i in batch.anchors if batch.type[i] == type_id]
        terms = []
        for i in of_type:
            negatives = batch.negatives(i)
            for j in batch.positives(i) if negatives else []:
                positive = batch.s[i][j].exp()
                terms.append(-(positive / (positive + sum(batch.s[i][k].exp() for k in negatives))).log())
        if terms:
            total, classes = total + sum(terms) / len(terms), classes + 1
    return total / max(classes, 1) if class_weighting == "mean" else total


def literal_supcon(batch: Literal) -> Tensor | float:
    of_anchors = []
    for i in batch.anchors:
        positives = batch.positives(i)
        every = sum(batch.s[i][a].exp() for a in [*positives, *batch.negatives(i)])
        if positives:
            of_anchors.append(-sum((batch.s[i][p].exp() / every).log() for p in positives) / len(positives))
    return sum(of_anchors) / max(len(of_anchors), 1)


def random_batch(
    seed: int, batch: int, tokens: int, dim: int = 3, types: int = 2, entities: int = 2, kept: float = 0.8
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z in float64, mask, types and entity ids; an entity of a sentence has one type."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(batch, tokens, dim, generator=generator, dtype=torch.float64)
    mask = torch.rand(batch, tokens, generator=generator) < kept
    of_entity = torch.randint(types, (batch, entities), generator=generator)
    entity_ids = torch.randint(-1, entities, (batch, tokens), generator=generator)
    type_ids = torch.where(entity_ids >= 0, of_entity.gather(1, entity_ids.clamp(min=0)), -1)
    return z, mask, type_ids, entity_ids
