"""The report of a run: report.html, one file to look at or send, and report.json, for programs."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hand_detection import coco, files, options
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.paths import shown
from hand_detection.training import best, record

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
            ("training, classification", "train", "Loss/classification_loss"),
            ("training, localization", "train", "Loss/localization_loss"),
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
    files.write_json(run / JSON, summary)
    files.write_text(run / HTML, _page(summary))
    return run / HTML


def summarize(run: Path) -> dict[str, Any]:
    """What report.json holds: settings, final and best numbers, curves, versions, commands.

    A curve is a list of [step, value], by the folder of its event files and its tag.

    Raises:
        UserError: the run has no record, or no evaluation.
    """
    entries, steps = record.read(run), best.evaluated(run)
    if not entries or not steps:
        raise UserError(f"{shown(run)} has no {record.FILE} or no evaluation: train it first")
    last = entries[-1]
    metrics = {step: files.read_json(run / f"eval-val-{step}.json") for step in steps}
    final = metrics[steps[-1]]
    chosen = best.read(run) or {"step": steps[-1], "by": "AP", "metrics": final["metrics"]}
    same = options.same_run(last["model"], run.name, last["overrides"])
    curves = {
        f"{folder}/{tag}": curve
        for folder in ("train", "eval")
        for tag, curve in _curves(run / folder).items()
    }
    # eval.sh writes to TensorBoard too, of other records perhaps; the files tell them apart.
    for tag in coco.TAGS:
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
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    points.setdefault(value.tag, {})[event.step] = value.simple_value
    return {tag: sorted(curve.items()) for tag, curve in points.items()}


def _page(summary: dict[str, Any]) -> str:
    charts = []
    for title, wanted in CHARTS:
        lines = [(label, summary["curves"].get(f"{f}/{tag}", [])) for label, f, tag in wanted]
        charts.append(f"<h2>{title}</h2>\n{_chart([line for line in lines if line[1]])}")
    final, chosen = summary["final"], summary["best"]
    numbers = [
        (tag, f"{final['metrics'][tag]:.3f}", f"{chosen['metrics'][tag]:.3f}") for tag in coco.TAGS
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
        ("validation images", final["images"]),
        ("batch size", summary["batch_size"]),
        ("base learning rate", f"{summary['learning_rate']:g}"),
        ("seed", summary["seed"]),
        ("changed on the command line", overrides or "nothing"),
        ("commit", summary["commit"]),
        ("API", f"{summary['api']['kind']} {summary['api']['version']}"),
        *summary["versions"].items(),
    ]
    heads = ("metric", f"last, step {final['step']}", f"best by {chosen['by']}, {chosen['step']}")
    commands = [(what, f"$ {command}") for what, command in summary["commands"].items()]
    return _PAGE.format(
        run=html.escape(summary["run"]),
        headline=f"AP {chosen['metrics'][coco.AP]:.3f}, AP50 {chosen['metrics'][coco.AP50]:.3f} "
        f"at step {chosen['step']}, the best by {chosen['by']}",
        charts="\n".join(charts),
        numbers=_table(numbers, heads),
        commands=_table(commands),
        facts=_table(facts),
    )


def _table(rows: Sequence[Sequence[Any]], heads: Sequence[str] = ()) -> str:
    lines = [f"<tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}</tr>"] * bool(heads)
    for row in rows:
        cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _chart(lines: Sequence[tuple[str, Curve]]) -> str:
    """An <svg> element with a line a curve."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if not lines:
        return "<p>Nothing was recorded.</p>"
    with rc_context({"svg.fonttype": "none"}):  # letters as letters
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for label, curve in lines:
            steps, values = zip(*curve, strict=True)
            axes.plot(steps, values, label=label, linewidth=1.2, marker="." * (len(steps) < 40))
        axes.set_xlabel("step")
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{run}</title>
<style>
body {{ font: 16px/1.45 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem }}
svg {{ width: 100%; height: auto }}
table {{ border-collapse: collapse; font-size: 0.9rem }}
th, td {{ text-align: left; padding: 0.2rem 1rem 0.2rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: anywhere }}
</style>
<h1>{run}</h1>
<p>{headline}</p>
{charts}
<h2>Numbers</h2>
{numbers}
<h2>Next</h2>
{commands}
<h2>What it was made from</h2>
{facts}
</html>
"""
