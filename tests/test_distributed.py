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
from trained import MODEL, run_step

from hand_detection import batches, checkpoints, paths, pipeline
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.training import distributed, towers

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
        "[" * 100_000,
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


# Without what makes the loss of a batch more than the sum of its images' losses: batch norm (the
# API's freeze_batchnorm leaves it on where hyperparameters say otherwise), and the division by all
# matches. Each half then has to count twice, for the mean of the halves is learned from.
SUMMED = (
    "model.ssd.feature_extractor.conv_hyperparams.batch_norm.train=false",
    "model.ssd.box_predictor.convolutional_box_predictor.conv_hyperparams.batch_norm.train=false",
    "model.ssd.normalize_loss_by_num_matches=false",
)
TWICE = ("model.ssd.loss.classification_weight=2", "model.ssd.loss.localization_weight=2")


@pytest.mark.slow
def test_two_devices_with_half_a_batch_each_learn_as_one_with_the_whole(data):
    from hand_detection.training import graph

    tf = compat.activate()

    def step(devices, settings, before=None):
        """The losses of a step, the weights before and after it, and where its ops are."""
        settings = ("train_config.batch_size=4", *SUMMED, *settings)
        config = pipeline.load(MODEL, data=data, settings=settings)
        with tf.Graph().as_default() as built:
            dataset = batches.training_dataset(config, seed=1, examples=12)
            ends = graph.build(config, dataset, resumed=False, devices=devices)
            trained = tf.trainable_variables()
            given = [tf.placeholder(one.dtype.base_dtype, one.shape) for one in trained]
            assign = [tf.assign(*pair) for pair in zip(trained, given, strict=True)]
            with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
                session.run([tf.global_variables_initializer(), tf.tables_initializer()])
                if before is not None:
                    session.run(assign, dict(zip(given, before, strict=True)))
                before = session.run(trained)
                session.run(ends.iterator.initializer)
                losses, _ = session.run([ends.losses, ends.train_op])
                after = session.run(trained)
        return losses, before, after, {op.device for op in built.get_operations()}

    two = ["/device:CPU:0", "/device:CPU:1"]
    split, before, after_split, places = step(two, TWICE)
    assert any(place.endswith("CPU:1") for place in places)
    whole, _, after_whole, _ = step([], (), before)
    for name, value in split.items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-5, err_msg=name)
    # Adam moves a weight of hardly any gradient by the sign of that, which is float noise.
    noise = sum(np.sum((a - b) ** 2) for a, b in zip(after_split, after_whole, strict=True))
    moved = sum(np.sum((a - b) ** 2) for a, b in zip(after_whole, before, strict=True))
    assert noise <= 0.03**2 * moved


def test_a_batch_that_cannot_be_split_evenly_is_told_with_one_that_can():
    with pytest.raises(UserError, match="--batch-size 6 can"):
        towers.Towers(object, ["/device:GPU:0", "/device:GPU:1", "/device:GPU:2"], 4)


class Workers:
    """Two processes of train.sh that train together."""

    def __init__(self, *arguments: object) -> None:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        for one in sockets:
            one.close()
        command = [str(paths.ROOT / "train.sh"), MODEL, "--distribute", *map(str, arguments)]
        self.processes = []
        for index in range(2):
            cluster = {"worker": addresses}
            value = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            self.processes.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, "TF_CONFIG": json.dumps(value)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

    def end(self) -> list[tuple[int, str, str]]:
        """Each one's exit status, stdout and stderr."""
        try:
            ends = [process.communicate(timeout=240) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        return [
            (process.returncode, *texts)
            for process, texts in zip(self.processes, ends, strict=True)
        ]

    def wait_for(self, pattern: str) -> None:
        """Until there is a file of this pattern."""
        deadline = time.monotonic() + 240
        while not any(paths.RUNS.glob(pattern)) and time.monotonic() < deadline:
            assert all(process.poll() is None for process in self.processes), self.end()
            time.sleep(0.2)


def begun(trained: Path, name: str) -> Path:
    """A run that has the checkpoint of step 6 of `trained`, and nothing else."""
    run = paths.RUNS / name
    run.mkdir()
    for file in trained.glob("model.ckpt-6.*"):
        shutil.copy(file, run)
    return run


def sets(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.mark.slow
def test_two_workers_of_which_one_was_killed_learn_as_one_process(trained, data, name):
    one, two = (begun(trained, f"{name}-{which}") for which in ("one", "two"))
    common = ["--data", data, "--steps", 12, "--eval-every", 3]
    common += sets(*SUMMED, "eval_config.num_visualizations=1")
    arguments = ["--run", two.name, *common, "--batch-size", 2, *sets(*TWICE)]
    # The other waits for the killed one, which evaluates, in an operation of TensorFlow.
    workers = Workers(*arguments)
    workers.wait_for(f"{two.name}/model.ckpt-9.index")
    time.sleep(1)
    workers.processes[0].kill()
    killed = time.monotonic()
    _, (status, _, errors) = workers.end()
    assert time.monotonic() - killed < 30
    assert status == 1, errors
    [line] = [line for line in errors.splitlines() if not line.startswith("train:")]
    assert line.startswith("error: the chief (127.0.0.1:")
    assert "start all workers again" in line

    ends = Workers(*arguments).end()
    assert [status for status, *_ in ends] == [0, 0], ends
    assert f"resuming {paths.shown(two)} from step 9" in ends[0][1]
    assert json.loads((two / "run.json").read_text())[-1]["workers"] == 2

    done = run_step("train.sh", MODEL, "--run", one.name, *common, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    curves = [json.loads((run / "report.json").read_text())["curves"] for run in (one, two)]
    for tag in ("train/Loss/total_loss", "train/Loss/localization_loss", "train/learning_rate"):
        (steps, expected), (own_steps, own) = (zip(*curve[tag], strict=True) for curve in curves)
        assert steps == own_steps == (9, 10, 12)
        # Float noise grows from step to step: 1e-4 was seen at the first, 2e-3 at the third.
        np.testing.assert_allclose(own[0], expected[0], rtol=1e-3, err_msg=tag)
        np.testing.assert_allclose(own, expected, rtol=1e-2, err_msg=f"{tag}: {expected}, {own}")


@pytest.mark.slow
def test_two_workers_of_which_one_is_asked_to_stop_do_so_after_the_same_step(trained, data, name):
    run = begun(trained, f"{name}-stopped-together")
    workers = Workers("--run", run.name, "--data", data, "--steps", 500, "--batch-size", 2)
    workers.wait_for(f"{run.name}/train/events.*")
    workers.processes[1].send_signal(signal.SIGTERM)
    ends = workers.end()
    assert [status for status, *_ in ends] == [130, 130], ends
    step = checkpoints.latest(run)[1]
    assert f"stopped at step {step}, saved" in ends[0][1]
    assert f"worker 1 ends at step {step}" in ends[1][1]
