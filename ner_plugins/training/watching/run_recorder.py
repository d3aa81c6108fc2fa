"""The callback that keeps `run.json` up to date."""

import logging
import sys
from pathlib import Path
from typing import Any, Optional

from allennlp.common.util import SigTermReceived
from allennlp.training.callbacks import TrainerCallback

from ner_plugins.files.run_record import FINISHED, INTERRUPTED, RunRecord
from ner_plugins.training.trainer_access import validation_directions
from ner_plugins.training.watching.epoch_figures import EpochFigures, EpochWatcher
from ner_plugins.training.watching.run_facts import (
    data_facts,
    device_facts,
    parameters,
    peak_memory,
    seeds,
    versions,
)

logger = logging.getLogger(__name__)


@TrainerCallback.register("ner_run_record")
class RunRecorder(EpochWatcher):
    """
    Writes `<serialization_dir>/run.json`: versions, device, seeds, digests and sizes of the data, parameters, times,
    peak memory, the best epoch with its figures, and how the run ended. `allennlp ner-runs` compares such files.

    `allennlp train` adds its command line, the config's commit, and errors before and after training.

    # Parameters

    serialization_dir : `str`
    """

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._record: Optional[RunRecord] = None
        self._failed = False

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Write what is known before the first epoch."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if is_primary and self.serialization_dir is not None:
            self._guard(lambda: self._begin(trainer))

    def report(self, trainer: Any, figures: EpochFigures) -> None:
        """Write the epochs done, the memory, and the best epoch's figures."""
        self._guard(lambda: self._update(trainer, figures))

    def on_end(
        self,
        trainer: Any,
        metrics: Optional[dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write how training ended."""
        super().on_end(trainer, metrics, epoch, is_primary=is_primary, **kwargs)
        # The trainer calls this in a `finally`, where a raised exception is still known.
        exit = FINISHED if metrics is not None else exit_of(sys.exc_info()[1])
        self._guard(lambda: self._end(trainer, exit))

    def _begin(self, trainer: Any) -> None:
        self._record = RunRecord(Path(self.serialization_dir))
        self._record.start()
        self._record.update(
            {
                "versions": versions(),
                "device": device_facts(trainer.cuda_device),
                "seeds": seeds(Path(self.serialization_dir)),
                "data": data_facts(trainer),
                "parameters": parameters(trainer.model),
                "validation_metric": validation_directions(trainer),
                "peak_memory_mib": self._peak(trainer),
            }
        )

    def _update(self, trainer: Any, figures: EpochFigures) -> None:
        if self._record is not None:
            facts: dict[str, Any] = {"epochs": {"done": figures.epoch + 1, "planned": figures.epochs}}
            facts |= {"training_loss": figures.training_loss, "peak_memory_mib": self._peak(trainer)}
            facts |= {"best_epoch": figures.best_epoch, "best_validation": dict(figures.best)}
            self._record.update(facts)

    def _end(self, trainer: Any, exit: str) -> None:
        if self._record is not None:
            self._record.content["peak_memory_mib"] = self._peak(trainer)
            self._record.end(exit)

    def _peak(self, trainer: Any) -> dict[str, Optional[float]]:
        """The peaks so far: AllenNLP's trainer resets the count of the GPU in each epoch."""
        before = {} if self._record is None else self._record.content.get("peak_memory_mib", {})
        now = peak_memory(trainer.cuda_device)
        return {name: max(filter(None, (before.get(name), value)), default=None) for name, value in now.items()}

    def _guard(self, act: Any) -> None:
        try:
            act()
        except Exception as error:  # training is worth more than its record
            if not self._failed:
                logger.warning("%s: run.json could not be written: %r", self.serialization_dir, error)
            self._failed = True


def exit_of(error: Optional[BaseException]) -> str:
    """`interrupted` by Ctrl-C or SIGTERM, else `failed: ` with the error's message."""
    if isinstance(error, (KeyboardInterrupt, SigTermReceived)):
        return INTERRUPTED
    return f"failed: {str(error) or type(error).__name__}"
