"""A model trained for six steps on a few generated frames, made once for all tests of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from hand_detection import paths, pretrained
from hand_detection.models import IMAGENET_BACKBONE

MODEL = "ssd_mobilenet_v1_quick"
AVERAGE = "ExponentialMovingAverage"
SMALL = ("--batch-size", "2", "--set", "eval_config.num_visualizations=2")


def run_step(script: str, *args: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a step to its end, and see that it leaves nothing among the temporary files."""
    command = [str(paths.ROOT / script), *map(str, args)]
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "TMPDIR": temporary, "PYTHONDONTWRITEBYTECODE": ""},
        )
        assert [path.name for path in Path(temporary).iterdir()] == []
    return done


def fetch_backbone() -> None:
    """Have the ImageNet backbone, which test processes side by side all want first."""
    paths.BUILD.mkdir(exist_ok=True)
    with FileLock(paths.BUILD / ".backbone.lock"):
        if not IMAGENET_BACKBONE.folder.is_dir():
            pretrained.get(IMAGENET_BACKBONE)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A prepared sample: five videos with four frames each, in all three splits."""
    folder = tmp_path_factory.mktemp("data") / "sample"
    fetch_backbone()
    arguments = ("--sample", "--videos", 5, "--frames", 4, "--out", folder)
    assert run_step("prepare_egohands.py", *arguments).returncode == 0
    done = run_step("create_tfrecords.sh", "--data", folder, "--split", "official")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def name(tmp_path_factory):
    """The name of a run of its own, below runs/ and exported/; removed at the end."""
    # With pytest-xdist the last folder is the worker's, the one before it the session's.
    name = "-".join(("test", *tmp_path_factory.getbasetemp().parts[-2:]))
    yield name
    for folder in (*paths.RUNS.glob(f"*{name}*"), *paths.EXPORTED.glob(f"{name}*")):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


@pytest.fixture(scope="session")
def trained(data, name) -> Path:
    """The folder of a run of six steps, saved at three and six."""
    done = run_step(
        "train.sh", MODEL, "--data", data, "--run", name, "--steps", 6, "--eval-every", 3, *SMALL
    )
    assert done.returncode == 0, done.stderr
    assert "135 variables restored, 64 new, 0 skipped" in done.stdout
    assert f"Next: step 6, ./eval.sh {MODEL} --run {name} --data " in done.stdout
    return paths.RUNS / name


@pytest.fixture(scope="session")
def exported(trained, data, name) -> Path:
    """That run's last checkpoint, exported."""
    done = run_step("export.sh", MODEL, "--data", data, "--run", name)
    assert done.returncode == 0, done.stderr
    return paths.EXPORTED / name
