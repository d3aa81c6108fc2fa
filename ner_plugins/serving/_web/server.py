"""uvicorn with models: loads them while it already answers `/health`, and finishes what it accepted before it ends."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import threading
from types import FrameType
from typing import Callable, Iterator, Optional

import uvicorn

from ner_plugins.errors import ConfigError
from ner_plugins.serving._web.app import make_app
from ner_plugins.serving._web.state import State, log_without_texts

logger = logging.getLogger(__name__)

NOTICE = 0.5
"""Seconds in which a server that stops still takes connections, and refuses requests, so that balancers notice."""

_GRACE = 5.0  # seconds beyond the timeout of requests
_TICK = 0.02  # seconds
_BACKLOG = 2048


class NerServer(uvicorn.Server):
    """
    Serves until SIGTERM or Ctrl-C; another one ends it at once.

    # Parameters

    state : `State`
    on_ready : `Optional[Callable[[], None]]`, optional (default=`None`)
        Called when all models are loaded, in the thread that has loaded them.
    """

    def __init__(self, state: State, on_ready: Optional[Callable[[], None]] = None) -> None:
        super().__init__(
            uvicorn.Config(
                make_app(state), log_config=None, access_log=False, lifespan="off", server_header=False, ws="none",
                backlog=_BACKLOG, timeout_graceful_shutdown=int(_GRACE), timeout_keep_alive=30,
                proxy_headers=False,
            )
        )  # fmt: skip
        self.state, self._on_ready = state, on_ready
        self.error: Optional[BaseException] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def serve_on(self, listener: socket.socket) -> None:
        """
        Serve until told to stop.

        # Raises

        What loading the models raises.
        """
        try:
            self.run([listener])
        finally:
            self.state.service.close(_GRACE)
        if self.error is not None:
            raise self.error

    async def startup(self, sockets: Optional[list[socket.socket]] = None) -> None:
        """Start to listen, and to load the models in a thread."""
        self._loop = asyncio.get_running_loop()
        log_without_texts(self._loop)
        await super().startup(sockets)
        threading.Thread(target=self._load, name="ner-serve loads", daemon=True).start()

    async def shutdown(self, sockets: Optional[list[socket.socket]] = None) -> None:
        """
        Close the port, wait for the answers to what was accepted, and close the connections.

        uvicorn alone would tell the requests under way that their clients have left.
        """
        for server in self.servers:
            server.close()
        ticks = int((self.state.limits.timeout + _GRACE) / _TICK)
        while self.server_state.tasks and not self.force_exit and ticks > 0:
            await asyncio.sleep(_TICK)
            ticks -= 1
        await super().shutdown(sockets)

    def _load(self) -> None:
        try:
            self.state.service.load_all()
            if self._on_ready is not None:
                self._on_ready()
        except BaseException as error:  # raised again by `serve_on`
            self.error = error
            self.should_exit = True
            return
        logger.info("ready: %s", ", ".join(self.state.names))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A context in which signals stop the server. Unlike uvicorn's, it does not repeat them at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: Optional[FrameType]) -> None:
        """Refuse new requests, and end after those that were accepted; the second time, at once."""
        if self.state.service.draining:
            self.force_exit = self.should_exit = True
            return
        self.stop()

    def stop(self) -> None:
        """Refuse new requests, and end after those that were accepted. Safe in signal handlers and threads."""
        self.state.service.draining = True
        if self._loop is None:
            self.should_exit = True
            return
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._drain, self._loop)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self.state.stop_accepting()
        loop.call_later(NOTICE, setattr, self, "should_exit", True)


def listening_socket(host: str, port: int) -> socket.socket:
    """
    A socket that is bound, so that a server that has no port says so before it loads models.

    # Parameters

    host : `str`
        A name or address of this machine.
    port : `int`
        0 for any that is free.

    # Raises

    `ConfigError` if the port is taken or cannot be had, or the host is not of this machine.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port is {port}, but ports are numbers from 0 to 65535")
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # asyncio answers without delay (TCP_NODELAY) only if the protocol is named: otherwise small answers wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} of {host} is in use, perhaps by another server: stop that, or choose another --port"
            ) from None
        raise ConfigError(f"cannot listen on port {port} of {host}: {error.strerror or error}") from None
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    address = str(listener.getsockname()[0])
    return address.startswith("127.") or address == "::1"


def url_of(listener: socket.socket) -> str:
    """The address of a socket's page."""
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
