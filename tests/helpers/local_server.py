"""An HTTP server on this machine that misbehaves as told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "LocalServer"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        body = self.server.files.get(self.path, b"")
        answer = self.server.answers.pop(0) if self.server.answers else serve
        if answer is serve and self.path not in self.server.files:
            answer = status(404)
        answer(self, body)

    def start(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes) -> None:
        self.server.served += len(body)  # before the client can see them
        with suppress(OSError):  # the client has gone, which is what some tests are about
            self.wfile.write(body)
            self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class LocalServer(ThreadingHTTPServer):
    """
    Serves `files` (path to bytes), with ranges and an ETag, unless `answers` has something else for the next request.
    `requests` are the paths and headers so far, `served` counts the bytes of bodies.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.served = 0
        self.validators = {"ETag": '"one"'}

    def handle_error(self, *_: object) -> None:
        """No traceback: clients that leave are what some tests are about."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        """The `Range` of each request."""
        return [headers.get("Range") for _, headers in self.requests]


def serve(handler: Handler, body: bytes) -> None:
    """As a good server does."""
    _serve(handler, body, len(body))


def cut(after: int) -> Answer:
    """Closes the connection after so many bytes."""
    return lambda handler, body: _serve(handler, body, after)


def _serve(handler: Handler, body: bytes, limit: int) -> None:
    validators = handler.server.validators
    wanted = handler.headers.get("Range")
    condition = handler.headers.get("If-Range")
    if wanted and (condition is None or condition in validators.values()):
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            handler.start(416, Content_Range=f"bytes */{len(body)}", Content_Length=0)
            return
        content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.start(206, Content_Length=len(body) - start, Content_Range=content_range, **validators)
        body = body[start:]
    else:
        handler.start(200, Content_Length=len(body), **validators)
    handler.send(body[:limit])
    if limit < len(body):
        handler.hang_up()


def without_ranges(handler: Handler, body: bytes) -> None:
    """The whole file, whatever was asked for."""
    handler.start(200, Content_Length=len(body))
    handler.send(body)


def without_length(handler: Handler, body: bytes) -> None:
    """The whole file, and the connection's end as its end."""
    handler.start(200, Connection="close")
    handler.send(body)
    handler.hang_up()


def status(code: int, **headers: object) -> Answer:
    """An error or a redirect."""
    return lambda handler, _: handler.start(code, Content_Length=0, **headers)


@contextmanager
def local_server() -> Iterator[LocalServer]:
    server = LocalServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
