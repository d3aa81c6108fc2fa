"""The trainer `ner`: AllenNLP's options, with exact recovery and no wait for a GPU within a step."""

import inspect
import logging
import time
from contextlib import ExitStack, contextmanager
from typing import Any, Iterator, Mapping, Optional

import torch
from allennlp.common import Lazy
from allennlp.data import DataLoader
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.trainer import Trainer
from torch import Tensor

from ner_plugins.archives import weights as safe_load
from ner_plugins.distributed import is_first_rank, wait_for_ranks, world_size
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.training.engine import recovery
from ner_plugins.training.engine.batches import Batch, Batches, batches_of, prepare_distillation
from ner_plugins.training.engine.checkpoints import NerCheckpointer
from ner_plugins.training.engine.epoch import Position, train_epoch
from ner_plugins.training.engine.evaluation import measure
from ner_plugins.training.engine.gradients import Weight
from ner_plugins.training.engine.hooks import Forward, Outputs, StepCallback, add_gradients, step_callbacks
from ner_plugins.training.engine.losses import Losses
from ner_plugins.training.engine.memory import out_of_memory_message
from ner_plugins.training.engine.records import Records
from ner_plugins.training.engine.updates import Precision, Updates
from ner_plugins.training.engine.watchers import Watchers
from ner_plugins.training.freezing import learning
from ner_plugins.training.trainer_access import (
    ddp_wrapper,
    output_folder,
    parts,
    publish_best,
    publish_position,
    publish_start,
    validates_this_epoch,
)
from ner_plugins.training.watching import watchers

logger = logging.getLogger(__name__)


@Trainer.register("ner", constructor="from_partial_objects")
class NerTrainer(GradientDescentTrainer):
    """
    AllenNLP's `GradientDescentTrainer`, with its options, callbacks, metrics and files, and these differences:

    - A run that is killed at any moment continues with `--recover` from its last checkpoint, also within an epoch, as
      if it had not been stopped: on a CPU its weights and metrics are the same to the last bit. The order of the
      sentences depends on the seed and the epoch alone, so no data are read again.
    - Which epoch is the best is part of the checkpoint: see `NerCheckpointer`.
    - Accumulated batches count by what their losses are averaged over (`loss_weight` in the model's output), so that
      they have the gradient of one large batch. The same holds over several processes, which may have unequal shares,
      and for the validation loss.
    - A step never waits for the GPU: losses are read for the progress line, about once a second.
    - Batches are made ready in a thread while the step before runs.
    - Callbacks can take part in a step: see `StepCallback`.
    - A run is watched without being asked: see `ner_plugins.training.watching`.

    # Parameters

    checkpointer : `Optional[Lazy[NerCheckpointer]]`, optional (default=`NerCheckpointer`)
        How often to save checkpoints, and how many to keep.
    seed : `Optional[int]`, optional (default=`None`)
        For the order of the sentences; left out: `pytorch_seed`.
    ...
        The options of `gradient_descent`, and `amp_dtype`.

    # Raises

    `ConfigError` for a sharded model.
    """

    def __init__(self, *args: Any, seed: Optional[int] = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wrapper = ddp_wrapper(self)
        if wrapper is not None and wrapper.is_sharded:
            raise ConfigError("the trainer ner does not work with sharded models: use the accelerator torch")
        self.parts = parts(self)
        self.callbacks = self.parts.callbacks
        if kwargs.get("enable_default_callbacks", True):
            self.callbacks += watchers(self.callbacks, str(output_folder(self)))
        self.seed = torch.initial_seed() if seed is None else seed
        self.position = Position()
        self.records = Records(self.parts.tracker)
        self.best_file = ""

    @property
    def epoch(self) -> int:
        """The epoch in training, from 0: the number of finished ones."""
        return self.position.epochs

    @property
    def updates_in_epoch(self) -> int:
        """The number of finished updates of the epoch."""
        return self.position.updates

    @classmethod
    def from_partial_objects(cls, *args: Any, **kwargs: Any) -> "NerTrainer":
        """The constructor for configs; its signature is set below."""
        kwargs.setdefault("checkpointer", Lazy(NerCheckpointer))
        trainer: NerTrainer = super().from_partial_objects(*args, **kwargs)  # type: ignore[assignment]
        return trainer

    def train(self) -> dict[str, Any]:
        """
        Train, or continue a run of which `serialization_dir` has a checkpoint.

        # Returns

        `dict[str, Any]`
            The metrics of the last and the best epoch, as AllenNLP names them.

        # Raises

        `NerError` if a loss is not a number or a checkpoint cannot be written. The last checkpoint is whole.
        """
        self._prepare()
        saved = None if self.checkpointer is None else self.checkpointer.load()
        if saved is not None:
            recovery.load(self, saved)
        publish_start(self, self.epoch, self.updates_in_epoch)
        self._publish_position()
        for callback in self.callbacks:
            callback.on_start(self, is_primary=is_first_rank())
        if saved is not None:
            recovery.load_random(saved.state)  # after the callbacks, which may draw
        metrics: Optional[dict[str, Any]] = None
        try:
            while not self._is_over():
                self._run_epoch()
            self._load_best()
            metrics = self.records.metrics
            return metrics
        finally:
            for callback in self.callbacks:
                callback.on_end(self, metrics=metrics, epoch=max(self.epoch - 1, 0), is_primary=is_first_rank())

    def _prepare(self) -> None:
        self.checkpointer: Optional[NerCheckpointer] = self.parts.checkpointer
        if self.checkpointer is not None and not isinstance(self.checkpointer, NerCheckpointer):
            raise ConfigError("trainer.checkpointer has to be one of the type ner: leave its type out")
        self.precision = Precision(self)
        self.training = batches_of(self.data_loader, self.model.vocab, self.cuda_device, self.seed, augments=True)
        prepare_distillation(self.model, self.training, self.cuda_device)
        loader: Optional[DataLoader] = self.parts.validation_loader
        self.validation = loader and batches_of(loader, self.model.vocab, self.cuda_device, self.seed)
        norm = self.parts.grad_norm  # `True` asks for the norm without a bound
        self.updates = Updates(
            [parameter for _, parameter in learning(self.model)],
            self.optimizer,
            self.parts.schedules,
            self.precision,
            grad_norm=(float("inf") if norm else None) if isinstance(norm, bool) else norm,
            grad_clipping=self.parts.grad_clipping,
            scaler=self.parts.scaler,
        )
        number = self.training.number
        self.updates_per_epoch = None if number is None else -(-number // self.parts.accumulated_batches)
        self.losses = self.new_losses()
        self.hooks = step_callbacks(self.callbacks)
        self.watchers = Watchers(self, self.callbacks)

    def new_losses(self) -> Losses:
        """Losses of a pass over data."""
        return Losses(self.cuda_device, self.precision.scales)

    def _is_over(self) -> bool:
        return self.epoch >= self.parts.num_epochs or bool(self.parts.tracker.should_stop_early())

    # An epoch.

    def _run_epoch(self) -> None:
        start = time.monotonic()
        for hook in self.hooks:
            hook.start_epoch(self, self.epoch)
        self._train_on_all_batches()
        for hook in self.hooks:
            hook.end_epoch(self, self.epoch)
        training, figures = self._training_figures(), None
        if self.validation is not None and validates_this_epoch(self):
            figures = self._validate(self.validation)
        is_best = self.records.add(self.epoch, training, figures, time.monotonic() - start)
        self.updates.end_epoch(self.records.last_score)
        for callback in self.callbacks:
            callback.on_epoch(self, metrics=self.records.metrics, epoch=self.epoch, is_primary=is_first_rank())
        self.position.end_epoch()
        self.losses = self.new_losses()
        self._publish_position()
        self._save_epoch(is_best)

    def _save_epoch(self, is_best: bool) -> None:
        if self.checkpointer is not None and self.checkpointer.save_completed_epochs:
            recovery.save(self, is_best)
            return
        best = output_folder(self) / "best.th"
        if is_first_rank():
            recovery.write_metrics(self)
            if is_best:
                with self.evaluation_weights():
                    safe_load.save(self.model.state_dict(), best)
        wait_for_ranks()
        if is_best:
            publish_best(self, str(best))

    def _save_if_due(self) -> None:
        """Save a checkpoint within the epoch."""
        if self._saves:
            recovery.save(self, is_best=False)

    def _publish_position(self) -> None:
        publish_position(self, self.epoch, self.updates_in_epoch, self.updates.steps)

    def _load_best(self) -> None:
        """Put the best weights into the model, which `allennlp train` evaluates."""
        best = self.get_best_weights_path()
        if best is not None:
            self.model.load_state_dict(safe_load.load_weights(best, map_location="cpu"))

    def _train_on_all_batches(self) -> None:
        self.model.train()
        if self.checkpointer is not None:
            self.checkpointer.due.start_epoch(self.updates_in_epoch)
        train_epoch(
            self.training,
            self.position,
            self.losses,
            f"epoch {self.epoch}/{self.parts.num_epochs - 1}",
            self.parts.accumulated_batches,
            self.cuda_device,
            self._update,
            self._save_if_due,
        )

    def _training_figures(self) -> dict[str, float]:
        total, penalty, batches, _ = self.losses.sums()
        figures: dict[str, float] = self.model.get_metrics(reset=True)
        figures["loss"] = total / batches if batches else 0.0
        if self.model.get_regularization_penalty() is not None:
            figures["reg_loss"] = penalty / batches if batches else 0.0
        return figures

    # A step.

    def _update(self, group: list[Batch]) -> None:
        """One update of the parameters, with the gradients of a group of batches."""
        inputs = [part for batch in group for part in batch]
        adds_up = len(inputs) > 1 or world_size() > 1
        self._penalised = False
        outputs = [self._add_gradient(part, adds_up) for part in inputs]
        # One process decides for all when to save.
        wish = is_first_rank() and self.checkpointer is not None and self.checkpointer.due(self.updates_in_epoch + 1)
        penalty = None if self._penalised else self.model.get_regularization_penalty
        self._saves = self.updates.step(penalty, wish).wishes > 0
        self.position.updates += 1
        if self.parts.moving_average is not None:
            self.parts.moving_average.apply(self.updates.steps)
        for hook in self.hooks:
            hook.after_update(self)
        self._publish_position()
        self.watchers.after_update(inputs, outputs)

    def _add_gradient(self, batch: Mapping[str, Any], adds_up: bool) -> Outputs:
        place = f"epoch {self.epoch}, update {self.updates_in_epoch}"
        try:
            outputs = self._outputs(batch)
            loss = outputs["loss"]
            weight = outputs.get("loss_weight", 1.0) if adds_up else None
            self._add_penalty(outputs)
            self.losses.add(outputs["loss"], [batch], place, outputs.get("reg_loss"))
            add_gradients(
                self.hooks,
                self,
                batch,
                lambda: self._backward(outputs, loss, weight),
                lambda: self.updates.backward(self._outputs(batch)["loss"], weight),
            )
            self.updates.count(weight)
        except torch.cuda.OutOfMemoryError as error:
            raise NerError(out_of_memory_message(batch, place, error)) from error
        except NerError as error:
            if type(error) is NerError and place not in str(error):  # the model names the sentences; add the place
                raise NerError(f"{place}: {error}") from error
            raise
        return outputs

    def _outputs(self, batch: Mapping[str, Any]) -> Outputs:
        """The outputs of a training batch, without regularization: those of the model, as changed by the callbacks."""

        def forward() -> Outputs:
            with self.precision.autocast():
                return self._outputs_with_loss(batch)

        for hook in reversed(self.hooks):
            forward = _through(hook, self, batch, forward)
        return forward()

    def batch_outputs(self, batch: Mapping[str, Any], for_training: bool) -> Outputs:
        """
        The model's outputs; in training, `loss` with the regularization, and that alone as `reg_loss`.

        # Raises

        `ConfigError` if the model has no loss to train with.
        """
        if not for_training:
            outputs: Outputs = self.model(**batch)
            return outputs
        return self._add_penalty(self._outputs_with_loss(batch))

    def _outputs_with_loss(self, batch: Mapping[str, Any]) -> Outputs:
        outputs: Outputs = self.model(**batch)
        if "loss" not in outputs:
            raise ConfigError("the training data have no gold entities, or the model has no loss to minimise")
        return outputs

    def _add_penalty(self, outputs: Outputs) -> Outputs:
        penalty = self.model.get_regularization_penalty()
        if penalty is not None:
            outputs["reg_loss"] = penalty
            outputs["loss"] = outputs["loss"] + penalty
        return outputs

    def _backward(self, outputs: Outputs, loss: Tensor, weight: Optional[Weight]) -> None:
        called = False
        for callback in self.callbacks:
            called |= callback.on_backward(self, outputs, called)
        self._penalised |= called  # it has differentiated `outputs["loss"]`
        if not called:
            self.updates.backward(loss, weight)

    # Validation.

    def _validate(self, batches: Batches) -> dict[str, float]:
        """The figures of the validation data, of all ranks."""
        with self.evaluation_weights():
            return measure(self, batches, "validation", f"validation in epoch {self.epoch}")

    def evaluate(self, loader: DataLoader, title: str) -> dict[str, float]:
        """
        The figures of labelled data with the model's present weights, of all ranks; all have to call this.

        # Parameters

        loader : `DataLoader`
            This rank's share of the data.
        title : `str`
            For the progress line and messages.
        """
        return measure(self, batches_of(loader, self.model.vocab, self.cuda_device, self.seed), title, title)

    @property
    def averages_weights(self) -> bool:
        """Whether other weights are validated than those that learn."""
        hooks = any(hook.changes_evaluation_weights for hook in self.hooks)
        return hooks or self.parts.moving_average is not None

    @contextmanager
    def evaluation_weights(self) -> Iterator[None]:
        """The weights that are validated, selected and archived: averaged ones if there is an average."""
        average = self.parts.moving_average
        with ExitStack() as stack:
            for hook in self.hooks:
                stack.enter_context(hook.evaluation_weights(self))
            if average is not None:
                average.assign_average_value()
                stack.callback(average.restore)
            yield


def _through(hook: StepCallback, trainer: NerTrainer, batch: Mapping[str, Any], forward: Forward) -> Forward:
    return lambda: hook.outputs(trainer, batch, forward)


def _signature() -> inspect.Signature:
    """The options of AllenNLP's trainer, and this one's."""
    known = inspect.signature(GradientDescentTrainer.from_partial_objects).parameters.values()
    own = [one for one in known if one.kind is not one.VAR_KEYWORD and one.name != "checkpointer"]
    checkpointer = inspect.Parameter(
        "checkpointer",
        inspect.Parameter.KEYWORD_ONLY,
        default=Lazy(NerCheckpointer),
        annotation=Optional[Lazy[NerCheckpointer]],
    )
    seed = inspect.Parameter("seed", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Optional[int])
    first = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([first, *own, checkpointer, seed])


NerTrainer.from_partial_objects.__func__.__signature__ = _signature()  # type: ignore[attr-defined]
