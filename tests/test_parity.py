"""The ported API computes what TensorFlow 1.15.5 with the API unported does.

The other side of the comparison is written by tests/reference/write_golden.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hand_detection import pretrained
from hand_detection.models import IMAGENET_BACKBONE

sys.path.append(str(Path(__file__).resolve().parent / "reference"))
import parity

GOLDEN = Path(parity.__file__).with_name("ssd_mobilenet_v1.npz")

# Relative to an array's largest value. Training adds up rounding: batch normalization over the four
# values that a 1 x 1 feature map has in a batch divides by next to nothing.
INFERENCE = 1e-4
TRAINING = 2e-3
AFTER_A_STEP = 1e-2

# It builds two graphs and trains a step: 40 s of CPU time.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def ours(golden) -> dict[str, np.ndarray]:
    from hand_detection.api import compat
    from hand_detection.training import graph

    if not IMAGENET_BACKBONE.folder.is_dir():
        pretrained.get(IMAGENET_BACKBONE)
    checkpoint = str(IMAGENET_BACKBONE.folder / "model.ckpt")
    return parity.compute(
        compat.activate(), str(golden["config"]), checkpoint, graph.batched_losses
    )


def largest_difference(ours, golden, names) -> tuple[float, str]:
    assert names
    return max((parity.difference(ours[name], golden[name]), name) for name in names)


def test_both_stacks_compute_the_same_things(ours, golden):
    assert set(ours) == set(golden) - {"config"}
    # Equal for want of anything there would be no parity.
    assert all(np.abs(golden[name]).max() > 0 for name in ours)


def test_predictions_detections_and_losses_are_those_of_the_original(ours, golden):
    names = [name for name in ours if not name.startswith("training ")]
    difference, name = largest_difference(ours, golden, names)
    assert difference < INFERENCE, name


def test_training_losses_gradients_and_updates_are_those_of_the_original(ours, golden):
    names = [name for name in ours if name.startswith("training ")]
    names.remove("training Loss/total after a step")
    difference, name = largest_difference(ours, golden, names)
    assert difference < TRAINING, name


def test_a_training_step_lowers_the_loss_as_in_the_original(ours, golden):
    name = "training Loss/total after a step"
    assert parity.difference(ours[name], golden[name]) < AFTER_A_STEP
    assert ours[name] < 0.9 * ours["training Loss/total"]
