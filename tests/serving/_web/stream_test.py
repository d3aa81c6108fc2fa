"""`POST /predict/stream`: lines in and out, in order, as they come, however many."""

import json
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from served_models import Letters, Served, answers_to, served, wait_until

from ner_plugins.serving import Limits


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(Letters(), limits=Limits(max_characters=50, max_body=300)) as one:
        yield one


def lines_of(text: str) -> list[dict]:
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_lines_are_answered_in_order_and_bad_ones_become_errors(server: Served) -> None:
    sent = [
        b'{"text": "A", "id": 7}', b"", b'{"text": "B\\nC"}\r', b"no JSON", b'{"text": 3, "id": 1}', b'{"id": 1}',
        b'{"text": "\xff"}', b'{"text": "' + b"x" * 51 + b'", "id": "long"}', b"y" * 400,
        '{"text": "刘D"}'.encode(),
        b'{"text": "A!"}', b'{"text": "E", "more": 1}', b'{"text": "F", "id": "last"}',
    ]  # fmt: skip
    status, text, headers = server.request("/predict/stream", b"\n".join(sent), Content_Type="application/x-ndjson")
    assert status == 200 and headers["content-type"] == "application/jsonl"
    found = lines_of(text)
    assert [found[0], found[1], found[8], found[11]] == [
        {"id": 7, **answers_to("A")[0]}, *answers_to("B\nC", "刘D"), {"id": "last", **answers_to("F")[0]},
    ]  # fmt: skip
    wrong = {line["line"]: line["error"] for line in found if "error" in line}
    assert list(wrong) == [4, 5, 6, 7, 8, 9, 11, 12] and len(found) == 12
    assert "not valid" in wrong[4] and "text is wrong" in wrong[5] and "text is missing" in wrong[6]
    assert "51 characters" in wrong[8] and "300 bytes" in wrong[9] and "ValueError" in wrong[11]
    assert found[6] == {"id": "long", "line": 8, "error": wrong[8]}


def test_options_are_in_the_query(server: Served) -> None:
    body = b'{"text": "ABZ"}'

    def found(query: str) -> list[str]:
        status, text, _ = server.request(f"/predict/stream?{query}", body)
        assert status == 200
        return [entity["text"] for entity in lines_of(text)[0]["entities"]]

    assert found("thresholds=0.5") == ["AB", "BZ", "Z"]
    assert found('thresholds={"OTHER":0.5,"PAIR":1}&model=letters') == ["A", "Z"]
    assert found("types=OTHER&types=VOWEL") == ["A", "B", "Z"]
    for query, status, message in (
        ("thresholds=high", 422, "thresholds must be a number"),
        ("thresholds=2", 422, "thresholds is 2"),
        ("thresholds=[1]", 422, "thresholds is [1]"),
        ("types=VOWL", 422, "did you mean"),
        ("model=b", 404, "no model 'b'"),
    ):
        refused, answer, _ = server.request(f"/predict/stream?{query}", body)
        assert refused == status and message in answer["detail"]
    assert server.request("/predict/stream", body, Content_Type="text/plain")[0] == 415
    assert server.request("/predict/stream", b"")[1] == ""


class Typed:
    """A stream whose lines are sent one by one."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        head = "POST /predict/stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/jsonl\r\n"
        self.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")

    def send(self, text: str | None) -> None:
        line = b"" if text is None else json.dumps({"text": text}).encode() + b"\n"
        self.socket.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def head(self) -> bytes:
        first = self.file.readline()
        while self.file.readline() != b"\r\n":
            pass
        return first

    def receive(self) -> list[dict] | None:
        """The lines of the next chunk; `None` at the end."""
        size = int(self.file.readline(), 16)
        content = self.file.read(size)
        self.file.readline()
        return lines_of(content.decode()) if size else None


@contextmanager
def typing(server: Served) -> Iterator[Typed]:
    typed = Typed(server.port)
    try:
        yield typed
    finally:
        typed.file.close()
        typed.socket.close()


def test_each_line_is_answered_as_soon_as_it_is_sent(server: Served) -> None:
    with typing(server) as typed:
        for text in ("A", "B", "C"):
            typed.send(text)
            assert text != "A" or typed.head().startswith(b"HTTP/1.1 200")
            assert typed.receive() == answers_to(text)
        typed.send(None)
        assert typed.receive() is None


def test_many_lines_are_read_as_the_model_can_use_them_and_others_have_their_turn() -> None:
    backend, number = Letters(budget=200), 20_000
    with served(backend) as server:
        model = server.state.service.models["letters"]
        longest, found, done = [0], queue.SimpleQueue(), threading.Event()

        def watch() -> None:
            while not done.wait(0.001):
                longest[0] = max(longest[0], len(model.queue))

        def run() -> None:
            with typing(server) as typed:

                def send() -> None:
                    for place in range(number):
                        typed.send(f"{place}A")
                    typed.send(None)

                threading.Thread(target=send, daemon=True).start()
                typed.head()
                while (lines := typed.receive()) is not None:
                    for line in lines:
                        found.put(line)

        threads = [threading.Thread(target=run), threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        wait_until(lambda: found.qsize() > 100)
        status, answer, _ = server.request("/predict", {"text": "small B"})
        at = found.qsize()
        assert status == 200 and answer["results"] == answers_to("small B") and at < number
        threads[0].join(60)
        done.set()
        threads[1].join(10)
        assert [found.get()["text"] for _ in range(found.qsize())] == [f"{place}A" for place in range(number)]
        assert longest[0] < 300  # about four batches


def test_a_client_that_hangs_up_has_its_lines_dropped() -> None:
    backend = Letters(budget=8)
    with served(backend) as server:
        model = server.state.service.models["letters"]
        backend.entered.acquire()
        backend.open.clear()
        with typing(server) as typed:
            for place in range(12):
                typed.send(f"{place}")
            wait_until(lambda: len(model.queue) > 3)
        wait_until(lambda: len(model.queue) == 0)


def test_a_stream_without_progress_ends_with_an_error() -> None:
    backend = Letters()
    with served(backend, limits=Limits(timeout=0.2)) as server:
        backend.entered.acquire()
        with typing(server) as typed:
            typed.send("A")
            typed.head()
            assert typed.receive() == answers_to("A")
            [line] = typed.receive() or []
            assert line["line"] == 2 and "no line came for 0.2 s" in line["error"]
            assert typed.receive() is None
        backend.open.clear()
        with typing(server) as typed:
            typed.send("A")
            typed.head()
            [line] = typed.receive() or []
            assert line["line"] == 1 and "no answer within 0.2 s" in line["error"]
            assert typed.receive() is None


def test_streams_leave_half_of_the_queue_to_others() -> None:
    backend = Letters()
    with served(backend, limits=Limits(queue=8, max_texts=4)) as server:
        backend.entered.acquire()
        backend.open.clear()
        model = server.state.service.models["letters"]
        with typing(server) as typed:
            for _ in range(10):
                typed.send("A" * 10)
            wait_until(lambda: len(model.queue) == 4)
            status, _, headers = server.request("/predict/stream", b'{"text": "B"}')
            assert status == 503 and headers["retry-after"] == "1"
            answers: list = []
            other = threading.Thread(target=lambda: answers.append(server.request("/predict", {"text": ["B"] * 4})))
            other.start()
            wait_until(lambda: len(model.queue) == 8)
            backend.open.set()
            other.join(20)
            assert answers[0][0] == 200
            typed.send(None)
            typed.head()
            found: list = []
            while (lines := typed.receive()) is not None:
                found += lines
            assert found == answers_to("A" * 10) * 10
