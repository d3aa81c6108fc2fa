"""`POST /predict`: answers, options, shared batches, refusals, timeouts, and clients that leave."""

import gc
import http.client
import json
import logging
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from served_models import Letters, Served, answers_to, served, wait_until

from ner_plugins.serving import Limits

SECRET = "vertraulich"


@pytest.fixture(scope="module")
def two() -> Served:
    with served(Letters(), Letters(), limits=Limits(max_texts=20, max_characters=30, max_body=2000)) as server:
        yield server


@pytest.fixture
def backend() -> Letters:
    return Letters()


def test_a_text_and_a_list_of_texts(two: Served) -> None:
    status, answer, headers = two.request("/predict", {"text": "xAb", "model": "letters"})
    assert (status, answer) == (200, {"model": "letters", "results": answers_to("xAb")})
    assert headers["content-type"] == "application/json" and headers["cache-control"] == "no-store"
    texts = ["AB", "", "刘A\n燕", "😀E", "AB", "\t"]
    status, answer, _ = two.request("/predict", {"text": texts, "model": "others"})
    assert (status, answer) == (200, {"model": "others", "results": answers_to(*texts)})
    assert two.request("/predict", {"text": [], "model": "others"})[1]["results"] == []


def test_thresholds_and_types(two: Served) -> None:
    def found(**options: object) -> list[str]:
        _, answer, _ = two.request("/predict", {"text": "ABZ", "model": "letters", **options})
        return [entity["text"] for entity in answer["results"][0]["entities"]]

    assert found() == found(thresholds=None, types=None) == ["A", "AB", "B", "BZ", "Z"]
    assert found(thresholds=0.5) == ["AB", "BZ", "Z"]
    assert found(thresholds={"OTHER": 0.5, "PAIR": 1}) == ["A", "Z"]
    assert found(types=["OTHER", "VOWEL"]) == ["A", "B", "Z"] and found(types=[]) == []
    assert found(thresholds=0.5, types=["OTHER"]) == ["Z"]


@pytest.mark.parametrize(
    "value, status, message",
    [
        ({"text": "A"}, 422, "model is missing: this server has letters, others"),
        ({"text": "A", "model": "leters"}, 404, "no model 'leters'"),
        ({"text": "A", "model": "letters", "types": ["VOWL"]}, 422, "did you mean 'VOWEL'"),
        ({"text": "A", "model": "letters", "thresholds": 2}, 422, "thresholds must be a number from 0 to 1"),
        ({"text": "A", "model": "letters", "thresholds": {"VOWEL": -1}}, 422, "must be a number from 0 to 1"),
        ({"text": "A", "model": "letters", "thresholds": "0.5"}, 422, "thresholds is wrong: thresholds must be"),
        ({"text": "A", "model": "letters", "thresholds": True}, 422, "thresholds is wrong"),
        ({"text": ["A", 3], "model": "letters"}, 422, "text[1] is wrong: text must be a string or a list"),
        ({"text": {"A": 3}, "model": "letters"}, 422, "text is wrong"),
        ({"model": "letters"}, 422, "text is missing"),
        ({"text": "A", "modle": "letters"}, 422, "unknown key; known are text, model, thresholds, types"),
        (["A"], 422, "expected a JSON object"),
        (b'{"text": ', 422, "not valid"),
        (b'{"text": "\xff"}', 422, "not valid"),
        (b'{"text": "\\ud800"}', 422, "not valid"),
        (b"[" * 1500, 422, "not valid"),
        (b"", 422, "not valid"),
        ({"text": ["a"] * 21, "model": "letters"}, 413, "21 texts; a request may have 20"),
        ({"text": ["a", "b" * 31], "model": "letters"}, 413, "text 1: 31 characters; a text may have 30"),
        ({"text": "a" * 2001, "model": "letters"}, 413, "more than 2,000 bytes"),
    ],
)
def test_what_is_wrong_is_said(two: Served, value: object, status: int, message: str) -> None:
    found, answer, _ = two.request("/predict", value)
    assert found == status and message in answer["detail"]


def test_a_body_of_10_megabytes_is_refused_and_the_client_hears_it(two: Served) -> None:
    body = json.dumps({"text": "a" * 10**7}).encode()
    assert two.request("/predict", body)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", two.port, timeout=30)
    parts = (body[first : first + 2**16] for first in range(0, len(body), 2**16))
    connection.request("POST", "/predict", parts, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_page_of_another_origin_cannot_send_it_unasked(two: Served) -> None:
    status, answer, _ = two.request("/predict", {"text": "A"}, Content_Type="text/plain")
    assert status == 415 and "application/json" in answer["detail"]


def test_simultaneous_requests_share_batches_and_a_large_one_does_not_hold_up_small_ones(backend: Letters) -> None:
    with served(backend) as server, ThreadPoolExecutor(10) as pool:
        backend.open.clear()
        large = pool.submit(server.request, "/predict", {"text": ["large A"] * 900})
        queue = server.state.service.models["letters"].queue
        wait_until(lambda: len(queue) == 896)  # but for the first batch
        small = [pool.submit(server.request, "/predict", {"text": f"{number} B"}) for number in range(6)]
        wait_until(lambda: len(queue) == 902)
        backend.open.set()
        assert [one.result()[1]["results"] for one in small] == [answers_to(f"{number} B") for number in range(6)]
        assert large.result()[1]["results"] == answers_to("large A") * 900
        places = [place for place, batch in enumerate(backend.batches) for text in batch if "B" in text]
        assert len(places) == 6 and places[-1] < 10 < len(backend.batches) / 10
        assert any(sum("B" in text for text in batch) > 1 for batch in backend.batches)


def test_a_full_queue_is_answered_at_once_and_says_when_to_try_again(backend: Letters) -> None:
    with served(backend, limits=Limits(queue=10, max_texts=10)) as server, ThreadPoolExecutor(3) as pool:
        backend.open.clear()
        backend.entered.acquire()
        first = pool.submit(server.request, "/predict", {"text": "A" * 40})
        backend.entered.acquire()  # the model is busy
        second = pool.submit(server.request, "/predict", {"text": ["B"] * 8})
        wait_until(lambda: len(server.state.service.models["letters"].queue) == 8)
        status, answer, headers = server.request("/predict", {"text": ["C"] * 3})
        assert (status, headers["retry-after"]) == (503, "1") and "8 texts are waiting" in answer["detail"]
        third = pool.submit(server.request, "/predict", {"text": ["D"] * 2})
        wait_until(lambda: len(server.state.service.models["letters"].queue) == 10)
        status, answer, _ = server.request("/predict", b"is not read")
        assert status == 503 and "10 texts are waiting" in answer["detail"]
        backend.open.set()
        assert first.result()[0] == second.result()[0] == third.result()[0] == 200
        assert server.request("/predict", {"text": ["C"] * 3})[1]["results"] == answers_to("C") * 3
        assert 'ner_rejected_total{reason="full"} 2.0' in server.request("/metrics")[1]


def test_who_would_wait_too_long_is_refused_at_once(backend: Letters) -> None:
    with served(backend, limits=Limits(timeout=5)) as server, ThreadPoolExecutor(2) as pool:
        backend.open.clear()
        backend.entered.acquire()
        first = pool.submit(server.request, "/predict", {"text": "A" * 40})
        backend.entered.acquire()
        model = server.state.service.models["letters"]
        second = pool.submit(server.request, "/predict", {"text": ["B"] * 500})
        wait_until(lambda: len(model.queue) == 500)
        model.worker._seconds_per_text = 0.05
        status, answer, headers = server.request("/predict", {"text": ["C"] * 100})
        assert (status, headers["retry-after"]) == (503, "1") and "500 texts are waiting" in answer["detail"]
        small = pool.submit(server.request, "/predict", {"text": "C"})  # is in turn soon
        backend.open.set()
        assert first.result()[0] == second.result()[0] == small.result()[0] == 200


def test_what_is_not_answered_in_time_is_dropped(backend: Letters) -> None:
    with served(backend, limits=Limits(timeout=0.2)) as server, ThreadPoolExecutor(2) as pool:
        backend.open.clear()
        backend.entered.acquire()
        first = pool.submit(server.request, "/predict", {"text": "A" * 40})
        backend.entered.acquire()
        second = pool.submit(server.request, "/predict", {"text": ["B"] * 8})
        assert first.result()[0] == second.result()[0] == 504
        assert "no answer within 0.2 s" in second.result()[1]["detail"]
        backend.open.set()
        assert server.request("/predict", {"text": "C"})[0] == 200
        assert [text for batch in backend.batches for text in batch][1:] == ["A" * 40, "C"]


def test_a_body_that_does_not_arrive_in_time(backend: Letters) -> None:
    head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    with (
        served(backend, limits=Limits(timeout=0.2)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection,
    ):
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_texts_of_a_client_that_hangs_up_are_dropped(backend: Letters) -> None:
    with served(backend) as server, ThreadPoolExecutor(1) as pool:
        backend.open.clear()
        backend.entered.acquire()
        first = pool.submit(server.request, "/predict", {"text": "A" * 40})
        backend.entered.acquire()
        body = json.dumps({"text": ["gone"] * 100}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(head.encode() + b"\r\n" + body)
        queue = server.state.service.models["letters"].queue
        wait_until(lambda: len(queue) == 100)
        connection.close()
        wait_until(lambda: len(queue) == 0)
        backend.open.set()
        assert first.result()[0] == 200
        assert not any("gone" in batch for batch in backend.batches)
        assert 'ner_rejected_total{reason="hung_up"} 1.0' in server.request("/metrics")[1]


def test_no_text_is_logged_whatever_goes_wrong(backend: Letters, caplog: pytest.LogCaptureFixture, capfd) -> None:
    caplog.set_level(logging.DEBUG)
    with served(backend, access_log=True, limits=Limits(max_characters=100)) as server:
        status, answer, _ = server.request("/predict", {"text": ["A", f"{SECRET}! B"]})
        assert status == 500 and SECRET not in answer["detail"]
        server.request("/predict", {"text": SECRET * 20})
        server.request("/predict", {"text": "A", SECRET: 1})
        server.request("/predict", f'{{"text": "{SECRET}'.encode())
        server.request(f"/predict/stream?thresholds={SECRET}", f'{{"text": "{SECRET}!"}}\n{SECRET}'.encode())
        server.request("/predict/stream", f'{{"text": "{SECRET}!"}}\n{SECRET}'.encode())
        server.request(f"/{SECRET}?text={SECRET}")
        server.request("/predict", {"text": SECRET}, Authorization=SECRET, method=SECRET.upper())
        body = json.dumps({"text": SECRET}).encode()
        broken = server.state.service.models["letters"].queue
        broken.put = None  # a mistake of ours
        assert server.request("/predict", body)[0] == 500
    printed = capfd.readouterr()
    assert "ValueError at" in caplog.text and "POST /predict 500" in caplog.text and "TypeError at" in caplog.text
    for log in (caplog.text, printed.out, printed.err):
        assert SECRET not in log.lower()


def test_no_text_is_kept(backend: Letters) -> None:
    def kept() -> set[str]:
        gc.collect()
        strings = (one for some in gc.get_objects() for one in gc.get_referents(some) if type(one) is str)
        return {one for one in strings if re.fullmatch("[k]-e-p-t .A", one)}

    with served(backend) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for path, body in (("/predict", '{"text": "k-%s 1A"}'), ("/predict/stream", '{"text": "k-%s 2A"}')):
            connection.request("POST", path, body % "e-p-t", {"Content-Type": "application/json"})
            assert connection.getresponse().read()
        assert kept() == {"k-e-p-t 1A", "k-e-p-t 2A"}  # in `batches` of the backend
        backend.batches.clear()
        assert kept() == set()
        connection.close()
