"""The order of the training examples, and which files a batch was made of."""

from __future__ import annotations

import numpy as np
import pytest
from small_data import kitti_folder

from hand_detection import batches, pipeline, tfrecords
from hand_detection.api import compat

SEED, SIZE = 7, 3


@pytest.fixture
def config(step, tmp_path):
    data = kitti_folder(tmp_path / "data", frames=10)
    done = step("create_tfrecords.sh", "--data", data, "--split", "random", "--val-size", 2)
    assert done.returncode == 0, done.stderr
    settings = (f"train_config.batch_size={SIZE}",)
    return pipeline.load("ssd_mobilenet_v1_quick", data=data, settings=settings)


def test_the_file_names_of_a_batch_are_those_of_the_frames_in_it(config):
    examples = tfrecords.examples_in(pipeline.record_files(config.proto.train_input_reader))
    assert examples == 8
    tf = compat.activate()
    from object_detection import inputs

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(SEED)  # as training does
        dataset = batches.training_dataset(config, seed=SEED, examples=examples)
        iterator = tf.data.make_initializable_iterator(dataset)
        features, _ = iterator.get_next()
        session.run([tf.tables_initializer(), iterator.initializer])
        # The API hands on no name, but a hash of it.
        hashes = [session.run(features[inputs.HASH_KEY]) for _ in range(6)]
        first = SIZE * 4  # in the second epoch
        names = batches.file_names(
            config, seed=SEED, examples=examples, first=first, count=2 * SIZE
        )
        expected = session.run(tf.strings.to_hash_bucket_fast(names, inputs.HASH_BINS))
    assert np.array_equal(np.concatenate(hashes[4:]).ravel(), expected)
    epoch = batches.file_names(config, seed=SEED, examples=examples, first=8, count=8)
    assert len(set(epoch)) == 8
