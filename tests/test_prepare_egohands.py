"""Step 3 as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_data import archive_members, contents, jpeg, write_archive

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def prepare(step, tmp_path):
    """Run the step into tmp_path/out."""

    def run(*args: object):
        # One worker: starting more takes longer than this little work.
        return step("prepare_egohands.py", "--out", tmp_path / "out", "--workers", 1, *args)

    return run


def made(folder: Path) -> dict[str, bytes]:
    """What counts in a prepared folder: the manifest has times and versions too."""
    kept = ("images/", "labels/", "polygons/")
    return {k: v for k, v in contents(folder).items() if k.startswith(kept)}


def test_images_keep_their_bytes_and_labels_count_from_0(prepare, archive, tmp_path):
    done = prepare("--archive", archive)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    images = sorted(path.name for path in (out / "images").iterdir())
    assert len(images) == 12
    assert images[0] == "CARDS_OFFICE_S_B_frame_0001.jpg"
    members = archive_members()
    for name in images:
        video, frame = name.split("_frame_")
        source = members[f"_LABELLED_SAMPLES/{video}/frame_{frame}"]
        assert (out / "images" / name).read_bytes() == source
    # The polygon's corners are 3.5 4.25 and 20.5 30, counted from 1; halves go up.
    label = (out / "labels" / "CARDS_OFFICE_S_B_frame_0011.txt").read_text()
    assert label == "hand 0 0 0 3 3 20 29 0 0 0 0 0 0 0\n"
    assert (out / "labels" / "CARDS_OFFICE_S_B_frame_0001.txt").read_text() == ""
    manifest = json.loads((out / "dataset.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["archive"]["name"] == "small.zip"
    assert manifest["videos"]["SOME_OTHER_VIDEO"]["hands"] == 6


def test_the_last_lines_are_the_counts_and_the_next_step(prepare, archive, tmp_path):
    lines = prepare("--archive", archive).stdout.splitlines()
    assert lines[-2].split() == ["total", "3", "12", "18"]
    assert lines[-1] == f"Next: step 4, ./create_tfrecords.sh --data {tmp_path / 'out'}"


def test_a_second_run_is_already_done(prepare, archive, tmp_path):
    prepare("--archive", archive)
    image = tmp_path / "out" / "images" / "CARDS_OFFICE_S_B_frame_0001.jpg"
    before = image.stat().st_mtime_ns
    again = prepare("--archive", archive)
    assert again.returncode == 0
    assert "already done" in again.stdout
    assert image.stat().st_mtime_ns == before


def test_a_missing_or_emptied_image_is_written_again(prepare, archive, tmp_path):
    prepare("--archive", archive)
    first = made(tmp_path / "out")
    (tmp_path / "out" / "images" / "CARDS_OFFICE_S_B_frame_0001.jpg").unlink()
    (tmp_path / "out" / "images" / "CARDS_OFFICE_S_B_frame_0011.jpg").write_bytes(b"")
    (tmp_path / "out" / "labels" / "CARDS_OFFICE_S_B_frame_0011.txt").unlink()
    assert prepare("--archive", archive).returncode == 0
    assert made(tmp_path / "out") == first


def test_labels_edited_by_hand_are_never_lost(prepare, archive, tmp_path):
    prepare("--archive", archive)
    first = made(tmp_path / "out")
    label = tmp_path / "out" / "labels" / "CARDS_OFFICE_S_B_frame_0011.txt"
    label.write_text("hand 0 0 0 1 1 2 2 0 0 0 0 0 0 0\n")
    refused = prepare("--archive", archive)
    assert refused.returncode == 1
    assert label.name in refused.stderr
    assert "--overwrite" in refused.stderr
    assert label.read_text().startswith("hand 0 0 0 1 1 2 2")
    assert prepare("--archive", archive, "--overwrite").returncode == 0
    assert made(tmp_path / "out") == first


def test_files_of_the_users_own_are_never_lost(prepare, archive, tmp_path):
    prepare("--archive", archive)
    own = tmp_path / "out" / "images" / "mine.jpg"
    own.write_bytes(jpeg())
    refused = prepare("--archive", archive)
    assert refused.returncode == 1
    assert "mine.jpg" in refused.stderr
    assert own.exists()


def test_another_archive_does_not_mix_with_the_first(prepare, archive, tmp_path):
    prepare("--archive", archive)
    other = write_archive(tmp_path / "other.zip", archive_members(2, 3))
    refused = prepare("--archive", other)
    assert refused.returncode == 1
    assert "made from another archive, small.zip" in refused.stderr
    assert prepare("--archive", other, "--overwrite").returncode == 0
    # Of six frames: an image and a label; of the four with hands, outlines.
    assert len(made(tmp_path / "out")) == 2 * 6 + 4


def test_the_number_of_workers_changes_nothing(step, archive, tmp_path):
    for workers in (1, 3):
        step("prepare_egohands.py", "--archive", archive, "--out", tmp_path / str(workers),
             "--workers", workers)  # fmt: skip
    assert made(tmp_path / "1") == made(tmp_path / "3") != {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[: len(data) // 2], "is cut or damaged"),
        (lambda data: b"<html>not found</html>", "is not a JPEG or PNG image"),
        (lambda data: b"", "is empty"),
    ],
)
def test_a_damaged_image_is_named_and_not_written(prepare, tmp_path, change, message):
    members = archive_members(2)
    name = "_LABELLED_SAMPLES/PUZZLE_OFFICE_S_T/frame_0011.jpg"
    members[name] = change(members[name])
    failed = prepare("--archive", write_archive(tmp_path / "a.zip", members))
    assert failed.returncode == 1
    assert failed.stderr.count("error:") == 1 and "Traceback" not in failed.stderr
    assert name in failed.stderr and message in failed.stderr
    assert not (tmp_path / "out" / "images" / "PUZZLE_OFFICE_S_T_frame_0011.jpg").exists()


def test_a_flipped_byte_in_the_archive_is_found(prepare, archive, tmp_path):
    data = bytearray(archive.read_bytes())
    at = data.index(b"_LABELLED_SAMPLES/PUZZLE_OFFICE_S_T/frame_0001.jpg") + 1500
    data[at] ^= 0xFF
    archive.write_bytes(data)
    failed = prepare("--archive", archive)
    assert failed.returncode == 1
    assert "frame_0001.jpg is damaged" in failed.stderr


def test_verify_draws_a_sheet_a_video_and_finds_what_was_spoilt(prepare, archive, tmp_path):
    from PIL import Image

    out = tmp_path / "out"
    done = prepare("--archive", archive, "--verify")
    assert "verified: 12 images decode, 18 boxes" in done.stdout
    assert len(list((out / "contact_sheets").iterdir())) == 3
    with Image.open(out / "contact_sheets" / "CARDS_OFFICE_S_B.jpg") as sheet:
        sheet.load()
    image = out / "images" / "SOME_OTHER_VIDEO_frame_0001.jpg"
    spoilt = image.read_bytes()
    image.write_bytes(spoilt[:-200] + bytes(200))  # of the same size: the sizes do not tell
    failed = prepare("--archive", archive, "--verify")
    assert failed.returncode == 1
    assert image.name in failed.stderr


def test_a_full_set_with_another_count_is_said_so(prepare, tmp_path):
    members = {}
    for i in range(48):
        for name, data in archive_members(1, 2).items():
            members[name.replace("CARDS_OFFICE_S_B", f"VIDEO_{i:02d}")] = data
    done = prepare("--archive", write_archive(tmp_path / "a.zip", members))
    assert done.returncode == 0
    assert "warning" in done.stderr
    assert "48 videos, 96 frames, 48 hands where the published data set has 48, 4,800, 15,053" in (
        done.stderr
    )


def test_a_set_fetched_to_its_place_must_be_the_whole_published_one(prepare, archive, tmp_path):
    (tmp_path / "out").mkdir()
    archive.rename(tmp_path / "out" / "egohands_data.zip")
    failed = prepare()
    assert failed.returncode == 1
    assert "name it with --archive" in failed.stderr
    assert made(tmp_path / "out") == {}


def test_done_without_the_archive_needs_no_net(prepare, step, tmp_path):
    assert prepare("--sample", "--videos", 1, "--frames", 2).returncode == 0
    (tmp_path / "out" / "egohands_data.zip").unlink()
    again = prepare()
    assert again.returncode == 0
    assert "already done" in again.stdout


def test_a_sample_is_repeatable_and_never_replaces_a_real_archive(prepare, step, tmp_path):
    sample = ("--sample", "--videos", 2, "--frames", 2)
    assert prepare(*sample).returncode == 0
    first = made(tmp_path / "out")
    assert len(first) == 3 * 4
    assert "already done" in prepare(*sample).stdout
    other = prepare("--sample", "--videos", 1, "--frames", 2)
    assert other.returncode == 1 and "other settings" in other.stderr
    (tmp_path / "out" / "dataset.json").unlink()
    refused = prepare(*sample)
    assert refused.returncode == 1 and "not a generated sample" in refused.stderr


def test_killed_at_any_time_the_next_run_completes_it(archive, prepare, tmp_path):
    archive = write_archive(tmp_path / "more.zip", archive_members(3, 300))
    assert prepare("--archive", archive).returncode == 0
    whole = made(tmp_path / "out")
    out = tmp_path / "killed"
    command = [sys.executable, ROOT / "prepare_egohands.py", "--archive", archive, "--out", out]
    found = []
    for least in (1, 300, 1000):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("*/[A-Z]*_frame_*"))) < least:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)  # until its workers have seen it
        found.append(made(out))
        assert found[-1].items() <= whole.items()
    assert 0 < len(found[0]) < len(whole)
    last = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert last.returncode == 0, last.stderr
    assert made(out) == whole
    assert not list(out.rglob("*.partial"))


def test_a_killed_run_leaves_no_process_behind(tmp_path):
    archive = write_archive(tmp_path / "more.zip", archive_members(3, 300))
    out = tmp_path / "out"
    command = [sys.executable, ROOT / "prepare_egohands.py", "--archive", archive, "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any((out / "images").glob("*.jpg")):
        assert process.poll() is None
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert workers
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while any(_runs(int(pid)) for pid in workers):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_runs_at_once_do_not_mix(step, archive, tmp_path):
    from hand_detection.files import sole_writer

    with sole_writer(tmp_path / "out"):
        refused = step("prepare_egohands.py", "--archive", archive, "--out", tmp_path / "out")
    assert refused.returncode == 1
    assert "another run is writing" in refused.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["--no-such-option"],
        ["--videos", "3"],
        ["--sample", "--archive", "a.zip"],
        ["--workers", "0"],
        ["--sample", "--frames", "many"],
        ["extra"],
    ],
)
def test_misuse_exits_with_2_and_says_how(step, args):
    wrong = step("prepare_egohands.py", *args)
    assert wrong.returncode == 2
    assert "usage:" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_it_runs_from_any_directory_and_reads_relative_names_there(step, archive, tmp_path):
    done = step("prepare_egohands.py", "--archive", archive.name, "--out", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "dataset.json").exists()
    assert done.stdout.splitlines()[-1] == "Next: step 4, ./create_tfrecords.sh --data here"


def test_ctrl_c_ends_it_with_one_line(tmp_path):
    archive = write_archive(tmp_path / "more.zip", archive_members(3, 60))
    out = tmp_path / "out"
    command = [sys.executable, ROOT / "prepare_egohands.py", "--archive", archive, "--out", out]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (out / "dataset.json").exists():
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in stderr and "Traceback" not in stderr
