"""The model: an encoder, a head, decoding to characters, metrics, assets."""

import logging
from typing import Any, ClassVar, Mapping, Optional, Sequence

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

from ner_plugins.decoding.not_numbers import not_numbers
from ner_plugins.entities import ENTITY_NAMESPACE, Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.models.distillation import Distillation
from ner_plugins.models.encoded_tokens import EncodedTokens
from ner_plugins.models.entity_model import EntityModel
from ner_plugins.models.offsets import in_tokens, names_of, to_characters
from ner_plugins.models.parts import (
    build_encoder,
    build_lattice_encoder,
    check_loss,
    entity_types,
    forget_type_weights,
    prepare_assets,
    with_head_names,
)
from ner_plugins.models.sentence_weights import SentenceWeights
from ner_plugins.models.thresholds import threshold_tensor
from ner_plugins.models.training_loss import BatchLoss, is_unlabelled
from ner_plugins.modules.dropout import DimensionDropout, Dropout
from ner_plugins.modules.lattice.lattice_encoder import Lattice, LatticeEncoder
from ner_plugins.modules.token_dropout import TokenDropout
from ner_plugins.modules.token_types import TokenTypes
from ner_plugins.post_processing.span_rule import SpanRule

logger = logging.getLogger(__name__)


@Model.register("ner")
class NerModel(EntityModel):
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
    dropout_samples : `int`, optional (default=`1`)
        In training, the loss is the mean over this many dropout masks on the input of the head (Inoue 2019,
        "Multi-Sample Dropout for Accelerated Training and Better Generalization").
    token_dropout : `float`, optional (default=`0.0`)
        Of whole tokens before they are embedded: see `TokenDropout`. A lexicon's words stay.
    dimension_dropout : `float`, optional (default=`0.0`)
        Of whole dimensions of a sentence's token vectors, after they are embedded: see `DimensionDropout`.
    metrics : `Optional[list[Metric]]`, optional (default=`None`)
        Metrics of this package, called with predicted and raw gold entities; `None` for `seqeval`. Their figures are
        `<name>/<figure>`.
    training_metrics : `bool`, optional (default=`False`)
        Whether to decode and measure in training steps too, which costs time.
    thresholds : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        The lowest probability at which an entity is predicted: for every type, or for each type named.
    post_processing : `Optional[list[SpanRule]]`, optional (default=`None`)
        Rules that change the predicted entities, in the order in which they apply (see `ner_plugins.post_processing`).
    distillation : `Optional[Distillation]`, optional (default=`None`)
        A trained model to learn from in training, beside the gold.
    initializer, regularizer, serialization_dir, ddp_accelerator
        As in every AllenNLP model.

    # Raises

    `ConfigError` if the training data have no entity, if `thresholds` names a type that they do not have or a value
    outside [0, 1], if a rule names such a type, or if `encoder` has another input size.
    """

    fixed_options: ClassVar[frozenset[str]] = frozenset()
    """Options that a subclass fixes; a config that gives one is refused."""

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        head: Lazy[Head] = Lazy(Head),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        encoder: Optional[Lazy[Seq2SeqEncoder]] = None,
        lattice_encoder: Optional[Lazy[LatticeEncoder]] = None,
        dropout: float = 0.0,
        dropout_samples: int = 1,
        token_dropout: float = 0.0,
        dimension_dropout: float = 0.0,
        metrics: Optional[list[Metric]] = None,
        training_metrics: bool = False,
        thresholds: Any = None,  # `Thresholds`, which `threshold_tensor` checks
        post_processing: Optional[list[SpanRule]] = None,
        distillation: Optional[Distillation] = None,
        initializer: Optional[InitializerApplicator] = None,
        regularizer: Optional[RegularizerApplicator] = None,
        serialization_dir: Optional[str] = None,
        ddp_accelerator: Optional[DdpAccelerator] = None,
    ) -> None:
        super().__init__(
            vocab,
            metrics,
            thresholds,
            post_processing,
            regularizer=regularizer,
            serialization_dir=serialization_dir,
            ddp_accelerator=ddp_accelerator,
        )
        self.text_field_embedder = text_field_embedder
        self.lattice_encoder = build_lattice_encoder(
            lattice_encoder, text_field_embedder.get_output_dim(), vocab, serialization_dir
        )
        self.encoder = build_encoder(encoder, (self.lattice_encoder or text_field_embedder).get_output_dim())
        self.dropout = Dropout(dropout)
        self.token_dropout = TokenDropout(token_dropout, text_field_embedder, vocab)
        self.dimension_dropout = DimensionDropout(dimension_dropout)
        if dropout_samples < 1:
            raise ConfigError(f"model.dropout_samples is {dropout_samples}, but has to be 1 or more")
        self.dropout_samples = dropout_samples
        self.sentence_weights = SentenceWeights()

        self._token_types = TokenTypes(self.types)
        self.training_metrics = training_metrics
        self._warned_of_unused = False
        self._head_options, self._threshold_option = head, thresholds
        self.head: Head = head.construct(encoding_dim=self.encoding_dim, types=self.types)
        check_loss(self.head, self.types)
        self.distillation = distillation
        if distillation is not None:
            distillation.start(self.head, serialization_dir)
        if serialization_dir is not None:
            prepare_assets(serialization_dir)
        if initializer is not None:
            initializer(self)

    @property
    def encoding_dim(self) -> int:
        """Size of the vectors that the head takes."""
        modules = (self.encoder, self.lattice_encoder, self.text_field_embedder)
        return int(next(module for module in modules if module is not None).get_output_dim())

    def extend_embedder_vocab(self, embedding_sources_mapping: Optional[dict[str, str]] = None) -> None:
        """
        `Model.extend_embedder_vocab`, for the tokens of new data (`from_archive`).

        # Raises

        `ConfigError` if the new data have an entity type that the model lacks.
        """
        types = self.vocab.get_token_to_index_vocabulary(ENTITY_NAMESPACE)
        unknown = [name for name in types if name not in self.types]
        if unknown:
            raise ConfigError(
                f"the data have the entity type {unknown[0]!r}, but the archive's model only has "
                f'{", ".join(self.types)}. With model.new_types "extend" it learns further types and keeps what it '
                'knows, with "replace" it gets a new head for the types of these data; or leave other types out (the '
                "reader's entity_types)"
            )
        super().extend_embedder_vocab(embedding_sources_mapping)

    def change_types(self, keep: bool) -> None:
        """
        Take the entity types that the vocabulary has now (`from_archive` with `new_types`).

        # Parameters

        keep : `bool`
            Whether the head and the thresholds stay as they are for the types that stay. Otherwise the head is new, and
            thresholds and loss weights of single types are dropped. Rules that name a type which is gone are dropped,
            with a warning.

        # Raises

        `ConfigError` if the head does not know which of its parameters depend on the types.
        """
        self.types, trained = entity_types(self.vocab), self.head
        self.post_processing = self.post_processing.for_types(self.types)
        self._token_types = TokenTypes(self.types)
        head: Head = self._head_options.construct(encoding_dim=self.encoding_dim, types=self.types)
        if keep:
            head.keep_learnt(trained)
        else:
            forget_type_weights(head)
        self.head = head.train(self.training).to(self.thresholds.device)
        if not keep and isinstance(self._threshold_option, Mapping):
            self._threshold_option = None
        self.thresholds = threshold_tensor(self._threshold_option, self.types).to(self.thresholds.device)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """`Module.load_state_dict`, which also takes the parameter names of archives of format 1."""
        return super().load_state_dict(with_head_names(state_dict, self.state_dict().keys()), *args, **kwargs)

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
            From the reader, for each sentence: `text`, raw gold `entities`, `id`, the tokens' character `offsets`, and
            its `weight` in the loss if that is not 1.
        entities : `Optional[torch.LongTensor]`
            Gold rows of (first token, last token + 1, type id), padded with -1. Shape: (batch, entities, 3)
        lattice : `Optional[Lattice]`
            The lexicon's words, where the reader has a lexicon: see `LatticeField`.

        # Returns

        `dict[str, Any]`
            `loss` and `loss_weight` (see `WeightedLoss`), if there is gold; in evaluation also `entities` (a list of
            `Entity` per sentence, with scores), `text` and `id`.
        """
        mask = get_text_field_mask(tokens)  # Shape: (batch, tokens)
        vectors = self.contextualise(tokens, mask, lattice)  # Shape: (batch, tokens, encoding_dim)
        scores = self.score(self.dropout(vectors), mask)
        output: dict[str, Any] = {}
        if entities is not None:
            weights = self.sentence_weights(metadata, mask.device, self.training)  # Shape: (batch,)
            teacher = self.distillation if self.training else None
            loss_of = BatchLoss(self.head, entities, mask, metadata, weights, teacher)
            output["loss"], output["loss_weight"] = loss_of(scores)
            if self.training and self.dropout_samples > 1:
                more = [self.score(self.dropout(vectors), mask) for _ in range(self.dropout_samples - 1)]
                output["loss"] = torch.stack([output["loss"], *(loss_of(one).loss for one in more)]).mean()
            # Elsewhere the check would wait for the device in every step; the trainer checks the losses that it logs.
            if self.training and output["loss"].device.type == "cpu" and torch.isnan(output["loss"]):
                # AllenNLP's trainer would only report "nan loss"; name the sentences.
                invalid = self.head.decode(scores, mask, self.thresholds).invalid.tolist()
                raise not_numbers(invalid or range(len(metadata)), names_of(metadata))
        if not self.training or self.training_metrics:
            output["entities"] = self.entities_of(scores, mask, metadata)
            output["text"] = [sentence["text"] for sentence in metadata]
            output["id"] = [sentence["id"] for sentence in metadata]
            if entities is not None and not any(map(is_unlabelled, metadata)):
                self.measure(output["entities"], metadata)
            else:
                self.note_unlabelled(metadata)
        return output

    @torch.no_grad()
    def find(  # type: ignore[override]
        self,
        tokens: TextFieldTensors,
        metadata: Sequence[Mapping[str, Any]],
        lattice: Optional[Lattice] = None,
        thresholds: Optional[Tensor] = None,
        **unused: Any,
    ) -> list[list[Entity]]:
        """
        The entities of each sentence, without the rest of `forward`: no loss, no metrics, nothing stored in the model.

        # Parameters

        tokens, metadata, lattice
            As in `forward`. Other arguments of it have no effect.
        thresholds : `Optional[torch.Tensor]`, optional (default=`None`)
            Instead of the model's own. Shape: (types,)
        """
        mask = get_text_field_mask(tokens)  # Shape: (batch, tokens)
        vectors = self.contextualise(tokens, mask, lattice)  # Shape: (batch, tokens, encoding_dim)
        return self.entities_of(self.score(vectors, mask), mask, metadata, thresholds)

    def entities_of(
        self, scores: Any, mask: Tensor, metadata: Sequence[Mapping[str, Any]], thresholds: Optional[Tensor] = None
    ) -> list[list[Entity]]:
        """The entities that the head's scores decode to, after the rules; parameters as in `find`."""
        decoded = self.head.decode(scores, mask, self.thresholds if thresholds is None else thresholds)
        return self.after_rules(to_characters(decoded, metadata, self.types), metadata)

    def encode_tokens(self, batch: Mapping[str, Any]) -> EncodedTokens:
        """
        The head's input, with the entity of each token: for losses over vectors instead of scores.

        # Parameters

        batch : `Mapping[str, Any]`
            The arguments of `forward`, with `entities`.
        """
        mask = get_text_field_mask(batch["tokens"])  # Shape: (batch, tokens)
        encoded = self.encode(batch["tokens"], mask, batch.get("lattice"))
        return EncodedTokens(encoded, mask, *self._token_types(batch["entities"], mask))

    def encode(self, tokens: TextFieldTensors, mask: Tensor, lattice: Optional[Lattice] = None) -> Tensor:
        """Vectors of the tokens in context, with dropout. Shape: (batch, tokens, encoding_dim)."""
        encoded: Tensor = self.dropout(self.contextualise(tokens, mask, lattice))
        return encoded

    def contextualise(self, tokens: TextFieldTensors, mask: Tensor, lattice: Optional[Lattice] = None) -> Tensor:
        """`encode` without the dropout on its result."""
        embedded: Tensor = self.text_field_embedder(self.token_dropout(tokens, mask))
        encoded: Tensor = self.dimension_dropout(embedded)  # Shape: (batch, tokens, embedding_dim)
        if self.lattice_encoder is None:
            self._warn_of_unused(lattice)
        else:  # applies its own dropout to its input
            encoded = self.lattice_encoder(encoded, mask, self._checked_lattice(lattice))
        if self.encoder is not None:
            encoded = self.encoder(self.dropout(encoded), mask)
        return encoded

    def score(self, encoded: Tensor, mask: Tensor) -> Any:
        """The head's scores of encoded tokens; `encoded` may be anything at padding."""
        # Zero the padding so that NaNs there cannot reach the scores.
        return self.head(encoded.masked_fill(~mask.unsqueeze(-1), 0.0), mask)

    def _warn_of_unused(self, lattice: Optional[Lattice]) -> None:
        if lattice is not None and not self._warned_of_unused:
            self._warned_of_unused = True
            logger.warning(
                "dataset_reader.lexicon has no effect on this model: set model.lattice_encoder, or use the model flat"
            )

    def _checked_lattice(self, lattice: Optional[Lattice]) -> Lattice:
        if lattice is None:
            raise ConfigError(
                "model.lattice_encoder needs the words of a lexicon, but the instances have none: set "
                "dataset_reader.lexicon"
            )
        return lattice

    @property
    def nested(self) -> bool:
        """Whether the head predicts entities within others."""
        return getattr(self.head, "decoding", "") == "nested"

    def reachable(self, entities: Sequence[Entity], sentence: Mapping[str, Any]) -> list[Entity]:
        """`EntityModel.reachable`."""
        known = [entity for entity in entities if entity.type in self.types]
        tokens = in_tokens(known, sentence["offsets"], sentence["text"])
        found = set(self.head.reachable(list(tokens.values())))
        return [entity for entity, of_entity in tokens.items() if of_entity in found]

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`EntityModel.get_metrics`; none while training, unless `training_metrics` asks for them."""
        return {} if self.training and not self.training_metrics else super().get_metrics(reset)

    @torch.no_grad()
    def n_best(  # type: ignore[override]
        self,
        number: int,
        tokens: TextFieldTensors,
        metadata: Sequence[Mapping[str, Any]],
        lattice: Optional[Lattice] = None,
        **unused: Any,
    ) -> list[tuple[list[Entity], float]]:
        """`EntityModel.n_best`."""
        mask = get_text_field_mask(tokens)  # Shape: (1, tokens)
        scores = self.score(self.contextualise(tokens, mask, lattice), mask)
        offsets = metadata[0]["offsets"]
        return [
            ([Entity(offsets[start][0], offsets[end - 1][1], self.types[kind]) for start, end, kind in spans], share)
            for spans, share in self.head.n_best(scores, mask, number)
        ]
