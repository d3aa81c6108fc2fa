"""Refusals: their status, message and headers."""

import json
import math
from typing import Any, Optional

from starlette.responses import Response

from ner_plugins.files.output_files import dump_json


class Refusal(Exception):
    """
    A request that is not answered.

    # Parameters

    status : `int`
        Of HTTP.
    detail : `str`
        What is wrong, and what to do.
    reason : `str`
        For the metric of refusals.
    retry_after : `Optional[float]`, optional (default=`None`)
        Seconds after which to try again.
    """

    def __init__(self, status: int, detail: str, reason: str, retry_after: Optional[float] = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.reason, self.retry_after = status, detail, reason, retry_after

    def response(self) -> Response:
        """The answer that says so."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(min(self.retry_after, 60))))
        return json_response({"detail": self.detail}, self.status, headers)


class HungUp(Exception):
    """The client has closed the connection."""


def json_response(value: Any, status: int = 200, headers: Optional[dict[str, str]] = None) -> Response:
    """An answer in JSON, with its characters unescaped."""
    try:
        content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate
        content = dump_json(value).encode()
    return Response(content, status, headers, "application/json")
