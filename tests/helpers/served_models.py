"""Servers of models that are quick and do as told, in a thread of this process."""

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from ner_plugins.entities import Entity
from ner_plugins.serving import Limits
from ner_plugins.tagger import Backend, EncodedText, Tagger


class Letters(Backend):
    """
    Each capital letter is an entity, VOWEL or OTHER, with a score by its place in the alphabet; two that stand together
    are a PAIR around them. It waits in `find` while `open` is not set, and fails at a text with `fails_at`.
    """

    def __init__(self, budget: int = 40, fails_at: str = "!") -> None:
        self.fails_at = fails_at
        self.types = ["VOWEL", "OTHER", "PAIR"]
        self.budget = budget
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)  # one for each call of `find`
        self.batches: list[list[str]] = []

    def encode(self, texts: Sequence[str], names: Sequence[str]) -> list[EncodedText]:
        return [EncodedText(text, len(text), name) for text, name in zip(texts, names, strict=True)]

    def tokens(self, text: str) -> list[tuple[int, int]]:
        return [(place, place + 1) for place in range(len(text))]

    def find(self, batch: Sequence[EncodedText], thresholds: Sequence[float] | None = None) -> list[list[Entity]]:
        self.entered.release()
        assert self.open.wait(30)
        self.batches.append([encoded.text for encoded in batch])
        for encoded in batch:
            if self.fails_at in encoded.text:
                raise ValueError(f"cannot read {encoded.text}")
        lowest = dict(zip(self.types, thresholds or [0.0] * 3, strict=True))
        return [[e for e in letters_of(encoded.text) if (e.score or 0) >= lowest[e.type]] for encoded in batch]


def letters_of(text: str) -> list[Entity]:
    """What `Letters` finds without thresholds."""
    found = []
    for place, letter in enumerate(text):
        if "A" <= letter <= "Z":
            kind = "VOWEL" if letter in "AEIOU" else "OTHER"
            found.append(Entity(place, place + 1, kind, round((ord(letter) - 64) / 26, 6)))
            if "A" <= text[place + 1 : place + 2] <= "Z":
                found.append(Entity(place, place + 2, "PAIR", 0.5))
    return sorted(found)


def answers_to(*texts: str) -> list[dict[str, Any]]:
    """What a server of `Letters` answers."""
    keys = ("start", "end", "type", "text", "score")
    return [
        {"text": t, "entities": [dict(zip(keys, (e.start, e.end, e.type, t[e.start : e.end], e.score), strict=True))
                                 for e in letters_of(t)]}
        for t in texts
    ]  # fmt: skip


class Served:
    """A running server."""

    def __init__(self, server: Any, port: int) -> None:
        self.server, self.state, self.port = server, server.state, port
        self.url = f"http://127.0.0.1:{port}/"

    def request(
        self, path: str, value: Any = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON or text, and headers of an answer. `value` is sent as JSON, bytes as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        named = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method or ("GET" if value is None else "POST"), path, body, named)
        response = connection.getresponse()
        text = response.read().decode()
        found = {name.lower(): written for name, written in response.getheaders()}
        connection.close()
        is_json = found.get("content-type") == "application/json" and text
        return response.status, json.loads(text) if is_json else text, found


@contextmanager
def served(
    *backends: Backend,
    names: Sequence[str] = ("letters", "others"),
    limits: Limits | None = None,
    notice: float = 0.0,
    **options: Any,
) -> Iterator[Served]:
    """A server of backends, which is told to stop at the end; `notice` is the server's."""
    from ner_plugins.serving._web.state import State

    taggers = {name: Tagger(backend) for name, backend in zip(names, backends, strict=False)}
    state = State(list(taggers), taggers.__getitem__, limits or Limits(), **options)
    with serving(state, notice) as server:
        try:
            yield server
        finally:
            for backend in backends:
                getattr(backend, "open", threading.Event()).set()


@contextmanager
def serving(state: Any, notice: float = 0.0) -> Iterator[Served]:
    """A server of that state, ready, which is told to stop at the end."""
    from ner_plugins.serving._web import server as module
    from ner_plugins.serving._web.server import NerServer, listening_socket

    with listening_socket("127.0.0.1", 0) as listener, mock.patch.object(module, "NOTICE", notice):
        server = NerServer(state)
        thread = threading.Thread(target=server.serve_on, args=(listener,))
        thread.start()
        try:
            wait_until(lambda: state.service.ready)
            yield Served(server, listener.getsockname()[1])
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    """Wait for something to become true."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("it did not happen")
