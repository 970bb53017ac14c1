"""Batches for training: repeatable, and able to go on from any step.

The API's own `inputs.create_train_input_fn` decodes, augments and pads; only the part that reads
and orders the records is ours (the API's shuffles without a seed). Example number n, counted from
the start of the training over all epochs, is the same and is augmented in the same way in every
run with the same seed, whatever the number of threads and wherever the run was resumed.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from hand_detection.api import compat, stateless
from hand_detection.pipeline import Pipeline, record_files


def training_dataset(pipeline: Pipeline, *, seed: int, examples: int, first: int = 0) -> Any:
    """A tf.data.Dataset of (features, labels) batches, without end.

    Args:
        pipeline: the config.
        seed: of the order and the augmentation.
        examples: how many records the training set has (its manifest says so).
        first: the number of the first example; step * batch size when resuming.

    Returns:
        Batches as the API's `inputs.train_input` documents them: features["image"] is float32 of
        shape (batch, height, width, 3), preprocessed; labels hold the padded ground truth, boxes
        as (batch, max_number_of_boxes, 4) in normalized ymin, xmin, ymax, xmax.
    """
    compat.activate()
    from object_detection import inputs
    from object_detection.builders import dataset_builder

    proto = pipeline.proto

    def build(
        reader: Any, *_: Any, transform_input_data_fn: Any, batch_size: int, **__: Any
    ) -> Any:
        return _read(reader, transform_input_data_fn, batch_size, seed, examples, first)

    # The pinned tree calls dataset_builder.build; the later one looks it up in a table.
    table = getattr(inputs, "INPUT_BUILDER_UTIL_MAP", {})
    with (
        mock.patch.object(dataset_builder, "build", build),
        mock.patch.dict(table, {"dataset_build": build} if table else {}),
    ):
        input_fn = inputs.create_train_input_fn(
            proto.train_config, proto.train_input_reader, proto.model
        )
        return input_fn()


def _read(
    reader: Any, transform: Any, batch_size: int, seed: int, examples: int, first: int
) -> Any:
    tf = compat.activate()
    shards = [str(path) for path in record_files(reader)]
    epoch, skip = divmod(first, examples)

    def one_epoch(number: Any) -> Any:
        records = tf.data.TFRecordDataset(shards)
        if reader.shuffle:
            buffer = min(reader.shuffle_buffer_size, examples)
            # Shards in another order every epoch, so that a small buffer still mixes them all.
            files = tf.data.Dataset.from_tensor_slices(shards).shuffle(
                len(shards), seed=seed + number
            )
            records = files.interleave(
                tf.data.TFRecordDataset, cycle_length=min(len(shards), 8)
            ).shuffle(buffer, seed=seed + number)
        return records

    records = tf.data.Dataset.range(epoch, 2**40).flat_map(one_epoch)
    numbered = records.skip(skip).enumerate(start=first)
    decode = _decoder(reader)

    # The API's code is graph code already.
    @tf.autograph.experimental.do_not_convert
    def example(number: Any, record: Any) -> Any:
        key = tf.stack([tf.constant(seed, tf.int64), number])
        with stateless.keyed(tf, key):
            return transform(decode(record))

    dataset = numbered.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)


def _decoder(reader: Any) -> Any:
    from object_detection.data_decoders import tf_example_decoder

    return tf_example_decoder.TfExampleDecoder(
        load_instance_masks=reader.load_instance_masks,
        instance_mask_type=reader.mask_type,
        label_map_proto_file=reader.label_map_path or None,
    ).decode
