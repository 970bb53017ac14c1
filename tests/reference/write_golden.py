"""Write down what the original stack computes, for tests/test_parity.py.

    DIR/venv/bin/python tests/reference/write_golden.py

DIR is made by benchmarks/original/setup.sh; the ImageNet backbone must be there
(./download_pretrained_models.sh --offline). The config is written with the figures, so that a later
change of configs/ does not touch the comparison.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BACKBONE = ROOT / "data/pretrained/mobilenet_v1_imagenet/model.ckpt"


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if not Path(f"{BACKBONE}.index").is_file():
        sys.exit(
            f"error: {BACKBONE}.index is missing: "
            "run ./download_pretrained_models.sh --offline first"
        )

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    import parity

    if not tf.__version__.startswith("1."):
        sys.exit("error: this is to run on the original stack: see the head of this file")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    config = (ROOT / "configs/ssd_mobilenet_v1_egohands.config").read_text(encoding="utf-8")

    @contextlib.contextmanager
    def unchanged():
        yield

    found = parity.compute(tf, config, str(BACKBONE), unchanged)
    target = HERE / "ssd_mobilenet_v1.npz"
    partial = HERE / ".partial.npz"
    np.savez_compressed(str(partial), config=np.array(config), **found)
    partial.replace(target)
    print(f"{target}: {target.stat().st_size // 1024} KB from TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
