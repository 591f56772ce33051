"""What goes wrong with a request: a canonical code and a message, the same for REST and gRPC (http_server.cc, grpc_status_util.cc)."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """Canonical codes; the numbers are those of gRPC, of `tf.errors` and of absl."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http(self) -> int:
        """The HTTP status that TF Serving answers with."""
        return _HTTP.get(self, 500)


_HTTP = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


class StatusError(Exception):
    """A request that can't be answered.

    Attributes:
        code: Canonical code.
        message: What TF Serving says in the same case.
    """

    def __init__(self, code: Code, message: str) -> None:
        """Says what is wrong.

        Args:
            code: Canonical code.
            message: What TF Serving says in the same case.
        """
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid(message: str) -> StatusError:
    """The commonest of them, INVALID_ARGUMENT."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def status_of(error: Exception) -> StatusError:
    """Any exception as a status: TensorFlow's keep their code, what nobody foresaw is INTERNAL."""
    if isinstance(error, StatusError):
        return error
    code = getattr(error, "error_code", None)
    if isinstance(code, int):
        return StatusError(Code(code), str(getattr(error, "message", error)))
    return StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
