"""Huffman's tree over words: frequent words are reached in few turns, so that hierarchical softmax costs log V instead of V."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np


class Paths(NamedTuple):
    """How each of V words is reached, in at most D turns.

    Attributes:
        nodes: int32 `[V, D]`, the inner node of each turn, from 0, the root being the last; 0 where there is none.
        signs: float32 `[V, D]`, +1: to one side, -1: to the other, 0: there is no such turn.
    """

    nodes: np.ndarray
    signs: np.ndarray


def paths(counts: np.ndarray) -> Paths:
    """The tree of least mean length (Huffman 1952).

    Args:
        counts: How often each word comes, int64 `[V]`, V at least 2; equal ones go by their number.

    Returns:
        The turns from the root to each word.
    """
    heap = [(int(count), number) for number, count in enumerate(counts)]
    heapq.heapify(heap)
    above: dict[int, tuple[int, float]] = {}
    for node in range(len(counts), 2 * len(counts) - 1):
        (first, left), (second, right) = heapq.heappop(heap), heapq.heappop(heap)
        above[left], above[right] = (node, 1.0), (node, -1.0)
        heapq.heappush(heap, (first + second, node))
    turns = []
    for word in range(len(counts)):
        found, at = [], word
        while at in above:
            at, sign = above[at]
            found.append((at - len(counts), sign))
        turns.append(found[::-1])
    depth = max(map(len, turns))
    nodes, signs = np.zeros([len(turns), depth], np.int32), np.zeros([len(turns), depth], np.float32)
    for word, found in enumerate(turns):
        nodes[word, : len(found)] = [node for node, _ in found]
        signs[word, : len(found)] = [sign for _, sign in found]
    return Paths(nodes, signs)
