"""The model: an encoder, a head, decoding to characters, metrics, assets."""

import logging
from typing import Any, Collection, Mapping, NamedTuple, Optional, Sequence, Union

import torch
from allennlp.common import Lazy
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import Seq2SeqEncoder, TextFieldEmbedder
from allennlp.nn import InitializerApplicator, RegularizerApplicator
from allennlp.nn.parallel import DdpAccelerator
from allennlp.nn.util import get_text_field_mask
from allennlp.training.metrics import Metric
from torch import Tensor

from ner_plugins.archives.assets import Assets, is_loading
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.fields.entities_field import ENTITY_NAMESPACE
from ner_plugins.heads.decoding import DecodedSpans, not_numbers
from ner_plugins.heads.head import Head
from ner_plugins.metrics import EntityMetric, SeqevalMetric
from ner_plugins.models.gold_count import GoldCount
from ner_plugins.models.thresholds import threshold_tensor
from ner_plugins.modules.lattice.lattice_encoder import Lattice, LatticeEncoder
from ner_plugins.modules.token_types import TokenTypes

logger = logging.getLogger(__name__)

UNREACHABLE_WARNING_SHARE = 0.2  # warn above this share of the gold


class EncodedTokens(NamedTuple):
    """
    The tokens of a batch.

    # Parameters

    vectors : `torch.Tensor`
        Shape: (batch, tokens, encoding_dim)
    mask : `torch.BoolTensor`
        Shape: (batch, tokens)
    types : `torch.LongTensor`
        The type id of the entity that a token lies in, of several that of the longest; -1 outside.
        Shape: (batch, tokens)
    entities : `torch.LongTensor`
        The row of that entity in the gold tensor; -1 outside. Shape: (batch, tokens)
    """

    vectors: Tensor
    mask: Tensor
    types: Tensor
    entities: Tensor


@Model.register("ner")
class NerModel(Model):
    """
    A named entity recogniser: an encoder and a head (`ner_plugins.heads.head.Head`). The head scores encoded tokens and
    decodes the scores to spans of tokens; this model encodes tokens and turns the spans into entities of the text.

    # Parameters

    vocab : `Vocabulary`
        Its namespace `entity_labels` holds the entity types of the training data.
    text_field_embedder : `TextFieldEmbedder`
        Tokens to vectors: a transformer, or embeddings of characters.
    head : `Lazy[Head]`
        `tags` (the default), `biaffine`, `pairs`, `pointer`, or a registered `Head` of your own.
    encoder : `Optional[Lazy[Seq2SeqEncoder]]`, optional (default=`None`)
        Contextualises the vectors further, for instance a BiLSTM. Its input size is filled in.
    lattice_encoder : `Optional[Lazy[LatticeEncoder]]`, optional (default=`None`)
        Adds the words of a lexicon (`dataset_reader.lexicon`), before `encoder`: see the model `flat`.
    dropout : `float`, optional (default=`0.0`)
        On the input of the encoder and of the head.
    metrics : `Optional[list[Metric]]`, optional (default=`None`)
        Metrics of this package, called with predicted and raw gold entities; `None` for `seqeval`. Their figures are
        `<name>/<figure>`.
    training_metrics : `bool`, optional (default=`False`)
        Whether to decode and measure in training steps too, which costs time.
    thresholds : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        The lowest probability at which an entity is predicted: for every type, or for each type named.
    initializer, regularizer, serialization_dir, ddp_accelerator
        As in every AllenNLP model.

    # Raises

    `ConfigError` if the training data have no entity, if `thresholds` names a type that they do not have or a value
    outside [0, 1], or if `encoder` has another input size.
    """

    default_predictor = "ner"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        head: Lazy[Head] = Lazy(Head),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        encoder: Optional[Lazy[Seq2SeqEncoder]] = None,
        lattice_encoder: Optional[Lazy[LatticeEncoder]] = None,
        dropout: float = 0.0,
        metrics: Optional[list[Metric]] = None,
        training_metrics: bool = False,
        thresholds: Any = None,  # `Thresholds`, which `threshold_tensor` checks
        initializer: Optional[InitializerApplicator] = None,
        regularizer: Optional[RegularizerApplicator] = None,
        serialization_dir: Optional[str] = None,
        ddp_accelerator: Optional[DdpAccelerator] = None,
    ) -> None:
        super().__init__(
            vocab, regularizer=regularizer, serialization_dir=serialization_dir, ddp_accelerator=ddp_accelerator
        )
        number = vocab.get_vocab_size(ENTITY_NAMESPACE)
        self.types = [str(vocab.get_token_from_index(index, ENTITY_NAMESPACE)) for index in range(number)]
        if not self.types:
            raise ConfigError(
                "the training data hold no entity, so there is nothing to learn: check train_data_path, and the "
                "reader's entity_types if it has any"
            )
        self.text_field_embedder = text_field_embedder
        self.lattice_encoder: Optional[LatticeEncoder] = None
        if lattice_encoder is not None:
            if "input_dim" in lattice_encoder._params:
                raise ConfigError("model.lattice_encoder.input_dim is the size of the embedder's vectors: leave it out")
            self.lattice_encoder = lattice_encoder.construct(
                vocab=vocab, input_dim=text_field_embedder.get_output_dim(), serialization_dir=serialization_dir
            )
        self.encoder: Optional[Seq2SeqEncoder] = None
        if encoder is not None:
            self.encoder = _constructed(encoder, self.lattice_encoder or text_field_embedder)
        self.dropout = torch.nn.Dropout(dropout)
        self.metrics = _checked(metrics)
        self.gold_count = GoldCount()
        self._token_types = TokenTypes(self.types)
        self._training_metrics = training_metrics
        self._unlabelled: Optional[str] = None
        self._warned_of_unreachable = False
        self._warned_of_unused = False
        self.head: Head = head.construct(encoding_dim=self.encoding_dim, types=self.types)
        self.register_buffer("thresholds", threshold_tensor(thresholds, self.types), persistent=False)
        if serialization_dir is not None:
            _prepare_assets(Assets(serialization_dir))
        if initializer is not None:
            initializer(self)

    @property
    def encoding_dim(self) -> int:
        """Size of the vectors that `encode` gives the head."""
        modules = (self.encoder, self.lattice_encoder, self.text_field_embedder)
        return int(next(module for module in modules if module is not None).get_output_dim())

    def extend_embedder_vocab(self, embedding_sources_mapping: Optional[dict[str, str]] = None) -> None:
        """
        Model.extend_embedder_vocab: for the tokens of new data (`from_archive`).

        # Raises

        `ConfigError` if the new data hold entity types that the model does not know.
        """
        types = self.vocab.get_token_to_index_vocabulary(ENTITY_NAMESPACE)
        unknown = [name for name in types if name not in self.types]
        if unknown:
            raise ConfigError(
                f"the data hold the entity type {unknown[0]!r}, which the archive's model cannot learn: it knows "
                f"{', '.join(self.types)}. Leave other types out (the reader's entity_types), or train a new model"
            )
        super().extend_embedder_vocab(embedding_sources_mapping)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """`Module.load_state_dict`; it also takes the names that parameters had in archives of format 1."""
        return super().load_state_dict(_with_head_names(state_dict, self.state_dict().keys()), *args, **kwargs)

    def forward(
        self,
        tokens: TextFieldTensors,
        metadata: Sequence[Mapping[str, Any]],
        entities: Optional[Tensor] = None,
        lattice: Optional[Lattice] = None,
    ) -> dict[str, Any]:
        """
        # Parameters

        tokens : `TextFieldTensors`
            The indexed tokens.
        metadata : `Sequence[Mapping[str, Any]]`
            The reader's, for each sentence: `text`, raw gold `entities`, `id`, and the tokens' character `offsets`.
        entities : `Optional[torch.LongTensor]`
            Gold rows of (first token, last token + 1, type id), padded with -1. Shape: (batch, entities, 3)
        lattice : `Optional[Lattice]`
            The lexicon's words, where the reader has a lexicon: see `LatticeField`.

        # Returns

        `dict[str, Any]`
            `loss`, if there is gold; outside of training `entities` (a list of `Entity` per sentence, with scores),
            `text` and `id`.
        """
        mask = get_text_field_mask(tokens)  # Shape: (batch, tokens)
        encoded = self.encode(tokens, mask, lattice)  # Shape: (batch, tokens, encoding_dim)
        # Zero the padding so that NaNs there cannot reach the scores.
        scores = self.head(encoded.masked_fill(~mask.unsqueeze(-1), 0.0), mask)
        output: dict[str, Any] = {}
        if entities is not None:
            output["loss"] = self.head.loss(scores, entities, mask)
            if self.training and torch.isnan(output["loss"]):
                # The trainer would only report "nan loss"; name the sentences.
                invalid = self.head.decode(scores, mask, self.thresholds).invalid.tolist()
                raise not_numbers(invalid or range(len(metadata)), _names_of(metadata))
        if not self.training or self._training_metrics:
            decoded = self.head.decode(scores, mask, self.thresholds)
            output["entities"] = to_characters(decoded, metadata, self.types)
            output["text"] = [sentence["text"] for sentence in metadata]
            output["id"] = [sentence["id"] for sentence in metadata]
            if entities is not None:
                self._measure(output["entities"], metadata)
            else:
                self._unlabelled = metadata[0].get("source") or "a text without a label"
        return output

    def encode_tokens(self, batch: Mapping[str, Any]) -> EncodedTokens:
        """
        The vectors that the head is given, with what each token is of: for losses of vectors, not of scores.

        # Parameters

        batch : `Mapping[str, Any]`
            What `forward` takes; `entities` among it.
        """
        mask = get_text_field_mask(batch["tokens"])
        encoded = self.encode(batch["tokens"], mask, batch.get("lattice"))
        return EncodedTokens(encoded, mask, *self._token_types(batch["entities"], mask))

    def encode(self, tokens: TextFieldTensors, mask: Tensor, lattice: Optional[Lattice] = None) -> Tensor:
        """Vectors of the tokens in context. Shape: (batch, tokens, encoding_dim)."""
        encoded: Tensor = self.text_field_embedder(tokens)
        if self.lattice_encoder is None:
            self._warn_of_unused(lattice)
        else:  # which has a dropout of its own for what goes into it
            encoded = self.lattice_encoder(encoded, mask, self._checked_lattice(lattice))
        encoded = self.dropout(encoded)
        if self.encoder is not None:
            encoded = self.dropout(self.encoder(encoded, mask))
        return encoded

    def _warn_of_unused(self, lattice: Optional[Lattice]) -> None:
        if lattice is not None and not self._warned_of_unused:
            self._warned_of_unused = True
            logger.warning(
                "dataset_reader.lexicon has no effect on this model: give it a lattice_encoder, or take the model flat"
            )

    def _checked_lattice(self, lattice: Optional[Lattice]) -> Lattice:
        if lattice is None:
            raise ConfigError(
                "model.lattice_encoder needs the words of a lexicon, but the instances have none: set "
                "dataset_reader.lexicon"
            )
        return lattice

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Entities as `{"start", "end", "type", "text", "score"}`."""
        if "entities" in output_dict:
            sentences = zip(output_dict["entities"], output_dict["text"], strict=True)
            output_dict["entities"] = [
                [
                    {**entity.to_json(), "text": text[entity.start : entity.end], "score": entity.score}
                    for entity in entities
                ]
                for entities, text in sentences
            ]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """
        The metrics' figures, `<metric>/<figure>`. With `reset` per type too, and `gold` and `unreachable_gold`: how
        many gold entities there were, and how many of them no prediction of this model could have hit.
        """
        if self.training and not self._training_metrics:
            return {}
        if reset and self._unlabelled is not None:
            place, self._unlabelled = self._unlabelled, None
            raise DataError(f"evaluation needs labelled data, but there is no label at {place}")
        figures = {
            f"{metric.name}/{name}": value
            for metric in self.metrics
            for name, value in metric.get_metric(reset).items()
        }
        return {**figures, **self._count_gold()} if reset else figures

    def _count_gold(self) -> dict[str, float]:
        """`gold` and `unreachable_gold`; the first time that much is out of reach it is said."""
        counts = self.gold_count.get_metric(reset=True)
        if counts["unreachable_gold"] > UNREACHABLE_WARNING_SHARE * counts["gold"] and not self._warned_of_unreachable:
            self._warned_of_unreachable = True
            logger.warning(
                "%d of %d gold entities are out of this model's reach, whatever it learns: they are wider than "
                "max_span_width, overlap where decoding is flat, end inside a token, or are of a type that the "
                "training data do not hold",
                counts["unreachable_gold"], counts["gold"],
            )  # fmt: skip
        return counts

    def _measure(self, predicted: Sequence[Sequence[Entity]], metadata: Sequence[Mapping[str, Any]]) -> None:
        self._unlabelled = None
        raw = [sentence["entities"] for sentence in metadata]
        gold = [None if entities is None else [Entity.from_json(entity) for entity in entities] for entities in raw]
        for metric in self.metrics:
            metric(predicted, gold, [sentence["text"] for sentence in metadata])
        for sentence, entities in zip(metadata, gold, strict=True):
            known = [entity for entity in set(entities or ()) if entity.type in self.types]
            self.gold_count(len(set(entities or ())), len(self.head.reachable(to_tokens(known, sentence["offsets"]))))


def to_characters(
    spans: DecodedSpans, metadata: Sequence[Mapping[str, Any]], types: Sequence[str]
) -> list[list[Entity]]:
    """
    The entities of token spans, in characters of each sentence's text, in order of position.

    # Parameters

    spans : `DecodedSpans`
        The spans of a batch; they are copied to the host once.
    metadata : `Sequence[Mapping[str, Any]]`
        The sentences' metadata, whose `offsets` are the (start, end) of each token in characters.
    types : `Sequence[str]`
        The name of each type id.
    """
    entities = []
    for sentence, rows in zip(metadata, spans.to_entities(len(metadata), _names_of(metadata)), strict=True):
        offsets = sentence["offsets"]
        found = [
            Entity(offsets[first][0], offsets[end - 1][1], types[type_id], round(probability, 6))
            for first, end, type_id, probability in rows
        ]
        # The token that stands for an empty text has no characters.
        entities.append([entity for entity in found if entity.width > 0])
    return entities


def _names_of(metadata: Sequence[Mapping[str, Any]]) -> list[str]:
    """What messages call each sentence: its place in a file, or its id."""
    return [sentence.get("source") or str(sentence["id"]) for sentence in metadata]


def to_tokens(entities: Sequence[Entity], offsets: Sequence[tuple[int, int]]) -> list[Entity]:
    """Those of `entities` that begin and end with a token, with tokens in place of characters as their unit."""
    first = {start: token for token, (start, _) in enumerate(offsets)}
    end = {end: token + 1 for token, (_, end) in enumerate(offsets)}
    return [
        Entity(first[entity.start], end[entity.end], entity.type)
        for entity in entities
        if entity.start in first and entity.end in end
    ]


def _constructed(encoder: Lazy[Seq2SeqEncoder], below: Union[TextFieldEmbedder, LatticeEncoder]) -> Seq2SeqEncoder:
    """The encoder, for vectors of the size of what is below it."""
    size = below.get_output_dim()
    # Encoders have one name or the other for it. What the config says need not be said again: AllenNLP would warn.
    sizes = {name: size for name in ("input_size", "input_dim") if name not in encoder._params}
    module = encoder.construct(**sizes)
    if module.get_input_dim() != size:
        raise ConfigError(
            f"model.encoder takes vectors of {module.get_input_dim()} numbers, but it is given vectors of {size}: "
            "leave the size out, and it is the right one"
        )
    return module


def _with_head_names(state_dict: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """
    Format 1 of archives and their checkpoints has a head's parameters at the top: `crf.transitions`. They are found by
    their place: what is no parameter of the model, but is one of its head.
    """
    moved = {name: f"head.{name}" for name in state_dict if name not in known and f"head.{name}" in known}
    return {moved.get(name, name): value for name, value in state_dict.items()}


def _prepare_assets(assets: Assets) -> None:
    if is_loading():
        assets.check_version()
    else:
        assets.save_manifest()


def _checked(metrics: Optional[list[Metric]]) -> list[EntityMetric]:
    checked: list[EntityMetric] = []
    for metric in [SeqevalMetric()] if metrics is None else metrics:
        if not isinstance(metric, EntityMetric):
            raise ConfigError(
                f"model.metrics holds {type(metric).__name__}, which does not measure entities: "
                "use seqeval, cluener or typed_span_f1"
            )
        checked.append(metric)
    return checked
