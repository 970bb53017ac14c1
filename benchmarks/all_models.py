#!/usr/bin/env python3
"""Train, evaluate and export every model for a few steps, and measure it: a table, a row a model.

    benchmarks/all_models.py [--models MODEL ...] [--data DIR] [--steps N] [--batch-size N]

A model whose pretrained checkpoint is in data/pretrained starts from that; for another one a
checkpoint is made with the model zoo's names and shapes, 90 classes and random weights (batch norm
with the statistics of a frame), so that restoring is what it would be, and the loss is not.

Training runs in a process of its own, and evaluating and exporting in another; the peak memory is
each one's. Rows are printed as they come and kept in a JSON file: a model that is in there already
is not measured again, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from hand_detection import venv

if TYPE_CHECKING:
    from hand_detection import coco

SEED = 2018
ENDS = 10  # steps whose mean loss stands for the begin and the end of a training
COMPARED = 20  # detections an image, the best ones
# What rounding may do: a frozen graph has its constants folded.
SCORE, PIXELS = 1e-4, 0.5

HEADER = (
    "| model | starts from | parameters | variables restored / new / skipped | loss at step 0 "
    "| at the last | mean of the first 10 | of the last 10 | s a step: median, fastest "
    "| peak MB, training "
    "| AP50, images, s an image | peak MB, evaluating | export, MB | exported = checkpoint |\n"
    + "|---" * 14
    + "|"
)


def main() -> None:
    from hand_detection import console, files, models
    from hand_detection.paths import BUILD, SAMPLE

    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=f"models: {', '.join(models.names())}"
    )
    number = console.positive_number
    parser.add_argument("--models", nargs="+", default=models.names(), metavar="MODEL")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="default: data/sample")
    parser.add_argument("--steps", type=number, default=50)
    parser.add_argument("--batch-size", type=number, help="default: each config's own")
    parser.add_argument("--images", type=number, default=20, help="to evaluate (default: 20)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=BUILD / "all_models.json")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.models) - set(models.names()):
        parser.error(f"unknown model {min(unknown)!r}: choose from {', '.join(models.names())}")
    if arguments.stage:
        found = STAGES[arguments.stage](arguments.models[0], arguments)
        files.write_json(arguments.work / f"{arguments.stage}.json", found)
        return

    print(HEADER)
    rows = files.read_json(arguments.out) if arguments.out.exists() else {}
    for model in arguments.models:
        if model not in rows:
            rows[model] = measure(model, arguments)
            files.write_json(arguments.out, rows)
        print(line(model, rows[model]), flush=True)


def measure(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the stages of one model; what failed has its last line of output as "error"."""
    row: dict[str, Any] = {"steps": arguments.steps, "data": str(arguments.data)}
    with tempfile.TemporaryDirectory() as work:
        for stage in STAGES:
            options = [
                f"--{name}={value}"
                for name in ("data", "steps", "batch-size", "images")
                if (value := getattr(arguments, name.replace("-", "_"))) is not None
            ]
            options += [f"--set={setting}" for setting in arguments.set]
            command = [sys.executable, __file__, "--models", model, "--stage", stage]
            log = Path(work) / f"{stage}.log"
            started = time.monotonic()
            with log.open("w") as output:
                child = subprocess.Popen(
                    [*command, "--work", work, *options], stdout=output, stderr=output
                )
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            row[stage] = {
                "peak_mb": usage.ru_maxrss // 1024,
                "seconds": round(time.monotonic() - started, 1),
            }
            if child.returncode:
                lines = log.read_text().strip().splitlines() or [f"status {child.returncode}"]
                print(*lines[-30:], sep="\n", file=sys.stderr)
                row[stage]["error"] = lines[-1]
                break
            row[stage] |= json.loads((Path(work) / f"{stage}.json").read_text())
    return row


def config_of(model: str, arguments: argparse.Namespace) -> Any:
    """The pipeline.Pipeline of `model`, with what the command line changes of it."""
    from hand_detection import pipeline, schedule

    settings = list(arguments.set)
    if arguments.batch_size:
        settings.append(f"train_config.batch_size={arguments.batch_size}")
    config = pipeline.load(model, data=arguments.data, settings=tuple(settings))
    schedule.set_steps(config.proto, arguments.steps)
    return config


def start(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Stage 1: what the training starts from."""
    import numpy as np

    from hand_detection import frames, paths, pipeline

    sys.path.insert(0, str(paths.ROOT / "tests"))
    import zoo

    config = config_of(model, arguments)
    own = Path(config.proto.train_config.fine_tune_checkpoint)
    if own.with_name(f"{own.name}.index").exists():
        return {"prefix": str(own), "made": False}
    reader = config.proto.train_input_reader
    records = pipeline.record_files(reader)
    first = next(frames.iterate(records, reader.label_map_path, pictures=True))[1]
    prefix = zoo.write_checkpoint(model, arguments.work, seed=SEED, images=first[np.newaxis])
    return {"prefix": str(prefix), "made": True}


def train(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Stage 2: build the training graph, and run it."""
    import numpy as np

    from hand_detection import batches, pipeline, tfrecords
    from hand_detection.api import compat
    from hand_detection.training import graph

    tf = compat.activate()
    config = config_of(model, arguments)
    started = json.loads((arguments.work / "start.json").read_text())
    config.proto.train_config.fine_tune_checkpoint = started["prefix"]
    examples = tfrecords.examples_in(pipeline.record_files(config.proto.train_input_reader))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(SEED)
        dataset = batches.training_dataset(config, seed=SEED, examples=examples)
        ends = graph.build(config, dataset, resumed=False)
        saver = tf.train.Saver()
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        session.run(ends.iterator.initializer)
        losses, seconds = [], []
        for step in range(arguments.steps + 1):
            since = time.monotonic()
            # The loss at the last step is that after it.
            fetched = [ends.loss] if step == arguments.steps else [ends.loss, ends.train_op]
            losses.append(float(session.run(fetched)[0]))
            seconds.append(time.monotonic() - since)
            print(f"step {step}: loss {losses[-1]:.4f}, {seconds[-1]:.2f} s", flush=True)
        saver.save(session, str(arguments.work / "trained.ckpt"), write_meta_graph=False)
        variables = tf.trainable_variables()
        fates = list(ends.restored.values())
        return {
            "batch_size": config.batch_size,
            "parameters": sum(int(np.prod(one.shape.as_list())) for one in variables),
            "restored": fates.count("restored"),
            "new": fates.count("new"),
            "skipped": sum(fate not in ("restored", "new") for fate in fates),
            "finite": bool(np.isfinite(losses).all()),
            "losses": losses,
            "seconds_per_step": statistics.median(seconds[1:-1] or seconds[:1]),
            # On a machine that does other work too, this is the one to go by.
            "fastest_step_seconds": min(seconds[1:-1] or seconds[:1]),
            "first_step_seconds": seconds[0],
        }


def use(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Stage 3: evaluate the checkpoint, export it, and compare what the two detect."""
    import numpy as np

    from hand_detection import coco, detectors, frames
    from hand_detection.deploy import api_graph
    from hand_detection.deploy.job import Job
    from hand_detection.evaluator import Evaluator
    from hand_detection.exported import FROZEN

    config = config_of(model, arguments)
    checkpoint = arguments.work / "trained.ckpt"
    whole = frames.dataset
    with mock.patch.object(
        frames, "dataset", lambda *a, **k: whole(*a, **k).take(arguments.images)
    ):
        evaluator = Evaluator(config)
        result = evaluator.run(checkpoint)
        exported = arguments.work / "exported"
        exported.mkdir()
        api_graph.write(Job(config, checkpoint, arguments.steps), exported)
        detector = detectors.open_model(exported)
        found = [
            detector.detect_batch(picture[np.newaxis])[0]
            for _, picture in frames.iterate(evaluator.records, evaluator.label_map, pictures=True)
        ]
    agreement = [
        agree(one.detections, other) for one, other in zip(result.images, found, strict=True)
    ]
    return {
        "images": len(result.images),
        "ap": result.numbers[coco.AP],
        "ap50": result.numbers[coco.AP50],
        "seconds_per_image": 1 / result.images_per_second,
        "detections": sum(len(boxes.scores) for boxes in found),
        "export_mb": (exported / FROZEN).stat().st_size / 1e6,
        "compared": sum(of for _, of in agreement),
        "equal": sum(equal for equal, _ in agreement),
    }


def agree(mine: coco.Boxes, theirs: coco.Boxes) -> tuple[int, int]:
    """How many of the best detections of `mine` are in `theirs` too, and of how many."""
    import numpy as np

    best = min(COMPARED, len(mine.scores))
    equal = sum(
        bool(
            np.any(
                (theirs.classes == mine.classes[place])
                & (np.abs(theirs.scores - mine.scores[place]) <= SCORE)
                & (np.abs(theirs.boxes - mine.boxes[place]).max(axis=1) <= PIXELS)
            )
        )
        for place in range(best)
    )
    return equal, best


STAGES = {"start": start, "train": train, "use": use}


def line(model: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    for stage in STAGES:
        if error := row.get(stage, {}).get("error"):
            return f"| {model} | {stage} failed: {error} |" + " |" * 12
    begun, trained, used = (row[stage] for stage in STAGES)
    losses = trained["losses"]
    cells = (
        model,
        "zoo's layout, random" if begun["made"] else Path(begun["prefix"]).parent.name,
        f"{trained['parameters'] / 1e6:.1f} M",
        f"{trained['restored']} / {trained['new']} / {trained['skipped']}",
        f"{losses[0]:.2f}",
        f"{losses[-1]:.2f} ({row['steps']})",
        f"{statistics.mean(losses[:ENDS]):.2f}",
        f"{statistics.mean(losses[-ENDS:]):.2f}",
        f"{trained['seconds_per_step']:.2f}, {trained['fastest_step_seconds']:.2f} "
        f"(batch {trained['batch_size']})",
        f"{trained['peak_mb']:,}",
        f"{used['ap50']:.3f}, {used['images']}, {used['seconds_per_image']:.2f}",
        f"{used['peak_mb']:,}",
        f"{used['export_mb']:.1f}",
        f"{used['equal']} of {used['compared']}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
