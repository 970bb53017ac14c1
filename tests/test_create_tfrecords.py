"""Step 4 as a user runs it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_data import contents, kitti_folder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def data(tmp_path):
    return kitti_folder(tmp_path / "data")


@pytest.fixture
def create(step, data):
    """Run the step on the small data set."""

    def run(*args: object, **options):
        return step("create_tfrecords.sh", "--data", data, "--workers", 1, *args, **options)

    return run


def test_it_counts_what_it_wrote_and_names_the_next_step(create, data):
    done = create()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:4] for line in lines[-3:-1]] == [
        ["train", "8", "8", "1"],
        ["val", "2", "1", "1"],
    ]
    assert lines[-1] == f"Next: step 5, ./train.sh ssd_mobilenet_v1_egohands --data {data}"
    manifest = json.loads((data / "tfrecords" / "manifest.json").read_text())
    assert manifest["settings"]["split"] == "random"
    again = create()
    assert again.returncode == 0 and "already done" in again.stdout


def test_every_option_reaches_the_records(create, data):
    done = create(
        *("--split", "official", "--seed", 5, "--shards", 2, "--max-side", 32, "--workers", 2)
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((data / "tfrecords" / "manifest.json").read_text())
    assert manifest["settings"] == {
        "split": "official",
        "seed": 5,
        "val_size": None,
        "max_side": 32,
        "shards": 2,
        "classes": {"hand": 1},
        "group": None,
        "folds": None,
        "fold": None,
        "masks": False,
    }
    assert set(manifest["splits"]) == {"train", "val", "test"}
    assert len(contents(data / "tfrecords")) == 7


def test_it_runs_from_any_directory_with_a_name_relative_to_it(step, data):
    done = step("create_tfrecords.sh", "--data", data.name, cwd=data.parent)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1]
        == "Next: step 5, ./train.sh ssd_mobilenet_v1_egohands --data data"
    )


def test_a_wrong_label_is_one_clear_line(create, data):
    (data / "labels" / "SOME_OTHER_VIDEO_frame_0002.txt").write_text("hand 0 0 0 1 2\n")
    failed = create("--workers", 2)
    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        f"error: {data}/labels/SOME_OTHER_VIDEO_frame_0002.txt, line 1: "
        "6 fields where a KITTI label has 15"
    )


def test_a_folder_that_is_not_there_is_not_made(step, tmp_path):
    failed = step("create_tfrecords.sh", "--data", tmp_path / "typo")
    assert failed.returncode == 1
    assert "run ./prepare_egohands.py" in failed.stderr
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["--no-such-option"],
        ["--split", "other"],
        ["--val-size", "0"],
        ["--val-size", "-3"],
        ["--shards", "few"],
        ["--split", "official", "--val-size", "5"],
        ["--split", "group"],
        ["--group", "(a)"],
        ["--split", "group", "--group", "a"],
        ["--split", "group", "--group", "(a"],
        ["--split", "group", "--group", "(a{99999999999})"],
        ["--split", "group", "--group", "(" * 5000 + "a" + ")" * 5000],
        ["--folds", "5"],
        ["--folds", "5", "--fold", "6"],
        ["--folds", "1", "--fold", "1"],
        ["--folds", "5", "--fold", "1", "--val-size", "5"],
        ["extra"],
    ],
)
def test_misuse_exits_with_2_and_says_how(step, args):
    wrong = step("create_tfrecords.sh", *args)
    assert wrong.returncode == 2
    assert "usage: create_tfrecords.sh" in wrong.stderr
    assert len(wrong.stderr) < 2000
    assert "Traceback" not in wrong.stderr


def test_tensorflow_is_not_imported(data):
    code = (
        "import sys; sys.argv = ['x', '--data', sys.argv[1], '--workers', '1']; "
        "import create_kitti_tf_record as c; c.main(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, data], cwd=ROOT, check=True, capture_output=True)


def test_without_an_installation_it_says_what_to_run(tmp_path):
    shutil.copy(ROOT / "create_tfrecords.sh", tmp_path)
    failed = subprocess.run(
        [tmp_path / "create_tfrecords.sh"], capture_output=True, text=True, timeout=20
    )
    assert failed.returncode == 1
    assert failed.stderr == "error: .venv is missing: run ./install.sh first\n"


def test_killed_at_any_time_the_next_run_makes_the_same(tmp_path):
    data = kitti_folder(tmp_path / "many", 120, (320, 240))
    command = [
        *(sys.executable, ROOT / "create_kitti_tf_record.py", "--data", data),
        *("--split", "official", "--shards", "2"),
    ]
    folder, building = data / "tfrecords", data / ".tfrecords.partial"
    for files in (1, 3, 5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(building.glob("*"))) < files:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not folder.exists()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert not building.exists()
    killed = contents(folder)
    subprocess.run([*command, "--overwrite"], check=True, capture_output=True, timeout=60)
    assert contents(folder) == killed
    assert len(killed) == 7


def test_folds_by_group_reach_the_records(create, data):
    done = create("--split", "group", "--group", "^([A-Z]+)_", "--folds", 3, "--fold", 2)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((data / "tfrecords" / "manifest.json").read_text())
    frames = {split: part["frames"] for split, part in manifest["splits"].items()}
    assert len({name.partition("_")[0] for name in frames["val"]}) == 1
    assert not {name.partition("_")[0] for name in frames["val"]} & {
        name.partition("_")[0] for name in frames["train"]
    }
    assert manifest["settings"]["folds"] == 3 and manifest["settings"]["val_size"] is None


def test_near_twins_across_the_split_are_counted_and_warned_of(create, data):
    images = sorted((data / "images").iterdir())
    for image in images[1:]:
        shutil.copy(images[0], image)
    done = create()
    assert done.returncode == 0, done.stderr
    assert "near twins: 2 of 2 val frames (100%) look nearly like a frame of train" in done.stdout
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("warning: what is measured on this split flatters")
    )


def test_the_real_frames_go_all_the_way(step, real_frames, tmp_path):
    from hand_detection import tfrecords

    archive, out = real_frames / "egohands_data_300.zip", tmp_path / "real"
    assert step("prepare_egohands.py", "--archive", archive, "--out", out).returncode == 0
    done = step("create_tfrecords.sh", "--data", out)
    assert done.returncode == 0, done.stderr
    splits = tfrecords.verify(out / "tfrecords", full=True).splits
    assert {name: len(split.frames) for name, split in splits.items()} == {"train": 240, "val": 60}
    assert sum(split.boxes for split in splits.values()) == 800
    # One second apart: most of a random split's frames were nearly seen in training.
    assert tfrecords.verify(out / "tfrecords").near_twins["val"] > 30
    apart = step("create_tfrecords.sh", "--data", out, "--split", "video", "--overwrite")
    assert apart.returncode == 0, apart.stderr
    assert "near twins: 0 of 100 val frames (0%)" in apart.stdout
    assert "warning" not in apart.stderr
