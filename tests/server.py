"""Local servers: one that serves a file well and slowly, and the means to serve it badly."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Play = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each request by the next of `plays`; the last one stays.

    Attributes:
        plays: what is still to be played.
        ranges: the Range header of each request so far.
    """

    def __init__(self, *plays: Play, name: str = "file.zip") -> None:
        self.plays, self.name = list(plays), name
        self.ranges: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.ranges.append(self.headers.get("Range"))
                play = server.plays.pop(0) if len(server.plays) > 1 else server.plays[0]
                self.close_connection = True
                play(self)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *args: None  # of connections that the client ended
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{self.name}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def send(
    content: bytes,
    *,
    status: int = 200,
    etag: str | None = '"1"',
    ranges: bool = True,
    length: int | str | None = None,
    until: int | None = None,
    pace: float = 0,
    hold: float = 0,
    **headers: str,
) -> Play:
    """A play: `content`, or what is wrong with it.

    Args:
        content: the file's bytes.
        status: of the answer.
        etag: the version that the server states.
        ranges: whether the server honours Range.
        length: a Content-Length that is a lie; "none" for none.
        until: bytes of the body after which the connection is cut.
        pace: bytes a second; 0 for as fast as can be.
        hold: seconds to wait before the connection is closed.
        headers: further ones, `_` for `-`.
    """

    def play(handler: BaseHTTPRequestHandler) -> None:
        start, code, fields = 0, status, {n.replace("_", "-"): v for n, v in headers.items()}
        if etag:
            fields["ETag"] = etag
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        if asked and ranges and handler.headers.get("If-Range", etag) == etag:
            start = int(asked[1])
            code = 206 if start < len(content) else 416
            last = f"{start}-{len(content) - 1}" if code == 206 else "*"
            fields["Content-Range"] = f"bytes {last}/{len(content)}"
        body = content[start:][:until] if code != 416 else b""
        handler.send_response(code)
        for name, value in fields.items():
            handler.send_header(name, value)
        if length != "none":
            stated = len(content) - start if length is None else length
            handler.send_header("Content-Length", str(max(0, int(stated))))
        handler.end_headers()
        step = max(1, int(pace / 50)) if pace else len(body) or 1
        for at in range(0, len(body), step):
            handler.wfile.write(body[at : at + step])
            handler.wfile.flush()
            if pace:
                time.sleep(step / pace)
        time.sleep(hold)

    return play


def serve_file(path: Path, *, bytes_a_second: float) -> str:
    """Serve a file, with ranges, until the process ends; its address."""
    return Server(send(path.read_bytes(), pace=bytes_a_second), name=path.name).url
