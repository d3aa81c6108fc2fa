"""Progress on stderr: one steady line that is redrawn on a terminal, a line every 30 s in a file or pipe."""

import sys
from contextlib import contextmanager
from typing import Any, Iterator, Optional, Sized

from tqdm import tqdm
from tqdm.utils import disp_trim

from ner_plugins.compat.replace import replace

SECONDS_BETWEEN_LINES = 30.0
"""How often a progress bar writes a line where stderr is no terminal."""

# The title and the length of bars that have none of their own: see `titled`.
_given: dict[str, Any] = {}


class Progress(tqdm):  # type: ignore[type-arg]
    """
    A bar that takes AllenNLP's descriptions, which list all metrics in front of the bar, as a few figures behind it.

    The bar so stays where it is while the figures change.
    """

    def set_description(self, desc: Optional[str] = None, refresh: bool = True) -> None:
        """Set the title, or, if `desc` ends like a list of metrics of AllenNLP, the figures: see `few_figures`."""
        if desc is not None and desc.endswith(_END):
            self.set_postfix_str(few_figures(desc), refresh)
        else:
            super().set_description(desc, refresh)


class ProgressLines(Progress):
    """A bar that writes a whole line every `SECONDS_BETWEEN_LINES` seconds; a bar of a shorter time writes none."""

    @staticmethod
    def format_meter(n: float, total: Optional[float], elapsed: float, *args: Any, **options: Any) -> str:
        """The line about `n` of `total` units after `elapsed` seconds; `tqdm.format_meter` documents the arguments."""
        unit = (options.get("unit") or "it").strip()
        parts = [f"{n:,.0f}" if total is None else f"{n:,.0f} of {total:,.0f}"]
        parts[0] += "" if unit == "it" else f" {unit}"
        if total:
            parts[0] += f" ({n / total:.0%})"
        done = n - options.get("initial", 0)
        parts.append(f"{tqdm.format_interval(elapsed)} so far")
        if total and done > 0 and n < total:
            parts.append(f"{tqdm.format_interval(elapsed / done * (total - n))} left")
        if options.get("postfix"):
            parts.append(str(options["postfix"]))
        title = (options.get("prefix") or "progress").removesuffix(": ")
        return str(disp_trim(f"{title}: {', '.join(parts)}", 200))


class LineWriter:
    """The file that `ProgressLines` writes to: stderr, and AllenNLP's log file, without carriage returns."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> None:
        """Write a line, unless it is that before; nothing if it is white space, with which tqdm moves the cursor."""
        text = text.strip()
        if text and text != self._last:
            self._last = text
            sys.stderr.write(f"{text}\n")
            _log(text)

    def flush(self) -> None:
        """Flush stderr."""
        sys.stderr.flush()


def progress(*args: Any, **options: Any) -> Any:
    """
    A progress bar on stderr, with the arguments of `tqdm`: `iterable`, `desc`, `total`, `unit`, `disable` and others.

    On a terminal the bar disappears when it is done. Elsewhere, and with AllenNLP's `--file-friendly-logging`, it is a
    line every 30 s, and one at the end if there was one before.
    """
    if _given and (args[1] if len(args) > 1 else options.get("desc")) is None:
        options["desc"] = _given["title"]
        if options.get("total") is None and len(args) < 3:
            options["total"] = _given["total"]
    if is_redrawn():
        return Progress(*args, **{"file": _terminal(), "leave": False, "dynamic_ncols": True, **options})
    # `miniters=1` makes tqdm look at the clock in each step, so that a slower step does not delay a line.
    lines = {"mininterval": SECONDS_BETWEEN_LINES, "delay": SECONDS_BETWEEN_LINES, "miniters": 1, "leave": True}
    return ProgressLines(*args, **{"file": LineWriter(), **lines, **options})


def is_redrawn() -> bool:
    """Whether a bar is redrawn in place: stderr is a terminal, and nobody asked for whole lines."""
    logging = sys.modules.get("allennlp.common.logging")
    return sys.stderr.isatty() and not getattr(logging, "FILE_FRIENDLY_LOGGING", False)


def clear_bars() -> None:
    """Remove the bars from the terminal before something else is printed; they come back with their next step."""
    for bar in list(getattr(tqdm, "_instances", ())):
        if isinstance(bar, Progress) and not isinstance(bar, ProgressLines):
            bar.clear(nolock=True)


@contextmanager
def titled(title: str, total: Optional[int] = None) -> Iterator[None]:
    """
    Give AllenNLP's bars that have no description, such as that of its trainer, a title and a length.

    # Parameters

    title : `str`
        What is in progress.
    total : `Optional[int]`
        The number of steps, for bars over an iterator, whose length is unknown.
    """
    before = dict(_given)
    _given.update(title=title, total=total)
    try:
        yield
    finally:
        _given.clear()
        _given.update(before)


_END = " ||"


def few_figures(description: str) -> str:
    """
    The figures to follow out of AllenNLP's description of all metrics: the loss, the micro F1 of this package's
    metrics, CLUENER's macro F1, and what other models have.

    # Parameters

    description : `str`
        `name: value, name: value ||`
    """
    kept = []
    for part in description.removesuffix(_END).split(", "):
        name, separator, value = part.rpartition(": ")
        if separator and is_shown(name):
            kept.append(f"{name} {value}")
    return ", ".join(kept)


def is_shown(name: str) -> bool:
    """Whether a progress bar has the metric `name`; the loss of one batch fluctuates too much to be read."""
    return name != "batch_loss" and ("/" not in name or name.endswith(("/micro_f1", "cluener/macro_f1")))


def steady_progress() -> None:
    """
    AllenNLP 2.10.1 redraws its bars several times a second, and leaves each of them behind.

    Thousands of updates fill a redirected log. Replace the bars by `progress`, on the first rank only. A notebook keeps
    its widgets.
    """
    from allennlp.common import tqdm as allennlp_tqdm

    def steadying(original: Any) -> Any:
        def steady(*args: Any, **options: Any) -> Any:
            if "notebook" in allennlp_tqdm._tqdm.__name__:
                return original(*args, **options)
            from ner_plugins.distributed import is_first_rank

            return progress(*args, **({} if is_first_rank() else {"disable": True}), **options)

        return steady

    replace(allennlp_tqdm.Tqdm, "tqdm", steadying)


def title_evaluation() -> None:
    """AllenNLP 2.10.1 evaluates over an iterator, so that the bar has neither a name nor an end: give it both."""
    from allennlp.evaluation.evaluator import SimpleEvaluator

    def titling(original: Any) -> Any:
        def evaluate(self: Any, model: Any, data_loader: Any, *args: Any, **options: Any) -> Any:
            with titled("evaluating", _length(data_loader)):
                return original(self, model, data_loader, *args, **options)

        return evaluate

    replace(SimpleEvaluator, "__call__", titling)


def title_test_evaluation() -> None:
    """The same for the evaluation of the test data at the end of a training."""
    from allennlp.training import util

    def titling_test(original: Any) -> Any:
        def evaluate(model: Any, data_loader: Any, *args: Any, **options: Any) -> Any:
            with titled("evaluating", _length(data_loader)):
                return original(model, data_loader, *args, **options)

        return evaluate

    replace(util, "evaluate", titling_test)


def _length(data_loader: Sized) -> Optional[int]:
    try:
        return len(data_loader)
    except TypeError:  # a loader that does not hold the sentences in memory
        return None


def _terminal() -> Any:
    """AllenNLP's writer to stderr, which also writes to its log file every 10 s, once AllenNLP is imported."""
    module = sys.modules.get("allennlp.common.tqdm")
    return sys.stderr if module is None else module.TqdmToLogsWriter()


def _log(line: str) -> None:
    module = sys.modules.get("allennlp.common.tqdm")
    if module is not None:
        module.logger.info(line)
