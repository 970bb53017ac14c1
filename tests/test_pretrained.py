"""Pretrained weights: the zoo's archives unpack whole, and PyPI's backbone is the real one."""

from __future__ import annotations

import io
import tarfile

import pytest

from hand_detection import pretrained
from hand_detection.api import compat
from hand_detection.console import UserError

NAME = "ssd_mobilenet_v1_coco_2018_01_28"
FILES = (
    "model.ckpt.index",
    "model.ckpt.meta",
    "model.ckpt.data-00000-of-00001",
    "checkpoint",
    "pipeline.config",
    "frozen_inference_graph.pb",
    "saved_model/saved_model.pb",
)


def archive(path, names=FILES, prefix=f"{NAME}/"):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(prefix + name)
            data = name.encode() * 1000
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_zoo_archive_becomes_a_folder_without_its_top_level(tmp_path):
    folder = tmp_path / NAME
    pretrained.unpack(archive(tmp_path / "a.tar.gz"), folder)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == set(FILES)


def test_an_archive_that_is_cut_is_refused_and_leaves_nothing(tmp_path):
    whole = archive(tmp_path / "a.tar.gz")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"cut\.tar\.gz is damaged"):
        pretrained.unpack(cut, tmp_path / NAME)
    assert not (tmp_path / NAME).exists()


def test_an_archive_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no model\.ckpt\.index"):
        pretrained.unpack(archive(tmp_path / "a.tar.gz", ["readme.txt"]), tmp_path / NAME)


def test_a_member_that_points_outside_is_refused(tmp_path):
    evil = archive(tmp_path / "a.tar.gz", [*FILES, "../../evil"])
    with pytest.raises(UserError, match="cannot be unpacked"):
        pretrained.unpack(evil, tmp_path / "inner" / NAME)
    assert not (tmp_path / "evil").exists()


def test_the_backbone_from_pypi_has_every_tensor_of_mobilenet_v1(tmp_path):
    folder = tmp_path / "backbone"
    pretrained.make_imagenet_backbone(folder)
    tf = compat.activate()
    shapes = tf.train.load_checkpoint(str(folder / "model.ckpt")).get_variable_to_shape_map()
    assert len(shapes) == 135
    assert shapes["MobilenetV1/Conv2d_0/weights"] == [3, 3, 3, 32]
    assert shapes["MobilenetV1/Conv2d_13_pointwise/weights"] == [1, 1, 1024, 1024]
    assert shapes["MobilenetV1/Conv2d_13_depthwise/BatchNorm/moving_variance"] == [1024]
