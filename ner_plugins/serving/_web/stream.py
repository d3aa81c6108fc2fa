"""`POST /predict/stream`: JSON lines in and out, in order, with no more read ahead than the model can use."""

import asyncio
import json
from collections import deque
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from typing import Any, AsyncGenerator, AsyncIterator, Collection, Optional, Union

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ner_plugins.errors import DataError
from ner_plugins.files.output_files import dump_json
from ner_plugins.serving._web.answers import PendingAnswers
from ner_plugins.serving._web.bodies import check_is_json, next_chunk, wait_for_hang_up
from ner_plugins.serving._web.predict import answer_of, checked_options, full, model_of, too_long
from ner_plugins.serving._web.problems import HungUp, Refusal
from ner_plugins.serving._web.schemas import StreamLine, parsed
from ner_plugins.serving._web.state import State
from ner_plugins.serving.fair_queue import QueueFull
from ner_plugins.serving.service import ServedModel

CONTENT_TYPES = ("application/jsonl", "application/x-ndjson", "application/json-lines", "application/json")
_LINES, _BATCHES = 4_096, 4  # read ahead: at most so many lines, and characters for so many batches
_RETRY, _PART = 0.01, 2**16  # seconds, bytes


@dataclass(slots=True)
class _Line:
    """A line that was read: its place among the answers, or what is wrong with it."""

    number: int
    id: Union[str, int, None] = None
    place: int = -1
    size: int = 0
    error: Optional[str] = None


def stream(
    request: Request, state: State, model: Optional[str], thresholds: Optional[str], types: Optional[list[str]]
) -> Response:
    """
    Begin to answer lines.

    # Raises

    `Refusal` for wrong options, or if the queue is full.
    """
    check_is_json(request, *CONTENT_TYPES)
    served = model_of(state, model)
    try:
        lowest = checked_options(served, None if thresholds is None else json.loads(thresholds), types)
    except (ValueError, RecursionError):
        raise Refusal(422, 'thresholds must be a number or JSON like {"PER":0.5}', "invalid") from None
    if len(served.queue) >= _share_of_streams(state):
        raise full(served)
    return _StreamResponse(state, served, lowest, types)


def _share_of_streams(state: State) -> int:
    return max(1, state.limits.queue // 2)


class _StreamResponse(Response):
    """Reads and answers lines at the same time."""

    def __init__(
        self,
        state: State,
        model: ServedModel,
        lowest: Optional[tuple[float, ...]],
        types: Optional[Collection[str]],
    ) -> None:
        super().__init__(None, media_type="application/jsonl")
        del self.headers["content-length"]
        self._state, self._model, self._lowest, self._types = state, model, lowest, types
        self._lines: deque[_Line] = deque()
        self._characters = 0  # of the lines that wait
        self._changed = asyncio.Event()
        self._at_end = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with closing(PendingAnswers(self._model, self._lowest, self._changed)) as pending:
            reader = asyncio.ensure_future(self._read(receive, pending))
            reader.add_done_callback(lambda _: self._changed.set())
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async with aclosing(self._answers(pending, reader)) as answers:
                    async for part in answers:
                        message = {"type": "http.response.body", "body": part, "more_body": True}
                        await asyncio.wait_for(send(message), self._state.limits.timeout)
                await send({"type": "http.response.body", "body": b""})
            except asyncio.TimeoutError:  # the client does not read what it asked for, and is cut off
                self._state.metrics.reject("timeout")
            except HungUp:
                self._state.metrics.reject("hung_up")
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await reader

    async def _read(self, receive: Receive, pending: PendingAnswers) -> None:
        """Let the lines wait for the model, as far as there is room; returns when the client leaves."""
        number = 0
        try:
            async with aclosing(self._chunks(receive)) as chunks:
                async for number, line in _lines(chunks, self._state.limits.max_body):
                    await self._add(*self._parsed(number, line), pending)
        except Refusal as refusal:
            self._state.metrics.reject(refusal.reason)
            self._lines.append(_Line(number + 1, error=f"{refusal.detail}; this line and those after it are not read"))
        self._at_end = True
        self._changed.set()
        await wait_for_hang_up(receive)

    async def _chunks(self, receive: Receive) -> AsyncGenerator[bytes, None]:
        """The parts of the body, until its end or the server's."""
        more, stopping = True, asyncio.ensure_future(self._state.stopping.wait())
        part: Optional[asyncio.Future[tuple[bytes, bool]]] = None
        try:
            while more:
                part = asyncio.ensure_future(next_chunk(receive))
                seconds = self._state.limits.timeout
                done, _ = await asyncio.wait({part, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if stopping in done:
                    raise Refusal(503, "the server is stopping", "stopping")
                if part not in done:
                    raise Refusal(408, f"no line came for {seconds:g} s", "timeout")
                chunk, more = part.result()
                yield chunk
        finally:
            stopping.cancel()
            if part is not None:
                part.cancel()

    def _parsed(self, number: int, line: Optional[bytes]) -> tuple[_Line, str]:
        limits = self._state.limits
        if line is None:
            return self._bad(number, None, f"a line may have {limits.max_body:,} bytes", "too_large")
        try:
            asked: StreamLine = parsed(StreamLine, line)
        except DataError as error:
            return self._bad(number, None, str(error), "invalid")
        if len(asked.text) > limits.max_characters:
            return self._bad(number, asked.id, too_long(asked.text, limits), "too_large")
        return _Line(number, asked.id, size=len(asked.text) + 1), asked.text

    def _bad(self, number: int, name: Union[str, int, None], error: str, reason: str) -> tuple[_Line, str]:
        self._state.metrics.reject(reason)
        return _Line(number, name, error=error), ""

    async def _add(self, line: _Line, text: str, pending: PendingAnswers) -> None:
        budget = _BATCHES * self._model.tagger.budget
        while self._lines and (len(self._lines) >= _LINES or self._characters + line.size > budget):
            self._changed.clear()
            await self._changed.wait()
        while line.error is None:
            try:
                line.place = pending.add([text], most=_share_of_streams(self._state))
                break
            except QueueFull:
                await asyncio.sleep(_RETRY)
        self._lines.append(line)
        self._characters += line.size
        self._changed.set()

    async def _answers(self, pending: PendingAnswers, reader: "asyncio.Future[None]") -> AsyncGenerator[bytes, None]:
        """The answers in order, as many at once as are there."""
        seconds, now = self._state.limits.timeout, asyncio.get_running_loop().time
        first, since = None, now()  # the line that is next, and since when
        while True:
            part = bytearray()
            while self._lines and len(part) < _PART and self._is_answered(self._lines[0], pending):
                line = self._lines.popleft()
                self._characters -= line.size
                part += self._written(line, pending)
            if part:
                self._changed.set()  # there is room
                yield bytes(part)
                continue
            if reader.done():
                reader.result()
                raise HungUp
            if not self._lines and self._at_end:
                return
            if not self._lines or self._lines[0] is not first:
                first, since = self._lines[0] if self._lines else None, now()
            if first is not None and now() - since > seconds:
                self._state.metrics.reject("timeout")
                error = f"there was no answer within {seconds:g} s; this line and those after it are not answered"
                yield _dumped({"line": first.number, "error": error})
                return
            self._changed.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def _is_answered(self, line: _Line, pending: PendingAnswers) -> bool:
        return line.error is not None or pending.has(line.place)

    def _written(self, line: _Line, pending: PendingAnswers) -> bytes:
        record: dict[str, Any] = {} if line.id is None else {"id": line.id}
        answer = {"error": line.error} if line.error is not None else answer_of(pending.take(line.place), self._types)
        return _dumped(record | ({"line": line.number} if "error" in answer else {}) | answer)


def _dumped(record: dict[str, Any]) -> bytes:
    return f"{dump_json(record)}\n".encode()


async def _lines(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[tuple[int, Optional[bytes]]]:
    """Each line with its number, without those that are blank; `None` in place of one that is too long."""
    number, rest, overlong = 0, bytearray(), False
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest += first
        for other in others:
            number += 1
            if overlong or len(rest) > limit:
                yield number, None
            elif rest.strip():
                yield number, bytes(rest)
            rest, overlong = bytearray(other), False
        if len(rest) > limit:
            rest, overlong = bytearray(), True
    if overlong or rest.strip():
        yield number + 1, None if overlong else bytes(rest)
