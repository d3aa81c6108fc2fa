"""`allennlp ner-interactive`: a prompt at which sentences are typed and their entities shown."""

import argparse
import contextlib
import re
import sys
from typing import Any, Iterator, Optional

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError

DESCRIPTION = "Type sentences and see their tokens with tags, the entities in brackets, and each entity's probability."
HELP = """\
A line is a sentence. These lines are not:
  :best N   also show the N most probable taggings (0 for none)
  :help     this text
  :quit     the end, as is Ctrl-D
Ctrl-C clears the line."""
_COMMAND = re.compile(r"\s*:(best(?:\s+(?P<number>\d+))?|help|quit)\s*")


class NerInteractiveCommand(Subcommand):
    """Predictions for what is typed."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-interactive", description=DESCRIPTION, help=DESCRIPTION
        )
        subparser.add_argument("archive_file", help="path to an archived trained model")
        subparser.add_argument(
            "--best", type=int, default=0, metavar="N", help="also show the N most probable taggings (of a CRF)"
        )
        subparser.add_argument("--scheme", default="BIO", help="of the tags shown: BIO, BIOES, BMES, …")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--weights-file", help="weights to use instead of the archive's")
        subparser.add_argument(
            "-o", "--overrides", default="", help="JSON that overrides the archive's configuration"
        )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, interact_from_args)
        return subparser


def interact_from_args(args: argparse.Namespace) -> None:
    """
    Show predictions until the input ends.

    # Raises

    `ConfigError` for a scheme or number that does not exist, and what loading the archive raises.
    """
    from ner_plugins.tag_schemes import tag_scheme
    from ner_plugins.tagger.tagger import Tagger

    tag_scheme(args.scheme)
    if args.best < 0:
        raise ConfigError(f"--best is {args.best}; it must be >= 0")
    tagger = Tagger.from_path(
        args.archive_file, device=args.cuda_device, overrides=args.overrides, weights_file=args.weights_file
    )
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors=errors)
    session = Session(tagger, args.scheme, args.best)
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        with contextlib.suppress(ImportError):  # missing on Windows
            import readline  # noqa: F401  (gives `input` editing and a history)
        print(f"types: {', '.join(tagger.backend.types)}\n{HELP}")
    for line in typed_lines("> " if is_terminal else ""):
        try:
            shown = session.answer(line)
        except KeyboardInterrupt:
            print()
            continue
        if shown is None:
            break
        print("\n".join([*shown, ""]) if shown else "", end="\n" if shown else "", flush=True)


def typed_lines(prompt: str) -> Iterator[str]:
    """The lines of standard input to its end; an interrupted one is dropped."""
    while True:
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            print()
        except EOFError:
            if prompt:
                print()
            return


class Session:
    """
    Answers lines.

    # Parameters

    tagger : `Tagger`
    scheme : `str`
        Of the tags shown.
    best : `int`
        How many of the most probable taggings to show.
    """

    def __init__(self, tagger: Any, scheme: str = "BIO", best: int = 0) -> None:
        self._tagger, self._scheme, self._best = tagger, scheme, best

    def answer(self, line: str) -> Optional[list[str]]:
        """The lines to show for a sentence or command; `None` at the end."""
        command = _COMMAND.fullmatch(line)
        if command is None:
            return self._tagged(line) if line.strip() else []
        if command[1] == "quit":
            return None
        if command[1] == "help":
            return HELP.splitlines()
        self._best = int(command["number"] or 5)
        return [f"the {self._best} most probable taggings are shown" if self._best else "the best entities are shown"]

    def _tagged(self, text: str) -> list[str]:
        from ner_plugins.entities import Entity
        from ner_plugins.metrics.report import display_width
        from ner_plugins.predictors.output_formats import tagged_tokens, to_brackets_line

        [tagged] = self._tagger([text])
        prediction = tagged.to_json()
        entities = list(map(Entity.from_json, prediction["entities"]))
        pairs = tagged_tokens(text, entities, self._tagger.backend.tokens, self._scheme)
        lines = [" ".join(f"{token}/{tag}" for token, tag in pairs), to_brackets_line(prediction)]
        widest = max((display_width(entity.text) for entity in tagged.entities), default=0)
        for entity in tagged.entities:
            gap = " " * (widest - display_width(entity.text))
            lines.append(f"  {entity.score:.4f}  {entity.text}{gap}  {entity.type}")
        return lines + (self._alternatives(text) if self._best else [])

    def _alternatives(self, text: str) -> list[str]:
        from ner_plugins.brackets import to_brackets

        try:
            found = self._tagger.n_best(text, self._best)
        except ConfigError as error:
            self._best = 0
            return [str(error)]
        return [
            f"  {rank}. {share:.4f}  {to_brackets(text, entities)}"
            for rank, (entities, share) in enumerate(found, start=1)
        ]
