"""Downloads from servers that lie, drip, loop and never end; beside tests/test_download.py.

In the end there is the right file, or one clear line; never a wrong file, and never a wait
without an end.
"""

from __future__ import annotations

import hashlib
import random
import time
import zipfile

import numpy as np
import pytest
from server import Server, send
from small_data import archive_members, write_archive

from hand_detection import console, download, egohands
from hand_detection.console import UserError

CONTENT = np.random.default_rng(1).bytes(1_000_000)
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
STALL = 0.4


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.4)


@pytest.fixture
def serve():
    servers = []

    def start(*plays):
        servers.append(Server(*plays))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def fetch(server, target, **options):
    options = {"sha256": SHA256, "pause": 0.0, "stall": STALL} | options
    download.download([server.url], target, **options)


def redirect(to):
    def play(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.send_header("Connection", "close")
        handler.end_headers()

    return play


def drip(head: bytes, piece: bytes):
    """Send `piece` ten times a second for five seconds: without an end, to the impatient."""

    def play(handler):
        handler.wfile.write(head)
        for _ in range(50):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.1)

    return play


def chunked(content, until=None, pace=0.0):
    """The content in HTTP's chunks, cut off before its end if `until` says so."""

    def play(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(content[:until]), 50_000):
            piece = content[at : at + 50_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(pace)
        if until is None:
            handler.wfile.write(b"0\r\n\r\n")

    return play


OK = send(CONTENT)
RIGHT = {
    "the connection is cut at random moments": [send(CONTENT, until=n) for n in (7, 1, 300_001)],
    "an error of the server first": [send(b"", status=500), send(b"", status=502)],
    "too many requests first": [send(b"", status=429)],
    "cut, then an error, then cut": [send(CONTENT, until=9), send(b"", status=503)],
    "the length is stated too long": [send(CONTENT, length=len(CONTENT) + 9)],
    "no length": [send(CONTENT, length="none")],
    "no length, and cut": [send(CONTENT, length="none", until=5000)],
    "the length is no number": [send(CONTENT, length="none", Content_Length="evil")],
    "chunks": [chunked(CONTENT)],
    "chunks, cut": [chunked(CONTENT, until=300_000)],
    "chunks, dripping": [chunked(CONTENT, pace=0.01)],
    "Range is ignored": [send(CONTENT, until=1000), send(CONTENT, ranges=False)],
    "no ETag": [send(CONTENT, until=1000, etag=None), send(CONTENT, etag=None)],
    "a weak ETag": [send(CONTENT, until=1000, etag='W/"1"'), send(CONTENT, etag='W/"1"')],
    "another version first": [send(OTHER, until=1000, etag='"0"')],
    "another version first, not told": [
        send(OTHER, until=1000, etag=None),
        send(CONTENT, etag=None),
    ],
    "two other versions first": [
        send(OTHER, until=1000, etag='"0"'),
        send(OTHER, until=2000, etag='"2"'),
    ],
    "a range of another part": [
        send(CONTENT, until=1000),
        send(CONTENT[5000:], status=206, ranges=False, Content_Range="bytes 5000-999999/1000000"),
    ],
    "a range that is none": [
        send(CONTENT, until=1000),
        send(CONTENT, status=206, ranges=False, Content_Range="evil"),
    ],
    "a stall": [send(CONTENT, until=1000, hold=1.5)],
    "headers without an end": [drip(b"HTTP/1.1 200 OK\r\n", b"X-Evil: 1\r\n")],
    "a header line without an end": [drip(b"HTTP/1.1 200 OK\r\nX-Evil: ", b"1")],
    "a chunk's length without an end": [
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0")
    ],
    "no HTTP": [drip(b"SSH-2.0-evil\r\n", b"")],
}


@pytest.mark.parametrize("fault", RIGHT)
def test_in_the_end_the_right_file_is_there(fault, serve, tmp_path):
    server, target = serve(*RIGHT[fault], OK), tmp_path / "file.zip"
    started = time.monotonic()
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]
    assert time.monotonic() - started < 4  # and a drip is of five seconds


REFUSED = {
    "not there": ([send(b"no", status=404)], "404"),
    "gone": ([send(b"no", status=410)], "410"),
    "forbidden": ([send(b"no", status=403)], "403"),
    "errors without an end": ([send(b"", status=500)], "500"),
    "redirected in a circle": ([redirect("/file.zip")], "redirects"),
    "redirected to a file of ours": ([redirect("file:///etc/passwd")], "file"),
    "redirected to nowhere": ([redirect("http://127.0.0.1:9/")], "refused"),
    "a web page": ([send(b"<!doctype html>sorry", Content_Type="text/html")], "web page"),
    "a web page told to be a zip": ([send(b" <html>", Content_Type="application/zip")], "web page"),
    "the length is stated too short": ([send(CONTENT, length=1000)], "SHA-256"),
    "another file": ([send(OTHER)], "SHA-256"),
    "an empty file": ([send(b"")], "SHA-256"),
    "stalls without an end": ([send(CONTENT, until=0, hold=1.0)], "no data|no answer|stalled"),
    "headers without an end": ([drip(b"HTTP/1.1 200 OK\r\n", b"X-Evil: 1\r\n")], "no answer"),
    "far too large": ([send(CONTENT, length=10**15)], "far too many|needs"),
    "without an end": ([chunked(CONTENT * 3)], "no end"),
    "a redirect loop with a body": ([redirect("/file.zip?again")], "redirects"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_or_there_is_one_clear_line_and_no_file(fault, serve, tmp_path, monkeypatch):
    plays, said = REFUSED[fault]
    server, target = serve(*plays), tmp_path / "file.zip"
    monkeypatch.setattr(download, "MOST_BYTES", 2_000_000)
    started = time.monotonic()
    with pytest.raises(UserError, match=said) as error:
        fetch(server, target)
    assert len(console.one_line(str(error.value))) < 1000
    assert not target.exists()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("seed", range(4))
def test_a_net_that_does_all_of_it_at_random_gives_the_file(seed, serve, tmp_path):
    rng = random.Random(seed)
    faults = [rng.choice(plays) for plays in rng.choices(list(RIGHT.values()), k=2)]
    progress = [send(CONTENT, until=rng.randrange(1, 200_000)) for _ in range(3)]
    plays = [*faults, *progress]
    rng.shuffle(plays)
    server, target = serve(*plays, OK), tmp_path / "file.zip"
    for _ in range(3):  # three calls, as a user would make them
        try:
            fetch(server, target)
            break
        except UserError:
            assert not target.exists()
    assert target.read_bytes() == CONTENT


def test_an_archive_that_comes_damaged_is_never_put_in_place(serve, tmp_path):
    whole = write_archive(tmp_path / "whole.zip", archive_members(1, 2)).read_bytes()
    for cut in (len(whole) // 2, len(whole) - 30):
        target = tmp_path / f"{cut}.zip"
        with pytest.raises(UserError, match="not what it should be"):
            fetch(serve(send(whole[:cut])), target, sha256=None, check=egohands.read_index)
        assert not target.exists()
    target = tmp_path / "right.zip"
    fetch(serve(send(whole)), target, sha256=None, check=egohands.read_index)
    assert zipfile.is_zipfile(target)


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(serve, tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".file.zip.partial").symlink_to(mine)
    fetch(serve(OK), tmp_path / "data" / "file.zip")
    assert mine.read_bytes() == b"mine"
