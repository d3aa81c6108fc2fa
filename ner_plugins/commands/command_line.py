"""The `allennlp` command: this package's commands, and a message instead of a traceback for user errors."""

import gc
import json
import os
import re
import sys
from typing import Any, Optional

from ner_plugins.commands.construction import describe_construction, describe_no_object, with_key
from ner_plugins.compat.replace import replace
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.files.atomic import named_when_full


def register_commands() -> None:
    """AllenNLP 2.10.1 parses its arguments before `--include-package`: register our commands before that."""
    from allennlp.commands.subcommand import Subcommand

    from ner_plugins.commands.evaluate import EvaluateCommand
    from ner_plugins.commands.ner_audit import NerAuditCommand
    from ner_plugins.commands.ner_bulk import NerBulkCommand
    from ner_plugins.commands.ner_compare import NerCompareCommand
    from ner_plugins.commands.ner_data import NerDataCommand
    from ner_plugins.commands.ner_ensemble import NerEnsembleCommand
    from ner_plugins.commands.ner_export import NerExportCommand
    from ner_plugins.commands.ner_folds import NerFoldsCommand
    from ner_plugins.commands.ner_interactive import NerInteractiveCommand
    from ner_plugins.commands.ner_pseudo import NerPseudoCommand
    from ner_plugins.commands.ner_report import NerReportCommand
    from ner_plugins.commands.ner_runs import NerRunsCommand
    from ner_plugins.commands.ner_serve import NerServeCommand
    from ner_plugins.commands.ner_sweep import NerSweepCommand
    from ner_plugins.commands.ner_threshold import NerThresholdCommand
    from ner_plugins.commands.predict import PredictCommand
    from ner_plugins.commands.train import TrainCommand
    from ner_plugins.console import quieten_console

    quieten_console()  # before AllenNLP logs that its commands are replaced
    commands: dict[str, Any] = {"train": TrainCommand, "evaluate": EvaluateCommand, "predict": PredictCommand}
    commands |= {"ner-data": NerDataCommand, "ner-report": NerReportCommand, "ner-threshold": NerThresholdCommand}
    commands |= {"ner-runs": NerRunsCommand, "ner-interactive": NerInteractiveCommand, "ner-bulk": NerBulkCommand}
    commands |= {"ner-serve": NerServeCommand, "ner-export": NerExportCommand}
    commands |= {"ner-compare": NerCompareCommand, "ner-sweep": NerSweepCommand, "ner-ensemble": NerEnsembleCommand}
    commands |= {"ner-folds": NerFoldsCommand, "ner-pseudo": NerPseudoCommand}
    commands["ner-audit"] = NerAuditCommand
    for name, command in commands.items():
        Subcommand.register(name, exist_ok=True)(command)


def report_mistakes_in_one_message() -> None:
    """AllenNLP 2.10.1 prints a traceback for every error; print one message for a user's mistake (see `run`)."""
    from allennlp import commands

    replace(commands, "main", _reporting)


def _reporting(main: Any) -> Any:
    def reporting_main(prog: Optional[str] = None) -> None:
        debug = "--debug" in sys.argv[1:] or bool(os.environ.get("ALLENNLP_DEBUG"))
        sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
        run(main, prog, debug)

    return reporting_main


def run(main: Any, prog: Optional[str], debug: bool) -> None:
    """
    Run AllenNLP's `main`. A user's mistake ends the process with one message on stderr and status 1.

    Any other error is a bug and keeps its traceback, as do all errors with `debug`. Ctrl-C exits with status 130,
    SIGTERM with 143, a closed pipe (`| head`) silently with status 1.
    """
    from allennlp.common.util import SigTermReceived

    from ner_plugins.console import quieten_console

    if not debug:
        quieten_console()
    _collect_garbage_rarely()
    try:
        main(prog)
        with named_when_full("standard output"):
            sys.stdout.flush()
    except KeyboardInterrupt:
        if debug:
            raise
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except SigTermReceived:
        if debug:
            raise
        print("\nterminated", file=sys.stderr)
        sys.exit(143)
    except BrokenPipeError:
        _discard_what_cannot_be_printed()
        sys.exit(1)
    except Exception as error:  # the outermost handler
        message = None if debug else describe(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        _discard_what_cannot_be_printed()
        sys.exit(1)


def _discard_what_cannot_be_printed() -> None:
    """Python flushes standard output at exit, which would fail again on a closed pipe or a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe(error: BaseException) -> Optional[str]:
    """The message for the user about `error`; `None` if it is a bug rather than a user's mistake."""
    from allennlp.common.checks import ConfigurationError

    if isinstance(error, NerError):
        return with_key(error, str(error)) if type(error) is ConfigError else str(error)
    if isinstance(error, ConfigurationError):
        return describe_no_object(error, str(error.message if hasattr(error, "message") else error))
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error}"
    if isinstance(error, FileNotFoundError):
        return f"file not found: {error.filename or error}"
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error}"
    if isinstance(error, UnicodeEncodeError) and _is_of_arguments(error):
        return (
            f"the encoding of this locale, {sys.getfilesystemencoding()}, has not all characters of the arguments: set "
            "PYTHONUTF8=1, or LC_ALL=C.UTF-8"
        )
    if isinstance(error, ModuleNotFoundError) and error.name in sys.argv:
        return f"--include-package names {error.name}, but there is no such module"
    if isinstance(error, ValueError) and str(error).startswith("overrides dict contains unused keys"):
        return f"--overrides has keys that the config does not have: {str(error).partition(': ')[2]}"
    if isinstance(error, ValueError) and str(error) == "nan loss encountered":
        return "the loss became NaN: lower the learning rate, or set trainer.grad_norm"
    if isinstance(error, RuntimeError):
        return _describe_runtime_error(str(error)) or describe_construction(error)
    return _describe_worker(error) or describe_construction(error)


def _is_of_arguments(error: UnicodeEncodeError) -> bool:
    """Whether an argument has bytes that could not be decoded, which nothing can encode but the system's calls."""
    found = error.object[error.start : error.end]
    return "\udc80" <= found[:1] <= "\udcff" and any(found in argument for argument in sys.argv[1:])


def _describe_runtime_error(text: str) -> Optional[str]:
    if text.startswith(("RUNTIME ERROR", "STATIC ERROR")):
        what, *places = text.strip().splitlines()
        # The other lines are Jsonnet's stack trace.
        where = next((f" ({place.split()[0]})" for place in places if place.split()), "")
        what = what.partition(": ")[2].rstrip(".")
        return f"the config does not evaluate: {what}{where}{_import_remedy(what)}"
    if "accelerator device when none is available" in text or "No CUDA GPUs are available" in text:
        return "a GPU was requested, but there is none: use --cuda-device -1 (in a config: trainer.cuda_device)"
    if text.startswith("Error loading state dict") or "in loading state_dict" in text:
        return f"the weights do not fit this model and vocabulary: {' '.join(text.split())[:300]}"
    return None


def _import_remedy(what: str) -> str:
    """What to do about a relative path of an import that Jsonnet cannot open."""
    found = re.match(r"couldn't open import \"(?!/)(.*?)\"", what)
    if found is None:
        return ""
    of_ours = ", or save the config in training_config/" if found[1].startswith("lib/") else ""
    return f". Jsonnet looks for it in the config's folder: import it by its full path{of_ours}"


def _describe_worker(error: BaseException) -> Optional[str]:
    """The error of a data loader's or a distributed worker, which arrives as the text of its traceback."""
    if type(error).__name__ not in ("WorkerError", "ProcessRaisedException"):
        return None
    for line in reversed(str(error).splitlines()):
        match = re.match(r"(?:allennlp\.common\.checks|ner_plugins\.errors)\.(\w+): (.*)", line.strip())
        if match:
            return match.group(2)
    return None


def _collect_garbage_rarely() -> None:
    """
    A corpus is some million small objects that live to the end. Repeated searches for cycles among them would take two
    thirds of the time of reading it.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
