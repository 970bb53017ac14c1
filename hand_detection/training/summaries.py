"""What TensorBoard shows beside the API's own 12 metrics and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hand_detection.api import compat
from hand_detection.training.pr_curves import THRESHOLDS, Curve


def scalars(values: Mapping[str, float]) -> Any:
    """A tf.Summary with a point of each curve in `values`, by tag."""
    tf = compat.activate()
    points = [tf.Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()]
    return tf.Summary(value=points)


def config_text(text: str) -> Any:
    """A tf.Summary that shows a config as it stands, on TensorBoard's page of texts."""
    compat.activate()
    from tensorboard.plugins.text import summary

    # Markdown: four spaces make a block that is shown letter for letter.
    return summary.pb("pipeline.config", "\n".join(f"    {line}" for line in text.splitlines()))


def hyperparameters(values: Mapping[str, Any]) -> Any:
    """A tf.Summary for TensorBoard's page that compares runs by their settings."""
    tf = compat.activate()
    from tensorboard.plugins.hparams import api

    return tf.Summary.FromString(api.hparams_pb(dict(values)).SerializeToString())


def pr_curve(name: str, curve: Curve) -> Any:
    """A tf.Summary with the precision-recall curve of the class `name`."""
    compat.activate()
    from tensorboard.plugins.pr_curve import summary

    return summary.raw_data_pb(
        f"PR@.50IOU/{name}",
        curve.true_positives,
        curve.false_positives,
        # A detector says "nothing here" of no place in particular.
        np.zeros(len(THRESHOLDS)),
        curve.false_negatives,
        curve.precision,
        curve.recall,
        num_thresholds=len(THRESHOLDS),
        description="Of all detections above a score, how many are right, and how many of the "
        "objects they find; a box is right at an IoU of 0.5.",
    )


def histograms() -> Any:
    """An op of the default graph that yields a serialized tf.Summary of all trained weights."""
    tf = compat.activate()
    return tf.summary.merge(
        [
            tf.summary.histogram(f"Weights/{variable.op.name}", variable)
            for variable in tf.trainable_variables()
        ]
    )
