"""The short forms of models, from `crf_tagger` to `flat`: a `NerModel` whose head's options are the model's own."""

from functools import partial
from typing import Any, ClassVar, Optional

from allennlp.common import Lazy, Params
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder

from ner_plugins.errors import ConfigError
from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.global_pointer import EfficientGlobalPointerHead, GlobalPointerHead
from ner_plugins.heads.head import Head
from ner_plugins.heads.projection import SpanProjection
from ner_plugins.heads.span_head import BandDecoding, Decoding, DecodingScore, SpanHead
from ner_plugins.heads.span_scorer import Init, SpanScorer
from ner_plugins.heads.tag_scorers import TagScorer
from ner_plugins.heads.tags import CrfReduction, Decoder, TagsHead
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.lattice.flat_encoder import FlatEncoder
from ner_plugins.modules.lattice.lattice_encoder import LatticeEncoder
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import CellLoss


@Model.register("crf_tagger", exist_ok=True)
class CrfTagger(NerModel):
    """
    `NerModel` with the head `tags`. Parameters are those of `TagsHead` and of `NerModel`.

    `type: "crf_tagger"` in a config is this model; that of allennlp_models is
    `type: "allennlp_models.tagging.models.crf_tagger.CrfTagger"`.
    """

    fixed_options = frozenset({"head"})

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        scheme: str = "BIO",
        decoder: Decoder = "crf",
        tag_head: TagScorer = "joint",
        constrain: bool = True,
        constrain_training: bool = False,
        use_start_end: bool = True,
        reduction: Optional[CrfReduction] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        **kwargs: Any,
    ) -> None:
        head = partial(
            TagsHead,
            scheme=scheme,
            decoder=decoder,
            tag_head=tag_head,
            constrain=constrain,
            constrain_training=constrain_training,
            use_start_end=use_start_end,
            reduction=reduction,
            loss=loss,
            negative_sampling=negative_sampling,
        )
        super().__init__(vocab, text_field_embedder, Lazy(head), **kwargs)


@Model.register("biaffine")
class BiaffineNer(NerModel):
    """`NerModel` with the head `biaffine`. Parameters are those of `BiaffineHead` and of `NerModel`."""

    fixed_options = frozenset({"head"})

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        projection: Lazy[SpanProjection] = Lazy(SpanProjection),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        scorer: Lazy[SpanScorer] = Lazy(BiaffineSpanScorer),  # noqa: B008
        max_span_width: Optional[int] = None,
        init: Init = "zeros",
        prior: Optional[float] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: BandDecoding = "flat_greedy",
        decoding_score: DecodingScore = "margin",
        **kwargs: Any,
    ) -> None:
        head = partial(
            BiaffineHead,
            projection=projection,
            scorer=scorer,
            max_span_width=max_span_width,
            init=init,
            prior=prior,
            loss=loss,
            negative_sampling=negative_sampling,
            decoding=decoding,
            decoding_score=decoding_score,
        )
        super().__init__(vocab, text_field_embedder, Lazy(head), **kwargs)


@Model.register("global_pointer")
class GlobalPointerNer(NerModel):
    """`NerModel` with the head `global_pointer`. Parameters are those of `GlobalPointerHead` and of `NerModel`."""

    fixed_options = frozenset({"head"})
    head_class: ClassVar[type[GlobalPointerHead]] = GlobalPointerHead

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        inner_dim: int = 64,
        rope: bool = True,
        max_span_width: Optional[int] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: BandDecoding = "flat_optimal",
        decoding_score: DecodingScore = "margin",
        **kwargs: Any,
    ) -> None:
        head = partial(
            self.head_class,
            inner_dim=inner_dim,
            rope=rope,
            max_span_width=max_span_width,
            loss=loss,
            negative_sampling=negative_sampling,
            decoding=decoding,
            decoding_score=decoding_score,
        )
        super().__init__(vocab, text_field_embedder, Lazy(head), **kwargs)


@Model.register("efficient_global_pointer")
class EfficientGlobalPointerNer(GlobalPointerNer):
    """`NerModel` with the head `efficient_global_pointer`; parameters as of `GlobalPointerNer`."""

    head_class = EfficientGlobalPointerHead


@Model.register("span")
class SpanNer(NerModel):
    """
    `NerModel` with a head of bert4ner.pytorch's span models, and decoding that looks at the scores.

    # Parameters

    head : `Lazy[Head]`
        `pairs` (bert4ner's "span-v2"; also named `enumeration`): classifies every span up to a width. `dense`
        ("span-v3"): the same. `pointer` ("span"): labels of first and of last tokens.
    max_span_width, loss, negative_sampling, decoding, decoding_score
        See `SpanHead`, whose options these are.
    **kwargs
        See `NerModel`.

    # Raises

    `ConfigError` as `SpanHead.check_config`.
    """

    check_config = SpanHead.check_config

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        head: Lazy[Head],
        max_span_width: Optional[int] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: Decoding = "flat_optimal",
        decoding_score: DecodingScore = "margin",
        **kwargs: Any,
    ) -> None:
        with_options = partial(
            SpanHead.of_span_model,
            head=head,
            max_span_width=max_span_width,
            loss=loss,
            negative_sampling=negative_sampling,
            decoding=decoding,
            decoding_score=decoding_score,
        )
        super().__init__(vocab, text_field_embedder, Lazy(with_options), **kwargs)


@Model.register("flat")
class FlatNer(NerModel):
    """
    FLAT (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer"): `NerModel` with the published defaults, a
    CRF over characters that attend to each other and to the words of `dataset_reader.lexicon`.

    # Parameters

    head : `Lazy[Head]`
        By default `tags` with the scheme BMES, as published for all corpora but Weibo (BIO).
    lattice_encoder : `Lazy[LatticeEncoder]`
        By default `flat`: `FlatEncoder` with the published settings.
    dropout : `float`, optional (default=`0.3`)
        On the encoder's result. Its input has a dropout of its own, `lattice_encoder.embedding_dropout`.
    **kwargs
        See `NerModel`.

    # Raises

    `ConfigError` if `head` is an empty object.
    """

    @classmethod
    def check_config(cls, params: Params) -> None:
        """Check the parameters before anything is built. An empty `head` would be the tagger with another scheme."""
        if "head" in params and isinstance(params.get("head"), Params) and not len(params.get("head")):
            raise ConfigError(
                f'{params.history}head is {{}}, but has to name its "type", such as "tags"; without `head` it is '
                "a tagger with the scheme BMES"
            )

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        head: Lazy[Head] = Lazy(TagsHead, Params({"scheme": "BMES"})),  # noqa: B008
        lattice_encoder: Lazy[LatticeEncoder] = Lazy(FlatEncoder),  # noqa: B008
        dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, text_field_embedder, head, lattice_encoder=lattice_encoder, dropout=dropout, **kwargs)
