"""Hostile and damaged input: every parser reads it, or refuses it in one clear line."""

from __future__ import annotations

import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge import READ, judge
from parsers import PARSERS

FUZZED = 60  # inputs a parser, in the short form


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_correct_is_read(name, tmp_path):
    for seed in PARSERS[name].seeds[:1]:
        assert judge(PARSERS[name], seed, tmp_path / "sandbox") == READ


@pytest.mark.parametrize("name", PARSERS)
def test_attacks_and_typical_damage_come_to_what_they_should(name, tmp_path):
    wrong = {}
    for what, (data, expected) in PARSERS[name].crafted.items():
        try:
            verdict = judge(PARSERS[name], data, tmp_path / "sandbox")
        except (Exception, AssertionError) as error:
            verdict = f"{type(error).__name__}: {error}"[:300]
        if verdict != expected and (expected or verdict not in ("read", "refused")):
            wrong[what] = verdict
    assert not wrong


@pytest.mark.parametrize("name", PARSERS)
def test_drawn_damage_is_read_or_refused(name, tmp_path):
    fuzz(name, FUZZED, tmp_path)


def fuzz(name: str, inputs: int, folder) -> None:
    """Give a parser so many inputs, the same ones each time."""
    parser = PARSERS[name]

    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(damaged(parser.seeds), st.binary(max_size=300)))
    def every_input(data: bytes) -> None:
        judge(parser, data, folder / "sandbox")

    every_input()
