"""The suspected label errors of a corpus, ranked."""

from typing import Iterable, Optional, Sequence

from ner_plugins.audit.noisy_channel import Doubt, NoisyChannel
from ner_plugins.audit.surfaces import Occurrence, Surfaces
from ner_plugins.audit.suspects import KINDS, Suspect
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.files.folds_file import FoldRecord

LEAST_LABELLED = 2
"""A surface has to be labelled this often for its other occurrences to be suspected."""


def audit(
    records: Sequence[FoldRecord],
    *,
    kinds: Optional[Iterable[str]] = None,
    rate: float = 0.01,
    lowest: float = 0.0,
    nested: bool = False,
) -> list[Suspect]:
    """
    The suspected errors among the labels of a corpus.

    # Parameters

    records : `Sequence[FoldRecord]`
        All sentences of the corpus.
    kinds : `Optional[Iterable[str]]`, optional (default=`None`)
        Those of `KINDS` to look for; `None` for all.
    rate : `float`, optional (default=`0.01`)
        The share of labels that are assumed to have an error of each kind: see `NoisyChannel`.
    lowest : `float`, optional (default=`0.0`)
        The lowest score.
    nested : `bool`, optional (default=`False`)
        Whether labels may lie inside others.

    # Returns

    `list[Suspect]`
        By descending score, then in the order of the corpus. A label is suspected once, and so is each place without
        one.

    # Raises

    `ConfigError` if `rate` or `lowest` is out of range.
    """
    if not 0.0 < rate < 1.0:
        raise ConfigError(f"the rate of errors is {rate}; it must be between 0 and 1")
    if not 0.0 <= lowest <= 1.0:
        raise ConfigError(f"the lowest score is {lowest}; it must be from 0 to 1")
    wanted = set(KINDS if kinds is None else kinds)
    surfaces = Surfaces(records)
    channel = _channel_of(records, rate, nested)
    found = [
        _suspect(record, doubt, channel, surfaces)
        for record in records
        for doubt in channel.doubts(record, surfaces.unknown_types(record.fold))
    ]
    if "unlabelled" in wanted:
        known = {(one.record.id, one.place.start, one.place.end) for one in found if one.kind == "missed"}
        found += [
            _of_surface(occurrence, surfaces, rate)
            for occurrence in surfaces.unlabelled(records)
            if occurrence.labelled >= LEAST_LABELLED
            and (occurrence.record.id, occurrence.entity.start, occurrence.entity.end) not in known
        ]
    chosen = [suspect for suspect in found if suspect.kind in wanted and suspect.score >= lowest]
    return sorted(chosen, key=lambda suspect: (-suspect.score, suspect.record.id, suspect.place))


def _channel_of(records: Sequence[FoldRecord], rate: float, nested: bool) -> NoisyChannel:
    labels = [entity for record in records for entity in record.gold]
    width = sum(entity.width for entity in labels) / max(len(labels), 1)
    types = {entity.type for entity in labels}
    return NoisyChannel(max(len(types), 1), width, rate, nested)


def _suspect(record: FoldRecord, doubt: Doubt, channel: NoisyChannel, surfaces: Surfaces) -> Suspect:
    given, instead = doubt.given, doubt.instead
    remove = [] if given is None else [given]
    if instead is not None:
        remove += [e for e in record.gold if e != given and channel.conflict(record, instead, e)]
    return Suspect(
        record,
        doubt.kind,
        doubt.odds / (1.0 + doubt.odds),
        tuple(remove),
        () if instead is None else (instead,),
        _seen(record, given, surfaces),
        _seen(record, instead, surfaces),
    )


def _of_surface(occurrence: Occurrence, surfaces: Surfaces, rate: float) -> Suspect:
    """Here the odds that it is an entity are how often it is labelled, against how often it is not."""
    record, entity = occurrence.record, occurrence.entity
    odds = rate * (occurrence.labelled + 0.5) / (occurrence.unlabelled - 1 + 0.5)
    return Suspect(record, "unlabelled", odds / (1 + odds), (), (entity,), None, _seen(record, entity, surfaces))


def _seen(record: FoldRecord, entity: Optional[Entity], surfaces: Surfaces) -> Optional[int]:
    if entity is None:
        return None
    return surfaces.seen(record.text[entity.start : entity.end], entity.type, record.fold)
