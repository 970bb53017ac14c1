"""Training on several devices, and with several worker processes on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from trained import MODEL, SMALL

from hand_detection import batches, checkpoints, paths, pipeline
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.training import distributed

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TWO, distributed.Cluster(("a:1", "b:2"), 1)),
        (
            {
                "cluster": {"chief": ["a:1"], "worker": ["b:2"]},
                "task": {"type": "worker", "index": 0},
            },
            distributed.Cluster(("a:1", "b:2"), 1),
        ),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}, None),
    ],
)
def test_tf_config_names_the_workers_the_chief_first(monkeypatch, value, expected):
    monkeypatch.setenv("TF_CONFIG", json.dumps(value))
    assert distributed.cluster_from_environment() == expected


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        json.dumps({"cluster": TWO["cluster"]}),
        json.dumps({**TWO, "task": {"type": "worker", "index": 2}}),
        json.dumps({**TWO, "task": {"type": "evaluator", "index": 0}}),
        json.dumps({**TWO, "cluster": {"worker": ["no port", "b:2"]}}),
    ],
)
def test_a_tf_config_that_is_none_is_told(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG"):
        distributed.cluster_from_environment()


def first_batches(config, examples: int, count: int, **options) -> np.ndarray:
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = batches.training_dataset(config, seed=1, examples=examples, **options)
        iterator = tf.data.make_initializable_iterator(dataset)
        features, _ = iterator.get_next()
        session.run([tf.tables_initializer(), iterator.initializer])
        return np.stack([session.run(features["image"]) for _ in range(count)])


@pytest.mark.slow
def test_two_workers_batches_are_the_halves_of_one_of_double_size(data):
    whole, half = (
        pipeline.load(MODEL, data=data, settings=(f"train_config.batch_size={size}",))
        for size in (4, 2)
    )
    one = first_batches(whole, 12, 3, first=8)
    parts = [first_batches(half, 12, 3, first=8, workers=2, worker=i) for i in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), one)


@pytest.mark.slow
def test_a_batch_split_over_two_devices_has_the_mean_loss_of_its_halves(data):
    from hand_detection.training import graph

    tf = compat.activate()
    settings = ("train_config.batch_size=4", "model.ssd.freeze_batchnorm=true")
    config = pipeline.load(MODEL, data=data, settings=settings)
    half = pipeline.load(
        MODEL, data=data, settings=("train_config.batch_size=2", "model.ssd.freeze_batchnorm=true")
    )

    def losses(config, devices, values=None, **options):
        """The first loss, the first weights before it and after it."""
        with tf.Graph().as_default():
            dataset = batches.training_dataset(config, seed=1, examples=12, **options)
            ends = graph.build(config, dataset, resumed=True, devices=devices)
            trained = tf.trainable_variables()
            start = [tf.placeholder(one.dtype.base_dtype, one.shape) for one in trained]
            assign = [tf.assign(*pair) for pair in zip(trained, start, strict=True)]
            setting = tf.ConfigProto(device_count={"CPU": 2})
            with tf.Session(config=setting) as session:
                session.run([tf.global_variables_initializer(), tf.tables_initializer()])
                if values is not None:
                    session.run(assign, dict(zip(start, values, strict=True)))
                before = session.run(trained)
                session.run(ends.iterator.initializer)
                found, _ = session.run([ends.losses, ends.train_op])
                after = session.run(trained)
            placed = {op.device for op in tf.get_default_graph().get_operations()}
        return found, before, after, placed

    split, before, after, placed = losses(config, ["/device:CPU:0", "/device:CPU:1"])
    assert any(device.endswith("CPU:1") for device in placed)
    halves = [losses(half, [], before, workers=2, worker=i)[0] for i in range(2)]
    for name, value in split.items():
        expected = np.mean([found[name] for found in halves])
        np.testing.assert_allclose(value, expected, rtol=1e-4, err_msg=name)
    assert any(not np.array_equal(*pair) for pair in zip(before, after, strict=True))
    with pytest.raises(UserError, match="--batch-size 6"):
        losses(config, ["/device:CPU:0"] * 3)


class Workers:
    """Two processes of train.sh that train together."""

    def __init__(self, *arguments: object) -> None:
        addresses = []
        sockets = [socket.socket() for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{one.getsockname()[1]}")
        for one in sockets:
            one.close()
        self.processes = []
        for index in range(2):
            value = {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
            self.processes.append(
                subprocess.Popen(
                    [str(paths.ROOT / "train.sh"), MODEL, *map(str, arguments)],
                    env={**os.environ, "TF_CONFIG": json.dumps(value)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

    def end(self) -> list[tuple[int, str, str]]:
        """Each one's exit status, stdout and stderr."""
        ends = []
        try:
            for process in self.processes:
                output, errors = process.communicate(timeout=200)
                ends.append((process.returncode, output, errors))
        finally:
            for process in self.processes:
                process.kill()
        return ends


def begun(trained: Path, run: Path) -> None:
    """Make `run` one that goes on from step 6 of `trained`, with batch norm frozen."""
    shutil.copytree(trained, run)
    shutil.rmtree(run / "train")
    config = run / "pipeline.config"
    config.write_text(config.read_text().replace("ssd {", "ssd {\n freeze_batchnorm: true", 1))


def curve(run: Path) -> list[tuple[int, float]]:
    tf = compat.activate()
    return [
        (event.step, value.simple_value)
        for file in sorted((run / "train").glob("events.*"))
        for event in tf.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.tag == "Loss/total_loss"
    ]


FROZEN = ("--set", "model.ssd.freeze_batchnorm=true")


@pytest.mark.slow
def test_two_workers_learn_as_one_process_with_the_doubled_batch(trained, data, name):
    one, two = (paths.RUNS / f"{name}-{which}" for which in ("one", "two"))
    common = ("--data", data, "--steps", 14, "--eval-every", 4, *SMALL, *FROZEN)
    begun(trained, two)
    ends = Workers("--run", two.name, *common).end()
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert "worker 1 ends with step 14" in ends[1][1]
    begun(trained, one)
    command = [str(paths.ROOT / "train.sh"), MODEL, "--run", one.name, *map(str, common)]
    done = subprocess.run([*command, "--batch-size", "4"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((two / "run.json").read_text())[-1]["workers"] == 2
    (steps, losses), (own_steps, own) = (zip(*curve(run), strict=True) for run in (one, two))
    assert steps == own_steps == (8, 10, 12, 14)
    # What is left is the normalization: by the matches of a worker's images, not of all.
    np.testing.assert_allclose(own, losses, rtol=0.05)


@pytest.mark.slow
def test_a_killed_worker_is_told_and_the_job_goes_on_and_stops_together(trained, data, name):
    run = paths.RUNS / f"{name}-killed"
    begun(trained, run)
    arguments = ("--run", run.name, "--data", data, "--steps", 500, *SMALL, *FROZEN)
    workers = Workers(*arguments)
    wait_for(lambda: curve_began(run), workers)
    workers.processes[1].kill()
    started = time.monotonic()
    (status, _, errors), _ = workers.end()
    assert time.monotonic() - started < 60
    assert status == 1, errors
    [line] = [line for line in errors.splitlines() if line.startswith("error:")]
    assert "worker 1 (127.0.0.1:" in line
    assert "start all workers again" in line
    assert "Traceback" not in errors

    shutil.rmtree(run / "train")
    workers = Workers(*arguments)
    wait_for(lambda: curve_began(run), workers)
    workers.processes[1].send_signal(signal.SIGTERM)
    (status, output, _), (other, _, _) = workers.end()
    assert (status, other) == (130, 130)
    assert "from step 6" in output
    assert f"stopped at step {checkpoints.latest(run)[1]}, saved" in output


def curve_began(run: Path) -> bool:
    # The writer flushes when the writing of the settings is some seconds ago.
    return (run / "train").is_dir() and bool(list((run / "train").glob("events.*")))


def wait_for(condition, workers: Workers) -> None:
    deadline = time.monotonic() + 200
    while not condition() and time.monotonic() < deadline:
        assert all(process.poll() is None for process in workers.processes), workers.end()
        time.sleep(0.5)
    time.sleep(6)  # into the steps
