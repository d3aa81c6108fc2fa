"""Who may use a server: tokens, origins, states; and what each answer's head says."""

import threading

import pytest
from served_models import Letters, Served, served, wait_until

from ner_plugins.serving._web import gate
from ner_plugins.serving._web.state import TOKEN, token_of_environment
from ner_plugins.tagger import Tagger


@pytest.fixture(scope="module")
def guarded() -> Served:
    with served(Letters(), token="s3cret", origins=["https://ours.example"]) as server:
        yield server


@pytest.mark.parametrize("path", ["/predict", "/predict/stream", "/models", "/metrics"])
def test_what_needs_the_token(guarded: Served, path: str) -> None:
    value = {"text": "A"} if path.startswith("/predict") else None
    for wrong in (
        {},
        {"Authorization": "Bearer s3cre"},
        {"Authorization": "s3cret"},
        {"Authorization": "Basic s3cret"},
    ):
        status, answer, headers = guarded.request(path, value, **wrong)
        assert status == 401 and TOKEN in answer["detail"] and headers["www-authenticate"] == "Bearer"
    assert guarded.request(path, value, Authorization="Bearer s3cret")[0] == 200
    assert guarded.request(path, value, Authorization="bearer s3cret")[0] == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/", "/docs", "/openapi.json", "/page/page.js"])
def test_what_needs_none(guarded: Served, path: str) -> None:
    assert guarded.request(path)[0] == 200


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, guarded: Served) -> None:
    compared = []
    monkeypatch.setattr(gate.hmac, "compare_digest", lambda given, token: compared.append((given, token)) or False)
    guarded.request("/models", Authorization="Bearer x")
    assert compared == [(b"x", b"s3cret")]


def test_the_token_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert token_of_environment() is None
    monkeypatch.setenv(TOKEN, "")
    assert token_of_environment() is None
    monkeypatch.setenv(TOKEN, "a")
    assert token_of_environment() == "a"


def test_only_named_origins_may_use_it(guarded: Served) -> None:
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for origin, status in (("https://ours.example", 200), ("https://other.example", 400)):
        found, _, headers = guarded.request("/predict", method="OPTIONS", Origin=origin, **asking)
        assert found == status and headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    with served(Letters()) as server:
        status, _, headers = server.request("/predict", {"text": "A"}, Origin="https://ours.example")
        assert status == 200 and not any(name.startswith("access-control") for name in headers)
        assert server.request("/predict", method="OPTIONS", Origin="https://ours.example", **asking)[0] == 405


def test_the_head_of_each_answer_lets_nothing_in(guarded: Served) -> None:
    for path in ("/", "/docs", "/health", "/nowhere"):
        _, _, headers = guarded.request(path)
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_while_models_load_it_is_healthy_but_not_ready() -> None:
    from ner_plugins.serving import Limits
    from ner_plugins.serving._web.server import NerServer, listening_socket
    from ner_plugins.serving._web.state import State

    loaded = threading.Event()

    def load(name: str) -> Tagger:
        assert loaded.wait(20)
        return Tagger(Letters())

    state = State(["letters"], load, Limits())
    with listening_socket("127.0.0.1", 0) as listener:
        server = NerServer(state)
        thread = threading.Thread(target=server.serve_on, args=(listener,))
        thread.start()
        one = Served(server, listener.getsockname()[1])
        assert one.request("/health")[:2] == (200, {"status": "ok"})
        status, answer, headers = one.request("/ready")
        assert (status, answer, headers["retry-after"]) == (503, {"status": "loading"}, "2")
        status, answer, headers = one.request("/predict", {"text": "A"})
        assert status == 503 and "being loaded" in answer["detail"] and headers["retry-after"] == "2"
        loaded.set()
        wait_until(lambda: one.request("/ready")[0] == 200)
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_paths_that_are_not_its_own_are_counted_as_one(guarded: Served) -> None:
    for path in ("/a", "/b/c", "/d?e=f"):
        assert guarded.request(path)[0] == 404
    _, text, _ = guarded.request("/metrics", Authorization="Bearer s3cret")
    assert 'ner_requests_total{endpoint="other",status="404"} 3.0' in text or '"other",status="404"} 4.0' in text
    assert "/b/c" not in text
