#!/usr/bin/env python3
"""Measure what TensorFlow's own levers do to a training step's time, each as a ratio.

    benchmarks/levers.py [MODEL] [--data DIR] [--batch-size N] [--steps N] [--only LEVER ...]

Each lever is a process of its own, since some are read when TensorFlow is loaded. It takes turns
with a process that has none, a step of the one and a step of the other, on the same batches, so
that whatever else the machine does meets both. Printed are the median steps, their ratio, and how
far the lever's first loss is from the other's: what is beyond float noise may change results.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv

ENVIRONMENT = {
    "onednn-off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "xla": {"TF_XLA_FLAGS": "--tf_xla_cpu_global_jit"},
}
LEVERS = (
    "onednn-off",
    "xla",
    "bfloat16",
    "one-inter-op-thread",
    "one-intra-op-thread",
    "no-remapping",
)


def main() -> None:
    from hand_detection import console, models
    from hand_detection.paths import SAMPLE

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=models.names()[-1], metavar="MODEL")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="default: data/sample")
    parser.add_argument("--batch-size", type=console.positive_number, default=24)
    parser.add_argument("--steps", type=console.positive_number, default=10, help="of each process")
    parser.add_argument("--only", nargs="+", choices=LEVERS, default=LEVERS, metavar="LEVER")
    parser.add_argument("--serve", help=argparse.SUPPRESS)  # the processes that are measured
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments)
        return
    from hand_detection import pipeline
    from hand_detection.training import restoration

    restoration.require(pipeline.load(arguments.model, data=arguments.data))
    console.say(f"{'lever':20} {'without':>9} {'with':>9} {'ratio':>6}  first loss differs by")
    for lever in arguments.only:
        console.say(compared(arguments, lever))


def compared(arguments: Any, lever: str) -> str:
    """The line of `lever`: median seconds without and with it, their ratio, the loss."""
    processes = [start(arguments, name) for name in ("", lever)]
    try:
        rows: list[list[dict[str, float]]] = [[], []]
        for _ in range(arguments.steps + 1):
            for process, row in zip(processes, rows, strict=True):
                row.append(step(process))
    except (BrokenPipeError, json.JSONDecodeError):
        return f"{lever:20} failed: TensorFlow cannot do it here"
    finally:
        for process in processes:
            process.kill()
            process.wait()
    # The first step also optimizes, or compiles, the graph.
    plain, pulled = (statistics.median(one["seconds"] for one in row[1:]) for row in rows)
    losses = rows[0][0]["loss"], rows[1][0]["loss"]
    return (
        f"{lever:20} {plain:7.3f} s {pulled:7.3f} s {pulled / plain:6.2f}  "
        f"{abs(losses[1] - losses[0]) / losses[0]:.1e}"
    )


def start(arguments: Any, lever: str) -> subprocess.Popen:
    """A process that trains a step for each line it reads."""
    command = [sys.executable, __file__, arguments.model, "--data", str(arguments.data)]
    command += ["--batch-size", str(arguments.batch_size), "--serve", lever]
    environment = {**os.environ, **ENVIRONMENT.get(lever, {})}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def step(process: subprocess.Popen) -> dict[str, float]:
    """Let a process train one step: its seconds and loss."""
    process.stdin.write("step\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def serve(arguments: Any) -> None:
    """Train a step for each line on stdin; answer with its seconds and loss in JSON."""
    from train_step import OURS, Variant

    from hand_detection import pipeline, tfrecords
    from hand_detection.api import compat
    from hand_detection.training import precision

    settings = (f"train_config.batch_size={arguments.batch_size}",)
    config = pipeline.load(arguments.model, data=arguments.data, settings=settings)
    examples = tfrecords.examples_in(pipeline.record_files(config.proto.train_input_reader))
    chosen = precision.BFLOAT16 if arguments.serve == precision.BFLOAT16 else precision.FLOAT32
    variant = Variant(
        config, examples, OURS, session_config(compat.activate(), arguments.serve), chosen
    )
    for _ in sys.stdin:
        variant.step()
        print(json.dumps({"seconds": variant.seconds[-1], "loss": variant.losses[-1]}), flush=True)


def session_config(tf: Any, lever: str) -> Any:
    """The tf.ConfigProto of a lever."""
    from tensorflow.core.protobuf import rewriter_config_pb2

    from hand_detection.training import precision

    if lever == precision.BFLOAT16:
        return precision.session_config(lever)
    config = tf.ConfigProto()
    if lever == "xla":
        level = tf.OptimizerOptions.ON_2
        config.graph_options.optimizer_options.global_jit_level = level
    elif lever == "no-remapping":
        config.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.OFF
    elif lever == "one-inter-op-thread":
        config.inter_op_parallelism_threads = 1
    elif lever == "one-intra-op-thread":
        config.intra_op_parallelism_threads = 1
    return config


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
