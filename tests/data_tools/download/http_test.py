import errno
import os
import re
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_server import cut, local_server, status, without_length, without_ranges

from ner_plugins.data_tools.download import http
from ner_plugins.data_tools.download.http import DownloadError, Fetcher, _redirected

BODY = bytes(range(256)) * 1200  # several chunks
SIZE = len(BODY)
CHUNK = 1 << 14
MANY = 10**7


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with local_server() as running:
        running.files["/a"] = BODY
        yield running


@pytest.fixture
def part(tmp_path):
    return tmp_path / "a.part"


@pytest.fixture
def fetcher():
    return Fetcher(backoff=0)


def fetch_once(server, part, size=SIZE):
    return Fetcher(attempts=1).fetch(f"{server.address}/a", part, SIZE, size)


def interrupted(server, part, after=6 * CHUNK):
    """A first run that was cut off."""
    server.answers.append(cut(after))
    with pytest.raises(DownloadError, match="Run the same command again to resume"):
        fetch_once(server, part)
    assert part.read_bytes() == BODY[:after]


def test_whole(server, part, fetcher):
    assert fetcher.fetch(f"{server.address}/a", part, SIZE, SIZE) is False
    assert part.read_bytes() == BODY and server.ranges == [None] and server.served == SIZE
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_interrupted_and_resumed_by_the_next_run(server, part):
    interrupted(server, part)
    assert fetch_once(server, part) is True
    assert part.read_bytes() == BODY
    assert server.ranges == [None, "bytes=98304-"] and server.requests[1][1]["If-Range"] == '"one"'
    assert server.served == SIZE  # no byte came twice


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, SIZE - 1), max_size=4))
def test_wherever_it_is_cut_only_a_chunk_comes_twice(server, part, fetcher, cuts):
    http.discard(part)
    server.served, server.requests[:] = 0, []
    server.answers[:] = map(cut, cuts)
    fetcher.fetch(f"{server.address}/a", part, SIZE, SIZE)
    assert part.read_bytes() == BODY and SIZE <= server.served < SIZE + CHUNK * max(1, len(cuts))
    offsets, at = [], 0
    for after in cuts:
        offsets.append(at)
        at = SIZE if at + after >= SIZE else at + after - after % CHUNK
        if at == SIZE:
            break
    offsets += [at] if at < SIZE else []
    assert server.ranges == [f"bytes={offset}-" if offset else None for offset in offsets]


def test_complete_but_not_yet_named(server, part):
    fetch_once(server, part)
    assert fetch_once(server, part) is True and len(server.requests) == 1  # nothing asked where the size is known
    assert fetch_once(server, part, size=None) is True
    assert server.ranges == [None, f"bytes={SIZE}-"] and part.read_bytes() == BODY  # by a 416 where it is not


def test_last_modified_takes_the_place_of_a_weak_tag(server, part):
    date = "Wed, 01 Jan 2020 00:00:00 GMT"
    server.validators = {"ETag": 'W/"weak"', "Last-Modified": date}
    interrupted(server, part)
    fetch_once(server, part)
    assert server.requests[1][1]["If-Range"] == date and part.read_bytes() == BODY


def test_a_changed_file_is_fetched_whole(server, part):
    interrupted(server, part)
    server.files["/a"], server.validators = BODY[::-1], {"ETag": '"two"'}
    assert fetch_once(server, part) is False
    assert part.read_bytes() == BODY[::-1] and server.ranges[1] == "bytes=98304-"


def test_another_address_does_not_go_on_with_it(server, part, fetcher):
    interrupted(server, part)
    server.files["/b"] = BODY[::-1]
    fetcher.fetch(f"{server.address}/b", part, MANY)
    assert part.read_bytes() == BODY[::-1] and server.ranges == [None, None]


@pytest.mark.parametrize("about", ["", "[1]", "{", '{"address": 1}'])
def test_what_is_not_known_is_not_gone_on_with(server, part, about):
    interrupted(server, part)
    part.with_name("a.part.json").write_text(about)
    fetch_once(server, part)
    assert part.read_bytes() == BODY and server.ranges == [None, None]


def test_a_server_without_ranges_starts_again(server, part):
    interrupted(server, part)
    server.answers.append(without_ranges)
    assert fetch_once(server, part) is False
    assert part.read_bytes() == BODY and server.ranges == [None, "bytes=98304-"]


def other_start(handler, body):
    handler.start(206, Content_Length=len(body) - 7, Content_Range=f"bytes 7-{len(body) - 1}/{len(body)}")
    handler.send(body[7:])


def compressed(handler, body):
    handler.start(206, Content_Length=9, Content_Range=f"bytes 98304-98312/{len(body)}", Content_Encoding="gzip")
    handler.send(b"\x1f\x8b1234567")


@pytest.mark.parametrize("answer", [other_start, compressed, status(416), status(416, Content_Range="bytes */5")])
def test_ranges_that_do_not_fit_start_again(server, part, fetcher, answer):
    interrupted(server, part)
    server.answers.append(answer)
    fetcher.fetch(f"{server.address}/a", part, SIZE, SIZE)
    assert part.read_bytes() == BODY and server.ranges == [None, "bytes=98304-", None]


def test_errors_that_pass(server, part):
    server.answers += [status(500), status(503, Retry_After="0"), status(429, Retry_After="1"), cut(10)]
    started = time.perf_counter()
    Fetcher(backoff=0.01).fetch(f"{server.address}/a", part, SIZE, SIZE)
    assert part.read_bytes() == BODY and len(server.requests) == 5 and time.perf_counter() - started >= 1


def test_waits_double(server, part, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers += [status(500), status(502), status(429, Retry_After="99999"), status(504), status(500)]
    with pytest.raises(DownloadError, match=r"/a: the server answered 500 .*5 attempts"):
        Fetcher().fetch(f"{server.address}/a", part, MANY)
    assert waits == [1, 2, 60, 8] and not part.exists()


def test_no_server(part, fetcher, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with local_server() as gone:
        address = gone.address
    with pytest.raises(DownloadError, match=r"no connection.*refused.*5 attempts"):
        fetcher.fetch(f"{address}/a", part, MANY)


def test_a_silent_server_is_given_up(server, part):
    server.answers.append(lambda handler, _: time.sleep(0.4))
    Fetcher(backoff=0, timeout=0.1).fetch(f"{server.address}/a", part, MANY)
    assert part.read_bytes() == BODY and len(server.requests) == 2


@pytest.mark.parametrize("code", [401, 403, 404, 410, 204, 304])
def test_errors_that_stay(server, part, fetcher, code):
    server.answers += [status(code)] * 5
    with pytest.raises(DownloadError, match=f"/a: the server answered {code} .*may have moved, or no longer be public"):
        fetcher.fetch(f"{server.address}/a", part, MANY)
    assert len(server.requests) == 1 and not part.exists()


@pytest.fixture
def discarded(monkeypatch):
    """Sizes of the parts that were thrown away."""
    sizes = []
    original = http.discard

    def spy(part):
        sizes.extend([part.stat().st_size] if part.exists() else [])
        original(part)

    monkeypatch.setattr(http, "discard", spy)
    return sizes


def test_a_body_that_is_too_long_is_cut_one_byte_later(server, part, fetcher, discarded):
    server.answers.append(without_length)
    with pytest.raises(DownloadError, match=r"longer than the limit of 70000 bytes.*Nothing was kept"):
        fetcher.fetch(f"{server.address}/a", part, 70_000, 70_000)
    assert discarded == [70_001] and not os.listdir(part.parent) and len(server.requests) == 1


@pytest.mark.parametrize("size, at_most", [(70_000, 70_000), (SIZE + 1, SIZE + 1), (None, 70_000)])
def test_a_length_that_does_not_fit_is_told_before_a_byte_is_written(server, part, fetcher, size, at_most, discarded):
    with pytest.raises(DownloadError, match=rf"has {SIZE} bytes \(expected.*it was changed"):
        fetcher.fetch(f"{server.address}/a", part, at_most, size)
    assert not part.exists() or part.stat().st_size == 0


def test_a_body_that_is_too_short_is_an_error(server, part, fetcher):
    server.answers += [without_length] * 5
    server.files["/a"] = BODY[:-1]
    server.validators = {}
    with pytest.raises(DownloadError, match=f"after {SIZE - 1} of {SIZE} bytes"):
        Fetcher(attempts=1).fetch(f"{server.address}/a", part, SIZE, SIZE)


def test_redirects_on_the_same_host(server, part, fetcher):
    server.files["/b"] = BODY
    server.answers += [status(302, Location="/c"), status(307, Location=f"{server.address}/b")]
    fetcher.fetch(f"{server.address}/a", part, MANY)
    assert part.read_bytes() == BODY and [path for path, _ in server.requests] == ["/a", "/c", "/b"]


@pytest.mark.parametrize(
    "target", ["http://localhost:{}/a", "http://127.0.0.1:1/a", "ftp://127.0.0.1/a", "file:///etc/hosts", "//[::1]/a"]
)
def test_redirects_elsewhere_are_refused(server, part, fetcher, target):
    server.answers.append(status(302, Location=target.format(server.server_port)))
    with pytest.raises(DownloadError, match=r"redirected to .*only https and the same host"):
        fetcher.fetch(f"{server.address}/a", part, MANY)
    assert len(server.requests) == 1 and not part.exists()


def test_a_redirect_to_what_is_no_address(server, part, fetcher):
    server.answers.append(status(302, Location="http://["))
    with pytest.raises(DownloadError, match=r"/a: Invalid"):
        fetcher.fetch(f"{server.address}/a", part, MANY)


def test_the_answer_of_a_server_does_not_control_the_terminal(server, part, fetcher):
    def answer(handler, body):
        handler.send_response(404, "Not\x1b[31m \x07Found")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answers.append(answer)
    with pytest.raises(DownloadError, match=re.escape("answered 404 Not[31m Found. It may")):
        fetcher.fetch(f"{server.address}/a", part, MANY)


@pytest.mark.parametrize(
    "about",
    ["[" * 100_000, '{"address": "ADDRESS", "validator": "日"}', '{"address": "ADDRESS", "validator": "a\\nb"}'],
)
def test_a_damaged_record_of_a_part(server, part, fetcher, about):
    """It begins anew, or says what is wrong."""
    part.write_bytes(BODY[:10])
    part.with_name("a.part.json").write_text(about.replace("ADDRESS", f"{server.address}/a"), encoding="utf-8")
    try:
        fetcher.fetch(f"{server.address}/a", part, MANY)
    except DownloadError as error:
        assert f"{server.address}/a: " in str(error)
    else:
        assert part.read_bytes() == BODY


def test_redirects_without_end(server, part, fetcher):
    server.answers += [status(302, Location="/a")] * 9
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        fetcher.fetch(f"{server.address}/a", part, MANY)
    assert len(server.requests) == 6


def test_a_redirect_to_https_is_followed(server, part):
    # There is no certificate for this server, so the attempt fails: but as one over TLS.
    server.answers.append(status(302, Location=f"https://127.0.0.1:{server.server_port}/a"))
    with pytest.raises(DownloadError, match=r"no secure connection|no connection"):
        fetch_once(server, part)


ADDRESSES = {"public.example": "93.184.216.34", "inside.example": "10.1.2.3"}


def looked_up(host, *_, **__):
    return [(0, 0, 0, "", (ADDRESSES.get(host, host), 0))]


@pytest.mark.parametrize(
    "target",
    ["https://127.0.0.1/a", "https://inside.example/a", "https://192.168.0.1/a", "https://169.254.169.254/latest",
     "https://0.0.0.0/a", "//127.0.0.1/a"],
)  # fmt: skip
def test_a_public_address_does_not_lead_into_this_network(target, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", looked_up)
    with pytest.raises(DownloadError, match="is no public address"):
        _redirected("https://public.example/a", urljoin("https://public.example/a", target))


def test_redirects_that_lead_no_further_in_are_followed(monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", looked_up)
    for address, target in [
        ("https://public.example/a", "https://93.184.216.34/b"), ("https://inside.example/a", "https://127.0.0.1/b"),
        ("https://public.example/a", "https://public.example/b"),
    ]:  # fmt: skip
        assert _redirected(address, target) == target


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_message(server, part, fetcher):
    part.symlink_to("/dev/full")
    part.with_name("a.part.json").write_text(f'{{"address": "{server.address}/a"}}')
    with pytest.raises(DownloadError, match=re.escape(f"{part}: {os.strerror(errno.ENOSPC)}")):
        fetcher.fetch(f"{server.address}/a", part, MANY)


def test_a_folder_that_is_not_there(server, tmp_path, fetcher):
    with pytest.raises(DownloadError, match=f"{tmp_path}/no/a.part: {os.strerror(errno.ENOENT)}"):
        fetcher.fetch(f"{server.address}/a", tmp_path / "no" / "a.part", MANY)


def test_compressed_on_the_way(server, part, fetcher):
    import gzip

    def answer(handler, body):
        packed = gzip.compress(body)
        handler.start(200, Content_Length=len(packed), Content_Encoding="gzip")
        handler.send(packed)

    server.answers.append(answer)
    fetcher.fetch(f"{server.address}/a", part, SIZE, SIZE)
    assert part.read_bytes() == BODY


def test_progress_shows_in_a_log_only_where_it_takes_long(server, part, fetcher, capsys):
    fetcher.fetch(f"{server.address}/a", part, MANY)
    assert capsys.readouterr() == ("", "")
