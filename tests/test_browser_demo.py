"""tools/browser_demo.sh: the page finds what the model finds, and sends nothing away."""

from __future__ import annotations

import html
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from red_squares import BOX, export_onnx, picture

from hand_detection import browser_demo, detect, detectors
from hand_detection.console import UserError
from hand_detection.detector import OUTPUTS, Detector

CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Late:
    """A file that takes so many seconds to be read."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def read_bytes(self) -> bytes:
        time.sleep(self.seconds)
        return b""


@contextmanager
def served(contents: browser_demo.Contents):
    with browser_demo.serve(contents, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def red_squares(tmp_path_factory) -> Path:
    return export_onnx(tmp_path_factory.mktemp("exported") / "red")


@pytest.fixture(scope="module")
def runtime() -> None:
    try:
        browser_demo.fetch_runtime()
    except UserError as error:
        pytest.skip(f"needs onnxruntime-web: {error}")


def test_the_page_finds_what_the_model_finds(red_squares, runtime, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium")
    shown = tmp_path / "square.png"
    picture(40).save(shown)
    model = detectors.locate(red_squares)
    names = detect.class_names(model)
    contents = browser_demo.contents(model, names, shown)
    # Chromium prints the page once it is loaded: a last part of it comes when all is done.
    page = (browser_demo.PAGE / "index.html").read_text().replace("</body>", '<img src="late">')
    contents["/"] = (page.encode(), browser_demo.TYPES[".html"])
    for seconds in (4, 15, 45):
        contents["/late"] = (Late(seconds), "image/png")
        with served(contents) as port:
            command = [chromium, *CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}"]
            command += ["--dump-dom", f"http://127.0.0.1:{port}/"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        status = re.search(r'role="status">([^<]*)', done.stdout)
        if status and " found in " in status[1]:
            break
    assert re.fullmatch(r"square.png: 1 found in \d+ ms", status[1]), done.stdout
    [found] = re.findall(r'data-detection="([^"]*)"', done.stdout)
    found = json.loads(html.unescape(found))
    assert (found["id"], found["score"], found["box"]) == (1, 0.75, BOX)
    assert "red square 0.75, x 40-56, y 8-24" in done.stdout
    own = detectors.open_model(model).detect(np.asarray(picture(40)))
    assert own.boxes[0].tolist() == pytest.approx(found["box"], abs=1e-4)


def test_the_pages_boxes_are_those_of_python(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    rng = np.random.default_rng(3)
    outputs = {
        "detection_boxes": rng.random((1, 20, 4), np.float32),
        "detection_scores": np.sort(rng.random((1, 20), np.float32))[:, ::-1],
        "detection_classes": rng.integers(1, 4, (1, 20)).astype(np.float32),
        "num_detections": np.array([13], np.float32),
    }
    flat = {name: value.ravel().astype(float).tolist() for name, value in outputs.items()}
    script = (
        f"import {{ toBoxes, toRgb }} from {json.dumps((browser_demo.PAGE / 'boxes.js').as_uri())};"
        f"const found = toBoxes({json.dumps(flat)}, 1280, 720);"
        "const rgb = [...toRgb(Uint8ClampedArray.from([1, 2, 3, 255, 4, 5, 6, 0]))];"
        "console.log(JSON.stringify({ found, rgb }));"
    )
    command = [node, "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    answer = json.loads(done.stdout)
    [expected] = Detector().postprocess(outputs, 1280, 720)
    assert len(answer["found"]) == 13 == len(expected.boxes)
    for one, box, id_, score in zip(
        answer["found"], expected.boxes, expected.classes, expected.scores, strict=True
    ):
        assert one["id"] == id_
        assert one["score"] == pytest.approx(score, abs=1e-7)
        assert one["box"] == pytest.approx(box.tolist(), abs=1e-3)
    assert answer["rgb"] == [1, 2, 3, 4, 5, 6]
    assert set(flat) == set(OUTPUTS)


def test_the_server_gives_the_page_and_nothing_else(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"a model")
    browser_demo.RUNTIME.mkdir(parents=True, exist_ok=True)
    with served(browser_demo.contents(model, {1: "hand"})) as port:

        def get(path: str) -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            return connection.getresponse()

        page = get("/")
        assert page.status == 200
        policy = page.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy and "http" not in policy
        assert b"app.js" in page.read()
        assert get("/model.onnx").read() == b"a model"
        assert json.loads(get("/settings.json").read()) == {"names": {"1": "hand"}, "picture": None}
        for path in ("/picture", "/package.json", "/../browser_demo.sh", "/etc/passwd", "/.."):
            assert get(path).status == 404
        with pytest.raises(UserError, match=f"port {port} cannot be used"):
            browser_demo.serve({}, port)


def test_a_page_closed_while_it_loads_is_no_error(capfd):
    contents = {"/model.onnx": (bytes(50_000_000), "application/octet-stream")}
    with served(contents) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /model.onnx HTTP/1.1\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        again = http.client.HTTPConnection("127.0.0.1", port)
        again.request("GET", "/model.onnx")
        assert len(again.getresponse().read()) == 50_000_000
        again.close()
    assert capfd.readouterr().err == ""


def test_the_page_loads_nothing_from_elsewhere():
    for path in browser_demo.PAGE.iterdir():
        if path.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?:|[\"'(]//", path.read_text())
    lock = json.loads((browser_demo.PAGE / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages and all(package["integrity"].startswith("sha512-") for package in packages)


def test_a_model_that_does_not_run_in_a_browser_is_one_line(step, tmp_path):
    (tmp_path / "frozen_inference_graph.pb").write_bytes(b"")
    done = step("tools/browser_demo.sh", "--model", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "./export.sh MODEL --to onnx" in done.stderr
