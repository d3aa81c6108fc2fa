"""The augmented copies of a reader's training instances."""

import hashlib
import random
from typing import Any, Sequence

from allennlp.data import Instance, Token, Vocabulary

from ner_plugins.dataset_readers.augmentation.augmentation import Augmentation, Reading
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.tokenizers.ner_subwords import SubwordToken


class Augmenter:
    """
    Applies a reader's augmentations, in their order, to the instances that it has read for training.

    A copy depends on the seed, the epoch and the sentence alone (and on the training data that augmentations draw
    from): not on the order of the sentences, nor on what was drawn before. So a run that was stopped goes on as if it
    had not been.

    # Parameters

    reader : `NerDatasetReader`
        Has one or more augmentations.
    instances : `Sequence[Instance]`
        What it has read for training; in distributed training the share of this process.
    vocab : `Vocabulary`
    seed : `int`

    # Raises

    `ConfigError` if the reader gives sentences a context, which a changed sentence would lose; and whatever an
    augmentation's `prepare` raises.
    """

    def __init__(self, reader: Any, instances: Sequence[Instance], vocab: Vocabulary, seed: int) -> None:
        if reader.neighbours is not None:
            raise ConfigError(
                "dataset_reader.augmentation changes sentences, which then are not those of the document: leave out "
                "context_sentences or augmentation"
            )
        self._reader, self._vocab, self._seed = reader, vocab, seed
        self._augmentations: Sequence[Augmentation] = reader.augmentation
        sentences = [sentence for sentence in map(_sentence_of, instances) if sentence.entities is not None]
        for augmentation in self._augmentations:
            augmentation.prepare(sentences, Reading(reader.tokenizer, _mask_of(reader)))

    def __call__(self, instance: Instance, epoch: int) -> Instance:
        """The copy of an instance in an epoch; the instance itself if it is unlabelled or nothing changes."""
        sentence = _sentence_of(instance)
        if sentence.entities is None:
            return instance
        digest = hashlib.sha256(f"{self._seed} {epoch} {sentence.text}".encode("utf-8", "surrogatepass")).digest()
        draw = random.Random(digest)
        changed = sentence
        for augmentation in self._augmentations:
            changed = augmentation.change(changed, draw)
        before = self._reader.tokenizer.tokenize(changed.text)
        tokens = before
        for augmentation in self._augmentations:
            tokens = augmentation.change_tokens(changed, tokens, draw) if tokens else tokens
        if changed is sentence and tokens is before:
            return instance
        copy: Instance = self._reader.instance_of(changed, tokens)
        self._reader.apply_token_indexers(copy)
        copy.index_fields(self._vocab)
        return copy


def _sentence_of(instance: Instance) -> Sentence:
    """What the instance was made of."""
    metadata = instance["metadata"].metadata
    gold = metadata["entities"]
    entities = None if gold is None else tuple(map(Entity.from_json, gold))
    return Sentence(
        metadata["text"], entities, metadata["id"], metadata["source"], weight=metadata.get("weight", 1.0)
    )


def _mask_of(reader: Any) -> Token:
    """The token of a hidden one: a pretrained encoder reads its mask piece, a vocabulary does not know the text."""
    for indexer in reader.token_indexers.values():
        tokenizer = getattr(indexer, "tokenizer", None)
        piece = getattr(tokenizer, "mask_token_id", None)
        if piece is None:
            piece = getattr(tokenizer, "unk_token_id", None)
        if piece is not None:
            return SubwordToken("[MASK]", 0, 0, (piece,))
    return Token("[MASK]")
