"""All local GPUs on one training: the batch is split over them, the weights are one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hand_detection.api import compat
from hand_detection.console import UserError


def local_gpus() -> list[str]:
    """The names of this machine's GPUs as device strings, e.g. "/device:GPU:0"."""
    tf = compat.activate()
    found = tf.config.experimental.list_physical_devices("GPU")
    return [f"/device:GPU:{i}" for i in range(len(found))]


class Towers:
    """A DetectionModel for training whose batch is split evenly over devices.

    The loss is the mean of the devices' losses. Batch norm uses each device's own images; its
    moving averages follow the first one's.

    Args:
        make: builds a DetectionModel.
        devices: two or more device strings.
        batch_size: images in a whole batch.

    Raises:
        UserError: the batch cannot be split evenly.
    """

    def __init__(self, make: Callable[[], Any], devices: Sequence[str], batch_size: int) -> None:
        if batch_size % len(devices):
            raise UserError(
                f"a batch of {batch_size} cannot be split over {len(devices)} devices: "
                f"--batch-size {-(-batch_size // len(devices)) * len(devices)} can"
            )
        self._tf = compat.activate()
        self._devices = devices
        self._models = [make() for _ in devices]
        self._size = batch_size // len(devices)

    def provide_groundtruth(self, **lists: Any) -> None:
        """Each list has an item an image; a model gets its share of them."""
        for i, model in enumerate(self._models):
            own = slice(i * self._size, (i + 1) * self._size)
            model.provide_groundtruth(
                **{
                    name: value[own] if isinstance(value, (list, tuple)) else value
                    for name, value in lists.items()
                }
            )

    def predict(self, images: Any, shapes: Any) -> dict[str, Any]:
        """The predictions of each device, by its number."""
        tf = self._tf
        found = {}
        for i, (model, device) in enumerate(zip(self._models, self._devices, strict=True)):
            own = slice(i * self._size, (i + 1) * self._size)
            reuse = True if i else None
            with tf.device(device), tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
                found[str(i)] = model.predict(images[own], shapes[own])
            if i == 0:
                updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        # The moving averages follow the first one's batches.
        tf.get_collection_ref(tf.GraphKeys.UPDATE_OPS)[:] = updates
        return found

    def loss(self, predictions: dict[str, Any], shapes: Any) -> dict[str, Any]:
        """The means of the devices' losses by name, float32 scalars."""
        tf = self._tf
        losses = []
        for i, (model, device) in enumerate(zip(self._models, self._devices, strict=True)):
            with tf.device(device):
                own = shapes[i * self._size : (i + 1) * self._size]
                losses.append(model.loss(predictions[str(i)], own))
        return {name: tf.add_n([one[name] for one in losses]) / len(losses) for name in losses[0]}

    def __getattr__(self, name: str) -> Any:
        """Everything else is the same for all: restore_map, regularization_losses, ..."""
        return getattr(self._models[0], name)
