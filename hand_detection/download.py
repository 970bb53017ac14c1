"""Fetch a large file over an unreliable net: resumed, checked, whole or not there."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import requests
import urllib3

from hand_detection import files
from hand_detection.console import Progress, UserError, warn
from hand_detection.paths import shown

CONNECT_SECONDS, STALL_SECONDS = 10.0, 30.0
MOST_BYTES = 16 << 30  # of a file whose size is not known: a server may send without an end
TRIES = 3  # of an address, one after another without a new byte
_CHUNK = 1 << 18
_NET_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


class _RefusedError(Exception):
    """This address cannot give the file; the message says why."""


class _BrokenOffError(Exception):
    """The transfer broke off and may go on at another try; the message says why."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    check: Callable[[Path], Any] | None = None,
    by_hand: str = "",
    stall: float = STALL_SECONDS,
    pause: float = 1.0,
) -> None:
    """Fetch `target` from the first of `urls` that gives it.

    What came of an interrupted transfer is kept beside the target, and a later call goes
    on from there if the server allows it and the file there is still the same.

    Args:
        urls: addresses of the same file, tried in order.
        target: where it goes; nothing is done if it is there and has `sha256` and `size`.
        sha256: its hash in hexadecimal, where known.
        size: its length in bytes, where known.
        check: called with the fetched file; raises UserError if it is not what it should be.
        by_hand: for the message of the last resort: what to do with a file fetched by hand.
        stall: seconds without data after which a connection is given up.
        pause: seconds before the second try, doubled for each further one.

    Raises:
        UserError: no address gave the file (names each and says why), or the file at
            `target` is another one.
    """
    if target.exists():
        problem = _problem(target, sha256, size, None)
        if problem:
            raise UserError(f"{shown(target)} {problem}: move it away to fetch it again")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        transfer = _Transfer(url, target, size, stall)
        try:
            _persist(transfer, sha256, size, check, pause)
        except _RefusedError as error:
            failures.append(f"{url} ({error})")
            warn(f"{url}: {error}")
            continue
        transfer.partial.replace(target)
        transfer.state.unlink(missing_ok=True)
        return
    advice = f". Fetch it by hand, {by_hand}" if by_hand else ""
    raise UserError(f"could not fetch {target.name}: tried {'; '.join(failures)}{advice}")


def _persist(
    transfer: _Transfer,
    sha256: str | None,
    size: int | None,
    check: Callable[[Path], Any] | None,
    pause: float,
) -> None:
    """Fetch and check, with as many tries as bring new bytes, and `TRIES` that do not."""
    most, failed = transfer.have(), 0
    while True:
        resumed = False
        try:
            resumed = transfer.run()
            problem = _problem(transfer.partial, sha256, size, check)
            if not problem:
                return
            transfer.discard()
            if not resumed and transfer.total is not None:
                raise _RefusedError(f"the file fetched {problem}")
            # Cut, perhaps, where the server did not say how long it is.
            reason = f"the file put together {problem}" if resumed else f"the file {problem}"
        except _BrokenOffError as error:
            reason = str(error)
        except _NET_ERRORS as error:
            reason = _plain(error)
        have = transfer.have()
        failed = 0 if have > most else failed + 1
        most = max(most, have)
        if failed >= TRIES:
            raise _RefusedError(reason)
        wait = pause * 2 ** max(0, failed - 1)
        warn(f"{transfer.url}: {reason}; trying again in {wait:.0f} s")
        time.sleep(wait)


class _Transfer:
    """A file on its way from one address, with what is needed to go on after a break."""

    def __init__(self, url: str, target: Path, size: int | None, stall: float) -> None:
        self.url, self.target, self.stall = url, target, stall
        self.partial = target.with_name(f".{target.name}.partial")
        self.state = target.with_name(f".{target.name}.partial.json")
        self.total = size

    def have(self) -> int:
        """The bytes already here of this address's file."""
        return self.partial.stat().st_size if self._known() else 0

    def discard(self) -> None:
        """Forget what is here."""
        self.partial.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _known(self) -> dict[str, Any]:
        """The server's marks of the file whose beginning is here; empty if none is."""
        if not (self.partial.exists() and self.state.exists()):
            return {}
        try:
            marks = files.read_json(self.state)
        except UserError:
            return {}
        return marks if isinstance(marks, dict) and marks.get("url") == self.url else {}

    def run(self) -> bool:
        """Fetch all that is missing; return whether it was added to an earlier beginning."""
        marks, have = self._known(), self.have()
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if marks.get("validator"):
                headers["If-Range"] = marks["validator"]
        stream = _in_time(self._stream(headers), CONNECT_SECONDS + self.stall, self.stall)
        with contextlib.closing(stream):
            response = next(stream)
            start = self._start(response, marks, have)
            if start is None:
                return True  # everything is here already
            if not start:
                files.write_json(self.state, {"url": self.url, "validator": _validator(response)})
            self._receive(stream, start)
        return start > 0

    def _stream(self, headers: dict[str, str]) -> Iterator[Any]:
        """The answer, its headers read, and then the bytes as they come."""
        timeout = (CONNECT_SECONDS, self.stall)
        with requests.get(self.url, headers=headers, stream=True, timeout=timeout) as response:
            yield response
            # Raw: a server that calls a .tar.gz "gzip encoded" must not have it unpacked. And
            # read1, which returns what has come: read would wait for a full chunk.
            read = getattr(response.raw, "read1", response.raw.read)
            while chunk := read(_CHUNK, decode_content=False):
                yield chunk

    def _start(self, response: requests.Response, marks: dict, have: int) -> int | None:
        """Where the answer's first byte belongs; None if nothing is missing."""
        status = response.status_code
        if status == 416 and have:
            total = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
            if total and int(total[1]) == have:
                return None
            self.discard()
            raise _BrokenOffError("the file there has changed")
        if status in (408, 425, 429) or status >= 500:
            raise _BrokenOffError(f"the server answered {status} {response.reason}")
        if status not in (200, 206):
            raise _RefusedError(f"the server answered {status} {response.reason}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise _RefusedError("the answer is a web page, not the file")
        length = response.headers.get("Content-Length", "")
        start = 0
        total = int(length) if length.isdigit() else None
        if status == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            changed = marks.get("validator") and marks["validator"] != _validator(response)
            if not span or int(span[1]) != have or changed:
                self.discard()
                raise _BrokenOffError("the server answered with another part than asked for")
            start, total = have, int(span[2])
        if self.total is not None and total is not None and total != self.total:
            self.discard()
            raise _RefusedError(f"the file there has {total} bytes instead of {self.total}")
        if total is not None and total > MOST_BYTES:
            raise _RefusedError(f"the file there has {total} bytes: far too many")
        self.total = total if total is not None else self.total
        return start

    def _receive(self, chunks: Iterator[bytes], start: int) -> None:
        if self.total is not None:
            free = shutil.disk_usage(self.partial.parent).free
            if free < self.total - start:
                raise UserError(
                    f"{self.target.name} needs {(self.total - start) / 1e6:,.0f} MB, but the disk "
                    f"of {shown(self.target.parent)} has {free / 1e6:,.0f} MB left"
                )
        have, mark, since = start, start, time.monotonic()
        if not start:
            self.partial.unlink(missing_ok=True)  # which may be a link to elsewhere
        with (
            self.partial.open("r+b" if start else "wb") as file,
            Progress(self.total, self.target.name, "B", initial=start, scale=True) as bar,
        ):
            file.seek(start)
            for chunk in chunks:
                if not have and chunk.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
                    raise _RefusedError("the answer is a web page, not the file")
                file.write(chunk)
                have += len(chunk)
                if have > MOST_BYTES:
                    self.discard()
                    raise _RefusedError(f"{have} bytes came, and no end")
                bar.update(len(chunk))
                if time.monotonic() - since > self.stall:
                    if have - mark < self.stall * 1000:  # under 1 kB/s: as good as stalled
                        raise _BrokenOffError("the transfer is stalled")
                    mark, since = have, time.monotonic()
        if self.total is not None and have < self.total:
            raise _BrokenOffError(f"the connection ended after {have} of {self.total} bytes")
        if self.total is not None and have > self.total:
            self.discard()
            raise _BrokenOffError(f"{have} bytes came instead of {self.total}")


def _in_time(items: Iterator[Any], first: float, then: float) -> Iterator[Any]:
    """`items`, made by a thread of its own, none of which may take too long.

    The time-outs of a connection begin anew with every byte, so that a server which drips
    headers, or the length of a chunk, could hold one for ever.

    Args:
        items: the bytes and what comes with them.
        first, then: seconds for the first item and for each further one.

    Raises:
        _BrokenOffError: an item took longer; and whatever `items` raises.
    """
    made: queue.Queue[Any] = queue.Queue(maxsize=8)
    given_up = threading.Event()
    end = object()

    def put(item: Any) -> None:
        while not given_up.is_set():
            with contextlib.suppress(queue.Full):
                made.put(item, timeout=0.2)
                return

    def make() -> None:
        try:
            with contextlib.closing(items):  # here: to close what another thread reads would wait
                for item in items:
                    put(item)
                    if given_up.is_set():
                        return
            put(end)
        except Exception as error:
            put(error)

    threading.Thread(target=make, daemon=True).start()
    seconds, what = first, "no answer"
    try:
        while True:
            try:
                item = made.get(timeout=seconds)
            except queue.Empty:
                raise _BrokenOffError(f"{what} within the time limit") from None
            if item is end:
                return
            if isinstance(item, Exception):
                raise item
            yield item
            seconds, what = then, "no data"
    finally:
        given_up.set()


def _problem(
    path: Path,
    sha256: str | None,
    size: int | None,
    check: Callable[[Path], Any] | None,
) -> str:
    """What is wrong with a file, or ""."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"has {found} bytes instead of {size}"
    if sha256 is not None:
        digest = files.sha256(path)
        if digest != sha256:
            return f"has the SHA-256 {digest} instead of {sha256}"
    if check is not None:
        try:
            check(path)
        except UserError as error:
            return f"is not what it should be: {error}"
    return ""


def _validator(response: requests.Response) -> str | None:
    """What tells this version of the file from another: a strong ETag, or the date."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _plain(error: BaseException) -> str:
    """A network error in a few words instead of a chain of wrapped exceptions."""
    text = str(error)
    for mark, plain in (
        ("IncompleteRead", "the connection ended before the file did"),
        ("NameResolution", "the host's name is not known (no network?)"),
        ("Connection refused", "the connection was refused"),
        ("unreachable", "the network is unreachable"),
        ("ConnectTimeout", "no connection within the time limit"),
        ("ead timed out", "no data within the time limit"),
        ("timed out", "no answer within the time limit"),
        ("reset by peer", "the connection was reset"),
        ("ProxyError", "the proxy refused the connection"),
        ("CERTIFICATE_VERIFY", "the server's certificate is not trusted"),
        ("RemoteDisconnected", "the server closed the connection without an answer"),
    ):
        if mark in f"{type(error).__name__} {text}":
            return plain
    return f"{type(error).__name__}: {text[:200]}"
