"""A stage of training with its own optimizer, patience and best weights, which can go on after a kill."""

import logging
import time
from dataclasses import dataclass
from typing import Any, Iterator, Optional

import torch
from allennlp.common import Lazy, Tqdm
from allennlp.common.util import lazy_groups_of
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer
from torch import Tensor

from ner_plugins.distributed import is_first_rank, min_over_ranks, sums_over_ranks
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.training.freezing import freeze, frozen_modules, learning, train_with
from ner_plugins.training.stages.batches import Batch, StageBatches
from ner_plugins.training.stages.checkpoint import StageCheckpoints, State, restore_rank
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.objectives import Objective
from ner_plugins.training.stages.random_states import random_states, restore_random_states
from ner_plugins.training.stages.updates import Updates

logger = logging.getLogger(__name__)

_DIVERGED = (
    "Training has probably diverged: lower the learning rate, clip gradients, or use bfloat16 or float32 in place of "
    "float16"
)


@dataclass(frozen=True)
class StageSettings:
    """
    How a stage trains.

    # Parameters

    name : `str`
        The stage's, for files and messages.
    epochs : `int`
        At most.
    optimizer : `Lazy[Optimizer]`
    schedule : `Optional[Lazy[LearningRateScheduler]]`
    patience : `Optional[int]`
        The stage ends after so many epochs without a better figure; `None`: after all epochs.
    restore_best : `bool`
        Whether the best epoch's weights are put back at the end.
    dropout_when_frozen : `bool`
        Whether modules that do not learn keep their dropout.
    grad_norm, grad_clipping : `Optional[float]`
        As in `Updates`.
    num_gradient_accumulation_steps : `int`
        Batches per update.
    """

    name: str
    epochs: int
    optimizer: Lazy[Optimizer]
    schedule: Optional[Lazy[LearningRateScheduler]] = None
    patience: Optional[int] = None
    restore_best: bool = True
    dropout_when_frozen: bool = False
    grad_norm: Optional[float] = None
    grad_clipping: Optional[float] = None
    num_gradient_accumulation_steps: int = 1


@dataclass
class Progress:
    """
    How far a stage is.

    # Parameters

    epochs : `int`
        That are done.
    best : `Optional[tuple[float, ...]]`
        The best score, of which more is better; of those with equal first figures the next one counts.
    best_epochs : `int`
        After how many epochs it was reached.
    """

    epochs: int = 0
    best: Optional[tuple[float, ...]] = None
    best_epochs: int = 0

    def add(self, score: Optional[tuple[float, ...]]) -> bool:
        """Count an epoch; returns whether it is the best so far, as each is where there is no score."""
        self.epochs += 1
        is_best = score is None or self.best is None or score > self.best
        if is_best:
            self.best, self.best_epochs = score, self.epochs
        return is_best


class Stage:
    """
    Training of some of a model's parameters, before or apart from the trainer's. Whoever runs it keeps the model's
    `requires_grad`, modes and the random states (`StagedTraining`).

    # Parameters

    settings : `StageSettings`
    trainer : `GradientDescentTrainer`
    objective : `Objective`
        With its validation data, if epochs are to be compared.
    training : `StageBatches`
    frozen : `set[str]`
        The names of the parameters that do not learn, besides those that do not learn in training either.
    """

    def __init__(
        self,
        settings: StageSettings,
        trainer: Any,
        objective: Objective,
        training: StageBatches,
        frozen: set[str],
    ) -> None:
        self.settings = settings
        self.model = trainer.model
        self.device = trainer.cuda_device
        self.objective = objective
        self.training = training
        self.progress = Progress()
        freeze(self.model, frozen)
        parameters = self._parameters()
        # Modules whose parameters never learn are as they are in ordinary training.
        self._asleep = [] if settings.dropout_when_frozen else frozen_modules(self.model, frozen)
        batches = min_over_ranks(len(training), self.device)
        self.updates = Updates(
            parameters,
            settings.optimizer,
            settings.schedule,
            settings.epochs,
            -(-batches // settings.num_gradient_accumulation_steps),
            objective.precision,
            settings.grad_norm,
            settings.grad_clipping,
        )

    def run(self, checkpoints: StageCheckpoints, log: StageLog, entry: list[State], resumed: Optional[State]) -> None:
        """
        Train to the end.

        # Parameters

        checkpoints : `StageCheckpoints`
        log : `StageLog`
        entry : `list[State]`
            Random states of all ranks, kept in the checkpoints for what follows.
        resumed : `Optional[State]`
            The progress that `checkpoints` hold of this stage; `None` to begin.
        """
        self._checkpoints, self._log, self._entry = checkpoints, log, entry
        if resumed is None:
            self._begin()
        else:
            self._go_on(resumed)
        while not self._is_over():
            self._epoch()
        if self.progress.epochs < self.settings.epochs:
            logger.info(
                "%s: over after %d of %d epochs, since the last %d were no better than epoch %d",
                self.settings.name, self.progress.epochs, self.settings.epochs,
                self.progress.epochs - self.progress.best_epochs, self.progress.best_epochs - 1,
            )  # fmt: skip
        if self.settings.restore_best and self.progress.best_epochs not in (0, self.progress.epochs):
            self._load(self._best_file)
        kept = random_states()
        self.objective.after(self._before, log, checkpoints.folder)
        restore_random_states(kept)

    def _parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """Those that learn: the model's, and the loss's own."""
        parameters = learning(self.model)
        if not parameters:
            raise ConfigError(f"{self.settings.name}: all parameters are frozen, so nothing can learn: freeze fewer")
        if self.objective.module is not None:
            parameters += [(f"loss.{name}", parameter) for name, parameter in learning(self.objective.module)]
        return parameters

    # The epochs.

    def _is_over(self) -> bool:
        since_best = self.progress.epochs - self.progress.best_epochs
        patience = self.settings.patience
        return self.progress.epochs >= self.settings.epochs or (patience is not None and since_best >= patience)

    def _epoch(self) -> None:
        start = time.monotonic()
        epoch = self.progress.epochs
        figures = self._train(epoch)
        score = None
        if self.objective.validation is not None:
            self.model.eval()
            with torch.no_grad():
                found = self.objective.validate()
            score = self._finite(self.objective.score(found), epoch)
            figures |= {f"validation_{name}": value for name, value in found.items()}
        figures |= {"learning_rates": self.updates.learning_rates, "seconds": round(time.monotonic() - start, 3)}
        self.updates.end_epoch(None if score is None else score[0])
        figures["best"] = is_best = self.progress.add(score)
        self._save(is_best, {"stage": self.settings.name, "epoch": epoch, **figures})
        self._log.add_epoch(self.settings.name, epoch, figures)
        self._say(epoch, figures)

    def _train(self, epoch: int) -> dict[str, Any]:
        """Learn from all batches once."""
        train_with(self.model, self._asleep)
        if self.objective.module is not None:
            self.objective.module.train()
        losses: list[float] = []
        skipped = 0
        number, batches = self.training.epoch_for_all_ranks()
        accumulated = self.settings.num_gradient_accumulation_steps
        groups = lazy_groups_of(batches, accumulated)
        for step, group in enumerate(self._shown(groups, -(-number // accumulated), epoch)):
            for batch in group:
                loss = self._loss(batch, epoch, step)
                if loss is None:
                    skipped += 1
                    continue
                losses.append(self._checked(loss, epoch, step, batch))
                self.updates.accumulate(loss)
            self.updates.step()
        self.objective.end_training_epoch()
        total, used, left_out = sums_over_ranks([sum(losses), len(losses), skipped], self.device)
        if used == 0:
            raise ConfigError(
                f"{self.settings.name}: no batch of the training data has two tokens of one entity type, so there is "
                "nothing to learn from: raise batch_size, or check train_data_path and the reader's entity_types"
            )
        return {"training_loss": total / used, "batches": int(used), "skipped_batches": int(left_out)}

    def _loss(self, batch: Batch, epoch: int, step: int) -> Optional[Tensor]:
        try:
            return self.objective.loss(batch)
        except NerError as error:
            if type(error) is not NerError:
                raise
            # Of scores that are not numbers, whose sentences the model names.
            raise NerError(f"{self.settings.name}, epoch {epoch}, step {step}: {error}") from error

    def _shown(self, groups: Iterator[list[Batch]], steps: int, epoch: int) -> Iterator[list[Batch]]:
        if not is_first_rank():
            return groups
        title = f"{self.settings.name} epoch {epoch}/{self.settings.epochs - 1}"
        shown: Iterator[list[Batch]] = Tqdm.tqdm(groups, total=steps, desc=title)
        return shown

    def _checked(self, loss: Tensor, epoch: int, step: int, batch: Batch) -> float:
        value = float(loss.detach())
        overflow = value in (float("inf"), float("-inf"))
        if value != value or (overflow and not self.objective.precision.scales):
            sentences = [str(one.get("source") or one.get("id")) for part in batch for one in part.get("metadata", [])]
            listed = f" (sentences {', '.join(sentences[:8])}{', …' if len(sentences) > 8 else ''})"
            raise NerError(
                f"{self.settings.name}: the loss is {value} in epoch {epoch}, step {step}{listed}. " + _DIVERGED
            )
        return value

    def _finite(self, score: tuple[float, ...], epoch: int) -> tuple[float, ...]:
        if any(figure != figure for figure in score):
            raise NerError(
                f"{self.settings.name}: the validation of epoch {epoch} gives a figure that is no number. {_DIVERGED}"
            )
        return score

    def _say(self, epoch: int, figures: dict[str, Any]) -> None:
        said = f"training loss {figures['training_loss']:.4f}"
        for name in self.objective.watched:
            if f"validation_{name}" in figures:
                said += f", validation {name} {figures[f'validation_{name}']:.4f}"
        if self.objective.validation is not None and figures["best"]:
            said += " (best so far)"
        if figures["skipped_batches"]:
            said += f", {figures['skipped_batches']} batches without a pair"
        place = f"{self.settings.name} epoch {epoch}/{self.settings.epochs - 1}"
        logger.info("%s: %s, %.1f s", place, said, figures["seconds"])

    # The checkpoints.

    def _begin(self) -> None:
        kept = random_states()
        self._before = self.objective.before()
        restore_random_states(kept)
        constant = self._constant_state()
        self._keep_buffers(constant)
        self._constant_file = self._checkpoints.write_constant(self.settings.name, constant, self._before)
        self._model_file = self._best_file = self._checkpoints.write_model(self.settings.name, 0, self._changed())
        self._write_progress()

    def _go_on(self, resumed: State) -> None:
        self._constant_file, self._model_file = resumed["constant_file"], resumed["model_file"]
        self._best_file = resumed["best_file"]
        constant = self._checkpoints.read(self._constant_file)
        self._before = constant["before"]
        self.model.load_state_dict(constant["model"], strict=False)
        self._keep_buffers(constant["model"])
        self._load(self._model_file)
        self.progress = Progress(**resumed["progress"])
        self.updates.load_state_dict(resumed["updates"])
        if self.objective.module is not None:
            self.objective.module.load_state_dict(resumed["loss"])
        self._log.go_on_from(resumed["lines"])
        restore_rank(resumed["random"])
        logger.info("%s: going on after %d epochs", self.settings.name, self.progress.epochs)

    def _save(self, is_best: bool, line: dict[str, Any]) -> None:
        self._model_file = self._checkpoints.write_model(self.settings.name, self.progress.epochs, self._changed())
        if is_best:
            self._best_file = self._model_file
        self._write_progress([*self._log.lines, line])

    def _write_progress(self, lines: Optional[list[dict[str, Any]]] = None) -> None:
        files = (self._constant_file, self._model_file, self._best_file)
        module = self.objective.module
        progress = {
            "stage": self.settings.name,
            "progress": vars(self.progress),
            "updates": self.updates.state_dict(),
            "loss": None if module is None else module.state_dict(),
            "lines": self._log.lines if lines is None else lines,
            "entry": self._entry,
            "constant_file": files[0],
            "model_file": files[1],
            "best_file": files[2],
        }
        self._checkpoints.write_progress(progress, files)

    def _constant_state(self) -> dict[str, Tensor]:
        """Parameters that do not learn, and all buffers, though they may change."""
        learnt = {name for name, p in self.model.named_parameters(remove_duplicate=False) if p.requires_grad}
        return {name: tensor for name, tensor in self.model.state_dict().items() if name not in learnt}

    def _keep_buffers(self, constant: dict[str, Tensor]) -> None:
        """Remember what buffers were at first, a lexicon's vectors for instance, to save those alone that change."""
        self._frozen = {name for name, _ in self.model.named_parameters(remove_duplicate=False)} & constant.keys()
        self._buffers = {
            name: tensor.detach().cpu().clone() for name, tensor in constant.items() if name not in self._frozen
        }

    def _changed(self) -> dict[str, Tensor]:
        """Parameters that learn, and buffers that are not what they were at first."""
        return {
            name: tensor
            for name, tensor in self.model.state_dict().items()
            if name not in self._frozen
            and (name not in self._buffers or not torch.equal(tensor.cpu(), self._buffers[name]))
        }

    def _load(self, file: str) -> None:
        weights = {**self._buffers, **self._checkpoints.read(file)["model"]}
        self.model.load_state_dict(weights, strict=False)
