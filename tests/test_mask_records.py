"""Records with masks, as the API's own decoder reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_data import add_outlines, contents, kitti_folder, shards

from hand_detection import frames, kitti, labelmap, masks, polygons, tfrecords
from hand_detection.console import UserError
from hand_detection.paths import ROOT

MASKED = tfrecords.Settings("random", 7, 3, 0, 0, {"hand": 1}, masks=True)


@pytest.fixture
def data(tmp_path):
    return add_outlines(kitti_folder(tmp_path / "data"))


def create(data, settings=MASKED, workers=1, **options):
    return tfrecords.create(data, settings, workers=workers, **options)


def decoded(data):
    """Every record by the API's decoder, as training has it set: name, boxes, masks."""
    from hand_detection.api import compat

    tf = compat.activate()
    from object_detection.data_decoders import tf_example_decoder
    from object_detection.protos import input_reader_pb2

    decoder = tf_example_decoder.TfExampleDecoder(
        load_instance_masks=True, instance_mask_type=input_reader_pb2.PNG_MASKS
    )
    found = {}
    with tf.Graph().as_default(), tf.Session() as session:
        record = tf.placeholder(tf.string, [])
        tensors = decoder.decode(record)
        wanted = [
            tensors[key] for key in ("filename", "groundtruth_boxes", "groundtruth_instance_masks")
        ]
        for split in ("train", "val"):
            for path in shards(data, split):
                for serialized in tf.python_io.tf_record_iterator(str(path)):
                    name, boxes, of_boxes = session.run(wanted, {record: serialized})
                    found[name.decode()] = boxes, of_boxes
    return found


@pytest.mark.parametrize(("max_side", "size"), [(0, (64, 48)), (32, (32, 24))])
def test_the_apis_decoder_finds_each_objects_mask_in_the_order_of_the_boxes(data, max_side, size):
    create(data, replace(MASKED, max_side=max_side))
    found, objects = decoded(data), 0
    assert len(found) == 10
    for frame in kitti.list_frames(data):
        labels = polygons.attach(kitti.read_labels(frame.label), frame.label)
        boxes, of_boxes = found[frame.image.name]
        assert of_boxes.shape == (len(labels), size[1], size[0])
        assert of_boxes.dtype == np.float32
        for label, box, mask in zip(labels, boxes, of_boxes, strict=True):
            objects += 1
            assert (mask == masks.rasterise(label.polygon, (64, 48), size)).all()
            np.testing.assert_allclose(box[1] * 64, label.bbox[0], rtol=1e-6)
        if len(labels) > 1:
            assert of_boxes[0].sum() > of_boxes[1].sum() > 0
    assert objects == 9


def test_evaluation_reads_the_same_masks(data):
    create(data)
    by_api, seen = decoded(data), 0
    for split in ("train", "val"):
        for image, _ in frames.iterate(
            shards(data, split), "data/hand_label_map.pbtxt", pictures=False, with_masks=True
        ):
            seen += 1
            theirs = by_api[image.name][1]
            assert len(image.truth.masks) == len(theirs)
            for rle, mask in zip(image.truth.masks, theirs, strict=True):
                assert (masks.decode(rle) == mask).all()
    assert seen == 10


def test_the_bytes_do_not_depend_on_the_number_of_workers(data):
    create(data, workers=1)
    one = contents(data / "tfrecords")
    create(data, workers=2, overwrite=True)
    assert contents(data / "tfrecords") == one


def test_without_masks_the_records_are_what_they_were(data, tmp_path):
    create(data, replace(MASKED, masks=False))
    create(kitti_folder(tmp_path / "plain"), replace(MASKED, masks=False))
    assert contents(data / "tfrecords") == contents(tmp_path / "plain" / "tfrecords")
    with pytest.raises(UserError, match=r"\(masks False -> True\)"):
        create(data)


def test_an_edited_outline_is_noticed(data):
    create(data)
    path = min((data / "polygons").iterdir())
    path.write_text(path.read_text().replace("[", "[ ", 1))
    with pytest.raises(UserError, match="the images or labels have changed"):
        create(data)


def test_a_data_set_without_outlines_is_told_in_one_line(step, tmp_path):
    data = kitti_folder(tmp_path / "data")
    done = step("create_tfrecords.sh", "--data", data, "--masks")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no polygons/ to make masks from" in done.stderr
    assert not (data / "tfrecords").exists()


@pytest.mark.parametrize("change", ["gone", "null"])
def test_an_object_without_an_outline_is_named(data, change):
    path = min((data / "polygons").iterdir())
    path.unlink() if change == "gone" else path.write_text("[null]")
    with pytest.raises(UserError, match=rf"{path.name} has no outline for some object of .*\.txt"):
        create(data)


def test_regions_that_are_no_objects_have_no_mask(data):
    label = max(path for path in (data / "labels").iterdir() if path.read_text().count("\n") == 2)
    label.write_text("DontCare -1 -1 -10 0 0 5 5 -1 -1 -1 0 0 0 -10\n" + label.read_text())
    path = polygons.file_of(label)
    path.write_text(path.read_text().replace("[", "[null, ", 1))
    create(data)
    boxes, of_boxes = decoded(data)[f"{label.stem}.jpg"]
    assert len(boxes) == len(of_boxes) == 2
    assert of_boxes[0].sum() > of_boxes[1].sum() > 0


def reader(kind="PNG_MASKS", wanted=True):
    from hand_detection.api import compat

    compat.activate()
    from object_detection.protos import input_reader_pb2

    return input_reader_pb2.InputReader(
        load_instance_masks=wanted, mask_type=kind, label_map_path=str(labelmap.HANDS)
    )


def test_a_config_that_wants_masks_refuses_records_that_have_none(data):
    create(data, replace(MASKED, masks=False))
    files = shards(data, "train")
    with pytest.raises(UserError, match=r"has no masks.*create_tfrecords\.sh --masks"):
        frames.require_fit(reader(), files)
    frames.require_fit(reader(wanted=False), files)
    create(data, overwrite=True)
    frames.require_fit(reader(), files)
    with pytest.raises(UserError, match="mask_type: PNG_MASKS"):
        frames.require_fit(reader("NUMERICAL_MASKS"), files)


def test_training_gets_each_mask_where_its_box_is_flipped_or_not(data):
    from hand_detection import batches, pipeline
    from hand_detection.api import compat

    create(data)
    config = pipeline.load(str(ROOT / "tests" / "small_mask_rcnn.config"), data=data)
    tf = compat.activate()
    cut = {"left": 0, "right": 0}
    with tf.Graph().as_default(), tf.Session() as session:
        iterator = tf.data.make_initializable_iterator(
            batches.training_dataset(config, seed=1, examples=7)
        )
        _, batch = iterator.get_next()
        session.run([iterator.initializer, tf.tables_initializer()])
        for _ in range(21):
            labels = session.run(batch)
            found = labels["groundtruth_instance_masks"][0]
            count = labels["num_groundtruth_boxes"][0]
            assert found.shape == (4, 96, 128)  # twice as large as stored
            assert not found[count:].any()
            if not count:
                continue
            ymin, xmin, ymax, xmax = labels["groundtruth_boxes"][0][0] * [96, 128, 96, 128]
            rows, columns = np.nonzero(found[0])
            sides = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            np.testing.assert_allclose(sides, (ymin, xmin, ymax, xmax), atol=3)
            # The outline lacks the lower right corner of its box.
            lowest = columns[rows == rows.max()].mean()
            cut["left" if lowest > (xmin + xmax) / 2 else "right"] += 1
    assert cut["left"] > 2
    assert cut["right"] > 2
