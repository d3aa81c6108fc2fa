"""Downloads over HTTP: resumable, of limited size, and without unsafe redirects."""

import ipaddress
import json
import re
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional
from urllib.parse import urljoin, urlsplit

import requests

from ner_plugins.errors import NerError
from ner_plugins.version import VERSION

_CHUNK = 1 << 14  # a broken connection loses at most one chunk
_REDIRECTS = 5
_LONGEST_WAIT = 60.0
_AGAIN = "Run the same command again to resume"


class DownloadError(NerError):
    """A file cannot be fetched, or differs from the published one; the message names its address or path."""


class _TransientError(Exception):
    """An error that another attempt may avoid, after `wait` seconds (`None`: the usual backoff)."""

    def __init__(self, problem: str, wait: Optional[float] = None) -> None:
        super().__init__(problem)
        self.wait = wait


class Fetcher:
    """
    Fetches files, one after the other.

    # Parameters

    attempts : `int`, optional (default=`5`)
        Attempts at a file if connections break or the server fails (5xx, 408, 429).
    backoff : `float`, optional (default=`1.0`)
        Seconds before the second attempt; the wait doubles with each attempt, unless the server sets it.
    timeout : `float`, optional (default=`30.0`)
        Seconds without data before a connection is given up.
    """

    def __init__(self, attempts: int = 5, backoff: float = 1.0, timeout: float = 30.0) -> None:
        self.attempts, self.backoff, self.timeout = attempts, backoff, timeout
        self._session = requests.Session()
        # With a compressed transfer, a file could not be resumed, nor its length checked.
        self._session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"ner_plugins/{VERSION}"})

    def fetch(self, address: str, part: Path, at_most: int, size: Optional[int] = None) -> bool:
        """
        Download an address to the file `part`.

        A part left by an earlier run is resumed if the server still has the same file. `part` + `.json` beside it
        records the address and version that it belongs to.

        # Parameters

        address : `str`
        part : `Path`
            A name that ends in `.part`.
        at_most : `int`
            The download fails after more bytes than this.
        size : `Optional[int]`, optional (default=`None`)
            The expected number of bytes, if known.

        # Returns

        `bool`
            Whether the part includes bytes of an earlier run or attempt.

        # Raises

        `DownloadError`
        """
        for attempt in range(self.attempts):
            try:
                with local_errors(part):
                    return self._attempt(address, _Partial(part, address, at_most), at_most, size)
            except _TransientError as error:
                problem, wait = str(error), error.wait
            if attempt + 1 < self.attempts:
                time.sleep(min(self.backoff * 2**attempt if wait is None else wait, _LONGEST_WAIT))
        raise DownloadError(f"{address}: {problem} ({self.attempts} attempts). {_AGAIN}")

    def _attempt(self, address: str, partial: "_Partial", at_most: int, size: Optional[int]) -> bool:
        offset = partial.offset
        if size is not None and offset == size:
            return True
        with self._open(address, partial.headers()) as response:
            if response.status_code == 416 and _Range.of(response).total == offset:
                return True  # it was complete
            _check_status(address, response)
            if response.status_code == 206 and _Range.of(response).start != offset:
                partial.discard()
                raise _TransientError("the server sent another range of the file than requested", wait=0)
            if response.status_code == 416 or (response.status_code == 206 and "Content-Encoding" in response.headers):
                partial.discard()
                raise _TransientError("the server cannot resume the file", wait=0)
            if response.status_code == 200:
                partial.begin(response)
                offset = 0
            total = _check_length(address, response, offset, at_most, size)
            received = self._write(address, response, partial, at_most, total)
        if size is not None and received < size:
            raise _TransientError(f"the server closed the connection after {received} of {size} bytes")
        return offset > 0

    def _open(self, address: str, headers: dict[str, str]) -> requests.Response:
        """The response to a request, after redirects."""
        asked = address
        with _network_errors(address):
            for _ in range(_REDIRECTS + 1):
                response = self._session.get(
                    address, headers=headers, stream=True, timeout=self.timeout, allow_redirects=False
                )
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response
                response.close()
                address = _redirected(address, urljoin(address, target))
        raise DownloadError(f"{asked}: more than {_REDIRECTS} redirects")

    def _write(
        self, address: str, response: requests.Response, partial: "_Partial", at_most: int, total: Optional[int]
    ) -> int:
        """Append the response to the part, and return the size of the part."""
        with partial.open() as file, _progress(partial.path.stem, partial.offset, total) as advance:
            position: int = file.tell()
            with _network_errors(address):
                for chunk in response.iter_content(_CHUNK):
                    with local_errors(partial.path):
                        position += file.write(chunk[: at_most + 1 - position])
                    if position > at_most:
                        break
                    advance(len(chunk))
        if position > at_most:
            partial.discard()
            raise DownloadError(f"{address}: longer than the limit of {at_most} bytes. Nothing was kept")
        return position


class _Partial:
    """The part of a file on disk, and the address and version that it belongs to."""

    def __init__(self, path: Path, address: str, at_most: int) -> None:
        self.path, self._address = path, address
        self._about = path.with_name(path.name + ".json")
        self._validator: Optional[str] = None
        known = self._read_about()
        if known is None or known.get("address") != address or self.offset > at_most:
            self.discard()
        else:
            self._validator = known.get("validator")

    def _read_about(self) -> Optional[dict[str, Any]]:
        try:
            value = json.loads(self._about.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    @property
    def offset(self) -> int:
        """The size of the part in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def headers(self) -> dict[str, str]:
        """The request headers: the remaining range, if the file is unchanged."""
        if not self.offset:
            return {}
        condition = {"If-Range": self._validator} if self._validator else {}
        return {"Range": f"bytes={self.offset}-", **condition}

    def begin(self, response: requests.Response) -> None:
        """Discard the part and record the version of the new file."""
        tag = response.headers.get("ETag", "")
        strong = tag if tag.startswith('"') else None  # If-Range does not accept weak tags
        about = {"address": self._address, "validator": strong or response.headers.get("Last-Modified")}
        self.path.write_bytes(b"")
        self._about.write_text(json.dumps(about), encoding="utf-8")

    def open(self) -> Any:
        """The part, opened for appending."""
        return open(self.path, "ab")

    def discard(self) -> None:
        """Remove the part and its record."""
        discard(self.path)


class _Range(NamedTuple):
    """The header `Content-Range`: `bytes 7-99/100`, or `bytes */100`."""

    start: Optional[int]
    total: Optional[int]

    @classmethod
    def of(cls, response: requests.Response) -> "_Range":
        """The range in the header of a response; without numbers if there is none, or an invalid one."""
        found = re.fullmatch(
            r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)", response.headers.get("Content-Range", "").strip()
        )
        return cls(*(None if group is None else int(group) for group in found.groups())) if found else cls(None, None)


def discard(part: Path) -> None:
    """Remove a part and its record."""
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


def _redirected(address: str, target: str) -> str:
    old, new = urlsplit(address), urlsplit(target)
    if new.scheme != "https" and (new.scheme, new.netloc) != (old.scheme, old.netloc):
        target = _printable(target)
        raise DownloadError(f"{address}: redirected to {target}, but only https and the same host are followed")
    if new.hostname != old.hostname and _is_local(new.hostname) and not _is_local(old.hostname):
        raise DownloadError(
            f"{address}: redirected to {_printable(target)}, which is no public address. A server elsewhere must not "
            "reach this machine or its network"
        )
    return target


def _is_local(host: Optional[str]) -> bool:
    """Whether a name or address is that of this machine or of a private network; `False` if it cannot be looked up."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):  # behind a proxy, which looks names up itself
        return False
    return not all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_global for one in found)


def _check_status(address: str, response: requests.Response) -> None:
    status = response.status_code
    problem = f"the server answered {status} {_printable(response.reason or '')}".rstrip()
    if status in (408, 429) or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise _TransientError(problem, float(wait) if re.fullmatch(r"\d{1,6}", wait) else None)
    if status not in (200, 206, 416):
        raise DownloadError(f"{address}: {problem}. It may have moved, or no longer be public")


def _printable(text: str) -> str:
    """What a server wrote, without characters that control a terminal."""
    return "".join(character for character in text if character.isprintable())


def _check_length(
    address: str, response: requests.Response, offset: int, at_most: int, size: Optional[int]
) -> Optional[int]:
    """The size of the whole file, if known; checked before anything is written."""
    length = response.headers.get("Content-Length", "")
    if not re.fullmatch(r"\d{1,18}", length) or "Content-Encoding" in response.headers:
        return size
    total = offset + int(length)
    if total > at_most or (size is not None and total != size):
        expected = f"{size} bytes" if size is not None else f"at most {at_most} bytes"
        raise DownloadError(f"{address}: the file has {total} bytes (expected {expected}): it was changed")
    return total


@contextmanager
def _network_errors(address: str) -> Iterator[None]:
    """Turn the errors of `requests` into transient errors and `DownloadError`."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise DownloadError(f"{address}: no secure connection: {error}") from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _TransientError(f"no connection, or a broken one ({_root(error)})") from None
    except (requests.RequestException, ValueError) as error:  # an address or a header that is none
        raise DownloadError(f"{address}: {error}") from None


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """
    Turn errors such as a full disk into `DownloadError`. Errors of `requests` are `OSError`s too, so keep them out.

    # Parameters

    path : `Path`
        The file to name if the error names none.
    """
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{error.filename or path}: {error.strerror or error}") from None


def _root(error: BaseException) -> str:
    """The innermost reason, which is the most specific."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, BaseException):
        return str(reason).rpartition(": ")[2]
    return str(error).partition("(")[0] or type(error).__name__


@contextmanager
def _progress(name: str, offset: int, total: Optional[int]) -> Iterator[Any]:
    """A progress bar on stderr: at once on a terminal, otherwise after ten seconds and rarely."""
    from tqdm import tqdm

    shown = {} if sys.stderr.isatty() else {"delay": 10, "mininterval": 30}
    with tqdm(total=total, initial=offset, desc=name, unit="B", unit_scale=True, file=sys.stderr, **shown) as bar:
        yield bar.update
