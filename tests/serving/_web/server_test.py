"""A server's life: ports, models that do not load, and its end after what was accepted."""

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from served_models import Letters, answers_to, served, wait_until

from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.serving._web.server import NerServer, is_loopback, listening_socket, url_of
from ner_plugins.serving._web.state import State


def test_two_servers_on_a_port() -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use.*choose another --port"):
            listening_socket("127.0.0.1", port)
        assert is_loopback(listener) and url_of(listener) == f"http://127.0.0.1:{port}/"
    with listening_socket("0.0.0.0", 0) as listener:
        assert not is_loopback(listener)


@pytest.mark.parametrize(
    "host, port, message",
    [
        ("nowhere.invalid", 0, "cannot listen on port 0 of nowhere.invalid"),
        ("192.0.2.1", 0, "cannot listen on port 0 of 192.0.2.1"),
        ("127.0.0.1", 70_000, "--port is 70000"),
        ("127.0.0.1", -1, "--port is -1"),
    ],
)
def test_places_where_it_cannot_listen(host: str, port: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        listening_socket(host, port)


def test_its_connections_send_without_delay() -> None:
    """asyncio sets TCP_NODELAY on sockets of a named protocol alone; without it a small answer waits 40 ms."""

    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        with listening_socket("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(connected, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                delay = await found
                writer.close()
        return delay

    assert asyncio.run(accepted())


def test_a_model_that_does_not_load_ends_it_with_that_error() -> None:
    def load(name: str) -> None:
        raise ArchiveError("model.tar.gz is no archive")

    with listening_socket("127.0.0.1", 0) as listener, pytest.raises(ArchiveError, match="is no archive"):
        NerServer(State(["a"], load)).serve_on(listener)


def test_at_its_end_what_was_accepted_is_answered_and_the_rest_refused() -> None:
    backend = Letters(budget=8)
    with served(backend, notice=1.0) as server, ThreadPoolExecutor(20) as pool:
        backend.open.clear()
        backend.entered.acquire()
        accepted = [pool.submit(server.request, "/predict", {"text": ["AB", f"{n}"]}) for n in range(12)]
        wait_until(lambda: sum(map(len, [server.state.service.models["letters"].queue])) >= 20)
        stream = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        lines = b"".join(json.dumps({"text": f"S{place}"}).encode() + b"\n" for place in range(2))
        head = b"POST /predict/stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/jsonl\r\nContent-Length: 999\r\n"
        stream.sendall(head + b"\r\n" + lines)
        wait_until(lambda: len(server.state.service.models["letters"].queue) >= 24)
        server.server.stop()
        wait_until(lambda: server.state.stopping.is_set())
        status, answer, headers = server.request("/predict", {"text": "late"})
        assert (status, answer["detail"], headers["connection"]) == (503, "the server is stopping", "close")
        assert server.request("/ready")[:2] == (503, {"status": "stopping"})
        assert server.request("/health")[0] == 200
        backend.open.set()
        for number, one in enumerate(accepted):
            assert one.result()[:2] == (200, {"model": "letters", "results": answers_to("AB", f"{number}")})
        received = b""
        while chunk := stream.recv(2**16):
            received += chunk
        stream.close()
        found = [json.loads(line) for line in received.split(b"\r\n") if line.startswith(b"{")
                 for line in line.splitlines()]  # fmt: skip
        assert found[:2] == answers_to("S0", "S1")
        assert found[2]["line"] == 3 and "the server is stopping" in found[2]["error"]
        wait_until(lambda: server.server.should_exit)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_the_second_signal_ends_it_at_once() -> None:
    backend = Letters()
    with served(backend) as server, ThreadPoolExecutor(1) as pool:
        backend.open.clear()
        backend.entered.acquire()
        pool.submit(server.request, "/predict", {"text": "A"})
        backend.entered.acquire()
        server.server.handle_exit(15, None)
        assert not server.server.force_exit
        server.server.handle_exit(15, None)
        assert server.server.force_exit and server.server.should_exit
        backend.open.set()
