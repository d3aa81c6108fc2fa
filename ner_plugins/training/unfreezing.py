"""The callback `ner_unfreeze`: parts of the model that start to learn after some epochs."""

import logging
from typing import Any, Mapping, Optional, Sequence

from allennlp.training.callbacks import TrainerCallback
from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import freeze, frozen_modules, matching, pretrained_parameters
from ner_plugins.training.layers import depths_from_top
from ner_plugins.training.trainer_access import ddp_wrapper, number_of_epochs, starting_epoch

logger = logging.getLogger(__name__)


@TrainerCallback.register("ner_unfreeze")
class UnfreezeCallback(TrainerCallback):
    """
    Freezes parameters until a given epoch. Until then they do not change: no update, no weight decay, no momentum. The
    frozen parameters depend on the epoch alone, also in a resumed run.

        {"type": "ner_unfreeze", "schedule": {"20": ["token_embedder_bert"]}}       (FLAT's V1: BERT from epoch 20)
        {"type": "ner_unfreeze", "from_top": true}                                  (one more layer in each epoch)

    The trainer's `no_grad` cannot be used for parameters that learn later, since the optimizer would not have them. A
    learning-rate schedule continues while parameters are frozen.

    # Parameters

    serialization_dir : `str`
    schedule : `Optional[dict[str, list[str]]]`
        Regular expressions by epoch, counted from 0. Parameters whose name contains a match learn from that epoch on,
        from the earliest one if several match. All others learn from the start.
    from_top : `bool`
        Whether pretrained transformers unfreeze by layer: the top one at `first_epoch`, the embeddings last.
    first_epoch : `Optional[int]`
        Left out: 1.
    epochs_per_layer : `Optional[int]`
        The number of epochs between two layers. Left out: 1.
    dropout_when_frozen : `bool`
        Whether fully frozen modules keep their dropout. Otherwise they are in evaluation mode.

    # Raises

    `ConfigError` if nothing or everything is frozen, if an expression matches no parameter, or if the optimizer lacks a
    parameter that learns later.
    """

    def __init__(
        self,
        serialization_dir: str,
        schedule: Optional[dict[str, Any]] = None,  # checked by hand: AllenNLP would split a string into letters
        from_top: bool = False,
        first_epoch: Optional[int] = None,
        epochs_per_layer: Optional[int] = None,
        dropout_when_frozen: bool = True,
    ) -> None:
        super().__init__(serialization_dir)
        if (schedule is None) == (not from_top):
            raise ConfigError("ner_unfreeze needs either schedule or from_top")
        if schedule is not None and (first_epoch, epochs_per_layer) != (None, None):
            raise ConfigError("ner_unfreeze.first_epoch and epochs_per_layer go with from_top, not with schedule")
        self.schedule = None if schedule is None else _parsed(schedule)
        self.first_epoch = 1 if first_epoch is None else first_epoch
        self.epochs_per_layer = 1 if epochs_per_layer is None else epochs_per_layer
        if self.first_epoch < 0 or self.epochs_per_layer < 1:
            raise ConfigError("ner_unfreeze.first_epoch has to be 0 or more, and epochs_per_layer 1 or more")
        self.dropout_when_frozen = dropout_when_frozen
        self._first_epochs: dict[str, int] = {}
        self._eval_modules: list[Module] = []
        self._frozen: Optional[set[str]] = None
        self._hook: Any = None

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Freeze the parameters that do not learn in the epoch that training starts or resumes in."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        model = trainer.model
        if self.schedule is None:
            self._first_epochs = first_epochs_from_top(model, self.first_epoch, self.epochs_per_layer)
        else:
            self._first_epochs = first_epochs_of(model, self.schedule)
        self._check_optimizer(trainer)
        self._check_epochs(trainer)
        if not self.dropout_when_frozen:
            self._hook = model.register_forward_pre_hook(self._restore_eval_modes)
        self._enter(trainer, starting_epoch(trainer))

    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs: Any
    ) -> None:
        """Unfreeze the parameters that learn from the next epoch on."""
        if epoch + 1 < number_of_epochs(trainer):
            self._enter(trainer, epoch + 1)

    def on_end(self, trainer: Any, **kwargs: Any) -> None:
        """Remove the hook from the model."""
        if self._hook is not None:
            self._hook.remove()

    def _enter(self, trainer: Any, epoch: int) -> None:
        model = trainer.model
        frozen = {name for name, first in self._first_epochs.items() if first > epoch}
        if frozen == self._frozen:
            return
        joining = [] if self._frozen is None else sorted(self._frozen - frozen)
        if joining:
            logger.info("epoch %d: %s and %d more parameters learn from now on", epoch, joining[0], len(joining) - 1)
        if self._frozen is not None or frozen:
            logger.info("epoch %d: %d parameters are frozen", epoch, len(frozen))
        self._frozen = frozen
        freeze(model, frozen)
        for name, parameter in model.named_parameters():
            if name in self._first_epochs and name not in frozen:
                parameter.requires_grad_(True)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ConfigError(f"ner_unfreeze freezes all parameters in epoch {epoch}: let some learn from epoch 0")
        self._eval_modules = frozen_modules(model, frozen)
        _rewrap(trainer)

    def _restore_eval_modes(self, model: Module, inputs: Any) -> None:
        """The trainer calls `model.train()` in each epoch, so restore evaluation mode before each forward pass."""
        if model.training:
            for module in self._eval_modules:
                module.eval()

    def _check_optimizer(self, trainer: Any) -> None:
        known = {id(parameter) for group in trainer.optimizer.param_groups for parameter in group["params"]}
        lost = [
            name
            for name, parameter in trainer.model.named_parameters()
            if name in self._first_epochs and id(parameter) not in known
        ]
        if lost:
            raise ConfigError(
                f"ner_unfreeze cannot unfreeze {lost[0]}, which the optimizer does not have. Remove it from "
                "trainer.no_grad, and from parameter groups without requires_grad"
            )

    def _check_epochs(self, trainer: Any) -> None:
        """Warn of parameters whose epoch is never reached."""
        epochs = number_of_epochs(trainer)
        late = [name for name, first in self._first_epochs.items() if first >= epochs]
        if late:
            logger.warning(
                "ner_unfreeze: %d parameters, such as %s, would learn from epoch %d on, but there are only %d epochs "
                "(counted from 0), so they never learn. Train longer%s",
                len(late), late[0], self._first_epochs[late[0]], epochs,
                ", or set first_epoch to 0" if self.schedule is None else "",
            )  # fmt: skip


def first_epochs_of(model: Module, schedule: Mapping[int, Sequence[str]]) -> dict[str, int]:
    """
    The first epoch in which each parameter of a schedule learns.

    # Raises

    `ConfigError` for an expression that matches no parameter.
    """
    first: dict[str, int] = {}
    for epoch in sorted(schedule):
        for name in matching(model, schedule[epoch], f"ner_unfreeze.schedule[{epoch}]"):
            first.setdefault(name, epoch)
    return first


def first_epochs_from_top(model: Module, first_epoch: int, epochs_per_layer: int) -> dict[str, int]:
    """
    The first epoch in which each parameter of the pretrained transformers learns, if they unfreeze from the top.

    # Raises

    `ConfigError` if the model has no such transformer.
    """
    pretrained = pretrained_parameters(model)
    depths = depths_from_top([name for name, _ in model.named_parameters() if name in pretrained])
    if not depths:
        raise ConfigError("ner_unfreeze.from_top needs a pretrained transformer with layers, but the model has none")
    return {name: first_epoch + depth * epochs_per_layer for name, depth in depths.items()}


def _parsed(schedule: Mapping[str, Any]) -> dict[int, list[str]]:
    """The schedule with numbers as keys; `ConfigError` if it is malformed."""
    parsed = {}
    for epoch, patterns in schedule.items():
        if not str(epoch).isdecimal():
            raise ConfigError(f"ner_unfreeze.schedule: {epoch!r} is not an epoch: use numbers from 0")
        if not isinstance(patterns, list) or not patterns:
            raise ConfigError(f"ner_unfreeze.schedule[{epoch}] has to be a list of regular expressions")
        parsed[int(epoch)] = list(patterns)
    if not parsed:
        raise ConfigError("ner_unfreeze.schedule is empty")
    return parsed


def _rewrap(trainer: Any) -> None:
    """Renew DistributedDataParallel, which waits for gradients of the parameters that learned when it was made."""
    wrapped = ddp_wrapper(trainer)
    if wrapped is None or not isinstance(wrapped.model, DistributedDataParallel):
        return
    old = wrapped.model
    new = DistributedDataParallel(
        old.module, device_ids=old.device_ids, find_unused_parameters=old.find_unused_parameters
    )
    new._state_dict_hooks = old._state_dict_hooks
    new._load_state_dict_pre_hooks = old._load_state_dict_pre_hooks
    wrapped.model = new
