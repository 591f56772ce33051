"""What the user is told when a format could not be made: which one, why, and what to do."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMORY = "the converter ran out of memory and was ended; free some, calibrate on fewer images, or convert on a larger machine"
_LONGEST = 500


def message(name: str, answer: Mapping[str, Any]) -> str:
    """The message for a fault.

    Args:
        name: Of the format.
        answer: `fault`, and what is known of it: see `kvision_export.tflite.worker` and `convert`.

    Returns:
        What came, what is accepted, what to do.
    """
    return f"{name}: {_WORDS[answer['fault']](answer)}"


def no_room(folder: str, reason: str) -> str:
    """That the parent and the child can't hand things to each other.

    Args:
        folder: Where they do.
        reason: What the operating system says.

    Returns:
        What came, what to do.
    """
    return f"{folder}: no place for what the converter works with: {reason}; free some space there, or name another folder by TMPDIR"


def _crash(answer: Mapping[str, Any]) -> str:
    code = answer["code"]
    if code == -signal.SIGKILL or "bad_alloc" in answer["log"]:
        return _MEMORY
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said = f" ({answer['log']})" if answer["log"] else ""
    return (
        f"the converter {how}{said}: it crashes on this network; use tflite-fp32, tflite-fp16 or tflite-dynamic, or change the layers that it "
        "can't convert, as a rule recurrent ones"
    )


def _ops(answer: Mapping[str, Any]) -> str:
    names = ", ".join(answer["ops"])
    if answer["allow_flex"]:
        return f"neither LiteRT nor its Flex delegate has {names}; compute it otherwise in the network, or after it"
    return (
        f"LiteRT has no {names}; accepted are its built-in ops: compute it otherwise in the network, or after it, or allow TensorFlow's own ops "
        "with --allow-flex, for devices that have the Flex delegate"
    )


def _converter(answer: Mapping[str, Any]) -> str:
    lines = [line.strip() for line in answer["reason"].splitlines() if line.strip()]
    reason = next((line for line in lines if "error:" in line), next(iter(lines), "no reason given"))
    return f"the converter refused this network: {reason[:_LONGEST]}; use another format, or change the layer that it names"


_WORDS = {
    "crash": _crash,
    "memory": lambda answer: _MEMORY,
    "ops": _ops,
    "refused": lambda answer: str(answer["reason"]),
    "hang": lambda answer: f"the converter was still at work after {answer['timeout_s']:g} s and was ended; allow more time, or leave the format out",
    "disk": lambda answer: f"the file could not be written: {answer['reason']}; free some space, or choose another place with --out",
    "room": lambda answer: no_room(answer["folder"], "the child's answer could not be written"),
    "converter": _converter,
}
