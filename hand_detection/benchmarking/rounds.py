"""All models in turn, round by round, each in its own process."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import run
from hand_detection.benchmarking.worker import STAGES
from hand_detection.console import Progress, UserError
from hand_detection.paths import ROOT, shown

WARM_UP = 3  # batches before any is counted: the first ones allocate and tune


@dataclass
class Row:
    """What was measured of one model with so many threads and images at once.

    Attributes:
        model: the file or folder.
        threads: None for the runtime's own choice.
        batch: images at once.
        load_seconds: from nothing imported to ready.
        peak_mb: resident memory of its process at most, after this row.
        times: milliseconds, float64 (batches, stages), see `STAGES`.
    """

    model: Path
    threads: int | None
    batch: int
    load_seconds: float = 0.0
    peak_mb: float = 0.0
    times: np.ndarray = field(default_factory=lambda: np.zeros((0, len(STAGES))))

    @property
    def latency(self) -> np.ndarray:
        """Milliseconds of each batch from pixels to boxes: decoding left out."""
        return self.times[:, 1:].sum(axis=1)

    def percentile(self, percent: float) -> float:
        """Of the latency, in milliseconds."""
        return float(np.percentile(self.latency, percent))

    @property
    def throughput(self) -> float:
        """Images a second, decoding left out."""
        return self.batch * 1000 / float(self.latency.mean())

    def stage(self, name: str) -> float:
        """The median of a stage, in milliseconds a batch."""
        return float(np.median(self.times[:, STAGES.index(name)]))


def measure(
    models: Sequence[Path],
    frames: Sequence[bytes],
    *,
    threads: Sequence[int | None],
    batches: Sequence[int],
    rounds: int,
    times: int,
    check: Callable[[list[Row]], object] = len,
) -> list[Row]:
    """Measure every model with every number of threads and of images at once.

    Args:
        models: as `detectors.locate` finds them.
        frames: encoded images of one size.
        threads: numbers of threads; None for the runtime's own choice.
        batches: numbers of images; a model of a fixed batch is only measured with its own.
        rounds: how many times all are gone through.
        times: batches a row and round.
        check: looks at the rows before anything is measured, and may raise.

    Raises:
        UserError: a model cannot be opened or run; says which and why.
    """
    rows: list[Row] = []
    workers: list[tuple[Row, _Worker]] = []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "frames.npz"
        np.savez(packed, *(np.frombuffer(data, np.uint8) for data in frames))
        total = len(models) * len(threads)
        with Progress(total, "load", "models") as bar:
            for model in models:
                for count in threads:
                    worker = stack.enter_context(_start(model, count))
                    loaded = worker.read()
                    fixed = loaded["fixed_batch"]
                    for batch in [fixed] if fixed else batches:
                        row = Row(model, count, batch, loaded["load_seconds"])
                        workers.append((row, worker))
                    bar.update()
        check([row for row, _ in workers])
        # Smaller batches first: peak memory only ever grows.
        workers.sort(key=lambda pair: pair[0].batch)
        with Progress(len(workers) * (rounds + 1), "measure", "runs") as bar:
            for number in range(rounds + 1):
                # Every other round the other way: what follows a hot neighbour takes turns.
                for row, worker in workers if number % 2 == 0 else reversed(workers):
                    count = times if number else WARM_UP
                    answer = worker.ask({"frames": str(packed), "batch": row.batch, "times": count})
                    if number:
                        found = [[one[stage] for stage in STAGES] for one in answer["milliseconds"]]
                        row.times = np.vstack([row.times, found])
                    else:  # first round, smallest batch first
                        row.peak_mb = answer["peak_mb"]
                    bar.update()
        rows = [row for row, _ in workers]
    return rows


class _Worker:
    def __init__(self, process: subprocess.Popen, model: Path, errors: Any) -> None:
        self._process, self._model, self._errors = process, model, errors

    def ask(self, request: dict) -> dict:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # read() says why
        return self.read()

    def read(self) -> dict:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        self._errors.seek(0)
        said = [text for text in self._errors.read().splitlines() if text.strip()]
        why = said[-1].removeprefix("error: ") if said else f"its process ended with {status}"
        raise UserError(f"{shown(self._model)} cannot be measured: {why}")


@contextmanager
def _start(model: Path, threads: int | None) -> Iterator[_Worker]:
    options = ["--threads", str(threads)] if threads else []
    command = run.command("benchmarking.worker", str(model.resolve()), *options)
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True,
        )  # fmt: skip
        try:
            yield _Worker(process, model, errors)
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()
