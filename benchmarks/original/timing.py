"""What both stacks are measured by; for Python 3.7 and later, standard library only."""

from __future__ import annotations

import resource
import statistics
import time

# Steps left out at the start. The first ones find frames ready that were decoded while the graph
# ran for the first time; the original decodes up to eight batches ahead, and holds two more.
WARM_UP = 10


class StepClock:
    """Notes when the building ends and when each step does; made where the building begins."""

    def __init__(self) -> None:
        self._made = time.monotonic()
        self._began: float | None = None
        self._ends: list[float] = []

    def begin(self) -> None:
        """The first step begins; later calls change nothing."""
        if self._began is None:
            self._began = time.monotonic()

    def step(self) -> None:
        """A step has ended."""
        self._ends.append(time.monotonic())

    def figures(self, batch_size: int) -> dict[str, float]:
        """Seconds of building, of the first step, and the median step after the warm-up.

        A step lasts from the end of the one before to its own, whatever is done in between.

        Raises:
            ValueError: no step came after the warm-up.
        """
        if self._began is None or len(self._ends) <= WARM_UP:
            raise ValueError(f"more than {WARM_UP} steps are needed")
        steps = [end - start for start, end in zip(self._ends[WARM_UP - 1 :], self._ends[WARM_UP:])]
        median = statistics.median(steps)
        return {
            "build_seconds": round(self._began - self._made, 2),
            "first_step_seconds": round(self._ends[0] - self._began, 2),
            "step_seconds": round(median, 4),
            "images_per_second": round(batch_size / median, 3),
            "peak_mb": peak_mb(),
        }


def peak_mb() -> int:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
