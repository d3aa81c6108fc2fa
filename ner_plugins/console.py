"""What a person sees on the console: progress, results and warnings. Everything else is in the log files."""

import functools
import logging
import os
from typing import Any, Mapping

# Records of these loggers are for people, below WARNING too. (The per-epoch table of AllenNLP is one.)
_SPOKEN = ("ner_plugins", "allennlp.training.callbacks.console_logger")


class ConsoleFilter(logging.Filter):
    """Lets warnings through, what this package says, and the per-epoch table without its per-type rows."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show `record`."""
        if record.levelno >= logging.WARNING:
            # AllenNLP's reminder that early stopping is off is no warning to whoever chose so.
            return "meaning that early stopping is disabled" not in record.getMessage()
        if not record.name.startswith(_SPOKEN):
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
    """Make one console handler show only what `ConsoleFilter` lets through, without time stamps."""
    if not any(isinstance(known, ConsoleFilter) for known in handler.filters):
        handler.addFilter(ConsoleFilter())
        handler.setFormatter(logging.Formatter("%(message)s"))


def keep_details_in_log_files() -> None:
    """
    AllenNLP 2.10.1 prints several hundred lines of parameters between the command and the progress bar.

    They stay in `out.log`; `ALLENNLP_LOG_LEVEL=INFO` brings them back to the console.
    """
    from allennlp.common import logging as allennlp_logging

    original = allennlp_logging.prepare_global_logging
    if getattr(original, "keeps_details_in_files", False):
        return

    @functools.wraps(original)
    def prepare_global_logging(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        quieten_console()

    prepare_global_logging.keeps_details_in_files = True  # type: ignore[attr-defined]
    allennlp_logging.prepare_global_logging = prepare_global_logging


def quieten_console() -> None:
    """Apply `quieten` to the root logger's console handlers, unless the user asked for details."""
    if wants_details():
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            quieten(handler)


def shorten_progress_descriptions() -> None:
    """AllenNLP 2.10.1 writes every metric before the progress bar; of this package's, the micro F1 are enough."""
    from allennlp.training import util

    original = util.description_from_metrics
    if getattr(original, "is_short", False):
        return

    @functools.wraps(original)
    def description_from_metrics(metrics: Mapping[str, float]) -> str:
        return str(original({name: value for name, value in metrics.items() if _is_short(name)}))

    description_from_metrics.is_short = True  # type: ignore[attr-defined]
    util.description_from_metrics = description_from_metrics


def _is_short(name: str) -> bool:
    return "/" not in name or name.endswith(("/micro_f1", "cluener/macro_f1"))
