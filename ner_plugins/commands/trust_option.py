"""The option `--trust-archive` of the commands that load archives."""

import argparse
import functools
import os
from typing import Any, Callable


def offer_trust(subparser: Any, func: Callable[[argparse.Namespace], Any]) -> None:
    """
    Add `--trust-archive` to a command, with which archives that `func` loads may name any code
    (`ner_plugins.archives.trust`).

    # Parameters

    subparser : `argparse.ArgumentParser`
    func : `Callable[[argparse.Namespace], Any]`
        What the command runs.
    """
    subparser.add_argument(
        "--trust-archive",
        action="store_true",
        help="let the archive's configuration name any code, as if it were your own (default: registered classes only)",
    )

    @functools.wraps(func)
    def trusting_func(args: argparse.Namespace) -> Any:
        from ner_plugins.archives.trust import VARIABLE

        if not args.trust_archive:
            return func(args)
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = "1"
        try:
            return func(args)
        finally:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before

    subparser.set_defaults(func=trusting_func)
