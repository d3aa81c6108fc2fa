"""The base of all readers: data paths, splits, bad records, tokens and gold."""

import itertools
import logging
import math
from collections import Counter
from dataclasses import replace
from typing import Any, Callable, Iterable, Iterator, Literal, Optional, Sequence, TypeVar, Union

from allennlp.data import Field, Instance, Token, TokenIndexer, Tokenizer
from allennlp.data.fields import MetadataField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.nn.util import is_distributed

from ner_plugins.archives.assets import is_loading
from ner_plugins.dataset_readers.alignment import Boundary
from ner_plugins.dataset_readers.augmentation.augmentation import Augmentation
from ner_plugins.dataset_readers.held_out import HeldOutFold
from ner_plugins.dataset_readers.neighbours import ContextSentences, Documents, Neighbours
from ner_plugins.dataset_readers.parsing import gc_paused
from ner_plugins.dataset_readers.sentence_reader import SentenceReader
from ner_plugins.dataset_readers.token_spans import token_offsets, token_spans
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.fields.lattice_field import LatticeField
from ner_plugins.fields.tokens_field import TokenContext, TokensField
from ner_plugins.files.recoding import check_encoding
from ner_plugins.files.text_lines import EncodingErrors
from ner_plugins.lexicon.lexicon import Lexicon
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BATCH = 512  # sentences that are tokenized together


class NerDatasetReader(SentenceReader):
    """
    Base of the readers. A subclass names its files and parses their lines:

    ```python
    @DatasetReader.register("my_format")
    class MyReader(NerDatasetReader):
        split_files = {"train": ("train.txt",), "dev": ("dev.txt",)}

        def _parse(self, lines, path):
            for number, line in lines:
                ...
                yield Sentence(text, entities, source=f"{path}:{number}")
    ```

    Instances have the fields `tokens` (`TokensField`), `entities` (`EntitiesField`, unless the text is unlabelled),
    `lattice` (`LatticeField`, if there is a `lexicon`) and `metadata`: `{"text", "entities":
    [{"start", "end", "type"}] | None, "id", "offsets", "source"}`, where `offsets` are the (start, end) characters of
    each token, and `"weight"` where a sentence has one other than 1. If the tokenizer finds no token in a text, the
    instance has one with the text `""` and offsets (0, 0), so that no tensor is empty; no gold refers to it.

    # Parameters

    tokenizer : `Optional[Tokenizer]`, optional (default=`NerCharacterTokenizer()`)
        One of this package's, or any whose tokens have `idx`.
    token_indexers : `Optional[dict[str, TokenIndexer]]`, optional (default=`{"tokens": SingleIdTokenIndexer()}`)
    entity_types : `Optional[list[str]]`, optional (default=`None`)
        Keep only these, in the raw gold as well.
    rename_types : `Optional[dict[str, str]]`, optional (default=`None`)
        New names for types of the file, `{"NR": "PER"}`; `entity_types` then means the new ones.
    on_error : `str`, optional (default=`"raise"`)
        `raise` stops at the first record that cannot be read; `skip` leaves such records out, logs and counts them. It
        too stops after 10,000 such records if not one in a hundred could be read, and at a record with more than 10,000
        lines that cannot be decoded.
    encoding_errors : `str`, optional (default=`"strict"`)
        `strict`, `replace` or `surrogateescape`: see `read_lines`.
    encoding : `Optional[str]`, optional (default=`None`)
        Of text files, by Python's name (`gb18030`). `None`: UTF-8, or UTF-16 or UTF-32 with a byte order mark.
    boundary : `str`, optional (default=`"expand"`)
        `expand`, `shrink` or `drop`: see `align_entities`. The raw gold stays as it is.
    dev_fraction : `Optional[float]`, optional (default=`None`)
        If set, `#dev` is about this share of the texts of the training files (or of a single file), and `#train` is the
        rest. Equal texts get into the same split. `#test` and paths without a split are not affected.
    dev_seed : `int`, optional (default=`0`)
        Seed of that split, which depends on the seed and the text alone: see `split_of`.
    lexicon : `Optional[Lexicon]`, optional (default=`None`)
        The words of the lexicon in each text become the field `lattice`.
    context_sentences : `Optional[Union[int, str]]`, optional (default=`None`)
        The number of sentences of the same document before and after each sentence that a pretrained encoder reads with
        it, or `document` for as many as its window holds. They change the vectors of the sentence's tokens alone: gold,
        loss, spans and predictions are those of the sentence. Neighbours that `dev_fraction` puts into the other split
        count too, with their text.
    documents : `str`, optional (default=`"marked"`)
        What a document is: `marked` by the corpus (with `-DOCSTART-` lines), and the reader refuses a file without
        marks; or each `file`, for files whose sentences follow each other in one text.
    fold : `Optional[HeldOutFold]`, optional (default=`None`)
        A fold whose texts are left out, in all splits: `assignment` and `number`, as `ner-folds` sets them. The reader
        of a trained model leaves out nothing.
    augmentation : `Optional[list[Augmentation]]`, optional (default=`None`)
        How the trainer `ner` changes training sentences in each epoch; what is read stays as it is. See
        `ner_plugins.dataset_readers.augmentation`.
    unlabelled : `str`, optional (default=`"refuse"`)
        Sentences without gold among others with gold: `refuse` them, or `mix` them, for a model that learns from a
        teacher too (`model.distillation`). They have an empty field `entities`, and `None` in the metadata.
    kwargs : `Any`
        `max_instances` and `serialization_dir`: see `DatasetReader`.

    # Attributes

    counts : `Counter[str]`
        Since construction, in this process: `skipped` records; entities with illegal tags that were `repaired` or
        `dropped`; gold entities that were `moved` to token boundaries, and those `without_tokens`; the file's own
        `tokens`, if it has any (including skipped and held-out records).
    sentence_tokens : `int`
        The number of the file's own tokens in the sentence that `sentences` yielded last; 0 if it has none.
    listener : `Optional[Callable[[DataError], None]]`
        If set, it is called with the error of each skipped record, one for each repair in a record, and each `Remark`
        on a file.
    """

    def __init__(
        self,
        tokenizer: Optional[Tokenizer] = None,
        token_indexers: Optional[dict[str, TokenIndexer]] = None,
        entity_types: Optional[list[str]] = None,
        rename_types: Optional[dict[str, str]] = None,
        on_error: Literal["raise", "skip"] = "raise",
        encoding_errors: EncodingErrors = "strict",
        boundary: Boundary = "expand",
        dev_fraction: Optional[float] = None,
        dev_seed: int = 0,
        lexicon: Optional[Lexicon] = None,
        encoding: Optional[str] = None,
        context_sentences: Optional[ContextSentences] = None,
        documents: Documents = "marked",
        fold: Optional[HeldOutFold] = None,
        augmentation: Optional[list[Augmentation]] = None,
        unlabelled: Literal["refuse", "mix"] = "refuse",
        **kwargs: Any,
    ) -> None:
        most = kwargs.get("max_instances")
        if most is not None and most < 1:
            raise ConfigError(f"dataset_reader.max_instances is {most}, but must be 1 or more, or null")
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        check_encoding("dataset_reader.encoding", encoding)
        if dev_fraction is not None and not 0.0 < dev_fraction < 1.0:
            raise ConfigError(f"dataset_reader.dev_fraction is {dev_fraction}, but must be between 0 and 1")
        if isinstance(entity_types, str) or (entity_types is not None and not entity_types):
            raise ConfigError(f"dataset_reader.entity_types is {entity_types!r}, but must list types (or be left out)")
        self.tokenizer = tokenizer or NerCharacterTokenizer()
        self.token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self.entity_types = list(entity_types) if entity_types is not None else None
        self.rename_types = dict(rename_types or {})
        self.on_error = on_error
        self.encoding_errors = encoding_errors
        self.encoding = encoding
        self.boundary = boundary
        self.dev_fraction = dev_fraction
        self.dev_seed = dev_seed
        self.lexicon = lexicon
        self.neighbours: Optional[Neighbours] = None
        if context_sentences is not None:
            self.neighbours = Neighbours(context_sentences, documents, self.token_indexers.values())
        self.fold = None if is_loading() else fold
        self.augmentation = list(augmentation or ())
        self.mixes_unlabelled = unlabelled == "mix"
        self.counts: Counter[str] = Counter()
        self.sentence_tokens = 0
        self.listener: Optional[Callable[[DataError], None]] = None

    # From sentences to instances.

    def _read(self, file_path: str) -> Iterator[Instance]:
        before = Counter(self.counts)
        sentences = self.shard_iterable(self.sentences(file_path))
        try:
            # Read no further than `max_instances`: the rest may be unreadable.
            left = math.inf if self.max_instances is None else self.max_instances
            while group := list(itertools.islice(sentences, int(min(_BATCH, left)))):
                left -= len(group)
                with gc_paused():
                    instances = self._instances(group)
                    for instance in instances if self.mixes_unlabelled else ():
                        if "entities" not in instance.fields:
                            instance.add_field("entities", EntitiesField([], instance["tokens"]))
                yield from instances
        finally:
            moved, lost = (self.counts[key] - before[key] for key in ("moved", "without_tokens"))
            if moved or lost:
                logger.warning(
                    "%s: %d entities do not begin and end at token boundaries (boundary: %s), and %d have no token; "
                    "no prediction can match them, and metrics count them as missed",
                    file_path, moved, self.boundary, lost,
                )  # fmt: skip

    def shard_iterable(self, iterable: Iterable[T]) -> Iterator[T]:
        """As AllenNLP's, but spawned workers, which have no process group, take their rank's share too."""
        rank = self.get_distributed_info()
        if rank is not None and self.get_worker_info() is not None and not is_distributed():
            iterable = itertools.islice(iterable, rank.global_rank, None, rank.world_size)
        shard: Iterator[T] = super().shard_iterable(iterable)
        return shard

    def text_to_instance(  # type: ignore[override]
        self,
        text: str,
        entities: Optional[Sequence[Entity]] = None,
        id: Optional[Union[int, str]] = None,
        source: str = "",
    ) -> Instance:
        """
        Make an instance of a text, without token indexers (`apply_token_indexers` attaches them).

        # Parameters

        text : `str`
        entities : `Optional[Sequence[Entity]]`
            The gold; `None` if the text is unlabelled.
        id : `Optional[Union[int, str]]`
        source : `str`
            `file:line`, for messages.

        # Raises

        `DataError` if an entity is empty or extends past the text.
        """
        return self._instances([Sentence(text, entities, id, source)])[0]

    def texts_to_instances(self, texts: Sequence[Union[str, Sentence]], sources: Sequence[str]) -> list[Instance]:
        """
        Unlabelled instances, tokenized together and with indexers.

        # Parameters

        texts : `Sequence[Union[str, Sentence]]`
            A `Sentence` stands for its text, with the sentences `before` and `after` it as context.
        sources : `Sequence[str]`
            Their names in messages.
        """
        with gc_paused():
            sentences = (Sentence(text) if isinstance(text, str) else text for text in texts)
            named = [replace(of, entities=None, source=source) for of, source in zip(sentences, sources, strict=True)]
            instances = self._instances(named)
            for instance in instances:
                self.apply_token_indexers(instance)
        return instances

    def _instances(self, sentences: Sequence[Sentence]) -> list[Instance]:
        if self.neighbours is not None:
            around = self.neighbours.tokenize(sentences, self.tokenizer)
            return [self.instance_of(sentence, *of_one) for sentence, of_one in zip(sentences, around, strict=True)]
        tokenized = self.tokenizer.batch_tokenize([sentence.text for sentence in sentences])
        return [self.instance_of(*of_one) for of_one in zip(sentences, tokenized, strict=True)]

    def instance_of(self, sentence: Sentence, tokens: list[Token], context: Optional[TokenContext] = None) -> Instance:
        """The instance of a sentence, its tokens and those around it, without token indexers."""
        tokens = tokens or [Token("", 0, 0)]
        offsets = token_offsets(tokens, self.tokenizer)
        field = TokensField(tokens, context=context)
        gold = sentence.entities
        metadata: dict[str, Any] = {
            "text": sentence.text,
            "entities": None if gold is None else [entity.to_json() for entity in gold],
            "id": sentence.id,
            "offsets": offsets,
            "source": sentence.source,
        }
        if sentence.weight != 1.0:
            metadata["weight"] = sentence.weight
        fields: dict[str, Field[Any]] = {"tokens": field, "metadata": MetadataField(metadata)}
        if gold is not None:
            spans = token_spans(sentence, gold, offsets, self.boundary, self.counts)
            fields["entities"] = EntitiesField(spans, field)
        if self.lexicon is not None:
            fields["lattice"] = LatticeField(sentence.text, offsets)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Attach the indexers and the lexicon here, so that they are never sent between processes."""
        instance["tokens"].token_indexers = self.token_indexers
        if self.lexicon is not None:
            instance["lattice"].lexicon = self.lexicon
