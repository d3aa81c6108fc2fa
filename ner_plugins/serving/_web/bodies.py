"""Bodies of requests, read within the limits."""

import asyncio
from contextlib import suppress
from typing import Callable, Optional

from starlette.requests import Request
from starlette.types import Receive

from ner_plugins.serving._web.problems import HungUp, Refusal

_DISCARDED, _PATIENCE = 64 * 2**20, 5.0  # bytes, seconds


async def read_body(request: Request, limit: int, hold: Callable[[int], None]) -> bytes:
    """
    The body of a request, as JSON's bytes.

    # Parameters

    request : `Request`
    limit : `int`
        The highest number of bytes.
    hold : `Callable[[int], None]`
        Called with the size of each part.

    # Raises

    `Refusal` if it is too large or not said to be JSON; `HungUp`; what `hold` raises.
    """
    check_is_json(request, "application/json")
    length = _length(request)
    if length is not None and length > limit:
        await _discard(request, length)
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        chunk, more = await next_chunk(request.receive)
        size += len(chunk)
        if size > limit:
            chunks.clear()
            await _discard(request, None)
            raise _too_large(limit)
        hold(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def check_is_json(request: Request, *wanted: str) -> None:
    """
    Pages of other origins cannot send these types without asking first.

    # Raises

    `Refusal` if the request is not said to be one of them.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in wanted:
        raise Refusal(415, f"the header Content-Type must be {' or '.join(wanted)}", "invalid")


async def next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """
    The next bytes of a body, and whether more follow.

    # Raises

    `HungUp`.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise HungUp
    return message.get("body", b""), message.get("more_body", False)


async def wait_for_hang_up(receive: Receive) -> None:
    """Return when the client, whose body has been read, closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _length(request: Request) -> Optional[int]:
    written = request.headers.get("content-length", "")
    return int(written) if written.isdigit() else None


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, f"the body has more than {limit:,} bytes: send fewer texts at a time, or lines to /predict/stream",
        "too_large",
    )  # fmt: skip


async def _discard(request: Request, length: Optional[int]) -> None:
    """Read the rest, within limits: a client that still sends would not see the answer."""
    if request.headers.get("expect", "").lower() == "100-continue" or (length or 0) > _DISCARDED:
        return

    async def read() -> None:
        size, more = 0, True
        while more and size <= _DISCARDED:
            chunk, more = await next_chunk(request.receive)
            size += len(chunk)

    with suppress(asyncio.TimeoutError, HungUp):
        await asyncio.wait_for(read(), _PATIENCE)
