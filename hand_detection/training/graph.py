"""The training graph, by the API's own model_fn; what it keeps to itself is noted down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hand_detection.api import batched_mining, batched_targets, compat
from hand_detection.training import distributed, restoration
from hand_detection.training.towers import Towers


@dataclass
class Graph:
    """The training graph's ends, and what is known about its making.

    Attributes:
        train_op: one step.
        loss: float32 scalar, regularization included.
        losses: its parts and the total by TensorBoard's tag, float32 scalars; the workers' means.
        learning_rate: float32 scalar.
        iterator: of the batches; its initializer is to be run first.
        restored: what becomes of each variable (see `restoration.fates`); empty on resumption.
        stopping: a float32 scalar to be fed: 1 if this worker was asked to stop.
        stop: float32 scalar, above 0 if any worker was.
    """

    train_op: Any
    loss: Any
    losses: dict[str, Any]
    learning_rate: Any
    iterator: Any
    restored: dict[str, str]
    stopping: Any
    stop: Any


def build(
    config: Any,
    dataset: Any,
    *,
    resumed: bool,
    team: distributed.Team | None = None,
    devices: Sequence[str] = (),
) -> Graph:
    """Build the training graph of `config` into the default graph.

    Args:
        config: a pipeline.Pipeline.
        dataset: the batches, as `batches.training_dataset` makes them.
        resumed: whether the weights come from the run's own checkpoint, and the pretrained
            one is not to be read.
        team: the workers that train together (default: this process alone).
        devices: the devices of this machine that a batch is split over, if it is.

    Raises:
        UserError: nothing of the model is in the pretrained checkpoint, or the batch cannot be
            split evenly.
    """
    tf = compat.activate()
    from object_detection import model_lib
    from object_detection.builders import model_builder, optimizer_builder

    from hand_detection import pipeline
    from hand_detection.api import moving_average

    proto = config.proto
    iterator = tf.data.make_initializable_iterator(dataset)
    features, labels = iterator.get_next()
    noted: dict[str, Any] = {"rates": [], "losses": {}, "assignment": {}, "means": []}
    stopping = tf.placeholder_with_default(0.0, (), "stopping")
    team = team or distributed.Team()

    def detection_model(is_training: bool, **_: Any) -> Any:
        def one() -> Any:
            # Without the API's summaries: some of them draw with matplotlib at every step.
            return model_builder.build(proto.model, is_training=is_training, add_summaries=False)

        model = Towers(one, devices, config.batch_size) if len(devices) > 1 else one()
        loss, restore_map = model.loss, model.restore_map

        def noting_loss(*args: Any, **kwargs: Any) -> Any:
            noted["losses"] = loss(*args, **kwargs)
            return noted["losses"]

        def noting_restore_map(*args: Any, **kwargs: Any) -> Any:
            noted["assignment"] = restore_map(*args, **kwargs)
            return noted["assignment"]

        model.loss, model.restore_map = noting_loss, noting_restore_map
        return model

    build_optimizer = optimizer_builder.build

    def noting_optimizer(*args: Any, **kwargs: Any) -> Any:
        optimizer, rates = build_optimizer(*args, **kwargs)
        noted["rates"] = rates
        extras = [*map(tf.convert_to_tensor, noted["losses"].values()), stopping]
        noted["means"] = distributed.average_gradients(
            optimizer, team, extras, colocate=len(devices) > 1
        )
        return optimizer, rates

    train_config = type(proto.train_config)()
    train_config.CopyFrom(proto.train_config)
    if resumed:
        train_config.ClearField("fine_tune_checkpoint")
    configs = {
        "model": proto.model,
        "train_config": train_config,
        "eval_config": proto.eval_config,
        "eval_input_config": pipeline.eval_reader(proto),
    }
    model_fn = model_lib.create_model_fn(
        detection_model, configs, SimpleNamespace(load_pretrained=True)
    )
    with mock.patch.object(optimizer_builder, "build", noting_optimizer), batched_losses():
        spec = model_fn(features, labels, model_lib.tf.estimator.ModeKeys.TRAIN)
    moving_average.complete_averages()
    loss, *means, stop = noted["means"]
    losses = {**dict(zip(noted["losses"], means, strict=True)), "Loss/total_loss": loss}
    checkpoint = train_config.fine_tune_checkpoint
    return Graph(
        train_op=spec.train_op,
        loss=loss,
        losses=losses,
        learning_rate=noted["rates"][0] if noted["rates"] else tf.constant(0.0),
        iterator=iterator,
        restored=restoration.fates(noted["assignment"], checkpoint) if checkpoint else {},
        stopping=stopping,
        stop=stop,
    )


@contextmanager
def batched_losses() -> Iterator[None]:
    """While the block builds a loss, the API's slow parts of it are ours, for whole batches."""
    from object_detection.core import losses, target_assigner

    assign = batched_targets.batch_assign_targets(target_assigner.batch_assign_targets)
    mine = batched_mining.hard_example_miner(losses.HardExampleMiner.__call__)
    with (
        mock.patch.object(target_assigner, "batch_assign_targets", assign),
        mock.patch.object(losses.HardExampleMiner, "__call__", mine),
    ):
        yield
