"""Downloads over a net that breaks: a local server plays the faults."""

from __future__ import annotations

import hashlib
import time
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from server import Server, send

from hand_detection.console import UserError
from hand_detection.download import download

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


WHOLE = send(CONTENT)


@pytest.fixture
def server():
    server = Server(WHOLE)
    yield server
    server.close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "folder" / "file.zip"


def fetch(server, target, **options) -> None:
    download([server.url], target, **{"sha256": SHA256, "pause": 0.0, "stall": 0.5} | options)


def nothing_left(target) -> bool:
    return [path.name for path in target.parent.iterdir()] in ([], [target.name])


def test_a_file_is_fetched_and_nothing_else_is_left(server, target):
    fetch(server, target, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert nothing_left(target)
    fetch(server, target)
    assert len(server.ranges) == 1  # the second time it was there


def test_a_cut_connection_is_resumed_where_it_broke(server, target):
    server.plays = [send(CONTENT, until=1_000_000), send(CONTENT, until=500_000), WHOLE]
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert nothing_left(target)


def test_a_later_call_goes_on_from_what_an_earlier_one_left(server, target):
    server.plays = [send(CONTENT, until=1_000_000), send(CONTENT, until=0)]
    with pytest.raises(UserError, match="the connection ended before the file did"):
        fetch(server, target)
    assert not target.exists()
    server.plays = [WHOLE]
    fetch(server, target)
    assert server.ranges[-1] == "bytes=1000000-"
    assert target.read_bytes() == CONTENT


def test_many_breaks_are_no_reason_to_give_up_while_bytes_come(server, target):
    server.plays = [*[send(CONTENT, until=200_000)] * 12, WHOLE]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_from_the_beginning(server, target):
    server.plays = [send(CONTENT, until=1_000_000), send(CONTENT, ranges=False)]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_fetched_anew(server, target):
    new = CONTENT[::-1]
    server.plays = [send(CONTENT, until=1_000_000), send(new, etag='"2"')]
    fetch(server, target, sha256=hashlib.sha256(new).hexdigest())
    assert target.read_bytes() == new


def test_a_server_that_mixes_two_versions_is_found_by_the_hash(server, target):
    new = CONTENT[::-1]  # under the same ETag
    server.plays = [send(CONTENT, until=1_000_000), send(new)]
    fetch(server, target, sha256=hashlib.sha256(new).hexdigest())
    assert target.read_bytes() == new


def test_a_stall_does_not_hang(server, target):
    server.plays = [send(CONTENT, until=1_000_000, hold=3), WHOLE]
    start = time.monotonic()
    fetch(server, target)
    assert time.monotonic() - start < 2.5
    assert target.read_bytes() == CONTENT


def test_a_drip_of_single_bytes_is_a_stall_too(server, target):
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        for i in range(40):
            handler.wfile.write(CONTENT[i : i + 1])
            handler.wfile.flush()
            time.sleep(0.05)

    server.plays = [drip, WHOLE]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, target):
    server.plays = [send(b"busy", status=503), WHOLE]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_the_next_mirror_is_asked_where_one_fails(server, target):
    other = Server(send(b"gone", status=404))
    refusing = "http://127.0.0.1:9/file.zip"
    download([refusing, other.url, server.url], target, sha256=SHA256, pause=0.0)
    assert target.read_bytes() == CONTENT
    assert len(other.ranges) == 1  # a file that is not there is not asked for again
    other.close()


def test_the_last_message_names_every_address_why_and_what_to_do(server, target):
    server.plays = [send(b"gone", status=404)]
    refusing = "http://127.0.0.1:9/file.zip"
    with pytest.raises(UserError) as error:
        download([refusing, server.url], target, pause=0.0, by_hand="and name it with --archive")
    assert f"{refusing} (the connection was refused)" in str(error.value)
    assert f"{server.url} (the server answered 404 Not Found)" in str(error.value)
    assert str(error.value).endswith("Fetch it by hand, and name it with --archive")
    assert nothing_left(target)


@pytest.mark.parametrize(
    "play",
    [
        send(b"<p>not here</p>", Content_Type="text/html; charset=utf-8"),
        send(b"\n<!DOCTYPE html><html>sorry</html>", Content_Type="application/zip"),
    ],
)
def test_a_web_page_is_not_taken_for_the_file(server, target, play):
    server.plays = [play]
    with pytest.raises(UserError, match="the answer is a web page, not the file"):
        fetch(server, target, sha256=None)
    assert not target.exists()


def test_a_page_in_the_place_of_the_rest_does_not_spoil_the_beginning(server, target):
    server.plays = [
        send(CONTENT, until=1_000_000),
        send(b"<html>", ranges=False, Content_Type="text/html"),
    ]
    with pytest.raises(UserError, match="web page"):
        fetch(server, target)
    server.plays = [WHOLE]
    fetch(server, target)
    assert server.ranges[-1] == "bytes=1000000-"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sha256": "0" * 64}, "has the SHA-256"),
        ({"size": 5}, "the file there has 3000000 bytes instead of 5"),
        ({"sha256": None, "check": "refuse"}, "is not what it should be: no zip"),
    ],
)
def test_another_file_than_expected_is_refused_and_removed(server, target, options, message):
    def refuse(path) -> None:
        raise UserError("no zip")

    if "check" in options:
        options = {**options, "check": refuse}
    with pytest.raises(UserError, match=message):
        fetch(server, target, **options)
    assert nothing_left(target)
    assert not target.exists()


def test_a_file_of_the_users_under_the_name_is_not_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(UserError, match="move it away"):
        fetch(server, target)
    assert target.read_bytes() == b"mine"


def test_bytes_that_the_server_calls_gzip_encoded_are_kept_as_they_are(server, target):
    server.plays = [send(CONTENT, Content_Encoding="gzip")]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_file_too_large_for_the_disk_is_not_begun(server, target, monkeypatch):
    import shutil

    usage = shutil.disk_usage(target.parent.parent)._replace(free=1000)
    monkeypatch.setattr("hand_detection.download.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="needs 3 MB, but the disk"):
        fetch(server, target)
