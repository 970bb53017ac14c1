"""The report of a run: report.html, one file to look at or send, and report.json, for programs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from hand_detection import coco, files, options, runs
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.pages import charts, page
from hand_detection.paths import shown
from hand_detection.training import best

HTML, JSON = "report.html", "report.json"
TOTAL = "Loss/total_loss"
Curve = list[tuple[int, float]]

# Title, then the curves in it: label, folder of the event files, tag.
CHARTS = (
    (
        "Loss",
        (
            ("training", "train", TOTAL),
            ("validation", "eval", TOTAL),
            ("classes", "train", "Loss/classification_loss"),
            ("boxes", "train", "Loss/localization_loss"),
        ),
    ),
    ("Learning rate", (("learning rate", "train", "learning_rate"),)),
    (
        "COCO metrics on the validation records",
        (("AP", "eval", coco.AP), ("AP50", "eval", coco.AP50), ("AP75", "eval", coco.AP75)),
    ),
)


def write(run: Path) -> Path:
    """Write the report of the run in the folder `run`; return the page's path.

    Raises:
        UserError: the run has no record, or no evaluation.
    """
    summary = summarize(run)
    files.write_text(run / HTML, _page(summary))
    files.write_json(run / JSON, summary)  # last, for `is_current`
    return run / HTML


def is_current(run: Path) -> bool:
    """Whether the report was written after the end of the run's last start."""
    if not (run / JSON).exists() or not (run / HTML).exists():
        return False
    summary, entries = files.read_json(run / JSON, "starts", "ended"), runs.history(run)
    return (summary["starts"], summary["ended"]) == (len(entries), entries[-1].get("ended"))


def summarize(run: Path) -> dict[str, Any]:
    """What report.json holds: settings, final and best numbers, curves, versions, commands.

    A curve is a list of [step, value], by the folder of its event files and its tag.

    Raises:
        UserError: the run has no record, or no evaluation.
    """
    entries, steps = runs.history(run), runs.validated(run)
    if not entries or not steps:
        raise UserError(f"{shown(run)} has no {runs.HISTORY} or no evaluation: train it first")
    last = entries[-1]
    metrics = {step: runs.read_evaluation(runs.validation_file(run, step)) for step in steps}
    final = metrics[steps[-1]]
    chosen = best.read(run) or {"step": steps[-1], "by": "AP", "metrics": final["metrics"]}
    same = options.same_run(last["model"], run.name, last["overrides"])
    curves = {
        f"{folder}/{tag}": curve
        for folder in ("train", "eval")
        for tag, curve in _curves(run / folder).items()
    }
    # eval.sh writes to TensorBoard too, of other records perhaps; training's own files do not mix.
    for tag in final["metrics"]:
        curves[f"eval/{tag}"] = [(step, metrics[step]["metrics"][tag]) for step in steps]
    kept = ("model", "batch_size", "learning_rate", "seed", "examples", "overrides", "records")
    return {
        "run": run.name,
        **{name: last[name] for name in kept},
        "step": last.get("last_step", steps[-1]),
        "ended": last.get("ended"),
        # An interruption that was not by a signal leaves no time.
        "seconds": round(sum(entry.get("seconds", 0) for entry in entries), 1),
        "starts": len(entries),
        "final": {"step": steps[-1], "images": final["images"], "metrics": final["metrics"]},
        "best": chosen,
        "versions": last["versions"],
        "api": last["api"],
        "commit": last["commit"],
        "commands": {
            "evaluate the best": f"./eval.sh {same} --checkpoint best",
            "export the best": f"./export.sh {same} --checkpoint best",
            "see the curves": f"tools/tensorboard.sh {run.name}",
        },
        "curves": curves,
    }


def _curves(folder: Path) -> dict[str, Curve]:
    """The scalars in the event files, by tag; a later file overrules an earlier one."""
    tf = compat.activate()
    points: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        # The last event of a run that was killed may be cut.
        with contextlib.suppress(tf.errors.DataLossError):
            for event in tf.train.summary_iterator(str(path)):
                for value in event.summary.value:
                    if value.HasField("simple_value"):
                        points.setdefault(value.tag, {})[event.step] = value.simple_value
    return {tag: sorted(curve.items()) for tag, curve in points.items()}


def _page(summary: dict[str, Any]) -> str:
    drawn = []
    for title, wanted in CHARTS:
        series = {label: summary["curves"].get(f"{f}/{tag}", []) for label, f, tag in wanted}
        series = {label: curve for label, curve in series.items() if curve}
        metric = wanted[0][2] == coco.AP
        drawn.append(page.figure(charts.lines(series, "step", unit_y=metric), title))
    final, chosen = summary["final"], summary["best"]
    numbers = [
        (tag, float(value), float(chosen["metrics"][tag]))
        for tag, value in final["metrics"].items()
    ]
    overrides = ", ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}"
        for name, value in summary["overrides"].items()
    )
    facts = [
        ("model", summary["model"]),
        ("steps", f"{summary['step']} ({summary['ended']}), in {summary['starts']} start(s)"),
        ("time", f"{summary['seconds'] / 60:.1f} min"),
        ("training examples", f"{summary['examples']} in {summary['records']['folder']}"),
        ("manifest's sha256", summary["records"]["manifest_sha256"]),
        ("validation images", str(final["images"])),
        ("batch size", str(summary["batch_size"])),
        ("base learning rate", f"{summary['learning_rate']:g}"),
        ("seed", str(summary["seed"])),
        ("changed on the command line", overrides or "nothing"),
        ("commit", summary["commit"]),
        ("API", f"{summary['api']['kind']} {summary['api']['version']}"),
        *summary["versions"].items(),
    ]
    heads = ("metric", f"last, step {final['step']}", f"best by {chosen['by']}, {chosen['step']}")
    commands = [(what, f"$ {command}") for what, command in summary["commands"].items()]
    headline = (
        f"AP {chosen['metrics'][coco.AP]:.3f}, AP50 {chosen['metrics'][coco.AP50]:.3f} "
        f"at step {chosen['step']}, the best by {chosen['by']}"
    )
    return page.page(
        summary["run"],
        headline,
        [
            ("Curves", page.row(*drawn)),
            ("Numbers", page.table(heads, numbers)),
            ("Next", page.table(("", ""), commands)),
            ("What it was made from", page.table(("", ""), facts)),
        ],
    )
