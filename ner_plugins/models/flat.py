"""The model `flat`: any head over characters and the words of a lexicon."""

from typing import Any, Optional

from allennlp.common import Lazy, Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import Seq2SeqEncoder, TextFieldEmbedder
from allennlp.nn import InitializerApplicator, RegularizerApplicator
from allennlp.nn.parallel import DdpAccelerator
from allennlp.training.metrics import Metric

from ner_plugins.errors import ConfigError
from ner_plugins.models.crf_tagger import CrfTagger
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.lattice.flat_encoder import FlatEncoder
from ner_plugins.modules.lattice.lattice_encoder import LatticeEncoder


@Model.register("flat", constructor="over_lattice")
class FlatNer(Model):
    """
    FLAT (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer"): a head, as published a CRF, over
    characters that attend to each other and to the words of `dataset_reader.lexicon`.

    It has no model of its own: it is the model of its head, with a lattice encoder. The same could be said as
    `{"type": "crf_tagger", "lattice_encoder": {"type": "flat"}, …}`.
    """

    default_predictor = NerModel.default_predictor

    @classmethod
    def over_lattice(
        cls,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        lattice_encoder: Lazy[LatticeEncoder] = Lazy(FlatEncoder),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        head: Lazy[Model] = Lazy(CrfTagger, Params({"scheme": "BMES"})),  # noqa: B008
        encoder: Optional[Lazy[Seq2SeqEncoder]] = None,
        dropout: float = 0.3,
        metrics: Optional[list[Metric]] = None,
        training_metrics: bool = False,
        thresholds: Any = None,
        initializer: Optional[InitializerApplicator] = None,
        regularizer: Optional[RegularizerApplicator] = None,
        serialization_dir: Optional[str] = None,
        ddp_accelerator: Optional[DdpAccelerator] = None,
    ) -> NerModel:
        """
        # Parameters

        lattice_encoder : `Lazy[LatticeEncoder]`
            By default `flat`, which is also its `type` if none is given: `FlatEncoder` with the published settings.
        head : `Lazy[Model]`
            Any model of this package with the options that are its own; the rest is said here. By default
            `crf_tagger` with the scheme BMES, as published for all corpora but Weibo (BIO).
        dropout : `float`
            On the encoder's result: 0.3 as published. What goes into it has a dropout of its own,
            `lattice_encoder.embedding_dropout`.
        **kwargs
            The others are `NerModel`'s.

        # Returns

        `NerModel`
            The head.

        # Raises

        `ConfigError` if `head` is no model of this package, or says what has to be said here.
        """
        # What is given to `construct` also reaches the head's own modules: plain options, which some of these have too
        # (a projection's dropout), are said in the head's params.
        options = {"dropout": dropout, "training_metrics": training_metrics, "thresholds": thresholds}
        modules: dict[str, Any] = {
            "text_field_embedder": text_field_embedder,
            "lattice_encoder": lattice_encoder,
            "encoder": encoder,
            "metrics": metrics,
            "initializer": initializer,
            "regularizer": regularizer,
        }
        said = _checked(head, [*modules, *options])
        said.params.update(options)
        whole = Lazy(head._constructor, said, head._constructor_extras)
        model: NerModel = whole.construct(
            vocab=vocab, serialization_dir=serialization_dir, ddp_accelerator=ddp_accelerator, **modules
        )
        return model


def _checked(head: Lazy[Model], shared: list[str]) -> Params:
    """What the head says, a copy; it has to be one of ours, and to say nothing of what the model says."""
    given: Any = head._params  # a string is a type
    said = Params({"type": given} if isinstance(given, str) else dict(given.params), "model.head.")
    name = said.get("type")
    if name is not None:
        try:
            kind, _ = Model.resolve_class_name(name)
        except ConfigurationError:
            kind = Model
        if not issubclass(kind, NerModel):
            raise ConfigError(
                f"model.head is {name!r}, which is not one of this package's models: use crf_tagger, span or biaffine"
            )
    for key in shared:
        if key in said:
            raise ConfigError(f"model.head.{key} belongs to the whole model: write it as model.{key}")
    return said
