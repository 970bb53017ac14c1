"""The training losses on the validation records, to lie beside the training's own curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import batches
from hand_detection.api import compat
from hand_detection.evaluator import explain_misfit, variables_to_restore
from hand_detection.training.graph import batched_losses

LARGEST_BATCH = 8
# Records are shuffled when they are written, so the first ones stand for all.
IMAGES = 200


class Validation:
    """The losses of a config's model on its validation records, for any number of checkpoints.

    Not augmented, with the weights that evaluation uses (moving averages, if the config says
    so) and batch norm as at inference; on the first records only, `IMAGES` of them at most.

    Args:
        config: a pipeline.Pipeline.
        examples: how many validation records there are.
    """

    def __init__(self, config: Any, examples: int) -> None:
        wanted = min(examples, IMAGES)
        largest = min(LARGEST_BATCH, config.batch_size)
        self._batches = -(-wanted // largest)
        size = wanted // self._batches
        tf = compat.activate()
        with tf.Graph().as_default() as graph:
            dataset = batches.validation_dataset(config, examples=examples, batch_size=size)
            self._iterator = tf.data.make_initializable_iterator(dataset)
            self._losses = _losses(tf, config, *self._iterator.get_next())
            self._saver = tf.train.Saver(variables_to_restore(config.proto))
            self._tables = tf.tables_initializer()
        self._session = tf.Session(graph=graph)

    def run(self, checkpoint: Path) -> dict[str, float]:
        """The mean losses with the weights of `checkpoint`, by TensorBoard's tag.

        Raises:
            UserError: the checkpoint does not fit the config.
        """
        with explain_misfit(checkpoint):
            self._saver.restore(self._session, str(checkpoint))
        self._session.run([self._iterator.initializer, self._tables])
        found = [self._session.run(self._losses) for _ in range(self._batches)]
        return {tag: float(np.mean([losses[tag] for losses in found])) for tag in self._losses}


def _losses(tf: Any, config: Any, features: Any, labels: Any) -> dict[str, Any]:
    """Scalars by the tags of `graph.Graph.losses`."""
    from object_detection import model_lib
    from object_detection.builders import model_builder
    from object_detection.core import standard_fields

    inputs = standard_fields.InputDataFields
    train_config = config.proto.train_config
    model = model_builder.build(config.proto.model, is_training=False, add_summaries=False)
    truth = model_lib.unstack_batch(
        labels, unpad_groundtruth_tensors=train_config.unpad_groundtruth_tensors
    )
    model.provide_groundtruth(
        groundtruth_boxes_list=truth[inputs.groundtruth_boxes],
        groundtruth_classes_list=truth[inputs.groundtruth_classes],
        groundtruth_masks_list=truth.get(inputs.groundtruth_instance_masks),
        groundtruth_keypoints_list=truth.get(inputs.groundtruth_keypoints),
        groundtruth_weights_list=truth.get(inputs.groundtruth_weights),
    )
    shapes = features[inputs.true_image_shape]
    with batched_losses():
        losses = model.loss(model.predict(features[inputs.image], shapes), shapes)
    parts = list(losses.values())
    if train_config.add_regularization_loss:
        parts += tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    return {**losses, "Loss/total_loss": tf.add_n(parts)}
