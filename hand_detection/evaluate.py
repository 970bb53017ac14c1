"""COCO metrics of a checkpoint, an exported model or a detections file. Step 6.

    python -m hand_detection.evaluate MODEL [--checkpoint STEP | --all | --watch | --export PATH
                                             | --detections FILE] [--split SPLIT] ...

It leaves, in the run's folder or beside the exported model or the file:
    eval-SPLIT-STEP.json       the 12 numbers, and what they were measured on
    insight-SPLIT-STEP.html    what to do next, one page without a reference to outside
    insight-SPLIT-STEP.json    the same figures
    eval-SPLIT-all.json, .svg  with --all: every checkpoint, and the curve
    MODEL_CARD.md              what the run is, kept up to date
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hand_detection import (
    checkpoints,
    coco,
    console,
    files,
    held_out,
    models,
    options,
    paths,
    runs,
)
from hand_detection.console import Progress, UserError, say, warn
from hand_detection.evaluator import Evaluator, Result, score, write_summaries
from hand_detection.paths import shown

POLL_SECONDS = 5.0  # between two looks for a new checkpoint


def main() -> None:
    arguments = _arguments()
    config_file = models.config_file(arguments.model)
    run = checkpoints.run_folder(arguments.model, arguments.run)
    one = not (arguments.all or arguments.watch)
    found = None
    if one and not (arguments.export or arguments.detections):
        found = checkpoints.find(config_file.stem, run, arguments.checkpoint)
    if arguments.all and not checkpoints.all_steps(run):
        checkpoints.find(config_file.stem, run)  # says what to run first

    from hand_detection import pipeline

    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(arguments.set))
    if arguments.all:
        evaluate_all(Evaluator(config, arguments.split), run, arguments.split)
    elif arguments.watch:
        watch(Evaluator(config, arguments.split), run, arguments.split)
    else:
        subject, result, classes, records = _evaluate_one(config, found, arguments)
        _keep_one(config, subject, result, classes, records, arguments)
    _tell_next(run, arguments)


def _arguments() -> Any:
    parser = options.parser(
        "eval.sh",
        "Step 6: the 12 COCO metrics of a checkpoint (and of its masks, if it makes any), and a "
        "report that tells what to do next.",
    )
    options.add_model(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--checkpoint", help="a step, best, or a path (default: the newest)")
    what.add_argument("--all", action="store_true", help="every checkpoint of the run, as a curve")
    what.add_argument(
        "--watch",
        action="store_true",
        help="each new checkpoint while a training runs, to its last step or Ctrl-C",
    )
    what.add_argument(
        "--export",
        type=Path,
        metavar="PATH",
        help="an exported model of any format: a folder by export.sh, or a file in it",
    )
    what.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="detections of any detector on the same frames, in COCO's results format",
    )
    parser.add_argument("--split", default="val", help="which records (default: %(default)s)")
    parser.add_argument(
        "--save-detections", type=Path, metavar="FILE", help="write them in COCO's results format"
    )
    parser.add_argument(
        "--save-ground-truth", type=Path, metavar="FILE", help="write it as COCO's instances JSON"
    )
    parser.add_argument(
        "--pycocotools",
        action="store_true",
        help="let pycocotools itself compute the numbers too, and compare them digit by digit",
    )
    parser.add_argument("--no-report", action="store_true", help="only the numbers")
    options.add_common(parser)
    arguments = parser.parse_args()
    if arguments.all or arguments.watch:
        for name in ("save_detections", "save_ground_truth", "pycocotools"):
            if getattr(arguments, name):
                parser.error(f"--{name.replace('_', '-')} is for one checkpoint")
    return arguments


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        path: the checkpoint, the exported model or the detections file.
        label: how the files of the result are told apart: the step, or a name.
        folder: where they are put.
        step: of the training, where known.
        run: the training run's folder, where known.
    """

    path: Path
    label: str
    folder: Path
    step: int | None
    run: Path | None


def _evaluate_one(
    config: Any, found: tuple[Path, int] | None, arguments: Any
) -> tuple[Subject, Result, dict[str, int], list[Path]]:
    split = arguments.split
    if found is not None:
        prefix, step = found
        evaluator = Evaluator(config, split)
        say(f"{shown(prefix)} on {evaluator.examples} images of {shown(evaluator.folder)}")
        result = evaluator.run(prefix)
        # It may be of another run than the model's.
        run = checkpoints.run_of(prefix)
        write_summaries(_events(run, split), evaluator, result, step)
        subject = Subject(prefix, str(step), run, step, run)
        return subject, result, evaluator.classes, evaluator.records

    from hand_detection import detectors, frames, labelmap, pipeline, tfrecords

    reader = pipeline.eval_reader(config.proto)
    label_map, records = reader.label_map_path, pipeline.record_files(reader, split)
    examples, classes = tfrecords.examples_in(records), labelmap.read_label_map(Path(label_map))
    frames.require_fit(reader, records)
    with_masks = reader.load_instance_masks
    if arguments.detections:
        subject = _beside(arguments.detections)
        truth = frames.iterate(records, label_map, pictures=False, with_masks=with_masks)
        images = [image for image, _ in truth]
        images = coco.read_detections(arguments.detections, images, classes)
        return subject, score(images, classes, records[0].parent), classes, records

    subject = _beside(detectors.locate_unchanged(arguments.export))
    detector = detectors.open_model(subject.path)
    say(f"{shown(subject.path)} on {examples} images of {shown(records[0].parent)}")
    started, images = time.monotonic(), []
    with Progress(examples, "evaluate", "image") as bar:
        for image in detectors.detect_all(detector, records, label_map, with_masks=with_masks):
            images.append(image)
            bar.update()
    speed = len(images) / (time.monotonic() - started)
    return subject, score(images, classes, records[0].parent, speed), classes, records


def _events(run: Path, split: str) -> Path:
    """TensorBoard's folder: each split is a curve of its own; training itself draws val's."""
    return run / ("eval" if split == "val" else f"eval-{split}")


def _beside(path: Path) -> Subject:
    """An exported model, whose record tells the run that it was made from; or another file."""
    from hand_detection import exported

    record = path.parent / exported.RECORD
    if not record.is_file() or path.suffix == ".json":
        return Subject(path, path.stem, path.parent, None, None)
    made_from = files.read_json(record)
    files.check_types(made_from, record, checkpoint=str, step=int)
    run = checkpoints.run_of(paths.ROOT / made_from["checkpoint"])
    return Subject(path, path.stem, path.parent, made_from["step"], run)


def _keep_one(
    config: Any,
    subject: Subject,
    result: Result,
    classes: dict[str, int],
    records: list[Path],
    arguments: Any,
) -> None:
    split = arguments.split
    say(result.table)
    if arguments.pycocotools:
        _compare_with_pycocotools(result, classes)
    record = _write_record(config, subject, result, split)
    say(held_out.describe(record["trained_on"], split, result.records))
    if arguments.save_ground_truth:
        truth = coco.ground_truth_json(result.images, classes)
        files.write_json(arguments.save_ground_truth, truth)
    if arguments.save_detections:
        coco.write_detections(arguments.save_detections, result.images)
    if not arguments.no_report:
        from hand_detection.insight import report

        page = subject.folder / f"insight-{split}-{subject.label}.html"
        report.write(page, record, result.images, classes, records)
        say(f"what to do next: {shown(page)}")
    speed = f"{result.images_per_second:.1f} images/s; " if result.images_per_second else ""
    say(f"{speed}written to {shown(_record_file(subject, split))}")
    _conclude(config, subject.run)


def _tell_next(run: Path, arguments: Any) -> None:
    if arguments.export:
        say(f"Next: step 8, ./detect_image.sh --model {shlex.quote(str(arguments.export))} IMAGE")
    elif not arguments.detections:
        overrides = {"data": shown(arguments.data)} if arguments.data else {}
        overrides["set"] = arguments.set
        same = options.same_run(arguments.model, run.name, overrides)
        which = f" --checkpoint {shlex.quote(arguments.checkpoint)}" if arguments.checkpoint else ""
        say(f"Next: step 7, ./export.sh {same}{which}")


def _compare_with_pycocotools(result: Result, classes: dict[str, int]) -> None:
    truth = coco.ground_truth_json(result.images, classes)
    numbers, _ = coco.evaluate(truth, coco.detections_json(result.images))
    if coco.have_masks(result.images):
        of_masks, _ = coco.evaluate(truth, coco.detections_json(result.images), masks=True)
        numbers |= of_masks
    if numbers != result.numbers:
        raise UserError(f"pycocotools has other numbers: {numbers}: please report this")
    say(f"pycocotools has the same {len(numbers)} numbers, to the last digit")


def _record_file(subject: Subject, split: str) -> Path:
    return subject.folder / f"eval-{split}-{subject.label}.json"


def _write_record(config: Any, subject: Subject, result: Result, split: str) -> dict:
    record = result.record(config.name, subject.path, subject.step, split, subject.run)
    files.write_json(_record_file(subject, split), record)
    return record


def _conclude(config: Any, run: Path | None) -> None:
    """Bring the run's model card up to date; show random and video splits where both are."""
    if run is None or not (run / runs.HISTORY).is_file():
        return
    from hand_detection import model_card

    say(f"model card: {shown(model_card.write(run))}")
    rows = held_out.side_by_side(run.parent, config.name)
    if rows:
        say(f"\n{held_out.table(rows)}\n")


def _evaluate_step(evaluator: Evaluator, run: Path, step: int, split: str) -> dict:
    prefix = run / f"{checkpoints.PREFIX}-{step}"
    result = evaluator.run(prefix, f"step {step}")
    write_summaries(_events(run, split), evaluator, result, step)
    subject = Subject(prefix, str(step), run, step, run)
    return _write_record(evaluator.config, subject, result, split)


def evaluate_all(evaluator: Evaluator, run: Path, split: str) -> None:
    """Evaluate every checkpoint of a run; write a table, JSON and a curve."""
    from hand_detection.pages import charts

    say(f"{shown(run)} on {evaluator.examples} images of {shown(evaluator.folder)}")
    say(_HEAD)
    rows = []
    for step in checkpoints.all_steps(run):
        rows.append(_evaluate_step(evaluator, run, step, split))
        say(_row(rows[-1]))
    best = max(rows, key=lambda row: row["metrics"][coco.AP])
    say(f"best: step {best['step']}, AP {best['metrics'][coco.AP]:.3f}")
    say(held_out.describe(best["trained_on"], split, evaluator.folder))
    target = run / f"eval-{split}-all"
    files.write_json(target.with_suffix(".json"), rows)
    series = {
        name: [(row["step"], row["metrics"][tag]) for row in rows]
        for name, tag in (("AP", coco.AP), ("AP50", coco.AP50), ("AP75", coco.AP75))
    }
    files.write_text(target.with_suffix(".svg"), charts.standalone(charts.lines(series, "step")))
    say(f"written to {shown(target)}.json, {target.name}.svg")
    _conclude(evaluator.config, run)


_HEAD = "  step     AP   AP50   AP75  AR100  images/s"


def _row(record: dict) -> str:
    tags = (coco.AP, coco.AP50, coco.AP75, coco.AR100)
    numbers = "".join(f"{record['metrics'][tag]:7.3f}" for tag in tags)
    masks = record["metrics"].get(coco.MASK_AP)
    more = "" if masks is None else f"   masks' AP {masks:.3f}"
    return f"{record['step']:6d}{numbers}{record['images_per_second']:10.1f}{more}"


def watch(
    evaluator: Evaluator, run: Path, split: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Evaluate each checkpoint as it comes, until the training's last step or Ctrl-C."""
    say(f"watching {shown(run)} on {evaluator.examples} images of {shown(evaluator.folder)}")
    say(_HEAD)
    done: set[int] = set()
    try:
        while True:
            # Asked before looking: what is saved between the two is found by the next look.
            last = _last_step(run)
            for step in checkpoints.all_steps(run):
                if step in done:
                    continue
                done.add(step)
                try:
                    say(_row(_evaluate_step(evaluator, run, step, split)))
                except UserError as error:
                    if step in checkpoints.all_steps(run):
                        raise
                    # A training keeps the newest few only.
                    warn(f"step {step} was deleted before it could be evaluated: {error}")
            if last is not None and max(done, default=-1) >= last:
                say(f"step {last} was the last")
                break
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say("stopped watching")
    _conclude(evaluator.config, run)


def _last_step(run: Path) -> int | None:
    """Where the run's training ended, or is to end; None if it has not begun."""
    if not (entries := runs.history(run)):
        return None
    last = entries[-1]
    # A signal's end is none: the same command goes on from there.
    ended = last.get("ended", "signal") != "signal"
    return last["last_step"] if ended else last["steps"]


if __name__ == "__main__":
    console.run(main)
