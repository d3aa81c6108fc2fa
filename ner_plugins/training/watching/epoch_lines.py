"""One line on the console for each epoch."""

import logging
from typing import Any

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.console import hide_epoch_tables
from ner_plugins.training.watching.epoch_figures import EpochFigures, EpochWatcher

logger = logging.getLogger(__name__)


@TrainerCallback.register("ner_epoch_lines")
class EpochLines(EpochWatcher):
    """
    Logs each epoch in one line: training loss, learning rates, `validation_metric` with the best so far, seconds and an
    estimate of the time left. AllenNLP's table of all metrics goes to `out.log` alone.

    # Parameters

    serialization_dir : `str`
    """

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Hide AllenNLP's tables."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        hide_epoch_tables()

    def report(self, trainer: Any, figures: EpochFigures) -> None:
        """Log the line."""
        logger.info("%s", epoch_line(figures))


def epoch_line(figures: EpochFigures) -> str:
    """
    The line about an epoch.

    ```
    epoch 3/9: loss 7.6797, lr 2e-05, 0.001, dev seqeval/micro_f1 0.2866 (best 0.3012 in epoch 2), 18.4 s, 1:50 left
    ```
    """
    parts = []
    if figures.training_loss is not None:
        parts.append(f"loss {figures.training_loss:.4f}")
    if figures.rates:
        parts.append("lr " + ", ".join(f"{rate:.2g}" for rate in figures.rates.values()))
    watched = [name for name in figures.watched if name in figures.validation]
    if watched:
        shown = ", ".join(f"{name} {figures.validation[name]:.4f}" for name in watched)
        parts.append(f"dev {shown} ({_best(figures)})")
    parts.append(duration(figures.seconds))
    if figures.seconds_left:
        parts.append(f"{duration(figures.seconds_left, precise=False)} left")
    return f"epoch {figures.epoch}/{figures.epochs - 1}: {', '.join(parts)}"


def _best(figures: EpochFigures) -> str:
    if figures.best_epoch == figures.epoch:
        return "the best so far"
    best = ", ".join(f"{figures.best[name]:.4f}" for name in figures.watched if name in figures.best)
    return f"best {best} in epoch {figures.best_epoch}"


def duration(seconds: float, precise: bool = True) -> str:
    """`18.4 s`, and from a minute on, or if not `precise`, `0:18` or `1:02:03`."""
    if precise and seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
