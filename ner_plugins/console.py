"""What the console shows: progress, results and warnings. Everything else goes to the log files."""

import logging
import os
import sys
from typing import Any

from ner_plugins.compat.replace import replace

_TABLE = "allennlp.training.callbacks.console_logger"
# Loggers whose INFO records are shown too; the second one prints AllenNLP's per-epoch table.
_SHOWN = ("ner_plugins", _TABLE)
_WITHOUT_HOME = ("mkdir -p failed for path", "Matplotlib created a temporary cache directory")
_hidden: set[str] = set()


def hide_epoch_tables() -> None:
    """Leave AllenNLP's table of an epoch to the log file, because each epoch has a line of this package."""
    _hidden.add(_TABLE)


class ConsoleFilter(logging.Filter):
    """
    Passes warnings, this package's messages, and the per-epoch table without its per-type rows, unless
    `hide_epoch_tables` was called. Removes a progress bar from the terminal before a message.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show `record`."""
        passes = self._passes(record)
        progress = sys.modules.get("ner_plugins.progress")
        if passes and progress is not None:
            progress.clear_bars()
        return passes

    @staticmethod
    def _passes(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            # AllenNLP warns that early stopping is off even where the config switches it off, and matplotlib of a home
            # folder that cannot be written.
            message = record.getMessage()
            if record.name == "matplotlib" and message.startswith(_WITHOUT_HOME):
                return False
            return "meaning that early stopping is disabled" not in message
        if not record.name.startswith(_SHOWN) or record.name in _hidden:
            return False
        if record.name.startswith("allennlp"):
            message = record.getMessage()
            name = message.partition(" |  ")[0]
            return name != message and name.count("/") < 2 and "_memory_MB" not in name
        return record.levelno >= logging.INFO


def wants_details() -> bool:
    """Whether the user asked AllenNLP for its full log on the console."""
    return bool(os.environ.get("ALLENNLP_DEBUG") or os.environ.get("ALLENNLP_LOG_LEVEL"))


def quieten(handler: logging.Handler) -> None:
    """Make one console handler show only what `ConsoleFilter` passes, without time stamps."""
    if not any(isinstance(known, ConsoleFilter) for known in handler.filters):
        handler.addFilter(ConsoleFilter())
        handler.setFormatter(logging.Formatter("%(message)s"))


def keep_details_in_log_files() -> None:
    """
    AllenNLP 2.10.1 prints several hundred lines of parameters between the command and the progress bar.

    They go to `out.log` only; `ALLENNLP_LOG_LEVEL=INFO` brings them back to the console.
    """
    from allennlp.common import logging as allennlp_logging

    def quieting(original: Any) -> Any:
        def prepare_global_logging(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            quieten_console()

        return prepare_global_logging

    replace(allennlp_logging, "prepare_global_logging", quieting)


def quieten_console() -> None:
    """Apply `quieten` to the root logger's console handlers, unless the user asked for details."""
    if wants_details():
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            quieten(handler)
