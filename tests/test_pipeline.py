"""Configs: they parse, they can be overridden, and a mistake in one is told by its line."""

from __future__ import annotations

import re

import pytest

from hand_detection import labelmap, models, paths, pipeline
from hand_detection.console import UserError

ANCHORS = "model.ssd.anchor_generator.ssd_anchor_generator"
NMS = "model.ssd.post_processing.batch_non_max_suppression"
NAMES = sorted(path.stem for path in paths.CONFIGS.glob("*.config"))


def test_the_list_of_models_and_the_configs_are_the_same():
    assert sorted(models.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_config_parses_and_its_paths_are_relative_to_the_repository(name):
    text = models.config_file(name).read_text(encoding="utf-8")
    for path in re.findall(r'(?:_path|_checkpoint): "([^"]*)"', text):
        assert path.startswith("data/")
    proto = pipeline.load(name).proto
    assert pipeline.num_classes(proto) == 1
    assert proto.train_config.fine_tune_checkpoint.startswith(str(paths.PRETRAINED))
    checkpoint = {model.name: model.checkpoint for model in models.MODELS}[name]
    assert proto.train_config.fine_tune_checkpoint == str(checkpoint.folder / "model.ckpt")


def test_the_tutorials_hyper_parameters_stand_in_its_config():
    proto = pipeline.load("ssd_mobilenet_v1_egohands").proto
    rate = proto.train_config.optimizer.rms_prop_optimizer.learning_rate
    decay = rate.exponential_decay_learning_rate
    assert proto.train_config.batch_size == 24
    assert proto.train_config.num_steps == 20000
    assert decay.initial_learning_rate == pytest.approx(0.004)
    assert (decay.decay_steps, decay.decay_factor) == (1000, pytest.approx(0.8))
    assert proto.model.ssd.anchor_generator.ssd_anchor_generator.min_scale == pytest.approx(0.1)


def test_the_quick_config_is_the_same_network_but_for_its_batch_norm_decay():
    tutorial = pipeline.load("ssd_mobilenet_v1_egohands").proto.model
    quick = pipeline.load("ssd_mobilenet_v1_quick").proto.model
    for proto in (tutorial, quick):
        proto.ssd.feature_extractor.conv_hyperparams.batch_norm.decay = 0
        proto.ssd.box_predictor.convolutional_box_predictor.conv_hyperparams.batch_norm.decay = 0
        proto.ssd.feature_extractor.override_base_feature_extractor_hyperparams = True
    assert tutorial == quick


def test_settings_override_the_config():
    settings = (
        "train_config.batch_size=3",
        "eval_input_reader.label_map_path=my data/map.pbtxt",
        "model.ssd.image_resizer.fixed_shape_resizer.height=320",
        "train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate="
        "learning_rate: 0.5",
    )
    config = pipeline.load("ssd_mobilenet_v1_quick", settings=settings)
    assert config.batch_size == 3
    assert config.proto.eval_input_reader[0].label_map_path == str(paths.ROOT / "my data/map.pbtxt")
    assert config.proto.model.ssd.image_resizer.fixed_shape_resizer.height == 320
    rate = config.proto.train_config.optimizer.adam_optimizer.learning_rate
    assert rate.constant_learning_rate.learning_rate == 0.5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train_config.batch_size", "is not KEY=VALUE"),
        ("train_config.batchsize=3", "no field 'batchsize'"),
        ("trainconfig.batch_size=3", "no block 'trainconfig'"),
        ("train_config.batch_size=many", "does not fit"),
        ("train_config.batch_size.x=1", "no block 'batch_size'"),
        (f"{NMS}.iou_threshold=nan", "iou_threshold is nan, no finite number"),
        (f"{ANCHORS}.min_scale=nan", "min_scale is nan, no finite number"),
        (f"{ANCHORS}.aspect_ratios=0", "aspect_ratios is 0.0, not above 0"),
        ("train_config.gradient_clipping_by_norm=-1", "norm is -1.0, below 0"),
        ("train_config.gradient_clipping_by_norm=inf", "norm is inf, no finite number"),
        ("model.ssd.num_classes=0", "num_classes is 0, and for data/hand_label_map.pbtxt it must"),
        ("model.ssd.num_classes=1000000000", "it must be 1 to 32767"),
    ],
)
def test_a_wrong_setting_is_told(setting, message):
    with pytest.raises(UserError, match=re.escape(message)):
        pipeline.load("ssd_mobilenet_v1_quick", settings=(setting,))


def test_a_model_with_fewer_classes_than_its_label_map_is_told(tmp_path):
    labelmap.write_label_map(tmp_path / "map.pbtxt", {"cat": 1, "dog": 3})
    its = f"train_input_reader.label_map_path={tmp_path / 'map.pbtxt'}"
    with pytest.raises(UserError, match=r"num_classes is 1, .* must be 3 to"):
        pipeline.load("ssd_mobilenet_v1_quick", settings=(its,))
    config = pipeline.load("ssd_mobilenet_v1_quick", settings=(its, "model.ssd.num_classes=3"))
    assert pipeline.num_classes(config.proto) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("iou_threshold not in [0, 1.0].\nmore", "iou_threshold not in [0, 1.0]."),
        (
            'in user code:\n\n    File "x.py", line 3, in f  *\n        g()\n\n'
            "    ValueError: iou_thresh must be between 0 and 1\n",
            "ValueError: iou_thresh must be between 0 and 1",
        ),
        ("", "no reason given"),
    ],
)
def test_the_apis_refusal_is_told_with_its_reason(text, reason):
    config = pipeline.load("ssd_mobilenet_v1_quick")
    with (
        pytest.raises(UserError, match=rf"ssd_mobilenet_v1_quick\.config: {re.escape(reason)}$"),
        pipeline.explain_refusal(config),
    ):
        raise ValueError(text)


def test_a_mistake_in_a_config_is_told_with_its_line(tmp_path):
    path = tmp_path / "mine.config"
    path.write_text("model {\n  ssd {\n    num_clases: 1\n  }\n}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.config:3:\d+: .*num_clases"):
        pipeline.load(str(path))


def test_an_unknown_model_is_refused_with_the_list():
    with pytest.raises(UserError, match="ssd_mobilenet_v1_egohands, ssd_mobilenet_v1_quick"):
        models.config_file("ssd_mobilenet_v9")


def test_data_points_both_readers_to_a_folder_and_missing_records_say_what_to_run(tmp_path):
    proto = pipeline.load("ssd_mobilenet_v1_quick", data=tmp_path).proto
    with pytest.raises(UserError, match=r"run \./create_tfrecords\.sh first"):
        pipeline.record_files(proto.train_input_reader)
    (tmp_path / "tfrecords").mkdir()
    for name in ("train.record-00000-of-00001", "val.record-00000-of-00001"):
        (tmp_path / "tfrecords" / name).touch()
    [train] = pipeline.record_files(proto.train_input_reader)
    [val] = pipeline.record_files(pipeline.eval_reader(proto))
    assert (train.name[:5], val.name[:3]) == ("train", "val")
    with pytest.raises(UserError, match=r"test\.record"):
        pipeline.record_files(pipeline.eval_reader(proto), "test")


@pytest.mark.parametrize("split", ["**", "../val", "[", ""])
def test_a_split_is_a_name_and_no_pattern(split, tmp_path):
    proto = pipeline.load("ssd_mobilenet_v1_quick", data=tmp_path).proto
    with pytest.raises(UserError, match="is no name of a split"):
        pipeline.record_files(pipeline.eval_reader(proto), split)


def test_data_that_is_a_link_to_itself_holds_no_records(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    proto = pipeline.load("ssd_mobilenet_v1_quick", data=tmp_path / "loop").proto
    with pytest.raises(UserError, match="no TFRecords at"):
        pipeline.record_files(proto.train_input_reader)


def test_a_second_stage_that_wants_more_boxes_than_the_first_proposes_is_told():
    network = "model.faster_rcnn"
    few = f"{network}.first_stage_max_proposals=20"
    config = pipeline.load("faster_rcnn_inception_v2_egohands", settings=(few,))
    with pytest.raises(UserError, match=r"learn from 64 boxes .* proposes 20 at most"):
        pipeline.check_proposals(config)
    enough = (few, f"{network}.second_stage_batch_size=20")
    pipeline.check_proposals(pipeline.load("faster_rcnn_inception_v2_egohands", settings=enough))
    for name in NAMES:
        pipeline.check_proposals(pipeline.load(name))
