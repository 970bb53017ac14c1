"""What becomes of each variable when a training starts from a pretrained checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hand_detection import models
from hand_detection.api import compat
from hand_detection.console import UserError, say
from hand_detection.evaluator import explain_misfit
from hand_detection.paths import shown


def require(config: Any) -> None:
    """Check that the checkpoint which the config starts from is there.

    Raises:
        UserError: it is not; the text says what to run first.
    """
    checkpoint = config.proto.train_config.fine_tune_checkpoint
    folder, name = Path(checkpoint).parent, Path(checkpoint).name
    there = Path(f"{checkpoint}.index").exists() and any(folder.glob(f"{name}.data-*"))
    if checkpoint and not there:
        known = {one.name: one for one in models.checkpoints()}.get(folder.name)
        which = "" if known is None else " --offline" if known.offline else f" {known.name}"
        raise UserError(
            f"{shown(checkpoint)}.index or its .data is missing: run "
            f"./download_pretrained_models.sh{which} first"
        )


def fates(assignment: dict[str, Any], checkpoint: str) -> dict[str, str]:
    """What becomes of each model variable: "restored", "new", or why it is skipped.

    Args:
        assignment: the model's variables by their name in the checkpoint, as the API's
            `restore_map` has it.
        checkpoint: the checkpoint's prefix.

    Raises:
        UserError: nothing is restored.
    """
    tf = compat.activate()
    with explain_misfit(Path(checkpoint)):
        shapes = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
    fate: dict[str, str] = {}
    for name, variable in assignment.items():
        if name == tf.GraphKeys.GLOBAL_STEP:  # in Faster R-CNN's map; the API leaves it out
            continue
        own = variable.shape.as_list()
        if name not in shapes:
            fate[variable.op.name] = "new"
        elif shapes[name] != own:
            fate[variable.op.name] = f"shape {own} here, {shapes[name]} in the checkpoint"
        else:
            fate[variable.op.name] = "restored"
    model = {variable.op.name for variable in tf.model_variables()}
    for name in sorted(model - set(fate)):
        fate[name] = "new"
    # Biases of like shapes and names are in other networks too.
    weights = [name for name, variable in assignment.items() if len(variable.shape) > 1]
    if not any(fate[assignment[name].op.name] == "restored" for name in weights):
        raise UserError(
            f"not one of the model's weights is in {shown(checkpoint)}: it belongs to another "
            "network, or fine_tune_checkpoint_type should be the other of classification/detection"
        )
    return fate


def say_fates(checkpoint: str, fate: dict[str, str]) -> None:
    """Print the counts, and each variable that is skipped."""
    values = list(fate.values())
    restored, new = values.count("restored"), values.count("new")
    say(f"from {shown(checkpoint)}:")
    say(f"  {restored} variables restored, {new} new, {len(values) - restored - new} skipped")
    for name, what in fate.items():
        if what not in ("restored", "new"):
            say(f"  skipped {name}: {what}")
