"""What training does with a checkpoint: evaluate it, show it in TensorBoard, keep it if best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hand_detection import checkpoints, coco, files, runs
from hand_detection.console import say
from hand_detection.evaluator import Evaluator, event_writer, write_summaries
from hand_detection.training import best, pr_curves, summaries
from hand_detection.training.validation import Validation


class Assessor:
    """Assesses the checkpoints of one run; the graphs are built at the first one.

    Args:
        config: a pipeline.Pipeline.
        run: the run's folder.
        best_by: which metric decides on the best checkpoint, a key of `best.METRICS`.

    Raises:
        UserError: the validation records are missing or damaged.
    """

    def __init__(self, config: Any, run: Path, best_by: str) -> None:
        self._config = config
        self._run = run
        self._best_by = best_by
        self._evaluator = Evaluator(config)
        self._validation: Validation | None = None

    def assess(self, step: int) -> None:
        """Assess the checkpoint of `step`; say the numbers in a line."""
        run = self._run
        prefix = run / f"{checkpoints.PREFIX}-{step}"
        result = self._evaluator.run(prefix)
        if self._validation is None:
            self._validation = Validation(self._config, self._evaluator.examples)
        losses = self._validation.run(prefix)
        write_summaries(run / "eval", self._evaluator, result, step)
        curves = pr_curves.curves(result.images, self._evaluator.classes)
        with event_writer(run / "eval", f"training-{step}") as writer:
            writer.add_summary(summaries.scalars(losses), step)
            for name, curve in curves.items():
                writer.add_summary(summaries.pr_curve(name, curve), step)
        # Last, for it is the sign that this step is done.
        is_best = best.consider(run, step, result.numbers, self._best_by)
        files.write_json(
            runs.validation_file(run, step),
            result.record(self._config.name, prefix, step, "val"),
        )
        numbers = result.numbers
        masks = f"masks' AP {numbers[coco.MASK_AP]:.3f}, " if coco.MASK_AP in numbers else ""
        say(
            f"step {step}: AP {numbers[coco.AP]:.3f}, AP50 {numbers[coco.AP50]:.3f}, "
            f"AP75 {numbers[coco.AP75]:.3f}, {masks}loss {losses['Loss/total_loss']:.3f} "
            f"on {len(result.images)} images" + (", the best so far" if is_best else "")
        )
