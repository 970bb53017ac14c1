"""TFRecords: what TensorFlow and the API read from them, and that damage is found."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_data import NAMES, contents, jpeg, kitti_folder, shards

from hand_detection import labelmap, records, tfrecords
from hand_detection.console import UserError

RANDOM = tfrecords.Settings("random", 7, 3, 0, 0, {"hand": 1})


@pytest.fixture
def data(tmp_path):
    return kitti_folder(tmp_path / "data")


def create(data, settings=RANDOM, workers=1, **options):
    return tfrecords.create(data, settings, workers=workers, **options)


def examples(data, split):
    """The examples of a split as TensorFlow reads them: {key: list of values}."""
    tf = pytest.importorskip("tensorflow")
    found = []
    for path in shards(data, split):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            features = tf.train.Example.FromString(record).features.feature
            kinds = ("bytes_list", "float_list", "int64_list")
            found.append(
                {
                    key: list(getattr(feature, feature.WhichOneof("kind")).value)
                    for key, feature in features.items()
                    if feature.WhichOneof("kind") in kinds
                }
            )
    return found


def test_tensorflow_reads_every_frame_once_with_the_apis_keys(data):
    create(data)
    found = examples(data, "train") + examples(data, "val")
    assert len(found) == 10
    by_name = {example["image/filename"][0].decode(): example for example in found}
    assert set(by_name) == {path.name for path in (data / "images").iterdir()}
    for name, example in by_name.items():
        image = (data / "images" / name).read_bytes()
        assert example["image/encoded"] == [image]
        assert example["image/key/sha256"] == [hashlib.sha256(image).hexdigest().encode()]
        assert example["image/source_id"] == [name.encode()]
        assert example["image/format"] == [b"jpeg"]
        assert (example["image/width"], example["image/height"]) == ([64], [48])
    two = by_name["SOME_OTHER_VIDEO_frame_0002.jpg"]
    for side, value in {"xmin": 2 / 64, "ymin": 0, "xmax": 18 / 64, "ymax": 24 / 48}.items():
        assert two[f"image/object/bbox/{side}"] == [value] * 2
    assert two["image/object/class/text"] == [b"hand"] * 2
    assert two["image/object/class/label"] == [1, 1]
    assert two["image/object/difficult"] == [0, 0]
    assert two["image/object/truncated"] == [0, 0]
    none = by_name["CARDS_OFFICE_S_B_frame_0000.jpg"]
    assert none["image/object/bbox/xmin"] == none["image/object/class/label"] == []


def test_examples_are_what_tensorflow_itself_would_write():
    tf = pytest.importorskip("tensorflow")
    train = tf.train
    mine = {
        "bytes": [b"x" * 300, b""],
        "ints": np.array([1, -5, 1 << 40]),
        "floats": np.array([0.5, -1e30, 1 / 3]),
        "none": np.zeros(0),
    }
    theirs = train.Example(
        features=train.Features(
            feature={
                "bytes": train.Feature(bytes_list=train.BytesList(value=mine["bytes"])),
                "ints": train.Feature(int64_list=train.Int64List(value=mine["ints"])),
                "floats": train.Feature(float_list=train.FloatList(value=mine["floats"])),
                "none": train.Feature(float_list=train.FloatList()),
            }
        )
    )
    assert train.Example.FromString(records.encode_example(mine)) == theirs


def test_record_files_are_what_tensorflow_itself_would_write(tmp_path):
    tf = pytest.importorskip("tensorflow")
    generator = np.random.default_rng(0)
    data = [generator.bytes(n) for n in (0, 1, 3, 4, 63, 64, 65, 127, 128, 129, 4097, 300_001)]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for item in data:
            writer.write(item)
    mine = b"".join(records.frame_record(item) for item in data)
    assert (tmp_path / "theirs").read_bytes() == mine
    assert list(records.read_records(tmp_path / "theirs")) == data
    assert records.count(tmp_path / "theirs") == len(data)


@pytest.mark.parametrize("settings", [RANDOM, replace(RANDOM, split="official", val_size=None)])
def test_bytes_depend_on_neither_workers_nor_the_order_of_the_folder(data, tmp_path, settings):
    other = tmp_path / "other"
    for folder in ("labels", "images"):
        (other / folder).mkdir(parents=True)
        for path in sorted((data / folder).iterdir(), reverse=True):
            shutil.copy(path, other / folder)
    create(data, settings)
    create(other, settings, workers=3)
    assert contents(data / "tfrecords") == contents(other / "tfrecords")


def test_the_official_split_goes_by_video(data):
    manifest = create(data, replace(RANDOM, split="official", val_size=None))
    videos = {
        split: {name.partition("_frame_")[0] for name in part.frames}
        for split, part in manifest.splits.items()
    }
    assert videos == {"test": {NAMES[0]}, "val": {NAMES[1]}, "train": {NAMES[2]}}


def test_shards_share_the_frames(data):
    manifest = create(data, replace(RANDOM, shards=2))
    names = [shard.name for shard in manifest.split("train").shards]
    assert names == ["train.record-00000-of-00002", "train.record-00001-of-00002"]
    assert [shard.examples for shard in manifest.split("train").shards] == [3, 4]
    assert tfrecords.examples_in(shards(data, "val")) == 3
    with pytest.raises(UserError, match="has no split 'test': it has train, val"):
        manifest.split("test")


def test_reduced_frames_keep_their_boxes(data):
    from PIL import Image

    create(data, replace(RANDOM, max_side=32))
    for example in examples(data, "train"):
        assert (example["image/width"], example["image/height"]) == ([32], [24])
        with Image.open(io.BytesIO(example["image/encoded"][0])) as image:
            assert image.size == (32, 24)
        key = hashlib.sha256(example["image/encoded"][0]).hexdigest()
        assert example["image/key/sha256"] == [key.encode()]
        if b"0002" in example["image/filename"][0]:
            assert example["image/object/bbox/xmax"] == [18 / 64] * 2


def test_frames_that_are_small_enough_keep_their_bytes(data):
    create(data)
    kept = examples(data, "train")
    create(data, replace(RANDOM, max_side=64), overwrite=True)
    assert examples(data, "train") == kept


def test_the_format_is_the_contents_own_not_the_names(data):
    from PIL import Image

    path = data / "images" / "CARDS_OFFICE_S_B_frame_0000.jpg"
    Image.open(io.BytesIO(jpeg())).save(path, "PNG")
    create(data, replace(RANDOM, val_size=1))
    formats = {
        example["image/filename"][0]: example["image/format"][0]
        for split in ("train", "val")
        for example in examples(data, split)
    }
    assert formats.pop(path.name.encode()) == b"png"
    assert set(formats.values()) == {b"jpeg"}


def test_dont_care_regions_are_left_out(data):
    with (data / "labels" / "SOME_OTHER_VIDEO_frame_0002.txt").open("a") as file:
        file.write("DontCare -1 -1 -10 1 2 30 40 -1 -1 -1 -1000 -1000 -1000 -10\n")
    assert sum(split.boxes for split in create(data).splits.values()) == 9


def wrong_label(data):
    path = data / "labels" / "SOME_OTHER_VIDEO_frame_0002.txt"
    path.write_text(path.read_text() + "hand 0 0 0 5 0 65 24 0 0 0 0 0 0 0\n")


def cut_image(data):
    path = data / "images" / "SOME_OTHER_VIDEO_frame_0002.jpg"
    path.write_bytes(path.read_bytes()[:-300])


def emptied_tail(data):
    path = data / "images" / "SOME_OTHER_VIDEO_frame_0002.jpg"
    path.write_bytes(path.read_bytes()[:-300] + bytes(300))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong_label, r"frame_0002\.txt, line 3: the box 5 0 65 24 reaches out of the image"),
        (cut_image, r"frame_0002\.jpg is cut or damaged"),
        (emptied_tail, r"frame_0002\.jpg is cut or damaged"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_label_or_image_is_named_and_nothing_is_written(data, change, message, workers):
    change(data)
    with pytest.raises(UserError, match=message):
        create(data, workers=workers)
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == ["images", "labels"]


def test_a_split_that_would_be_empty_is_refused(data):
    with pytest.raises(UserError, match="--val-size 10 of 10 frames leaves nothing to train on"):
        create(data, replace(RANDOM, val_size=10))
    for path in [*data.glob("*/PUZZLE*")]:
        path.unlink()
    with pytest.raises(UserError, match=r"no video .* official val split: use --split random"):
        create(data, replace(RANDOM, split="official", val_size=None))


def test_frames_of_other_names_have_no_official_split(data):
    for path in [*data.glob("*/PUZZLE*0001*")]:
        path.rename(path.with_stem("holiday"))
    with pytest.raises(UserError, match="holiday is not named <VIDEO>_frame_NNNN"):
        create(data, replace(RANDOM, split="official", val_size=None))


def test_done_is_done_and_other_settings_or_labels_are_not_mixed_in(data, capsys):
    first = create(data)
    assert create(data) == first
    assert "already done" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"was made otherwise \(seed 7 -> 8\): add --overwrite"):
        create(data, replace(RANDOM, seed=8))
    label = data / "labels" / "SOME_OTHER_VIDEO_frame_0002.txt"
    label.write_text("hand 0 0 0 0 0 1 1 0 0 0 0 0 0 0\n")
    with pytest.raises(UserError, match="the images or labels have changed"):
        create(data)
    assert tfrecords.verify(data / "tfrecords", full=True) == first
    assert create(data, overwrite=True).splits["train"] != first.splits["train"]
    assert not [path for path in data.iterdir() if path.name.startswith(".tfrecords")]


def test_a_file_of_the_users_own_is_not_replaced(data):
    create(data)
    (data / "tfrecords" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt is not part of the TFRecords"):
        create(data, replace(RANDOM, seed=8), overwrite=True)


def test_a_replacement_killed_between_its_two_renames_is_mended(data):
    create(data)
    whole = contents(data / "tfrecords")
    (data / "tfrecords").rename(data / ".tfrecords.replaced")
    create(data)
    assert contents(data / "tfrecords") == whole


def cut_at_a_record(path):
    """Cut a file between two records: to a reader it is whole, and shorter."""
    first = next(records.read_records(path))
    path.write_bytes(path.read_bytes()[: len(first) + 16])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "full", "message"),
    [
        (lambda path: path.unlink(), False, "is missing"),
        (cut_at_a_record, False, "is cut: "),
        (lambda path: path.write_bytes(path.read_bytes() * 2), False, "was changed"),
        (flip, True, "was changed"),
    ],
)
def test_a_damaged_shard_is_named(data, change, full, message):
    create(data)
    folder = data / "tfrecords"
    assert tfrecords.verify(folder, full=True)
    val = shards(data, "val")
    change(folder / "train.record-00000-of-00001")
    with pytest.raises(UserError, match=f"train.record-00000-of-00001 {message}"):
        tfrecords.verify(folder, full=full)
    if not full:
        with pytest.raises(UserError, match=message):
            tfrecords.examples_in(val)


def test_tfrecords_from_elsewhere_are_counted_and_their_damage_found(tmp_path):
    path = tmp_path / "a.record"
    path.write_bytes(b"".join(records.frame_record(bytes(n)) for n in (5, 0, 70)))
    assert tfrecords.examples_in([path]) == 3
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"a\.record is cut or damaged at record 2"):
        tfrecords.examples_in([path])
    with pytest.raises(UserError, match=r"b\.record is missing"):
        tfrecords.examples_in([tmp_path / "b.record"])


def test_an_unfinished_or_strange_manifest_is_said_to_be_one(data):
    folder = data / "tfrecords"
    folder.mkdir()
    with pytest.raises(UserError, match="has no finished TFRecords"):
        tfrecords.read_manifest(folder)
    for text in ("{", json.dumps({"splits": {}}), "[]"):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(UserError, match=r"manifest\.json is not a"):
            tfrecords.read_manifest(folder)


def test_the_repositorys_label_map_knows_one_hand():
    from hand_detection.paths import DATA

    assert labelmap.read_label_map(DATA / "hand_label_map.pbtxt") == {"hand": 1}


def test_a_label_map_may_be_written_in_any_of_the_usual_ways(tmp_path):
    path = tmp_path / "map.pbtxt"
    path.write_text(
        '# classes\nitem: { name: "left hand", id: 2; display_name: "x" }\n'
        "item\n{\nid:1 name:'b'}"
    )
    assert labelmap.read_label_map(path) == {"left hand": 2, "b": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item {\n id: 0\n name: 'a'\n}", "line 1: id 0 of 'a': ids count from 1"),
        ("item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", "line 2: the id 1 stands there"),
        ("item { id: 1 name: 'a' }\nitem { id: 2 name: 'a' }", "line 2: the name 'a' stands"),
        ("item {\n id: 1\n}", "line 1: this item has no 'name'"),
        ("item {\n id: one\n}", "line 2: one stands where a number for 'id' should"),
        ("item {\n id: 1\n name: 'a\n}", "line 3: .* has no place in a label map"),
        ("item {\n id: 1 name: 'a'", "line 2: the file ends where '}' should stand"),
        ("item { id: 1 name: '' }", "the name is empty"),
        ("item { id: 1 id: 2 }", "a second 'id' in one item"),
        ("item { id: 1 color: 2 }", "unknown field 'color'"),
        ("class { }", "line 1: class stands where 'item' should"),
        ("# nothing\n", "holds no item"),
    ],
)
def test_a_wrong_label_map_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "map.pbtxt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        labelmap.read_label_map(path)
