"""An exported model in a web page on this machine: a picture or the camera, nothing sent away.

    tools/browser_demo.sh [--model EXPORT] [--picture FILE] [--port PORT]

The page runs an ONNX file in onnxruntime-web, which npm fetches once in the version and with the
checksum of tools/browser_demo/package-lock.json. The server answers this machine only, and the
page may load nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hand_detection import console, files
from hand_detection.console import UserError, positive_number, say
from hand_detection.detect import class_names, find_export
from hand_detection.detection import sources
from hand_detection.paths import ROOT, shown

PAGE = ROOT / "tools" / "browser_demo"
MODULES = PAGE / "node_modules"
RUNTIME = MODULES / "onnxruntime-web" / "dist"
PORT = 8000
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".json": "application/json",
}
HEADERS = {
    # Nothing is loaded from, or sent to, elsewhere. blob: are the runtime's threads.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; "
    "worker-src 'self' blob:; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'",
    # What browsers ask for before WebAssembly may use threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}
Contents = dict[str, tuple[Path | bytes, str]]
"""What the server gives by its path: a file or its bytes, and the content type."""


def main() -> None:
    """Parse the command line, fetch the runtime if need be, serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="tools/browser_demo.sh",
        description="Detect in the browser: a page that this machine serves to itself.",
        epilog="Ctrl-C ends it.",
    )
    add = parser.add_argument
    add("--model", metavar="EXPORT", help="an ONNX export (./export.sh MODEL --to onnx)")
    add("--label-map", type=Path, metavar="FILE", help="(default: the one beside the model)")
    add("--picture", type=Path, metavar="FILE", help="is detected in at the start")
    add("--port", type=positive_number, default=PORT, help="(default: %(default)s)")
    arguments = parser.parse_args()
    path = find_export(arguments.model)
    if path.suffix != ".onnx":
        raise UserError(
            f"{shown(path)} does not run in a browser: ./export.sh MODEL --to onnx makes a model "
            "that does; name it with --model"
        )
    names = class_names(path, arguments.label_map)
    if arguments.picture:
        sources.Image(arguments.picture, "", "").read()  # whole, or an error here
    fetch_runtime()
    with serve(contents(path, names, arguments.picture), arguments.port) as server:
        say(f"{shown(path)}: open http://127.0.0.1:{server.server_port} in a browser (Ctrl-C ends)")
        server.serve_forever()


def fetch_runtime() -> None:
    """Put onnxruntime-web beside the page, by npm, unless it is there in the locked version.

    Raises:
        UserError: npm is not there, or failed.
    """
    lock = PAGE / "package-lock.json"
    stamp = MODULES / ".package-lock.json"  # npm's own record of what it installed
    if stamp.exists():
        wanted, there = (files.read_json(path)["packages"] for path in (lock, stamp))
        if all(there.get(name) == package for name, package in wanted.items() if name):
            return
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is not installed, which fetches onnxruntime-web: install Node.js")
    say("npm fetches onnxruntime-web (150 MB unpacked, once) ...")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=PAGE, capture_output=True, text=True, check=False)
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if "error" in line), "no reason told")
        raise UserError(f"npm could not fetch onnxruntime-web: {why}")


def contents(model: Path, names: dict[int, str], picture: Path | None = None) -> Contents:
    """All that the page needs, by path.

    Args:
        model: an ONNX file.
        names: class names by id.
        picture: an image that the page opens at the start.
    """
    settings = {"names": names, "picture": picture.name if picture else None}
    found: Contents = {
        "/model.onnx": (model, "application/octet-stream"),
        "/settings.json": (json.dumps(settings).encode(), TYPES[".json"]),
    }
    for folder, prefix in ((PAGE, "/"), (RUNTIME, "/ort/")):
        for path in folder.iterdir():
            if path.suffix in TYPES and not path.name.startswith("package"):
                found[prefix + path.name] = (path, TYPES[path.suffix])
    found["/"] = found["/index.html"]
    if picture:
        found["/picture"] = (picture, "application/octet-stream")
    return found


def serve(contents_: Contents, port: int) -> ThreadingHTTPServer:
    """A server of `contents_` for this machine alone; `serve_forever` is the caller's.

    Raises:
        UserError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = contents_.get(self.path.partition("?")[0])
            if known is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            content, kind = known
            data = content if isinstance(content, bytes) else content.read_bytes()
            self.send_response(HTTPStatus.OK)
            for name, value in {**HEADERS, "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except ConnectionError:  # the page was closed, or loaded again, before it had all
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(
            f"port {port} cannot be used: {error.strerror}: name another --port"
        ) from None


if __name__ == "__main__":
    console.run(main)
