"""`allennlp ner-serve`: a server with a web page for one or several models."""

import argparse
import contextlib
import gc
import logging
import os
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError

logger = logging.getLogger(__name__)

CONNECTIONS, SHAPES = 65_536, "16"
DESCRIPTION = "Serve models over HTTP, with a web page. Loopback only, unless --host is given."


class NerServeCommand(Subcommand):
    """A server of predictions."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        from ner_plugins.serving.limits import Limits

        subparser: argparse.ArgumentParser = parser.add_parser("ner-serve", description=DESCRIPTION, help=DESCRIPTION)
        subparser.add_argument(
            "models", nargs="+", metavar="MODEL",
            help="an archive or export, or NAME=PATH; requests name one if there are several",
        )  # fmt: skip
        subparser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 is reached by all")
        subparser.add_argument("--port", type=int, default=8000, help="0 for any that is free")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument(
            "--cors-origin", action="append", default=[], metavar="ORIGIN",
            help="let pages of this origin use the server, as in https://example.org; may be repeated",
        )  # fmt: skip
        subparser.add_argument("--access-log", action="store_true", help="log method, endpoint, status and time")
        limits = subparser.add_argument_group("limits")
        for option, kind, text in (
            ("max-body", int, "bytes of a request; of a stream, of each line"),
            ("max-texts", int, "texts of a request; a stream has no limit"),
            ("max-characters", int, "characters of a text"),
            ("queue", int, "texts that wait for a model before requests are refused"),
            ("timeout", float, "seconds until a request must be answered"),
            ("batch-wait", float, "seconds that a text waits for others to share a batch with"),
        ):
            default = getattr(Limits, option.replace("-", "_"))
            limits.add_argument(f"--{option}", type=kind, default=default, help=f"{text} (default: {default})")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, serve_from_args)
        return subparser


def serve_from_args(args: argparse.Namespace) -> None:
    """
    Serve until SIGTERM or Ctrl-C.

    # Raises

    `ConfigError` for a value out of range, a port that is taken, or if the extra `serve` is not installed; what loading
    the models raises.
    """
    from ner_plugins.serving import Limits, ModelPlace
    from ner_plugins.tagger import Tagger

    names = ("max_body", "max_texts", "max_characters", "queue", "timeout", "batch_wait")
    limits = Limits(**{name: getattr(args, name) for name in names})
    places = {place.name: place.path for place in ModelPlace.parse_all(args.models)}
    try:
        from ner_plugins.serving._web.server import NerServer, is_loopback, listening_socket, url_of
        from ner_plugins.serving._web.state import TOKEN, State, token_of_environment
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("ner_plugins"):
            raise
        raise ConfigError(f"ner-serve needs {error.name}: pip install 'ner_plugins[serve]'") from None
    options = {"device": args.cuda_device, "trust_archive": args.trust_archive}
    state = State(
        list(places), lambda name: Tagger.from_path(places[name], **options), limits,
        token_of_environment(), args.cors_origin, args.access_log,
    )  # fmt: skip
    # oneDNN keeps what it has compiled for each of the last 1,024 shapes of a batch. For texts of many lengths that is
    # some hundred megabytes, which grow for hours. It reads this when torch first computes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", SHAPES)
    _allow_many_connections()
    with listening_socket(args.host, args.port) as listener:
        if not is_loopback(listener) and state.token is None:
            logger.warning("whoever reaches this machine can use the server: %s=… asks for a token", TOKEN)
        logger.info("%s: loading %s (Ctrl-C ends)", url_of(listener), ", ".join(places))
        NerServer(state, _collect_garbage_as_usual).serve_on(listener)
    logger.info("stopped: all that was accepted is answered")


def _allow_many_connections() -> None:
    """Raise the limit of open files, which is often 1,024, as far as the system lets us."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # missing on Windows
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _collect_garbage_as_usual() -> None:
    """Commands search for garbage rarely, for the sake of corpora. A server does often, but not in its models."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 10)
