"""What was measured, as a table, a page and JSON."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hand_detection.benchmarking.rounds import Row
from hand_detection.benchmarking.worker import STAGES
from hand_detection.pages import charts, page
from hand_detection.paths import shown

HEAD = (
    "model",
    "threads",
    "batch",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "images/s",
    "decode",
    "pre",
    "network",
    "post",
    "load s",
    "peak MB",
    "file MB",
)
RUNTIMES = {
    ".pb": "TensorFlow",
    "": "TensorFlow",
    ".onnx": "ONNX Runtime",
    ".tflite": "LiteRT",
    ".xml": "OpenVINO",
}
"""What runs a model, by its file's suffix; a folder is a SavedModel."""


def label(row: Row) -> str:
    """The row's model and its runtime."""
    model = f"{row.model.parent.name}/{row.model.name}"
    return f"{model} ({RUNTIMES.get(row.model.suffix, row.model.suffix)})"


def file_mb(model: Path) -> float:
    """The size of a model's files, in MB; an OpenVINO model has its weights in a second file."""
    if model.is_dir():
        files = [path for path in model.rglob("*") if path.is_file()]
    else:
        files = [model, model.with_suffix(".bin")] if model.suffix == ".xml" else [model]
    return sum(path.stat().st_size for path in files if path.exists()) / 1e6


def figures(rows: Sequence[Row], original: Row, best: Row) -> dict[str, Any]:
    """What was measured, for JSON."""
    return {
        "machine": machine(),
        "rows": [_figures(row) for row in rows],
        "as_the_original": rows.index(original),
        "best": rows.index(best),
        "times_lower_p50": original.percentile(50) / best.percentile(50),
    }


def _figures(row: Row) -> dict[str, Any]:
    return {
        "model": shown(row.model),
        "runtime": RUNTIMES.get(row.model.suffix, row.model.suffix),
        "threads": row.threads,
        "batch": row.batch,
        "batches_measured": len(row.times),
        "latency_ms": {f"p{percent}": row.percentile(percent) for percent in (50, 90, 99)},
        "images_per_second": row.throughput,
        "stages_p50_ms": {name: row.stage(name) for name in STAGES},
        "load_seconds": row.load_seconds,
        "peak_mb": row.peak_mb,
        "file_mb": file_mb(row.model),
    }


def cells(row: Row) -> list[str]:
    """The row's texts, as `HEAD` names them."""
    return [
        label(row),
        str(row.threads or "own"),
        str(row.batch),
        *(f"{row.percentile(percent):.1f}" for percent in (50, 90, 99)),
        f"{row.throughput:.1f}",
        *(f"{row.stage(name):.1f}" for name in STAGES),
        f"{row.load_seconds:.1f}",
        f"{row.peak_mb:.0f}",
        f"{file_mb(row.model):.1f}",
    ]


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table for the terminal."""
    texts = [list(HEAD), *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in texts
    ]


def html(rows: Sequence[Row], original: Row, best: Row) -> str:
    """The page: bars of the latency and of the throughput, and the table."""
    single = sorted((row for row in rows if row.batch == 1), key=lambda row: row.percentile(50))
    latency = [(_short(row), row.percentile(50), f"{row.percentile(50):.1f} ms") for row in single]
    fast = sorted(rows, key=lambda row: -row.throughput)
    throughput = [(_short(row), row.throughput, f"{row.throughput:.1f}/s") for row in fast]
    ratio = original.percentile(50) / best.percentile(50)
    about = page.paragraph(
        f"From pixels to boxes, decoding of the image left out. As the original's detect script "
        f"does it (frozen graph, one image at a time, TensorFlow's own number of threads): "
        f"{original.percentile(50):.1f} ms. The best, {_short(best)}: "
        f"{best.percentile(50):.1f} ms, {ratio:.1f} times lower."
    )
    charted = page.row(
        page.figure(charts.bars(latency), "p50 latency of one image"),
        page.figure(charts.bars(throughput), "images a second, by batch"),
    )
    return page.page(
        "Benchmark of exported models",
        machine(),
        [("Result", about + charted), ("All figures", page.table(HEAD, list(map(cells, rows))))],
    )


def _short(row: Row) -> str:
    """What tells the rows of a chart apart, in few letters."""
    stem = row.model.stem.removesuffix("_inference_graph")
    name = row.model.parent.name + ("" if stem == "model" else f"/{stem}")
    return f"{name}, {row.threads or 'own'} thr, b{row.batch}"


def machine() -> str:
    """This machine in words."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name[1] if name else platform.processor()}, {cores} cores"
