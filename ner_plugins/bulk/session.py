"""Ray itself: started on this machine and ended without a trace, or a cluster to connect to."""

import logging
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

from ner_plugins.errors import ConfigError, NerError

_PREFIX = "ner-bulk-"
_ADVICE = "Failed to apply UDF transform"
_LONGEST_ROOT = 24  # the path of a socket that Ray makes below it has at most 107 bytes
MEMORY = 512 << 20
"""Bytes of the object store on this machine, in which blocks wait for the next step."""
READING = 0.25
"""The share of a CPU of a task that reads or writes."""


def needs_ray(debug: bool = False) -> Any:
    """
    The module `ray`, without usage reports and, unless `debug`, with few messages.

    # Raises

    `ConfigError` if it is missing.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning about GPUs
    if not debug:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of its part in C++, on stderr
    try:
        import pyarrow  # noqa: F401
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError("ner-bulk needs Ray Data: pip install 'ner_plugins[ray]'") from error
    return ray


@contextmanager
def ray_session(address: Optional[str], cpus: int, gpus: Optional[int], debug: bool = False) -> Iterator[None]:
    """
    A context with Ray. One that was started ends with the context, and its files are deleted.

    # Parameters

    address : `Optional[str]`
        Of a cluster, as `ray.init` takes it; `None` starts Ray on this machine.
    cpus : `int`
        How many CPUs Ray may count on here.
    gpus : `Optional[int]`
        How many GPUs; `None` for all.
    debug : `bool`, optional (default=`False`)
        Whether to show Ray's own messages.

    # Raises

    `ConfigError` if there is no cluster at the address.
    """
    ray = needs_ray(debug)
    level = logging.INFO if debug else logging.CRITICAL
    shared = {"logging_level": level, "log_to_driver": debug}
    with _log_level(level), _started(ray, address, shared, {"num_cpus": cpus, "num_gpus": gpus}, debug):
        yield


@contextmanager
def _started(
    ray: Any, address: Optional[str], shared: dict[str, Any], resources: dict[str, Any], debug: bool
) -> Iterator[None]:
    """A context in which Ray runs."""
    if address is not None:
        try:
            with _silent(debug):
                ray.init(address=address, **shared)
        except (ConnectionError, OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"--address {address}: there is no Ray cluster ({error})") from error
        try:
            yield
        finally:
            ray.shutdown()
        return
    _sweep()
    folder = _folder()
    options = {**resources, "object_store_memory": MEMORY, "_temp_dir": str(folder)}
    try:
        with _silent(debug):  # "local": not a cluster that RAY_ADDRESS names
            ray.init(address="local", include_dashboard=False, **options, **shared)
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _log_level(level: int) -> Iterator[None]:
    """A context in which Ray logs from a level on: its loggers, and what shows the messages of Ray Data."""
    data = logging.getLogger("ray.data")  # which writes its figures to a file every few seconds
    shown = [handler for handler in data.handlers if isinstance(handler, logging.StreamHandler)]
    changed: list[Any] = [logging.getLogger("ray"), data, *shown]
    before = [one.level for one in changed]
    for one in changed:
        one.setLevel(level)
    try:
        yield
    finally:
        for one, old in zip(changed, before, strict=True):
            one.setLevel(old)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """A context in which SIGTERM raises `SigTermReceived` as in other commands; `ray.init` makes it end the process."""
    import signal

    from allennlp.common.util import install_sigterm_handler

    before = signal.getsignal(signal.SIGTERM)
    install_sigterm_handler()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def cluster_size(ray: Any) -> tuple[int, int]:
    """The CPUs and GPUs of the cluster."""
    resources = ray.cluster_resources()
    return int(resources.get("CPU", 0)), int(resources.get("GPU", 0))


def as_ours(error: BaseException) -> BaseException:
    """The error of this package or of the system behind one of Ray's, or one that tells what to do; else itself."""
    import ray
    from allennlp.common.util import SigTermReceived

    if isinstance(error, (KeyboardInterrupt, SigTermReceived)):
        return error
    seen: set[int] = set()
    rest: list[Any] = [error]
    while rest:
        one = rest.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, (NerError, OSError)) and not isinstance(one, ray.exceptions.RayError):
            return _without_advice(one)
        if isinstance(one, ray.exceptions.OutOfMemoryError):
            return NerError("memory ran out: use fewer --actors. What is done is kept, and the same command goes on")
        rest += [getattr(one, "cause", None), one.__cause__, one.__context__]
    if isinstance(error, (ray.exceptions.ActorDiedError, ray.exceptions.WorkerCrashedError)):
        return NerError(
            "a process of Ray was killed, as the system does when memory runs out: use fewer --actors. What is done is "
            f"kept, and the same command goes on ({' '.join(str(error).split())[:300]})"
        )
    return error


@contextmanager
def _silent(debug: bool) -> Iterator[None]:
    """A context in which Ray's part in C++ tells nobody how its messages are set up; what fails raises."""
    if debug:
        yield
        return
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _without_advice(error: Exception) -> Exception:
    """An error without what Ray Data adds to its message: how Ray could be told to try again."""
    if isinstance(error, OSError):
        if _ADVICE not in str(error):
            return error
        name = None if _ADVICE in str(error.filename) else error.filename
        return OSError(error.errno, os.strerror(error.errno or 0), name)
    message = str(error)
    return error if _ADVICE not in message else type(error)(message.partition(_ADVICE)[0].rstrip())


def _folder() -> Path:
    """A new folder for Ray's session, which tells the process that it belongs to."""
    root = tempfile.gettempdir()
    root = root if len(root) <= _LONGEST_ROOT else "/tmp"
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))


def _sweep() -> None:
    """Delete the folders of processes that were killed."""
    for root in {tempfile.gettempdir(), "/tmp"}:
        for folder in Path(root).glob(f"{_PREFIX}*-*"):
            owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if owner.isdigit() and folder.is_dir() and not _is_running(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
