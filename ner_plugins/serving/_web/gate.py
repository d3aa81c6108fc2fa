"""What surrounds every request: who may ask, what is counted and logged, and what happens to errors."""

import hmac
import logging
import time
from typing import Any, Optional

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ner_plugins.serving._web.predict import full
from ner_plugins.serving._web.problems import Refusal
from ner_plugins.serving._web.state import TOKEN, State
from ner_plugins.serving.worker import where_it_failed

logger = logging.getLogger(__name__)

PREDICTIONS = frozenset({"/predict", "/predict/stream"})
_GUARDED = PREDICTIONS | {"/models", "/metrics"}
_ENDPOINTS = _GUARDED | {"/health", "/ready", "/docs", "/openapi.json", "/"}
_PAGES = ("/", "/docs")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _POLICY.encode()),
]


class Gate:
    """
    An ASGI application around another one. Counts and logs requests without what they hold, refuses those without the
    token, and those that come before the models are loaded or after the server was told to stop. While all queues are
    full, it refuses before a body is read: under overload, refusals must cost little. An error is logged
    without its message.

    # Parameters

    app : `ASGIApp`
    state : `State`
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *self._more_headers(scope)]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                self._state.metrics.reject(refusal.reason)
            await (refusal.response() if refusal else self._app)(scope, receive, observed)
        except Exception as error:  # the application has answered it already
            logger.error("a request to %s failed: %s", endpoint_of(scope), where_it_failed(error))
        finally:
            self._observe(scope, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> Optional[Refusal]:
        path, state = scope["path"], self._state
        if path in _GUARDED and state.token is not None and not _is_token(scope, state.token):
            return Refusal(401, f"send the header Authorization: Bearer, with the server's {TOKEN}", "unauthorized")
        if path not in PREDICTIONS or scope["method"] != "POST":
            return None
        if state.service.draining:
            return Refusal(503, "the server is stopping", "stopping", 5.0)
        if not state.service.ready:
            return Refusal(503, "the models are being loaded", "loading", 2.0)
        if all(model.is_full(state.limits) for model in state.service.models.values()):
            return min(map(full, state.service.models.values()), key=lambda one: one.retry_after or 0.0)
        return None

    def _more_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        cache = b"no-cache" if scope["path"] in _PAGES or scope["path"].startswith("/page/") else b"no-store"
        headers = [*_HEADERS, (b"cache-control", cache)]
        return [*headers, (b"connection", b"close")] if self._state.service.draining else headers

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        endpoint = endpoint_of(scope)
        self._state.metrics.request(endpoint, status, seconds)
        if self._state.access_log:
            logger.info("%s %s %d %.1f ms", _method(scope), endpoint, status, 1000 * seconds)


def endpoint_of(scope: Scope) -> str:
    """The endpoint of a request. Other paths are `other`: they may hold anything."""
    path: str = scope["path"]
    return path if path in _ENDPOINTS else "/page" if path.startswith("/page/") else "other"


def _method(scope: Scope) -> Any:
    return scope["method"] if scope["method"] in {"GET", "POST", "HEAD", "OPTIONS"} else "other"


def _is_token(scope: Scope, token: str) -> bool:
    """In constant time, so that the time to the refusal says nothing about the token."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    kind, _, value = given.partition(b" ")
    return hmac.compare_digest(value.strip(), token.encode()) and kind.lower() == b"bearer"
