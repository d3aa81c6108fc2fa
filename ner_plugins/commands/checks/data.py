"""What the data hold that training would stumble over, or silently lose."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from allennlp.data import Instance

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.heads.span_head import SpanHead
from ner_plugins.models.ner_model import NerModel
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder

_LISTED = 10
_EMBEDDER = re.compile(r"(?:^|\.)token_embedder_([^.]+)$")


@dataclass(frozen=True)
class Split:
    """
    The instances of one data path.

    # Parameters

    key : `str`
        Its config key, `validation_data_path`.
    instances : `Sequence[Instance]`
    """

    key: str
    instances: Sequence[Instance]

    @property
    def name(self) -> str:
        """`train`, `validation` or `test`."""
        return self.key.removesuffix("_data_path")


def unlabelled(split: Split) -> Iterator[Mistake]:
    """A mistake if a sentence has no gold, so that its split cannot be measured."""
    for instance in split.instances:
        if "entities" not in instance:
            place = instance["metadata"]["source"] or "a sentence"
            remedy = f"give labelled data, or leave {split.key} out"
            yield Mistake(
                split.key, f"{split.key} has no labels ({place} has none), so it cannot be measured: {remedy}"
            )
            return


def type_counts(instances: Iterable[Instance]) -> Counter[str]:
    """The raw gold entities of each type."""
    return Counter(str(entity["type"]) for instance in instances for entity in instance["metadata"]["entities"] or ())


def unseen_types(split: Split, types: Collection[str]) -> Iterator[str]:
    """A warning about entities of types that the training data lack."""
    unseen = {type_: count for type_, count in type_counts(split.instances).most_common() if type_ not in types}
    if unseen:
        listed = ", ".join(f"{type_} ({count:,})" for type_, count in list(unseen.items())[:_LISTED])
        more = f" and {len(unseen) - _LISTED} more" if len(unseen) > _LISTED else ""
        yield (
            f"{split.key} has {sum(unseen.values()):,} entities of types that the training data lack, which the model "
            f"cannot learn: {listed}{more}"
        )


def untracked_types(entries: Sequence[str], model: NerModel, split: Split) -> Iterator[Mistake]:
    """Entries of `validation_metric` for an entity type that neither the training nor the validation data have."""
    for entry in entries:
        metric, _, figure = entry[1:].partition("/")
        type_, _, _ = figure.rpartition("/")
        if not type_ or metric not in {one.name for one in model.metrics}:
            continue
        there = set(model.types) | set(type_counts(split.instances))
        if type_ not in there:
            key = "trainer.validation_metric"
            problem = f'{key} is "{entry}", but the data have no entity type {type_!r}'
            yield Mistake(key, f"{problem}: they have {', '.join(sorted(there))}")


def cut_gold(split: Split, model: NerModel) -> Iterator[str]:
    """A warning about gold that is wider than the head's `max_span_width`."""
    limit = model.head.max_span_width if isinstance(model.head, SpanHead) else None
    if limit is None:
        return
    widths = [end - start for instance in split.instances for start, end, _ in _spans(instance)]
    cut = [width for width in widths if width > limit]
    if cut:
        yield (
            f"{split.key}: {len(cut):,} of {len(widths):,} entities ({len(cut) / len(widths):.1%}) are wider than "
            f"max_span_width, {limit} tokens, and cannot be predicted; the widest has {max(cut)}"
        )


def _spans(instance: Instance) -> Sequence[tuple[int, int, str]]:
    field: Optional[Any] = instance.fields.get("entities")
    return field.entities if isinstance(field, EntitiesField) else ()


def long_texts(split: Split, model: NerModel) -> Iterator[str]:
    """A remark on texts with more pieces than an encoder reads at once; the instances have to be indexed."""
    for name, module in model.named_modules():
        found = _EMBEDDER.search(name)
        if found is None or not isinstance(module, TransformerEmbedder):
            continue
        key = f"{found[1]}___piece_ids"
        lengths = [_padding_lengths(instance).get(key, 0) for instance in split.instances]
        longer = [length for length in lengths if length > module.window_size]
        if longer:
            yield (
                f"{split.key}: {len(longer):,} of {len(lengths):,} texts have more pieces than the encoder reads at "
                f"once ({module.window_size}), the longest {max(longer):,}: it reads them in overlapping windows, and "
                "nothing is cut off"
            )


def _padding_lengths(instance: Instance) -> Mapping[str, int]:
    lengths: Mapping[str, int] = instance["tokens"].get_padding_lengths()
    return lengths
