"""The list of models: one row a config, and every script and table takes its names from there."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT
from trained import fetch_backbone

from hand_detection import models, pipeline

TUTORIAL = {
    "ssd_mobilenet_v1_egohands": 20_000,
    "ssd_mobilenet_v2_egohands": 20_000,
    "ssdlite_mobilenet_v2_egohands": 20_000,
    "ssd_inception_v2_egohands": 20_000,
    "ssd_resnet50_v1_fpn_egohands": 25_000,
    "rfcn_resnet101_egohands": 50_000,
    "faster_rcnn_resnet50_egohands": 50_000,
    "faster_rcnn_resnet101_egohands": 50_000,
    "faster_rcnn_inception_v2_egohands": 50_000,
    "faster_rcnn_inception_resnet_v2_atrous_egohands": 50_000,
    "mask_rcnn_inception_v2_egohands": 50_000,
}


def test_the_tutorials_models_are_there_with_its_steps():
    steps = {model.name: model.steps for model in models.MODELS}
    assert TUTORIAL.items() <= steps.items()
    assert set(models.names()) - set(TUTORIAL) == {"ssd_mobilenet_v1_quick"}


@pytest.mark.parametrize("model", models.MODELS, ids=models.names())
def test_what_the_list_reads_from_a_config_is_what_the_api_reads(model):
    config = pipeline.load(model.name)
    assert (model.steps, model.batch_size) == (config.steps, config.batch_size)
    assert config.proto.train_input_reader.shuffle_buffer_size <= 512
    reader = pipeline.eval_reader(config.proto)
    assert (reader.num_epochs, reader.shuffle) == (1, False)
    masks = model.name.startswith("mask_rcnn")
    assert (
        reader.load_instance_masks == config.proto.train_input_reader.load_instance_masks == masks
    )


def test_a_learning_rate_schedule_ends_within_the_training():
    for model in models.MODELS:
        optimizer = pipeline.load(model.name).proto.train_config.optimizer
        rate = getattr(optimizer, optimizer.WhichOneof("optimizer")).learning_rate
        if rate.WhichOneof("learning_rate") == "cosine_decay_learning_rate":
            assert rate.cosine_decay_learning_rate.total_steps == model.steps
        schedule = rate.manual_step_learning_rate.schedule
        assert all(0 < change.step < model.steps for change in schedule)


def test_the_table_has_a_row_a_model_and_names_whose_figures_they_are():
    done = subprocess.run(
        [sys.executable, "-m", "hand_detection.models"], cwd=ROOT, capture_output=True, text=True
    )
    header, _, *rows, _, note = done.stdout.splitlines()
    assert header.count("\\*") == 4
    assert note.startswith("\\* What the author of the original tutorial reported")
    assert [row.split("`")[1] for row in rows] == models.names()
    [resnet50] = [row for row in rows if "`faster_rcnn_resnet50_egohands`" in row]
    assert resnet50.endswith("| accuracy | 50,000 x 1 | 0.751 | 0.977 | 0.906 | 2h06 |")


def test_the_readme_has_the_table_of_the_list():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if models.MODELS[4].name not in readme:
        pytest.skip("the README has no table of all models yet")
    assert models.markdown() in readme


def test_step_2_takes_the_name_of_a_model_or_of_its_checkpoint(step):
    help_text = step("download_pretrained_models.sh", "-h").stdout
    for model in models.MODELS:
        assert f"  {model.name}\n      {model.checkpoint.name}\n" in help_text
    wrong = step("download_pretrained_models.sh", "ssd_mobilenet_v9")
    assert wrong.returncode == 2
    assert models.names()[0] in wrong.stderr
    none = step("download_pretrained_models.sh", "ssd_mobilenet_v1_egohands", "--offline")
    assert none.returncode == 2
    assert "--offline has none of these: only ssd_mobilenet_v1_quick" in none.stderr
    fetch_backbone()
    done = step("download_pretrained_models.sh", "ssd_mobilenet_v1_quick", "--offline")
    assert done.returncode == 0, done.stderr
    assert f"{models.IMAGENET_BACKBONE.name}: " in done.stdout
