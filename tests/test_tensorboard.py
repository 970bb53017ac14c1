"""tools/tensorboard.sh: answers mistakes at once, and serves a run on this machine only."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from conftest import ROOT

from hand_detection import paths

SCRIPT = "tools/tensorboard.sh"


@pytest.mark.parametrize(
    "arguments",
    [
        *(("--no-such",), ("a", "b"), ("",), ("../data",), ("..",)),
        *(("--port", "x"), ("--port",), ("--port", "99999")),
    ],
)
def test_misuse_exits_with_2_and_says_what_was_wrong(step, arguments):
    done = step(SCRIPT, *arguments)
    assert done.returncode == 2
    assert "usage: tools/tensorboard.sh" in done.stderr
    assert "error: " in done.stderr.splitlines()[-1]


def test_help_and_a_run_that_is_not_there(step, tmp_path):
    assert "127.0.0.1" in step(SCRIPT, "-h", cwd=tmp_path).stdout
    done = step(SCRIPT, "no-such-run", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there is no runs/no-such-run: run ./train.sh first" in done.stderr


def test_the_script_is_a_thin_face():
    text = (ROOT / SCRIPT).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert "set -euo pipefail" in text


def test_two_evaluations_in_one_second_are_both_kept(tmp_path):
    from hand_detection import evaluator
    from hand_detection.api import compat

    tf = compat.activate()
    second = int(time.time())
    while int(time.time()) == second:  # at the beginning of one
        time.sleep(0.01)
    for step in (2, 4):
        with evaluator.event_writer(tmp_path, f"eval-{step}") as writer:
            value = tf.Summary.Value(tag="loss", simple_value=1.0)
            writer.add_summary(tf.Summary(value=[value]), step)
    steps = [
        event.step
        for path in sorted(tmp_path.iterdir())
        for event in tf.train.summary_iterator(str(path))
        if event.summary.value
    ]
    assert steps == [2, 4]


@pytest.mark.slow
def test_it_serves_the_runs_of_a_folder_on_loopback(tmp_path):
    from hand_detection.api import compat
    from hand_detection.training import summaries

    run = paths.RUNS / f"test-tensorboard-{tmp_path.parent.name}"
    tf = compat.activate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        with tf.Graph().as_default(), tf.summary.FileWriter(str(run / "train")) as writer:
            writer.add_summary(summaries.scalars({"Loss/total_loss": 2.5}), 10)
            writer.add_summary(summaries.config_text("model {\n}\n"), 10)
        command = [str(ROOT / SCRIPT), run.name, "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            tags = {}
            deadline = time.monotonic() + 90
            while not tags and time.monotonic() < deadline:
                time.sleep(0.5)
                try:
                    address = f"http://127.0.0.1:{port}/data/plugin/scalars/tags"
                    with urllib.request.urlopen(address, timeout=5) as answer:
                        tags = json.load(answer)
                except OSError:
                    assert server.poll() is None
            assert "Loss/total_loss" in tags["train"]
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(run)
