"""The reliability tests in full, and their table: started by run.sh, which see."""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

import crash  # noqa: E402
import judge  # noqa: E402
import steps  # noqa: E402
import test_hostile_input  # noqa: E402
from parsers import PARSERS  # noqa: E402

from hand_detection.console import positive_number  # noqa: E402

MEMORY = 8 << 30  # bytes that a parser may ask for, so that a bomb fails here and kills nothing
TRIES = {"killed": 1.0, "disk full": 0.2, "read-only": 0.02, "twice at once": 0.1}  # shares


def main() -> int:
    """Run what was asked for; 1 if anything was lost or let in."""
    arguments = _arguments()
    started, bad = time.monotonic(), 0
    if "crash" in arguments.only:
        bad += crashes(arguments)
    if "hostile" in arguments.only:
        bad += hostile(arguments)
    print(f"\n{time.monotonic() - started:.0f} s; {'all well' if not bad else f'{bad} FAILURES'}")
    return min(bad, 1)


def crashes(arguments: argparse.Namespace) -> int:
    """Every fault on every step, and the table of it."""
    chosen = [step for step in steps.STEPS if step.name in arguments.steps]
    no_disk = crash.may_mount(Path(tempfile.mkdtemp()))
    rows, lost_all = [], 0
    for step in chosen:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            whole = crash.undisturbed(step, work / "whole")
            for fault in arguments.faults:
                if no_disk and fault in ("disk full", "read-only"):
                    print(f"{step.name}, {fault}: skipped, {no_disk}")
                    continue
                wanted = arguments.tries * TRIES[fault] / (1 if fault == "killed" else step.kills)
                tries, lost = _tries(whole, fault, max(1, round(wanted)), arguments.seed)
                rows.append((fault, step.name, tries, tries - lost, lost))
                print(
                    "{:14} {:16} {:4} tries, {:4} survived, {:3} lost".format(*rows[-1]), flush=True
                )
                lost_all += lost
    print("\n| fault | step | tries | survived | lost |\n|---|---|---|---|---|")
    for row in rows:
        print("| {} | {} | {} | {} | {} |".format(*row))
    return lost_all


def _tries(whole: crash.Undisturbed, fault: str, wanted: int, seed: int) -> tuple[int, int]:
    """Make so many tries of a fault; how many it were, and how many lost something."""
    made, lost, name = 0, 0, whole.step.name
    for number in range(10 * wanted):
        if made >= wanted:
            break
        rng = random.Random(f"{seed} {name} {fault} {number}")
        place = whole.out.parent.parent / fault.replace(" ", "-") / str(number)
        place.mkdir(parents=True)
        try:
            made += crash.FAULTS[fault](whole, place / "out", number, rng)
        except Exception as error:
            lost, made = lost + 1, made + 1
            print(f"LOST {name}, {fault}: {error}"[:3000], flush=True)
        else:
            shutil.rmtree(place)
        print(f"{name}, {fault}: {made} of {wanted} tries", file=sys.stderr, flush=True)
    return made, lost


def hostile(arguments: argparse.Namespace) -> int:
    """Every parser with every attack and so many drawn inputs, and the table of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts = {"tracebacks": 0, "hangs": 0, "outside": 0}
    rows = []
    for name, parser in PARSERS.items():
        count = _Counter(parser)
        found = dict.fromkeys(counts, 0)
        with tempfile.TemporaryDirectory() as folder:
            for what, (data, expected) in parser.crafted.items():
                try:
                    verdict = judge.judge(count.parser, data, Path(folder) / "sandbox")
                    if expected and verdict != expected:
                        raise ValueError(f"{verdict}, not {expected}")
                except Exception as error:
                    _note(found, error, f"{name}, {what}")
            PARSERS[name] = count.parser
            try:
                test_hostile_input.fuzz(name, arguments.inputs, Path(folder))
            except Exception as error:
                _note(found, error, name)
            PARSERS[name] = parser
        rows.append((name, count.read, *found.values()))
        print(
            "{:24} {:7} inputs, {} tracebacks, {} hangs, {} outside".format(*rows[-1]), flush=True
        )
        counts = {key: counts[key] + found[key] for key in counts}
    print("\n| parser | inputs tried | tracebacks shown | hangs | files outside the target |")
    print("|---|---|---|---|---|")
    for row in (*rows, ("all", sum(row[1] for row in rows), *counts.values())):
        print("| {} | {:,} | {} | {} | {} |".format(*row))
    return sum(counts.values())


class _Counter:
    """A parser that counts what it is given."""

    def __init__(self, parser: judge.Parser) -> None:
        self.read = 0

        def parse(data: bytes, folder: Path) -> None:
            self.read += 1
            parser.parse(data, folder)

        self.parser = judge.Parser(parser.name, parse, parser.seeds, parser.crafted)


def _note(found: dict[str, int], error: Exception, where: str) -> None:
    kind = "tracebacks"
    if isinstance(error, judge.HangError):
        kind = "hangs"
    elif "outside of the target" in str(error):
        kind = "outside"
    found[kind] += 1
    print(f"BUG {where}:\n{''.join(traceback.format_exception(error))[-3000:]}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/reliability/run.sh")
    kinds, names = ("crash", "hostile"), [step.name for step in steps.STEPS]
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--steps", nargs="+", choices=names, default=names, help="to crash")
    parser.add_argument("--faults", nargs="+", choices=TRIES, default=list(TRIES))
    parser.add_argument(
        "--tries", type=positive_number, default=50, help="kills of each step (%(default)s)"
    )
    parser.add_argument(
        "--inputs", type=positive_number, default=3000, help="drawn for each parser (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=2018, help="(%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
