from __future__ import annotations

import numpy as np

from kvision.data.environments.worlds.field import GROUND
from kvision.data.environments.worlds.gather import AGENT, COIN, GUARD, TRAIL, Gather
from tests.unit.data.environments.worlds import play

SIZE, COINS, GUARDS, LIMIT = 5, 2, 3, 12
MOVES = {0: (0, 0), 1: (0, -1), 2: (1, 0), 3: (0, 1), 4: (-1, 0)}


class Slow:
    def __init__(self, seed: int) -> None:
        self.seed, self.time, self.agent = seed, 0, (0, 0)
        self.guards = []
        for guard in range(GUARDS):
            line = 1 + int(play.uniform(seed, 0, guard) * (SIZE - 1))
            along = int(play.uniform(seed, 0, GUARDS + guard) * SIZE)
            way = -1 if play.uniform(seed, 0, 2 * GUARDS + guard) < 0.5 else 1
            self.guards.append(((line, along), (0, way)) if guard % 2 == 0 else ((along, line), (way, 0)))
        self.coins = [self.elsewhere(1, coin) for coin in range(COINS)]

    def elsewhere(self, step: int, coin: int) -> tuple[int, int]:
        cells = SIZE * SIZE
        place = self.agent[0] * SIZE + self.agent[1] + 1 + play.integer(self.seed, step, coin, cells - 1)
        return divmod(place % cells, SIZE)

    def advance(self, action: int) -> tuple[float, bool]:
        was = self.agent
        self.agent = around(was, MOVES[int(action)])
        self.time += 1
        reward, met = 0.0, False
        for coin in range(COINS):
            if self.coins[coin] == self.agent:
                reward += 1
                self.coins[coin] = self.elsewhere(self.time + 1, coin)
        for number, (before, way) in enumerate(self.guards):
            now = around(before, way)
            met |= now == self.agent or (before == self.agent and now == was)
            self.guards[number] = (now, way)
        return reward, met

    def observe(self) -> np.ndarray:
        field = np.full([SIZE, SIZE, 3], GROUND, np.uint8)
        for place, (down, right) in self.guards:
            field[around(place, (-down, -right))] = TRAIL
        for coin in self.coins:
            field[coin] = COIN
        field[self.agent] = AGENT
        for place, _ in self.guards:
            field[place] = GUARD
        middle = SIZE // 2
        return np.roll(field, (middle - self.agent[0], middle - self.agent[1]), (0, 1))


def around(place: tuple[int, int], step: tuple[int, int]) -> tuple[int, int]:
    return ((place[0] + step[0]) % SIZE, (place[1] + step[1]) % SIZE)


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
    assert set(state["coins"].numpy().ravel()) == set(range(1, 16))
