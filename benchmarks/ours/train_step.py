"""Time this project's training for some steps: the graph and the step of train.sh.

    .venv/bin/python benchmarks/ours/train_step.py CONFIG --steps N [--save PREFIX]
        [--precision bfloat16]

CONFIG and the figures are those of benchmarks/original/train_step.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "original"))
sys.path.append(str(Path(__file__).resolve().parents[2]))
import timing

from hand_detection import console
from hand_detection.training import precision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="(30)")
    parser.add_argument("--save", metavar="PREFIX", help="write a checkpoint at the end")
    parser.add_argument("--precision", choices=precision.CHOICES, default=precision.FLOAT32)
    arguments = parser.parse_args()
    if arguments.steps <= timing.WARM_UP:
        parser.error(f"--steps: more than {timing.WARM_UP} are needed")

    from hand_detection import batches, pipeline, tfrecords
    from hand_detection.api import compat
    from hand_detection.train import SEED
    from hand_detection.training import graph

    tf = compat.activate()
    clock = timing.StepClock()
    config = pipeline.load(arguments.config)
    examples = tfrecords.examples_in(pipeline.record_files(config.proto.train_input_reader))
    with tf.Graph().as_default():
        tf.set_random_seed(SEED)
        dataset = batches.training_dataset(config, seed=SEED, examples=examples)
        with precision.gradients(arguments.precision):
            ends = graph.build(config, dataset, resumed=False)
        saver = tf.train.Saver()
        with tf.Session(config=precision.session_config(arguments.precision)) as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            session.run(ends.iterator.initializer)
            fetches = {"loss": ends.loss, "losses": ends.losses, "rate": ends.learning_rate}
            for _ in range(arguments.steps):
                clock.begin()
                session.run([ends.train_op, fetches])
                clock.step()
            if arguments.save:
                saver.save(session, arguments.save, write_meta_graph=False)
    figures = {
        "tensorflow": tf.__version__,
        "batch_size": config.batch_size,
        "steps": arguments.steps,
        **clock.figures(config.batch_size),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    console.run(main)
