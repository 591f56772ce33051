from __future__ import annotations

import numpy as np

from kvision.data.environments.worlds.field import GROUND
from kvision.data.environments.worlds.gather import AGENT, COIN, GUARD, TRAIL, Gather
from tests.unit.data.environments.worlds import play

SIZE, COINS, GUARDS, LIMIT = 5, 2, 3, 12
MOVES = {0: (0, 0), 1: (0, -1), 2: (1, 0), 3: (0, 1), 4: (-1, 0)}


class Slow:
    def __init__(self, seed: int) -> None:
        self.seed, self.time, self.agent = seed, 0, (SIZE // 2, SIZE // 2)
        self.lines, self.ways = [], []
        others = [line for line in range(SIZE) if line != SIZE // 2]
        for guard in range(GUARDS):
            self.lines.append(others[int(play.uniform(seed, 0, guard) * (SIZE - 1))])
            self.ways.append(int(play.uniform(seed, 0, GUARDS + guard) * (2 * SIZE - 2)))
        self.coins = [self.elsewhere(1, coin) for coin in range(COINS)]

    def elsewhere(self, step: int, coin: int) -> tuple[int, int]:
        cells = SIZE * SIZE
        place = self.agent[0] * SIZE + self.agent[1] + 1 + play.integer(self.seed, step, coin, cells - 1)
        return divmod(place % cells, SIZE)

    def guard(self, number: int, time: int) -> tuple[int, int]:
        to_and_fro = [*range(SIZE), *range(SIZE - 2, 0, -1)]
        along = to_and_fro[(self.ways[number] + time) % len(to_and_fro)]
        return (self.lines[number], along) if number % 2 == 0 else (along, self.lines[number])

    def advance(self, action: int) -> tuple[float, bool]:
        before, was = [self.guard(number, self.time) for number in range(GUARDS)], self.agent
        down, right = MOVES[int(action)]
        self.agent = (min(max(was[0] + down, 0), SIZE - 1), min(max(was[1] + right, 0), SIZE - 1))
        self.time += 1
        reward = 0.0
        for coin in range(COINS):
            if self.coins[coin] == self.agent:
                reward += 1
                self.coins[coin] = self.elsewhere(self.time + 1, coin)
        after = [self.guard(number, self.time) for number in range(GUARDS)]
        met = any(now == self.agent or (then == self.agent and now == was) for then, now in zip(before, after, strict=True))
        return reward, met

    def observe(self) -> np.ndarray:
        picture = np.full([SIZE, SIZE, 3], GROUND, np.uint8)
        for number in range(GUARDS):
            picture[self.guard(number, self.time - 1)] = TRAIL
        for coin in self.coins:
            picture[coin] = COIN
        picture[self.agent] = AGENT
        for number in range(GUARDS):
            picture[self.guard(number, self.time)] = GUARD
        return picture


def test_it_does_what_its_rules_say() -> None:
    world = Gather(9, size=SIZE, coins=COINS, guards=GUARDS, max_steps=LIMIT)
    episodes, coins = play.agrees(world, Slow)
    assert episodes > 100
    assert coins > 20


def test_without_guards_episodes_are_cut_off_and_not_over() -> None:
    world = Gather(3, size=5, coins=1, guards=0, max_steps=4)
    _, (_, _, terminated, truncated, _), _ = play.played(world, np.arange(3), play.actions(world, 8))
    assert not terminated.any()
    assert truncated.sum(1).tolist() == [0, 0, 0, 3, 0, 0, 0, 3]


def test_a_coin_never_appears_where_the_agent_stands() -> None:
    world = Gather(50, size=4, coins=3, guards=0, max_steps=1)
    state, _ = world.reset(np.arange(50))
    assert (state["coins"].numpy() != state["agent"].numpy()[:, None]).all()
    assert set(state["coins"].numpy().ravel()) == set(range(16)) - {10}
