"""C++ source of a file: valid, aligned, the same bytes, and an arena that its tensors fit into."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from kvision_export.tflite import arena, c_array, flatbuffer, metadata
from kvision_export.tflite.arena import Life

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.tflite.conftest import Pair

MAIN = """
#include "u_net_1_model.h"
#include <cstdio>
int main() {
  std::fwrite(u_net_1_model, 1, u_net_1_model_bytes, stdout);
  return reinterpret_cast<std::uintptr_t>(u_net_1_model) % 16 == 0 ? 0 : 1;
}
"""


def test_source_compiles_and_holds_the_same_bytes(pair: Pair, tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ here")
    plain, path = pair.path("tflite-int8-full"), tmp_path / "labelled.tflite"
    shutil.copy(plain, path)
    metadata.append(path, ["a"], {})
    header, source = c_array.write(path, tmp_path, "U-Net 1")
    main, program = tmp_path / "main.cc", tmp_path / "program"
    main.write_text(MAIN)
    subprocess.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", str(main), str(source), "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=True, capture_output=True).stdout == plain.read_bytes()
    text = header.read_text()
    ops = {op for part in flatbuffer.inspect(path).ops.values() for op in part}
    assert f"constexpr int u_net_1_num_ops = {len(ops)};" in text
    for adder in ("AddConv2D", "AddFullyConnected", "AddMean", "AddTanh", "AddConcatenation"):
        assert f"//   resolver.{adder}();" in text
    assert "encode: input `image` int8 [1, 8, 8, 3], scale 0.0" in text
    assert f"constexpr std::size_t u_net_1_arena_bytes = {arena.estimate(path)};" in text


@pytest.mark.parametrize(
    ("needed", "size"),
    [
        ([], 0),
        ([Life(64, 0, 1), Life(32, 1, 2), Life(64, 2, 3)], 96),  # the third takes the first one's place
        ([Life(64, 0, 3), Life(32, 1, 2), Life(32, 2, 3)], 128),  # all three at op 2
        ([Life(48, 0, 1), Life(16, 0, 3), Life(32, 2, 3)], 64),  # the last goes below the one that stays
    ],
)
def test_plan(needed: list[Life], size: int) -> None:
    assert arena.plan(needed) == size


def test_no_two_tensors_of_one_time_share_a_place(pair: Pair) -> None:
    model = flatbuffer.parse(pair.path("tflite-fp32").read_bytes())
    for graph in model.subgraphs:
        needed = arena.lives(model, graph)
        times = range(-1, len(graph.operators) + 1)
        at_once = max(sum(each.size for each in needed if each.first <= time <= each.last) for time in times)
        assert at_once <= arena.plan(needed) <= sum(each.size for each in needed)


def test_int8_takes_a_quarter_of_the_activations(pair: Pair) -> None:
    def activations(name: str) -> int:
        model = flatbuffer.parse(pair.path(name).read_bytes())
        return sum(arena.plan(arena.lives(model, graph)) for graph in model.subgraphs)

    assert activations("tflite-int8-full") < 0.3 * activations("tflite-fp32")
