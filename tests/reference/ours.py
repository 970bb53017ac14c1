"""Compute with today's stack what a golden file has from the original's; for tests/test_parity.py.

    .venv/bin/python tests/reference/ours.py GOLDEN.npz OURS.npz

In a process of its own: how many threads an operation gets is settled by a process's first session,
and the comparison wants one (see parity.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]


def main() -> None:
    from hand_detection.api import compat
    from hand_detection.training import graph

    import parity

    golden, out = sys.argv[1:]
    with np.load(golden) as file:
        config = str(file["config"])
    np.savez(out, **parity.compute(compat.activate(), config, graph.batched_losses))


if __name__ == "__main__":
    main()
