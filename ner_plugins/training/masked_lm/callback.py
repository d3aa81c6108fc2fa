"""The callback `ner_mlm`: masked-language-model pretraining of the encoder before training."""

import logging
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, Mapping, Optional, Sequence

from allennlp.common import Lazy, Params
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.lexicon.lexicon import Lexicon
from ner_plugins.pretrained.masked_head import masked_head
from ner_plugins.training.masked_lm.batches import MaskedBatches
from ner_plugins.training.masked_lm.masking import MaskableSentence, Masking
from ner_plugins.training.masked_lm.objective import MaskedObjective
from ner_plugins.training.masked_lm.sentences import (
    DataFormat,
    Encoding,
    SentenceMaker,
    encoding_of,
    format_of,
    indexer_of,
    read_instances,
)
from ner_plugins.training.stages.building import select_by
from ner_plugins.training.stages.callback import StagedTraining, StageMaker
from ner_plugins.training.stages.options import StageOptions, check_counts, takes_options
from ner_plugins.training.stages.stage import Stage
from ner_plugins.training.trainer_access import reader_of, seed_of, validation_loader

logger = logging.getLogger(__name__)

STAGE = "masked_lm"

_ADAMW: Mapping[str, Any] = {
    "type": "huggingface_adamw",
    "lr": 5e-5,
    "eps": 1e-8,
    "weight_decay": 0.01,
    "parameter_groups": [[["(bias|[Nn]orm)"], {"weight_decay": 0.0}]],
}
_SCHEDULE: Mapping[str, Any] = {"type": "slanted_triangular", "cut_frac": 0.06}


@dataclass(eq=False)
class MaskedOptions(StageOptions):
    """
    How the masked language model trains.

    # Parameters

    batch_size : `int`
        Sentences per batch.
    select_on : `Optional[Literal["dev_loss", "last"]]`
        The epoch whose weights are kept: the one with the lowest loss of masked pieces in the validation data, or the
        `last`. Left out: the former, or the latter without validation data.
    optimizer : `Optional[Lazy[Optimizer]]`
        Left out: AdamW with rate 5e-5 and weight decay 0.01.
    learning_rate_scheduler : `Optional[Lazy[LearningRateScheduler]]`
        Left out: linear warm-up over 6 % of the updates, then linear decay.
    patience, grad_norm, grad_clipping, num_gradient_accumulation_steps, dropout_when_frozen
        See `StageOptions`.
    """

    batch_size: int = 32
    select_on: Optional[Literal["dev_loss", "last"]] = None
    grad_norm: Optional[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size is None:
            raise ConfigError("ner_mlm.batch_size is null, but has to be a number of sentences")
        check_counts(batch_size=self.batch_size)
        self.optimizer = self.optimizer or Lazy(Optimizer, Params(_copy(_ADAMW)))
        schedule = self.learning_rate_scheduler or Lazy(LearningRateScheduler, Params(_copy(_SCHEDULE)))
        self.learning_rate_scheduler = schedule


@TrainerCallback.register("ner_mlm")
class MaskedLanguageModelCallback(StagedTraining):
    """
    Trains the model's transformer further as a masked language model before ordinary training, by default on the
    training sentences: task-adaptive pretraining (Gururangan et al. 2020, "Don't Stop Pretraining: Adapt Language
    Models to Domains and Tasks", section 4; published with 100 epochs, batches of 256 and a rate of 1e-4).

    Whole words are masked, differently in each epoch: see `Masking` and `owners`. The head of the language model is
    that of the encoder's checkpoint, if it has one, and is not kept.

    # Parameters

    serialization_dir : `str`
    epochs : `int`, optional (default=`10`)
        The most epochs; 0: no stage.
    data_path : `Optional[str]`, optional (default=`None`)
        A text with a sentence a line, or a corpus that the config's reader reads, `PATH[!MEMBER][#SPLIT]`. Left out:
        the training data.
    data_format : `Optional[DataFormat]`, optional (default=`None`)
        `text` or `corpus`. Left out: found by the path and the file's beginning.
    mlm_probability : `float`, optional (default=`0.15`)
        The share of the words that are masked.
    lexicon : `Optional[Lazy[Lexicon]]`, optional (default=`None`)
        The words that are masked as wholes, `{"path": FILE}`. Left out: runs of letters and digits, and single Chinese
        characters.
    tensorboard : `Optional[bool]`
        See `StagedTraining`.
    **options
        The fields of `MaskedOptions`.

    # Raises

    `ConfigError` if the model has no transformer that learns, or its tokenizer has no mask token, and for options that
    contradict each other; `DataError` for a file that cannot be read.
    """

    name = "ner_mlm"

    @takes_options(MaskedOptions)
    def __init__(
        self,
        serialization_dir: str,
        epochs: int = 10,
        data_path: Optional[str] = None,
        data_format: Optional[DataFormat] = None,
        mlm_probability: float = 0.15,
        lexicon: Optional[Lazy[Lexicon]] = None,
        tensorboard: Optional[bool] = None,
        **options: Any,
    ) -> None:
        super().__init__(serialization_dir, tensorboard)
        if epochs < 0:
            raise ConfigError(f"ner_mlm.epochs is {epochs}, but has to be 0 or more")
        if not 0.0 < mlm_probability < 1.0:
            raise ConfigError(f"ner_mlm.mlm_probability is {mlm_probability}, but has to be between 0 and 1")
        if data_format is not None and data_path is None:
            raise ConfigError("ner_mlm.data_format has no effect without ner_mlm.data_path: set both or neither")
        self.epochs = epochs
        self.data_path = data_path
        self.data_format = data_format
        self.mlm_probability = mlm_probability
        self._lexicon = lexicon
        self.options = MaskedOptions(**options)

    def check(self, trainer: Any) -> None:
        """
        Find what the stage would stumble over, without reading all data.

        # Raises

        As the class.
        """
        if not self.epochs:
            return
        encoding = encoding_of(trainer.model)
        self._masking(trainer, encoding)
        self._read_lexicon()
        if self.data_path is not None and self.data_format is None:
            format_of(self.data_path, self._reader(trainer))

    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The one stage."""
        return [(STAGE, lambda: self._stage(trainer))] if self.epochs else []

    def _stage(self, trainer: Any) -> Stage:
        encoding = encoding_of(trainer.model)
        embedder = encoding.embedder
        masking = self._masking(trainer, encoding)
        lexicon = self._read_lexicon()
        if self.data_path is None:
            instances = trainer.data_loader.iter_instances()
        else:
            instances = read_instances(self.data_path, self.data_format, self._reader(trainer))

        def batches(sentences: Sequence[MaskableSentence]) -> MaskedBatches:
            size, device = self.options.batch_size, trainer.cuda_device
            return MaskedBatches(sentences, masking, size, embedder.padding_id, device, seed_of(trainer))

        maker = SentenceMaker(encoding.key, trainer.model.vocab, lexicon)
        training = batches(list(maker(instances)))
        validation = None
        if select_by(self.options.select_on, "dev_loss", trainer, self.name) != "last":
            validation = batches(list(maker(validation_loader(trainer).iter_instances())))  # type: ignore[union-attr]
        head, reason = masked_head(embedder.model_name, embedder.encoder)
        if reason is not None:
            logger.warning("ner_mlm: the language model gets a new head, which learns from nothing: %s", reason)
        objective = MaskedObjective(trainer, validation, embedder, head, STAGE)
        learning = {id(parameter) for parameter in embedder.encoder.parameters()}
        frozen = {name for name, parameter in trainer.model.named_parameters() if id(parameter) not in learning}
        return Stage(STAGE, self.epochs, self.options, trainer, objective, training, frozen)

    def _masking(self, trainer: Any, encoding: Encoding) -> Masking:
        first = next(iter(trainer.data_loader.iter_instances()))
        tokenizer = indexer_of(first, encoding.key).tokenizer
        embeddings = encoding.embedder.encoder.get_input_embeddings().num_embeddings
        return Masking(tokenizer, embeddings, self.mlm_probability)

    def _read_lexicon(self) -> Optional[Lexicon]:
        if self._lexicon is None:
            return None
        try:
            # Without the run's directory, where the lexicon of the reader is saved for the archive.
            lexicon: Lexicon = self._lexicon.construct(serialization_dir=None)
        except NerError as error:
            raise ConfigError(f"ner_mlm.lexicon: {error}") from error
        return lexicon

    def _reader(self, trainer: Any) -> Any:
        reader = reader_of(trainer.data_loader)
        if reader is None:
            raise ConfigError(
                "ner_mlm.data_path is read by the dataset_reader, which this data_loader does not keep. Use AllenNLP's "
                'data_loader "multiprocess", or leave data_path out'
            )
        return reader


def _copy(options: Mapping[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = deepcopy(dict(options))
    return copied
