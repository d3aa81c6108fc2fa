"""A stage of training with its own optimizer, patience and best weights. A killed run can resume within it."""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import Tensor

from ner_plugins.distributed import gather_objects, is_first_rank, rank, world_size
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.training.engine.batches import Batch, CountedBatches
from ner_plugins.training.engine.checkpoints import due_of
from ner_plugins.training.engine.epoch import Position, train_epoch
from ner_plugins.training.engine.losses import DIVERGED, Losses
from ner_plugins.training.engine.random_states import random_states, restore_random_states
from ner_plugins.training.engine.recovery import misfit
from ner_plugins.training.engine.updates import Updates
from ner_plugins.training.freezing import freeze, frozen_modules, learning, train_with
from ner_plugins.training.stages.checkpoint import StageCheckpoints, State, restore_rank
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.objectives import Objective
from ner_plugins.training.stages.options import StageOptions

logger = logging.getLogger(__name__)


@dataclass
class Progress(Position):
    """
    The progress of a stage.

    # Parameters

    epochs, updates : `int`
        See `Position`.
    best : `Optional[tuple[float, ...]]`
        The best score: higher is better, and later figures break ties.
    best_epochs : `int`
        The number of finished epochs when it was reached.
    """

    best: Optional[tuple[float, ...]] = None
    best_epochs: int = 0

    def add(self, score: Optional[tuple[float, ...]]) -> bool:
        """Count an epoch; returns whether it is the best so far. Without a score every epoch is."""
        self.end_epoch()
        is_best = score is None or self.best is None or score > self.best
        if is_best:
            self.best, self.best_epochs = score, self.epochs
        return is_best


class Stage:
    """
    Training of some of a model's parameters, apart from the trainer's. The caller restores the model's `requires_grad`,
    its modes and the random states (`StagedTraining`).

    # Parameters

    name : `str`
        For files and messages.
    epochs : `int`
        The most epochs.
    options : `StageOptions`
        With an optimizer.
    trainer : `GradientDescentTrainer`
    objective : `Objective`
        With validation data if epochs are to be compared.
    training : `CountedBatches`
    frozen : `set[str]`
        The names of the parameters that do not learn, besides those that do not learn in ordinary training either.
    """

    def __init__(
        self,
        name: str,
        epochs: int,
        options: StageOptions,
        trainer: Any,
        objective: Objective,
        training: CountedBatches,
        frozen: set[str],
    ) -> None:
        self.name, self.epochs, self.options = name, epochs, options
        self.model = trainer.model
        self.device = trainer.cuda_device
        self.objective = objective
        self.training = training
        self.progress = Progress()
        freeze(self.model, frozen)
        parameters = self._parameters()
        # Modules that never learn keep the mode that they have in ordinary training.
        self._eval_modules = [] if options.dropout_when_frozen else frozen_modules(self.model, frozen)
        updates_per_epoch = -(-training.number // options.num_gradient_accumulation_steps)
        optimizer, schedules = options.construct(parameters, epochs, updates_per_epoch)
        self.losses = self._new_losses()
        self._due = due_of(trainer)
        self.updates = Updates(
            [parameter for _, parameter in parameters],
            optimizer,
            schedules,
            objective.precision,
            grad_norm=options.grad_norm,
            grad_clipping=options.grad_clipping,
        )

    def run(self, checkpoints: StageCheckpoints, log: StageLog, entry: list[State], resumed: Optional[State]) -> None:
        """
        Train to the end.

        # Parameters

        checkpoints : `StageCheckpoints`
        log : `StageLog`
        entry : `list[State]`
            The random states of all ranks before the first stage; checkpoints keep them for ordinary training.
        resumed : `Optional[State]`
            The progress in `checkpoints` if this stage was interrupted, else `None`.
        """
        self._checkpoints, self._log, self._entry = checkpoints, log, entry
        if resumed is None:
            self._begin()
        else:
            try:
                self._resume(resumed)
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise misfit(checkpoints.folder, error) from error
        while not self._is_over():
            self._epoch()
        if self.progress.epochs < self.epochs:
            logger.info(
                "%s: stopped after %d of %d epochs, since the last %d were no better than epoch %d",
                self.name, self.progress.epochs, self.epochs,
                self.progress.epochs - self.progress.best_epochs, self.progress.best_epochs - 1,
            )  # fmt: skip
        if self.options.restore_best and self.progress.best_epochs not in (0, self.progress.epochs):
            self._load(self._best_file)
        kept = random_states()
        self.objective.after(self._before, log, checkpoints.folder)
        restore_random_states(kept)

    def _new_losses(self) -> Losses:
        return Losses(self.device, self.objective.precision.scales)

    def _parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """The parameters that learn: of the model, and of the loss if it has any."""
        parameters = learning(self.model)
        if not parameters:
            raise ConfigError(f"{self.name}: all parameters are frozen, so nothing can learn. Freeze fewer")
        if self.objective.module is not None:
            parameters += [(f"loss.{name}", parameter) for name, parameter in learning(self.objective.module)]
        return parameters

    # Epochs.

    def _is_over(self) -> bool:
        since_best = self.progress.epochs - self.progress.best_epochs
        patience = self.options.patience
        return self.progress.epochs >= self.epochs or (patience is not None and since_best >= patience)

    def _epoch(self) -> None:
        start = time.monotonic()
        epoch = self.progress.epochs
        figures = self._train(epoch)
        score = None
        if self.objective.validation is not None:
            self.model.eval()
            with torch.no_grad():
                found = self.objective.validate()
            score = self._finite_score(self.objective.score(found), epoch)
            figures |= {f"validation_{name}": value for name, value in found.items()}
        figures |= {"learning_rates": self.updates.learning_rates, "seconds": round(time.monotonic() - start, 3)}
        self.updates.end_epoch(None if score is None else score[0])
        figures["best"] = is_best = self.progress.add(score)
        self.losses = self._new_losses()
        self._save(is_best, {"stage": self.name, "epoch": epoch, **figures})
        self._log.add_epoch(self.name, epoch, figures)
        self._log_epoch(epoch, figures)

    def _train(self, epoch: int) -> dict[str, Any]:
        """Train on all batches once, or on those that are left of a stopped epoch."""
        train_with(self.model, self._eval_modules)
        if self.objective.module is not None:
            self.objective.module.train()
        self._due.start_epoch(self.progress.updates)
        train_epoch(
            self.training,
            self.progress,
            self.losses,
            f"{self.name} epoch {epoch}/{self.epochs - 1}",
            self.options.num_gradient_accumulation_steps,
            self.device,
            self._update,
            self._save_if_due,
        )
        self.objective.end_training_epoch()
        total, _, used, left_out = self.losses.sums()
        if used == 0:
            raise ConfigError(
                f"{self.name}: {self.objective.nothing_to_learn}, so there is nothing to learn. Raise batch_size, or "
                "check train_data_path and the reader's entity_types"
            )
        figures = self.objective.training_figures(total / used)
        return {"training_loss": total / used, **figures, "batches": used, "skipped_batches": left_out}

    def _update(self, group: list[Batch]) -> None:
        place = f"{self.name}: epoch {self.progress.epochs}, update {self.progress.updates}"
        adds_up = len(group) > 1 or world_size() > 1
        for batch in group:
            loss = self._loss(batch, place)
            if loss is None:
                self.losses.skip()
                continue
            penalty = self.objective.penalty()
            self.losses.add(loss if penalty is None else loss + penalty, batch, place)
            self.updates.accumulate(loss, self.objective.weight(batch) if adds_up else None)
        # One process decides for all when to save.
        wish = is_first_rank() and self._due(self.progress.updates + 1)
        self._saves = self.updates.step(self.objective.penalty, wish).wishes > 0
        self.progress.updates += 1

    def _loss(self, batch: Batch, place: str) -> Optional[Tensor]:
        try:
            return self.objective.loss(batch)
        except NerError as error:
            if type(error) is not NerError:
                raise
            # The model names the sentences with NaN scores; add the place in training.
            raise NerError(f"{place}: {error}") from error

    def _finite_score(self, score: tuple[float, ...], epoch: int) -> tuple[float, ...]:
        if any(map(math.isnan, score)):
            raise NerError(
                f"{self.name}: the validation of epoch {epoch} gives a figure that is not a number. {DIVERGED}"
            )
        return score

    def _log_epoch(self, epoch: int, figures: dict[str, Any]) -> None:
        message = f"training loss {figures['training_loss']:.4f}"
        for name in self.objective.watched:
            if f"validation_{name}" in figures:
                message += f", validation {name} {figures[f'validation_{name}']:.4f}"
        if self.objective.validation is not None and figures["best"]:
            message += " (best so far)"
        if figures["skipped_batches"]:
            message += f", {figures['skipped_batches']} batches without a loss"
        place = f"{self.name} epoch {epoch}/{self.epochs - 1}"
        logger.info("%s: %s, %.1f s", place, message, figures["seconds"])

    # Checkpoints.

    def _begin(self) -> None:
        kept = random_states()
        self._before = self.objective.before()
        restore_random_states(kept)
        constant = self._constant_state()
        self._keep_buffers(constant)
        self._constant_file = self._checkpoints.write_constant(self.name, constant, self._before)
        self._model_file = self._best_file = self._checkpoints.write_model(self.name, 0, self._changed_state())
        self._write_progress()

    def _resume(self, resumed: State) -> None:
        self._constant_file, self._model_file = resumed["constant_file"], resumed["model_file"]
        self._best_file = resumed["best_file"]
        constant = self._checkpoints.read(self._constant_file)
        self._before = constant["before"]
        self.model.load_state_dict(constant["model"], strict=False)
        self._keep_buffers(constant["model"])
        self._load(self._model_file)
        self.progress = Progress(**resumed["progress"])
        self.updates.load_state_dict(resumed["updates"])
        self.training.seed = resumed.get("seed")  # version 0.1 drew the order from the random states
        losses = resumed.get("losses", [])
        if rank() < len(losses):
            self.losses.load_state_dict(losses[rank()])
        if self.objective.module is not None:
            self.objective.module.load_state_dict(resumed["loss"])
        self._log.resume(resumed["lines"])
        restore_rank(resumed["random"])
        logger.info(
            "%s: resuming after %d epochs and %d updates", self.name, self.progress.epochs, self.progress.updates
        )

    def _save_if_due(self) -> None:
        """Save a checkpoint within an epoch."""
        if self._saves:
            self._model_file = self._checkpoints.write_model(
                self.name, self.progress.epochs, self._changed_state(), self.progress.updates
            )
            self._write_progress()
            self._due.saved(self.progress.updates)

    def _save(self, is_best: bool, line: dict[str, Any]) -> None:
        self._model_file = self._checkpoints.write_model(self.name, self.progress.epochs, self._changed_state())
        if is_best:
            self._best_file = self._model_file
        self._write_progress([*self._log.lines, line])
        self._due.saved(0)

    def _write_progress(self, lines: Optional[list[dict[str, Any]]] = None) -> None:
        files = (self._constant_file, self._model_file, self._best_file)
        module = self.objective.module
        progress = {
            "stage": self.name,
            "progress": vars(self.progress),
            "updates": self.updates.state_dict(),
            "seed": self.training.seed,
            "losses": gather_objects(self.losses.state_dict()),
            "loss": None if module is None else module.state_dict(),
            "lines": self._log.lines if lines is None else lines,
            "entry": self._entry,
            "constant_file": files[0],
            "model_file": files[1],
            "best_file": files[2],
        }
        self._checkpoints.write_progress(progress, files)

    def _constant_state(self) -> dict[str, Tensor]:
        """Parameters that do not learn, and all buffers, even if they may change."""
        trained = {name for name, p in self.model.named_parameters(remove_duplicate=False) if p.requires_grad}
        return {name: tensor for name, tensor in self.model.state_dict().items() if name not in trained}

    def _keep_buffers(self, constant: dict[str, Tensor]) -> None:
        """Keep the initial buffers (such as a lexicon's vectors), so that only those that change are saved again."""
        self._frozen = {name for name, _ in self.model.named_parameters(remove_duplicate=False)} & constant.keys()
        self._buffers = {
            name: tensor.detach().cpu().clone() for name, tensor in constant.items() if name not in self._frozen
        }

    def _changed_state(self) -> dict[str, Tensor]:
        """Parameters that learn, and buffers that have changed since the start."""
        return {
            name: tensor
            for name, tensor in self.model.state_dict().items()
            if name not in self._frozen
            and (name not in self._buffers or not torch.equal(tensor.cpu(), self._buffers[name]))
        }

    def _load(self, file: str) -> None:
        weights = {**self._buffers, **self._checkpoints.read(file)["model"]}
        self.model.load_state_dict(weights, strict=False)
