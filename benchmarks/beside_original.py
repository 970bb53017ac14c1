#!/usr/bin/env python3
"""How fast this project trains and evaluates beside the original stack, TensorFlow 1.15.5.

    benchmarks/original/setup.sh DIR
    benchmarks/beside_original.py --original DIR --data DATA

Both stacks get the same config file, records and weights, and take turns, each in a process of its
own: the tutorial's hyper-parameters from the ImageNet backbone, and an evaluation on the val
records. Neither draws pictures of detections. Medians over the rounds; leave the machine alone
meanwhile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent / "original"))
sys.path.append(str(Path(__file__).resolve().parents[1]))
from timing import WARM_UP

from hand_detection import venv

ORIGINAL, OURS, BFLOAT16 = "original", "ours", "bfloat16"
BUSY = 0.5  # processes that want to run, on the average of the last minute
WIDTH = 25


def main() -> None:
    arguments = _arguments()
    stacks = (ORIGINAL, OURS, BFLOAT16) if arguments.bfloat16 else (ORIGINAL, OURS)

    import original_stack

    from hand_detection import files, models, pipeline
    from hand_detection.console import say, warn
    from hand_detection.paths import shown
    from hand_detection.training import restoration

    original_stack.require(arguments.original)
    settings = (
        f"train_config.fine_tune_checkpoint={models.IMAGENET_BACKBONE.folder / 'model.ckpt'}",
        "train_config.fine_tune_checkpoint_type=classification",
        f"train_config.batch_size={arguments.batch_size}",
        "eval_config.num_visualizations=0",
    )
    config = pipeline.load("ssd_mobilenet_v1_egohands", data=arguments.data, settings=settings)
    restoration.require(config)
    for reader in (config.proto.train_input_reader, pipeline.eval_reader(config.proto)):
        pipeline.record_files(reader)

    if (load := os.getloadavg()[0]) > BUSY:
        warn(f"warning: the machine is busy (load {load:.1f}): the figures will be of no use")

    with tempfile.TemporaryDirectory() as temporary:
        config_file = Path(temporary) / "pipeline.config"
        config_file.write_text(config.text(), encoding="utf-8")
        saved = Path(temporary) / "model.ckpt"

        def measure(stack: str, *command: object) -> dict[str, Any]:
            original = arguments.original if stack == ORIGINAL else None
            return original_stack.measure(original, *command)

        def train(stack: str) -> dict[str, Any]:
            options = ["--steps", str(arguments.steps)]
            options += ["--save", str(saved)] if stack == OURS else []
            options += ["--precision", BFLOAT16] if stack == BFLOAT16 else []
            return measure(stack, "train_step.py", config_file, *options)

        def evaluate(stack: str) -> dict[str, Any]:
            checkpoint = arguments.checkpoint or saved
            return measure(stack, "evaluate.py", config_file, checkpoint)

        training = _alternate("training", train, stacks, arguments.rounds)
        evaluation = _alternate("evaluation", evaluate, stacks[:2], arguments.rounds)

    say(f"\n{os.cpu_count()} cores, batches of {arguments.batch_size}, medians of each stack")
    say(f"{'':{WIDTH}}" + "".join(f"{stack:>10}" for stack in stacks) + "   to original")
    summary = [
        _row("TensorFlow", training, "tensorflow"),
        _row("building, s", training, "build_seconds"),
        _row("training, images/s", training, "images_per_second"),
        _row("training, peak MB", training, "peak_mb"),
        _row("evaluation, frames/s", evaluation, "frames_per_second"),
        _row("evaluation, peak MB", evaluation, "peak_mb"),
        _row("AP", evaluation, "AP"),
        _row("AP50", evaluation, "AP50"),
    ]
    for text in summary:
        say(text)
    if arguments.out:
        files.write_json(arguments.out, {"training": training, "evaluation": evaluation})
        say(f"every round: {shown(arguments.out)}")


def _arguments() -> argparse.Namespace:
    from hand_detection.console import positive_number

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--original", type=Path, required=True, metavar="DIR", help="made by original/setup.sh")
    add("--data", type=Path, required=True, metavar="DATA", help="a prepared data set")
    add("--rounds", type=positive_number, default=3, metavar="N", help="(%(default)s)")
    add("--steps", type=_steps, default=30, metavar="N", help="of a training (%(default)s)")
    add("--batch-size", type=positive_number, default=24, metavar="N", help="(%(default)s)")
    add(
        "--checkpoint",
        type=_checkpoint,
        metavar="PREFIX",
        help="what both evaluate, of an SSD on MobileNet v1 (default: what ours has just trained, "
        "whose AP means nothing)",
    )
    add("--bfloat16", action="store_true", help="train ours in bfloat16 too")
    add("--out", type=Path, metavar="FILE", help="write the figures of every round as JSON")
    return parser.parse_args()


def _steps(text: str) -> int:
    from hand_detection.console import positive_number

    if (number := positive_number(text)) <= WARM_UP:
        raise argparse.ArgumentTypeError(f"more than {WARM_UP} are needed, the warm-up")
    return number


def _checkpoint(text: str) -> Path:
    if not Path(f"{text}.index").is_file():
        raise argparse.ArgumentTypeError(f"there is no {text}.index")
    return Path(text).resolve()


def _alternate(
    label: str, measure: Callable[[str], dict[str, Any]], stacks: tuple[str, ...], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """The figures by stack, one a round; which stack begins changes from round to round."""
    from hand_detection.console import say

    figures: dict[str, list[dict[str, Any]]] = {stack: [] for stack in stacks}
    for number in range(rounds):
        for stack in stacks if number % 2 == 0 else reversed(stacks):
            figures[stack].append(measure(stack))
            say(f"{label}, round {number + 1} of {rounds}, {stack}: {figures[stack][-1]}")
    return figures


def _row(label: str, figures: dict[str, list[dict[str, Any]]], key: str) -> str:
    """A line of the table: the medians of figure `key`, and their ratios to the original's."""
    values = [[figure[key] for figure in rounds] for rounds in figures.values()]
    if isinstance(values[0][0], str):
        return f"{label:{WIDTH}}" + "".join(f"{value[0]:>10}" for value in values)
    original, *others = medians = [statistics.median(value) for value in values]
    ratios = "".join(f"{median / original:7.2f}" for median in others) if original else ""
    return f"{label:{WIDTH}}" + "".join(f"{median:10.4g}" for median in medians) + ratios


if __name__ == "__main__":
    venv.enter()
    from hand_detection.console import run

    run(main)
