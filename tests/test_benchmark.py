"""tools/benchmark.sh: every model is measured in a process of its own, and told in one table."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from red_squares import export, export_onnx, picture

from hand_detection.benchmark import find_models
from hand_detection.benchmarking import report, rounds, worker
from hand_detection.exported import FROZEN


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(folder / "red")
    export_onnx(folder / "red-onnx")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for place in range(3):
        picture(place).save(folder / f"{place}.jpg")
    return folder


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tools" / "benchmark.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_all_exports_are_measured_beside_the_original(exported, images, tmp_path):
    sizes = ("--threads", "own", "--batch", 2, "--rounds", 2, "--times", 5)
    done = benchmark(exported, "--images", images, *sizes, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "times lower than as the original's detect script does it" in done.stdout
    found = json.loads((tmp_path / "benchmark.json").read_text())
    rows = found["rows"]
    assert sorted((row["runtime"], row["batch"]) for row in rows) == [
        ("ONNX Runtime", 1),
        ("ONNX Runtime", 2),
        ("TensorFlow", 1),
        ("TensorFlow", 2),
    ]
    for row in rows:
        latency = row["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        assert row["batches_measured"] == 10
        assert row["load_seconds"] > 0 and row["file_mb"] > 0
    memory = {row["runtime"]: row["peak_mb"] for row in rows}
    assert 20 < memory["ONNX Runtime"] < memory["TensorFlow"]
    original = rows[found["as_the_original"]]
    assert (original["runtime"], original["threads"], original["batch"]) == ("TensorFlow", None, 1)
    ratio = original["latency_ms"]["p50"] / rows[found["best"]]["latency_ms"]["p50"]
    assert found["times_lower_p50"] == pytest.approx(ratio)
    page = (tmp_path / "benchmark.html").read_text()
    assert page.count("<svg") == 2 and "red-onnx, own thr, b2" in page


def test_latency_and_throughput_leave_decoding_out():
    row = rounds.Row(Path("a/model.onnx"), 2, batch=4)
    row.times = np.array([[100.0, 1, 6, 1], [100.0, 1, 10, 1]])
    assert worker.STAGES[0] == "decode"
    assert row.percentile(50) == 10
    assert row.throughput == 4 * 1000 / 10
    assert row.stage("decode") == 100


def test_a_models_size_is_that_of_all_its_files(tmp_path):
    (tmp_path / "model.xml").write_bytes(b"x" * 1000)
    (tmp_path / "model.bin").write_bytes(b"x" * 9000)
    assert report.file_mb(tmp_path / "model.xml") == pytest.approx(0.01)
    assert report.file_mb(tmp_path) == pytest.approx(0.01)


def test_what_cannot_be_measured_is_one_line(exported, images, tmp_path):
    for arguments, said in (
        ((exported / "red-onnx", "--images", images), "no frozen_inference_graph.pb among"),
        ((tmp_path, "--images", images), "no exported model in"),
        ((exported, "--images", tmp_path), "no image or video in"),
    ):
        done = benchmark(*arguments)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert said in done.stderr


def test_hidden_folders_and_refused_exports_are_passed_over_below_the_folder_alone(tmp_path):
    folder = tmp_path / ".checkout" / "exported"
    for name in ("red", ".red.partial", "red.FAILED", "red.FAILED.1"):
        (folder / name).mkdir(parents=True)
        (folder / name / FROZEN).touch()
    assert find_models([folder]) == [folder / "red" / FROZEN]


def test_a_frozen_graph_of_another_batch_is_told_before_anything_is_measured(images, tmp_path):
    from hand_detection.api import compat

    model = export(tmp_path / "red") / FROZEN
    graph = compat.activate().GraphDef.FromString(model.read_bytes())
    [image] = [node for node in graph.node if node.name == "image_tensor"]
    image.attr["shape"].shape.dim[0].size = 4
    model.write_bytes(graph.SerializeToString())
    done = benchmark(model, "--images", images, "--threads", "own", "--out", tmp_path)
    assert done.returncode == 1
    assert "measure" not in done.stderr
    assert f"error: no {FROZEN} takes one image at once" in done.stderr


def test_a_damaged_model_is_named(images, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"damaged")
    frames = [path.read_bytes() for path in images.iterdir()]
    with pytest.raises(rounds.UserError, match=r"model.onnx cannot be measured: .*export it again"):
        rounds.measure(
            [tmp_path / "model.onnx"], frames, threads=[None], batches=[1], rounds=1, times=1
        )
