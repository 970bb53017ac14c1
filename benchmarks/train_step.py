#!/usr/bin/env python3
"""Measure a training step: the API's own loss for every image, beside ours for whole batches.

    benchmarks/train_step.py [MODEL] [--data DIR] [--batch-size N] [--steps N]

Both variants run on the same batches in one process, a step of the one and a step of the other, so
that whatever else the machine does meets both. Printed are the graph's ops, the time to build it,
the first step, the median step, and where a step's time goes, by TensorFlow's own trace. The times
of ops that run side by side are added up, so they may exceed the step's. Beside the time by the
clock stands this process's own processor time, of all threads: that is what to look at on a machine
that others use too.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv

API, OURS = "the API's own", "ours"
KINDS = 15  # of ops that are listed
PARTS = ("input", "forward, backward", "loss, targets, mining", "update", "other")


def main() -> None:
    from hand_detection import console, models
    from hand_detection.paths import SAMPLE

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=models.names()[-1], metavar="MODEL")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="default: data/sample")
    parser.add_argument("--batch-size", type=console.positive_number, default=16)
    parser.add_argument("--steps", type=console.positive_number, default=20, help="of each variant")
    arguments = parser.parse_args()

    from hand_detection import pipeline, tfrecords
    from hand_detection.training import restoration

    settings = (f"train_config.batch_size={arguments.batch_size}",)
    config = pipeline.load(arguments.model, data=arguments.data, settings=settings)
    records = pipeline.record_files(config.proto.train_input_reader)
    examples = tfrecords.examples_in(records)
    restoration.require(config)
    console.say(f"{config.name}, batch {config.batch_size}, {examples} examples")
    # So many that what is ready at first does not count.
    rate = measure_input(config, examples, max(50, arguments.steps))

    Variant(config, examples, API)  # the first one pays for what Python loads
    variants = [Variant(config, examples, name) for name in (API, OURS)]
    for _ in range(arguments.steps):
        for variant in variants:
            variant.step()
    for variant in variants:
        variant.report()
    theirs, own = variants
    for what in ("seconds", "cpu_seconds"):
        one, other = (statistics.median(getattr(variant, what)[1:]) for variant in (own, theirs))
        console.say(f"a step of ours takes {one / other:.2f} of the API's {what}")
    consumed = config.batch_size / statistics.median(own.seconds[1:])
    console.say(f"input alone makes {rate / consumed:.1f} times what a step of ours consumes")
    difference = abs(own.losses[0] - theirs.losses[0]) / theirs.losses[0]
    console.say(f"the first losses differ by {difference:.1e} of their value")


def measure_input(config: Any, examples: int, batches_wanted: int) -> float:
    """Print and return how many images a second the input pipeline makes when nothing else runs."""
    from hand_detection import batches
    from hand_detection.api import compat
    from hand_detection.console import say

    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = batches.training_dataset(config, seed=1, examples=examples)
        iterator = tf.data.make_initializable_iterator(dataset)
        features, _ = iterator.get_next()
        batch = features["image"].op  # made, and not copied out
        session.run([tf.tables_initializer(), iterator.initializer])
        session.run(batch)
        started = time.monotonic()
        for _ in range(batches_wanted):
            session.run(batch)
        seconds = time.monotonic() - started
    rate = batches_wanted * config.batch_size / seconds
    say(f"input alone: {rate:.1f} images/s")
    return rate


class Variant:
    """A training graph and its session; the weights start from the same seed."""

    def __init__(
        self,
        config: Any,
        examples: int,
        name: str,
        session_config: Any = None,
        arithmetic: str = "float32",
    ) -> None:
        from hand_detection import batches
        from hand_detection.api import compat
        from hand_detection.training import graph, precision

        self.name, self._size = name, config.batch_size
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.losses: list[float] = []
        tf = self._tf = compat.activate()
        own = mock.patch.object(graph, "batched_losses", contextlib.nullcontext)
        with own if name == API else contextlib.nullcontext(), tf.Graph().as_default() as built:
            tf.set_random_seed(1)
            dataset = batches.training_dataset(config, seed=1, examples=examples)
            started = time.monotonic(), time.process_time()
            with precision.gradients(arithmetic):
                self._ends = graph.build(config, dataset, resumed=False)
            self.build_seconds = time.monotonic() - started[0]
            self.build_cpu_seconds = time.process_time() - started[1]
            self.ops = len(built.get_operations())
            initializers = [tf.global_variables_initializer(), tf.tables_initializer()]
        self._session = tf.Session(graph=built, config=session_config)
        self._session.run(initializers)
        self._session.run(self._ends.iterator.initializer)

    def step(self, **options: Any) -> None:
        """Train one step, and note its times and loss."""
        started = time.monotonic(), time.process_time()
        _, loss = self._session.run([self._ends.train_op, self._ends.loss], **options)
        self.seconds.append(time.monotonic() - started[0])
        self.cpu_seconds.append(time.process_time() - started[1])
        self.losses.append(float(loss))

    def report(self) -> None:
        """Print what was measured, and one more step's trace."""
        from hand_detection.console import say

        step, cpu = statistics.median(self.seconds[1:]), statistics.median(self.cpu_seconds[1:])
        say(f"{self.name}:")
        build = f"{self.build_seconds:.2f} s ({self.build_cpu_seconds:.2f} s CPU)"
        say(f"  {self.ops} ops, built in {build}")
        say(f"  first step {self.seconds[0]:.2f} s ({self.cpu_seconds[0]:.2f} s CPU)")
        say(f"  then {step:.3f} s ({cpu:.3f} s CPU), the median of {len(self.seconds) - 1}")
        say(f"  {self._size / step:.1f} images/s")
        spent, counted, kinds, run = self._trace()
        for part in PARTS:
            say(f"  {part:22} {spent[part] / 1e3:8.1f} ms in {counted[part]:5} ops")
        say("  the kinds of op that take longest:")
        for kind, micros in kinds.most_common(KINDS):
            say(f"    {kind:38} {micros / 1e3:8.1f} ms in {run[kind]:5} ops")

    def _trace(self) -> tuple[Counter, Counter, Counter, Counter]:
        """Microseconds spent and ops run, by part; the same by kind of op."""
        tf = self._tf
        metadata = tf.RunMetadata()
        self.step(
            options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata
        )
        spent, counted, kinds, run = Counter(), Counter(), Counter(), Counter()
        for device in metadata.step_stats.dev_stats:
            for node in device.node_stats:
                part = part_of(node.node_name)
                spent[part] += node.op_end_rel_micros - node.op_start_rel_micros
                counted[part] += 1
                # "NAME = KIND(INPUTS)"
                kind = node.timeline_label.partition(" = ")[2].partition("(")[0] or "other"
                kinds[kind] += node.op_end_rel_micros - node.op_start_rel_micros
                run[kind] += 1
        return spent, counted, kinds, run


def part_of(node: str) -> str:
    """Which of PARTS the op named `node` belongs to."""
    if node.startswith("IteratorGetNext"):
        return PARTS[0]
    if "AssignMovingAvg" in node or node.startswith(("train/", "ExponentialMovingAverage", "Adam")):
        return PARTS[3]
    # What stands between the batch and the loss has no scope of its own.
    if node.startswith(("Loss", "gradients/Loss", "Slice", "stack", "unstack", "HardExamples")):
        return PARTS[2]
    if node.startswith(("FeatureExtractor", "BoxPredictor", "gradients/")):
        return PARTS[1]
    return PARTS[4]


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
