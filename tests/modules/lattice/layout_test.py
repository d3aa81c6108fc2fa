from collections import Counter

import torch
from generated_lattices import Batch, batch_of, batches
from hypothesis import given

from ner_plugins.fields.lattice_field import _greatest
from ner_plugins.modules.lattice.layout import SpanGroup, SpanLayout, lay_out


def spans_of(layout: SpanLayout, lattice: dict[str, torch.Tensor], sentence: int) -> list[tuple[int, int, int]]:
    """Head, tail and word id of the words that a layout has."""
    found = []
    for place in range(layout.tokens, layout.heads.size(1)):
        if layout.mask[sentence, place]:
            head = int(layout.heads[sentence, place])
            length = layout.lengths[int(layout.kinds[sentence, place])]
            word = int(lattice["words"][sentence, layout.words[sentence, place - layout.tokens]])
            found.append((head, head + length, word))
    return found


@given(batches())
def test_every_word_has_its_place(batch: Batch) -> None:
    mask, lattice = batch
    for group_words in (False, True):
        layout = lay_out(mask, lattice, group_words)
        tokens = mask.size(1)
        assert layout.lengths[0] == 0 and len(set(layout.lengths)) == len(layout.lengths)
        assert layout.groups[0] == SpanGroup(0, 0, tokens)
        assert layout.mask[:, :tokens].equal(mask) and not layout.kinds[:, :tokens].any()
        assert layout.heads[:, :tokens].eq(torch.arange(tokens)).all()
        assert ((layout.heads >= 0) & (layout.heads < tokens)).all()
        shapes = {tuple(tensor.shape) for tensor in (layout.kinds, layout.heads, layout.mask)}
        assert shapes == {(len(mask), tokens + layout.words.size(1))}
        for sentence, real in enumerate(lattice["mask"]):
            columns = (lattice[name][sentence, real].tolist() for name in ("heads", "tails", "words"))
            assert Counter(spans_of(layout, lattice, sentence)) == Counter(zip(*columns, strict=True))


@given(batches())
def test_grouped_words_have_the_length_of_their_group(batch: Batch) -> None:
    mask, lattice = batch
    layout = lay_out(mask, lattice, group_words=True)
    assert [group.first for group in layout.groups[1:]] == [group.end for group in layout.groups[:-1]]
    assert layout.groups[-1].end == layout.heads.size(1)
    for group in layout.groups:
        kinds = layout.kinds[:, group.first : group.end][layout.mask[:, group.first : group.end]]
        assert {layout.lengths[kind] for kind in kinds.tolist()} <= {group.length}
        # No place that no sentence needs.
        assert layout.mask[:, group.first : group.end].any(0).all() or group.first == 0


@given(batches())
def test_the_layout_is_the_same_if_the_host_knows_the_numbers_of_words(batch: Batch) -> None:
    mask, lattice = batch
    greatest = _greatest(lattice["tails"] - lattice["heads"], lattice["mask"])
    for group_words in (False, True):
        waited, known = (lay_out(mask, one, group_words) for one in (lattice, {**lattice, "greatest": greatest}))
        assert (known.tokens, known.lengths, known.groups) == (waited.tokens, waited.lengths, waited.groups)
        for name in ("kinds", "heads", "mask", "words"):
            assert getattr(known, name).equal(getattr(waited, name))


def test_a_lexicon_without_matches() -> None:
    mask, lattice = batch_of([3, 1], [[], []], words=2)
    for group_words in (False, True):
        layout = lay_out(mask, lattice, group_words)
        assert list(layout.lengths) == [0] and len(layout.groups) == 1
        assert layout.mask.sum() == 4
