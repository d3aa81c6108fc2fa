"""The callback `ner_unfreeze`: parts of the model that join training after some epochs."""

import logging
import re
from typing import Any, Mapping, Optional, Sequence

from allennlp.training.callbacks import TrainerCallback
from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import freeze, frozen_modules, matching, pretrained_parameters

logger = logging.getLogger(__name__)

_LAYER = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"embeddings?(_|\.|$)")


@TrainerCallback.register("ner_unfreeze")
class UnfreezeCallback(TrainerCallback):
    """
    Freezes parameters until their epoch has come. Until then they are as they were: no update, no weight decay, no
    momentum. What is frozen follows from the epoch alone, also when a run is taken up again.

        {"type": "ner_unfreeze", "schedule": {"20": ["token_embedder_bert"]}}       (FLAT's V1: BERT from epoch 20 on)
        {"type": "ner_unfreeze", "from_top": true}                                  (a layer more in each epoch)

    The trainer's `no_grad` is not for what is to learn later: the optimizer would not know of it. A schedule of
    learning rates goes on while parameters are frozen.

    # Parameters

    serialization_dir : `str`
    schedule : `Optional[dict[str, list[str]]]`
        By epoch, counted from 0: regular expressions. The parameters in whose name one is found learn from that epoch
        on; if found in several, from the earliest. All others learn from the start.
    from_top : `bool`
        Whether pretrained transformers learn layer by layer: the uppermost from `first_epoch` on, the embeddings last.
    first_epoch : `Optional[int]`
        1 if left out.
    epochs_per_layer : `Optional[int]`
        How many epochs lie between two layers; 1 if left out.
    dropout_when_frozen : `bool`
        Whether modules all of whose parameters are frozen keep their dropout. If not they are in evaluation mode.

    # Raises

    `ConfigError` if there is nothing to freeze, or too much, if an expression matches no parameter, or if the
    optimizer lacks one that is to learn later.
    """

    def __init__(
        self,
        serialization_dir: str,
        schedule: Optional[dict[str, Any]] = None,  # lists: checked by hand, since of a string letters would be made
        from_top: bool = False,
        first_epoch: Optional[int] = None,
        epochs_per_layer: Optional[int] = None,
        dropout_when_frozen: bool = True,
    ) -> None:
        super().__init__(serialization_dir)
        if (schedule is None) == (not from_top):
            raise ConfigError("ner_unfreeze takes either a schedule, or from_top")
        if schedule is not None and (first_epoch, epochs_per_layer) != (None, None):
            raise ConfigError("ner_unfreeze.first_epoch and epochs_per_layer are for from_top; a schedule has its own")
        self.schedule = None if schedule is None else _checked(schedule)
        self.first_epoch = 1 if first_epoch is None else first_epoch
        self.epochs_per_layer = 1 if epochs_per_layer is None else epochs_per_layer
        if self.first_epoch < 0 or self.epochs_per_layer < 1:
            raise ConfigError("ner_unfreeze.first_epoch has to be 0 or more, and epochs_per_layer 1 or more")
        self.dropout_when_frozen = dropout_when_frozen
        self._first_epochs: dict[str, int] = {}
        self._asleep: list[Module] = []
        self._frozen: Optional[set[str]] = None
        self._hook: Any = None

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Freeze what does not learn in the epoch that training begins or goes on with."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        model = trainer.model
        if self.schedule is None:
            self._first_epochs = first_epochs_from_top(model, self.first_epoch, self.epochs_per_layer)
        else:
            self._first_epochs = first_epochs_of(model, self.schedule)
        self._check_optimizer(trainer)
        self._check_epochs(trainer)
        if not self.dropout_when_frozen:
            self._hook = model.register_forward_pre_hook(self._put_to_sleep)
        self._enter(trainer, trainer._start_after_epochs_completed)

    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs: Any
    ) -> None:
        """Let those learn whose turn it is in the next epoch."""
        if epoch + 1 < trainer._num_epochs:
            self._enter(trainer, epoch + 1)

    def on_end(self, trainer: Any, **kwargs: Any) -> None:
        """Let the model go."""
        if self._hook is not None:
            self._hook.remove()

    def _enter(self, trainer: Any, epoch: int) -> None:
        model = trainer.model
        frozen = {name for name, first in self._first_epochs.items() if first > epoch}
        if frozen == self._frozen:
            return
        joining = [] if self._frozen is None else sorted(self._frozen - frozen)
        if joining:
            logger.info("epoch %d: %s and %d more learn from here on", epoch, joining[0], len(joining) - 1)
        if self._frozen is not None or frozen:
            logger.info("epoch %d: %d parameters are frozen", epoch, len(frozen))
        self._frozen = frozen
        freeze(model, frozen)
        for name, parameter in model.named_parameters():
            if name in self._first_epochs and name not in frozen:
                parameter.requires_grad_(True)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ConfigError(f"ner_unfreeze freezes all parameters in epoch {epoch}: let some learn from epoch 0 on")
        self._asleep = frozen_modules(model, frozen)
        _wrap_anew(trainer)

    def _put_to_sleep(self, model: Module, inputs: Any) -> None:
        """The trainer puts all modules into training mode; before a forward pass is when that can be mended."""
        if model.training:
            for module in self._asleep:
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
                f"ner_unfreeze is to let {lost[0]} learn, but the optimizer does not have it: take it out of "
                "trainer.no_grad, and out of parameter groups without requires_grad"
            )


    def _check_epochs(self, trainer: Any) -> None:
        """Say what will not learn at all, since its epoch does not come."""
        late = [name for name, first in self._first_epochs.items() if first >= trainer._num_epochs]
        if late:
            logger.warning(
                "ner_unfreeze: %d parameters, such as %s, would learn from epoch %d on, but there are only %d epochs "
                "(counted from 0), so they never do: train longer%s",
                len(late), late[0], self._first_epochs[late[0]], trainer._num_epochs,
                ", or begin with first_epoch 0" if self.schedule is None else "",
            )  # fmt: skip


def first_epochs_of(model: Module, schedule: Mapping[int, Sequence[str]]) -> dict[str, int]:
    """
    From which epoch on each parameter learns that a schedule names.

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
    From which epoch on each parameter of the pretrained transformers learns, if they thaw from the top.

    # Raises

    `ConfigError` if there is none.
    """
    names = pretrained_parameters(model)
    numbers = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
    if not numbers:
        raise ConfigError("ner_unfreeze.from_top needs a pretrained transformer with layers, and the model has none")
    layers = max(numbers.values()) + 1
    first: dict[str, int] = {}
    for name in names:
        below = layers - 1 - numbers[name] if name in numbers else layers if _EMBEDDINGS.search(name) else 0
        first[name] = first_epoch + below * epochs_per_layer
    return first


def _checked(schedule: Mapping[str, Any]) -> dict[int, list[str]]:
    checked = {}
    for epoch, patterns in schedule.items():
        if not str(epoch).isdecimal():
            raise ConfigError(f"ner_unfreeze.schedule: {epoch!r} is no epoch; they are counted from 0")
        if not isinstance(patterns, list) or not patterns:
            raise ConfigError(f"ner_unfreeze.schedule[{epoch}] has to be a list of regular expressions")
        checked[int(epoch)] = list(patterns)
    if not checked:
        raise ConfigError("ner_unfreeze.schedule is empty")
    return checked


def _wrap_anew(trainer: Any) -> None:
    """
    DistributedDataParallel waits for the gradients of all parameters that learnt when it was made, so it is made anew.
    """
    wrapped = trainer._ddp_wrapped_model
    if wrapped is None or not isinstance(wrapped.model, DistributedDataParallel):
        return
    old = wrapped.model
    new = DistributedDataParallel(
        old.module, device_ids=old.device_ids, find_unused_parameters=old.find_unused_parameters
    )
    new._state_dict_hooks = old._state_dict_hooks
    new._load_state_dict_pre_hooks = old._load_state_dict_pre_hooks
    wrapped.model = new
