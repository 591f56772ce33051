"""Random numbers as a function of a key and a counter, the same on every machine; `kvision.ops.threefry` has the same."""

from __future__ import annotations

from typing import Tuple

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
ROUNDS_OF_FOUR = 5
WORD = 0xFFFFFFFF


def threefry(key: Tuple[int, int], counter: Tuple[int, int]) -> Tuple[int, int]:
    """Threefry-2x32 with 20 rounds.

    Args:
        key: Two words of 32 bits.
        counter: Likewise.

    Returns:
        Two words, as good as random.

    References:
        Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, section 4.2; constants of its library Random123.
    """
    words = (*key, key[0] ^ key[1] ^ PARITY)
    x, y = (counter[0] + words[0]) & WORD, (counter[1] + words[1]) & WORD
    for number in range(ROUNDS_OF_FOUR):
        for places in ROTATIONS[number % 2]:
            x = (x + y) & WORD
            y = ((y << places | y >> (32 - places)) & WORD) ^ x
        x = (x + words[(number + 1) % 3]) & WORD
        y = (y + words[(number + 2) % 3] + number + 1) & WORD
    return x, y
