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
from hand_detection.pipeline import Pipeline, eval_reader, record_files


def training_dataset(
    pipeline: Pipeline,
    *,
    seed: int,
    examples: int,
    first: int = 0,
    workers: int = 1,
    worker: int = 0,
) -> Any:
    """A tf.data.Dataset of (features, labels) batches, without end.

    Args:
        pipeline: the config.
        seed: of the order and the augmentation.
        examples: how many records the training set has (its manifest says so).
        first: the number of the first example; step * batch size * workers when resuming.
        workers: how many processes train together, each on a batch of its own at every step.
        worker: this one's number, from 0; it gets the batches number, number + workers, ...

    Returns:
        Batches as the API's `inputs.train_input` documents them: features["image"] is float32 of
        shape (batch, height, width, 3), preprocessed; labels hold the padded ground truth, boxes
        as (batch, max_number_of_boxes, 4) in normalized ymin, xmin, ymax, xmax.
    """
    train_config, reader = pipeline.proto.train_config, pipeline.proto.train_input_reader
    return _dataset(pipeline, train_config, reader, seed, examples, first, workers, worker)


def validation_dataset(pipeline: Pipeline, *, examples: int, batch_size: int) -> Any:
    """The validation records as `training_dataset` has its own, not augmented nor shuffled.

    Args:
        pipeline: the config.
        examples: how many records the validation set has.
        batch_size: images a batch.
    """
    train_config = type(pipeline.proto.train_config)()
    train_config.CopyFrom(pipeline.proto.train_config)
    train_config.batch_size = batch_size
    del train_config.data_augmentation_options[:]
    own = eval_reader(pipeline.proto)
    reader = type(own)()
    reader.CopyFrom(own)
    reader.shuffle = False
    return _dataset(pipeline, train_config, reader, 0, examples, 0)


def _dataset(
    pipeline: Pipeline,
    train_config: Any,
    reader: Any,
    seed: int,
    examples: int,
    first: int,
    workers: int = 1,
    worker: int = 0,
) -> Any:
    tf = compat.activate()
    from object_detection import inputs
    from object_detection.builders import dataset_builder

    def build(
        reader: Any, *_: Any, transform_input_data_fn: Any, batch_size: int, **__: Any
    ) -> Any:
        numbered = _ordered(reader, seed, examples, first)
        if workers > 1:
            numbered = numbered.filter(
                lambda number, _: tf.equal((number - first) // batch_size % workers, worker)
            )
        return _read(reader, numbered, transform_input_data_fn, batch_size, seed)

    # The pinned tree calls dataset_builder.build; the later one looks it up in a table.
    table = getattr(inputs, "INPUT_BUILDER_UTIL_MAP", {})
    with (
        mock.patch.object(dataset_builder, "build", build),
        mock.patch.dict(table, {"dataset_build": build} if table else {}),
    ):
        return inputs.create_train_input_fn(train_config, reader, pipeline.proto.model)()


def file_names(
    pipeline: Pipeline, *, seed: int, examples: int, first: int, count: int
) -> list[str]:
    """The file names of `count` training examples, from number `first` on.

    Args:
        pipeline, seed, examples: as for `training_dataset`.
        first: the number of the first example; (step - 1) * batch size for those of a step.
        count: how many.
    """
    tf = compat.activate()
    names = []
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)  # goes into the order, as in training
        records = _ordered(pipeline.proto.train_input_reader, seed, examples, first).take(count)
        iterator = tf.data.make_one_shot_iterator(records)
        _, record = iterator.get_next()
        for _ in range(count):
            example = tf.train.Example.FromString(session.run(record))
            name = example.features.feature["image/filename"].bytes_list.value
            names.append(name[0].decode() if name else "(no image/filename)")
    return names


def _read(reader: Any, numbered: Any, transform: Any, batch_size: int, seed: int) -> Any:
    tf = compat.activate()
    decode = _decoder(reader)

    # The API's code is graph code already.
    @tf.autograph.experimental.do_not_convert
    def example(number: Any, record: Any) -> Any:
        key = tf.stack([tf.constant(seed, tf.int64), number])
        with stateless.keyed(tf, key):
            return transform(decode(record))

    dataset = numbered.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(2)


def _ordered(reader: Any, seed: int, examples: int, first: int) -> Any:
    """Pairs of an example's number and its record, from number `first` on, without end."""
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
    return records.skip(skip).enumerate(start=first)


def _decoder(reader: Any) -> Any:
    from object_detection.data_decoders import tf_example_decoder

    return tf_example_decoder.TfExampleDecoder(
        load_instance_masks=reader.load_instance_masks,
        instance_mask_type=reader.mask_type,
        label_map_proto_file=reader.label_map_path or None,
    ).decode
