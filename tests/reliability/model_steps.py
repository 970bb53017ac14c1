"""Steps 5 to 7 as the crash tests interrupt them, on a network that is as small as can be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from conftest import ROOT
from step import Result, Step, run, visible

from hand_detection import checkpoints, files, pipeline
from hand_detection.api import compat
from hand_detection.training import best

MODEL = "ssd_mobilenet_v1_quick"
STEPS, EVERY, KEEP = 6, 2, 2
_FEATURES = "model.ssd.feature_extractor.depth_multiplier"
_RESIZER = "model.ssd.image_resizer.fixed_shape_resizer"
SETTINGS = {
    _FEATURES: 0.25,
    f"{_RESIZER}.height": 96,
    f"{_RESIZER}.width": 96,
    "train_config.fine_tune_checkpoint": "",
    "eval_config.num_visualizations": 1,
}
# What differs from run to run without harm.
_TIMES = re.compile(rb'"(images_per_second|seconds|started|starts)": [^,}\n]*')


def _command(inputs: Path, out: Path, module: str, *arguments: object) -> list[object]:
    settings = [word for item in SETTINGS.items() for word in ("--set", "{}={}".format(*item))]
    return [
        sys.executable, Path(__file__).parent / "elsewhere.py", out, module, MODEL,
        "--data", inputs / "data", "--run", "crash", *settings, *arguments,
    ]  # fmt: skip


def _data(inputs: Path) -> None:
    for script, *arguments in (
        ("prepare_egohands.py", "--sample", "--videos", "5", "--frames", "4", "--out"),
        ("create_tfrecords.sh", "--split", "official", "--max-side", "160", "--data"),
    ):
        command = [str(ROOT / script), *arguments, str(inputs / "data")]
        subprocess.run(command, check=True, capture_output=True)


def _train(inputs: Path, out: Path) -> list[object]:
    arguments = ("--steps", STEPS, "--eval-every", EVERY, "--keep", KEEP, "--batch-size", 2)
    return _command(inputs, out, "train", *arguments)


def _visible(out: Path) -> Result:
    """Beside TensorBoard's event files, which are logs: only their end may be missing."""
    return {
        name: _TIMES.sub(rb'"\1": 0', data.replace(bytes(out), b"OUT"))
        for name, data in visible(out).items()
        if not Path(name).name.startswith("events.out")
    }


def _unreadable(undisturbed: Path, out: Path) -> Iterator[str]:
    """What cannot be read to its end by that which reads it."""
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if any(part.startswith(".") for part in path.relative_to(out).parts):
            continue
        try:
            if path.suffix == ".json":
                files.read_json(path)
            elif path.suffix == ".index":
                tensors(path.with_suffix(""))
            elif path.suffix == ".config":
                pipeline.parse(path)
            elif path.suffix == ".html" and not path.read_text().rstrip().endswith("</html>"):
                yield name
            elif path.name == checkpoints.BEST:
                tensors(path / f"{checkpoints.PREFIX}-{best.read(path.parent)['step']}")
        except Exception as error:
            yield f"{name} ({type(error).__name__}: {str(error)[:200]})"


def tensors(prefix: Path) -> dict[str, np.ndarray]:
    """All variables of a checkpoint; reading compares their checksums."""
    reader = compat.activate().train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def _other_training(undisturbed: Path, out: Path) -> Iterator[str]:
    """Names of files that are too many or too few, numbers and weights beyond noise."""
    whole, run_ = undisturbed / "runs" / "crash", out / "runs" / "crash"
    found, expected = _visible(run_), _visible(whole)
    # SIGTERM saves a checkpoint of its own step; which is the best of equals is noise.
    own = re.compile(rf"({checkpoints.BEST}/)?{checkpoints.PREFIX}-\d+\..*")
    yield from sorted(name for name in found.keys() ^ expected.keys() if not own.fullmatch(name))
    history = files.read_json(run_ / "run.json")
    if (history[-1].get("last_step"), history[-1].get("ended")) != (STEPS, "last step"):
        yield f"run.json: {history[-1]}"
    losses, wanted = _losses(run_), _losses(whole)
    if len(losses) != len(wanted) or not np.allclose(losses, wanted, rtol=0.02):
        yield f"report.json: losses {losses}, not {wanted}"
    steps = checkpoints.all_steps(run_)
    if steps[-1:] != [STEPS] or len(steps) != KEEP:
        yield f"checkpoints of {steps}"
    for step in set(steps) & set(checkpoints.all_steps(whole)):
        yield from _other_weights(whole, run_, step)


def _losses(run_: Path) -> list[float]:
    curves = files.read_json(run_ / "report.json")["curves"]
    return [
        value
        for folder in ("train", "eval")
        for step, value in curves[f"{folder}/Loss/total_loss"]
        if step % EVERY == 0
    ]


def _other_weights(whole: Path, run_: Path, step: int) -> Iterator[str]:
    """Kinds of tensors that differ by more than noise, beside how large they are.

    Adam moves a weight of hardly any gradient by the sign of that, which is float noise: so all
    tensors of a kind are compared together.
    """
    expected, found = (tensors(one / f"{checkpoints.PREFIX}-{step}") for one in (whole, run_))
    if expected.keys() != found.keys() or found["global_step"] != step:
        yield f"step {step}: variables"
        return
    for kind in {name.rpartition("/")[2] for name in expected} - {"global_step"}:
        names = [name for name in expected if name.endswith(kind)]
        noise = sum(np.sum((found[name] - expected[name]) ** 2) for name in names)
        size = sum(np.sum(expected[name] ** 2) for name in names)
        if not noise <= 0.03**2 * size:
            yield f"step {step}: {kind}, {noise:g} of {size:g}"


TRAIN = Step(
    "train",
    _data,
    _train,
    _visible,
    damaged=_unreadable,
    different=_other_training,
    kills=5,
    ends_in=60,
)


def _trained(inputs: Path) -> None:
    _data(inputs)
    done = run(TRAIN, inputs, inputs / "trained")
    assert done.returncode == 0, done.stderr


def _take_run(inputs: Path, out: Path) -> None:
    shutil.copytree(inputs / "trained", out, dirs_exist_ok=True)


EVAL = Step(
    "eval",
    _trained,
    lambda inputs, out: _command(
        inputs, out, "evaluate", "--split", "test",
        "--save-detections", out / "detections.json", "--save-ground-truth", out / "truth.json",
    ),
    _visible,
    stage=_take_run,
    kills=5,
)  # fmt: skip


def _exported(out: Path) -> Result:
    """Not what an export that was whole before has been moved aside to."""
    return {name: data for name, data in _visible(out).items() if "exported/crash/" in name}


def _not_as_recorded(undisturbed: Path, out: Path) -> Iterator[str]:
    """What is not there as export.json has it."""
    for folder in (out / "exported").glob("[!.]*"):
        record = files.read_json(folder / "export.json")
        for name, sha256 in record["sha256"].items():
            if files.sha256(folder / name) != sha256:
                yield f"{folder.name}/{name}"


EXPORT = Step(
    "export",
    _trained,
    lambda inputs, out: _command(inputs, out, "export", "--parity-frames", 4),
    _exported,
    stage=_take_run,
    damaged=_not_as_recorded,
    kills=5,
)
