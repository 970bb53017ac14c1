"""What EgoHands calls its videos and the hands in them."""

from __future__ import annotations

import itertools

HANDS = ("myleft", "myright", "yourleft", "yourright")  # the wearer's and the partner's

ACTIVITIES = ("CARDS", "CHESS", "JENGA", "PUZZLE")
LOCATIONS = ("COURTYARD", "LIVINGROOM", "OFFICE")


# EgoHands' own 48 names. The first of them hold videos of all three parts of the official
# split: of 5 videos 1 is test and 1 val, of 15 they are 3 and 2.
NAMES = (
    "CARDS_COURTYARD_B_T",  # test
    "CHESS_OFFICE_B_S",
    "PUZZLE_OFFICE_S_T",  # val
    "JENGA_LIVINGROOM_B_H",
    "PUZZLE_COURTYARD_B_S",
    "CARDS_OFFICE_H_T",
    "CHESS_LIVINGROOM_T_H",  # test
    "JENGA_COURTYARD_B_H",
    "CARDS_LIVINGROOM_S_H",  # val
    "PUZZLE_LIVINGROOM_H_S",
    "JENGA_OFFICE_H_T",  # test
    "CHESS_COURTYARD_T_B",
    "CARDS_COURTYARD_H_S",
    "PUZZLE_OFFICE_B_H",
    "CHESS_LIVINGROOM_S_B",
    "JENGA_OFFICE_S_B",
    "CARDS_LIVINGROOM_B_T",
    "CARDS_OFFICE_S_B",  # test
    "PUZZLE_COURTYARD_S_B",
    "CHESS_COURTYARD_H_S",  # val
    "CHESS_OFFICE_H_T",
    "JENGA_LIVINGROOM_S_T",  # test
    "CARDS_COURTYARD_S_H",
    "PUZZLE_LIVINGROOM_T_B",  # test
    "JENGA_COURTYARD_T_S",  # val
    "CHESS_COURTYARD_B_T",  # test
    "PUZZLE_COURTYARD_H_T",  # test
    "CARDS_COURTYARD_T_B",
    "CARDS_LIVINGROOM_H_S",
    "CARDS_LIVINGROOM_T_B",
    "CARDS_OFFICE_B_S",
    "CARDS_OFFICE_T_H",
    "CHESS_COURTYARD_S_H",
    "CHESS_LIVINGROOM_B_S",
    "CHESS_LIVINGROOM_H_T",
    "CHESS_OFFICE_S_B",
    "CHESS_OFFICE_T_H",
    "JENGA_COURTYARD_H_B",
    "JENGA_COURTYARD_S_T",
    "JENGA_LIVINGROOM_H_B",
    "JENGA_LIVINGROOM_T_S",
    "JENGA_OFFICE_B_S",
    "JENGA_OFFICE_T_H",
    "PUZZLE_COURTYARD_T_H",
    "PUZZLE_LIVINGROOM_B_T",
    "PUZZLE_LIVINGROOM_S_H",
    "PUZZLE_OFFICE_H_B",
    "PUZZLE_OFFICE_T_S",
)


def names(videos: int) -> list[str]:
    """The names of the first `videos` videos: EgoHands' own, then others of the same form."""
    others = (
        f"{activity}_{location}_{viewer}_{partner}"
        for viewer, partner in itertools.permutations("ACDEFGIJKLMNOPQRUVWXYZ", 2)
        for activity in ACTIVITIES
        for location in LOCATIONS
    )
    found = list(itertools.islice(itertools.chain(NAMES, others), videos))
    if len(found) < videos:
        raise ValueError(f"at most {len(found)} videos, not {videos}")
    return found
