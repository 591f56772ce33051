from __future__ import annotations

from kvision.data.faults import FAULTS, Fault, stop_message


def test_the_message_that_stops_a_training(tmp_path):
    faults = [Fault("zero-byte", ("a.png",), "empty"), Fault("zero-byte", ("b.png",), "empty"), Fault("size", ("c.png", "d.png"), "5x5 and 6x6")]
    lines = stop_message(faults, tmp_path).splitlines()
    assert lines[0] == f"{tmp_path}: 3 faults stop the training:"
    assert lines[1] == f"  a.png: empty (and 1 more like it); {FAULTS['zero-byte'].fix}"
    assert lines[2] == f"  c.png and d.png: 5x5 and 6x6; {FAULTS['size'].fix}"
