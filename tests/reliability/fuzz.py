#!/usr/bin/env python3
"""Coverage-guided fuzzing with atheris, on request; CI does not run it.

    python -m pip install atheris          into an environment of your own
    tests/reliability/fuzz.py "KITTI labels" -max_total_time=600
    tests/reliability/fuzz.py all -max_total_time=60        every parser, one after another

The options behind the parser's name are libFuzzer's. Without a name: the list of parsers.
atheris 3.0.0 has wheels for CPython 3.11 to 3.13.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]


def main() -> None:
    """Fuzz until libFuzzer ends or something other than a `UserError` comes out."""
    if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return
    import atheris

    with atheris.instrument_imports(include=["hand_detection"]):
        from judge import judge
        from parsers import PARSERS
    if sys.argv[1:2] == ["all"]:
        ends = [subprocess.call([sys.executable, __file__, n, *sys.argv[2:]]) for n in PARSERS]
        sys.exit(any(ends))
    if len(sys.argv) < 2 or sys.argv[1] not in PARSERS:
        sys.exit("\n".join(["name one of, or all:", *PARSERS]))
    parser = PARSERS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(parser.seeds):
            (corpus / str(number)).write_bytes(seed)
        atheris.Setup(
            [*sys.argv, str(corpus)], lambda data: judge(parser, data, Path(folder) / "sandbox")
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
