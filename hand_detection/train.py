"""Training: the face of step 5; its parts are in hand_detection/training.

    python -m hand_detection.train MODEL [--steps N] [--data DIR] [--seed S] [--overwrite] ...

A run lives in runs/MODEL:
    model.ckpt-STEP.*     the last checkpoints; the newest is found by looking
    best/                 the best one so far, and best.json: its step and numbers
    pipeline.config       the config as it was used, overrides included
    run.json              versions, commit, data manifest, seed: what produced the run
    validation-STEP.json  the 12 COCO metrics of a checkpoint
    report.html, .json    at the end: curves and final numbers
    train/, eval/         TensorBoard's event files
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from contextlib import nullcontext

from hand_detection import checkpoints, console, files, options
from hand_detection.console import say
from hand_detection.paths import shown
from hand_detection.training import precision

SEED = 2018
EVALUATE_EVERY = 500  # steps; a quarter of the training if that is less
KEEP = 5  # checkpoints


def main() -> None:
    arguments = _parser().parse_args()
    run = checkpoints.run_folder(arguments.model, arguments.run)
    overrides = {
        name: value
        for name in ("steps", "batch_size", "lr", "precision", "set")
        if (value := getattr(arguments, name))
    }
    if arguments.data:
        overrides["data"] = shown(arguments.data)

    from hand_detection import pipeline, schedule

    settings = list(arguments.set)
    if arguments.batch_size:
        settings.append(f"train_config.batch_size={arguments.batch_size}")
    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(settings))
    if arguments.steps:
        schedule.set_steps(config.proto, arguments.steps)
    if arguments.lr:
        schedule.set_base_rate(config.proto, arguments.lr)

    from hand_detection.training import distributed, loop, restoration

    cluster = distributed.cluster_from_environment() if arguments.distribute else None
    if not arguments.distribute and "TF_CONFIG" in os.environ:
        console.warn("warning: TF_CONFIG is set; without --distribute this process trains alone")
    how = loop.Options(
        seed=arguments.seed,
        evaluate_every=arguments.eval_every or min(EVALUATE_EVERY, max(1, config.steps // 4)),
        keep=arguments.keep,
        best_by=arguments.best_by,
        patience=arguments.patience,
        histograms=arguments.histograms,
        precision=arguments.precision or precision.FLOAT32,
        overrides=overrides,
        distribute=arguments.distribute,
        cluster=cluster,
    )
    # What is missing is told before anything is moved or made.
    loop.check(config)
    # Of several workers only the first writes.
    writes = cluster is None or cluster.is_chief
    if arguments.overwrite and writes:
        restoration.require(config)
        files.move_aside(run)
    with files.sole_writer(run) if writes else nullcontext():
        finished = loop.train(config, run, how)
    if not finished:
        sys.exit(128 + signal.SIGINT)
    if not writes:
        return
    say(f"TensorBoard: tools/tensorboard.sh {run.name}")
    say(f"Next: step 6, ./eval.sh {options.same_run(arguments.model, run.name, overrides)}")


def _parser() -> argparse.ArgumentParser:
    parser = options.parser(
        "train.sh",
        "Step 5: train a model; a run that was begun is resumed from its last checkpoint.",
    )
    options.add_model(parser)
    number = console.positive_number
    parser.add_argument("--steps", type=number, help="train up to this step (config's)")
    parser.add_argument("--batch-size", type=number, help="images a step (config's)")
    parser.add_argument(
        "--lr",
        type=_rate,
        metavar="RATE",
        help="the schedule's base learning rate; its other rates in proportion (config's)",
    )
    parser.add_argument(
        "--eval-every",
        type=number,
        metavar="STEPS",
        help=f"save and evaluate this often (default: {EVALUATE_EVERY}, or a quarter of a "
        "shorter training)",
    )
    parser.add_argument(
        "--keep",
        type=number,
        default=KEEP,
        metavar="N",
        help="checkpoints that stay, the best aside (default: %(default)s)",
    )
    parser.add_argument(
        "--best-by",
        choices=("AP", "AP50"),
        default="AP",
        help="which metric decides on the best checkpoint (default: %(default)s)",
    )
    parser.add_argument(
        "--patience",
        type=number,
        metavar="N",
        help="stop early, after N evaluations without a better one (default: never)",
    )
    parser.add_argument(
        "--histograms",
        action="store_true",
        help="histograms of all weights in TensorBoard, at each checkpoint",
    )
    parser.add_argument(
        "--precision",
        choices=precision.CHOICES,
        help="of the arithmetic; bfloat16 is quicker where the processor has it, and rounds more "
        f"(default: {precision.FLOAT32})",
    )
    parser.add_argument(
        "--seed",
        type=console.whole_number,
        default=SEED,
        help="of weights, order and augmentation (%(default)s)",
    )
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="train on all GPUs of this machine, and on all machines that TF_CONFIG names, if it "
        "is set (see the README)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="start anew; the earlier run is moved to runs/MODEL.1, .2, ... and never deleted",
    )
    options.add_common(parser)
    return parser


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


if __name__ == "__main__":
    console.run(main)
