"""What the client asks of a connection to a served model, in whichever way it speaks: `over_rest.Rest` or `over_grpc.Grpc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kvision_export.serving.retrying import ClientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision_export.serving.address import Address
    from kvision_export.serving.signature import Served


class Transport(Protocol):
    """One server and model, each call one attempt that may take `left_s` seconds: `Again` says that another may help."""

    def close(self) -> None:
        """Closes the connections."""

    def status(self, left_s: float) -> dict[str, Any]:
        """State of the versions, as the REST API gives it; `ClientError` if there is no such model."""

    def metadata(self, left_s: float) -> dict[str, Any]:
        """The model's signatures, as the REST API gives them."""

    def predict(self, served: Served, images: Sequence[bytes], left_s: float) -> list[dict[str, Any]]:
        """Sends encoded images in one request.

        Args:
            served: The signature.
            images: Files' contents.
            left_s: Seconds that it may take.

        Returns:
            An answer by output name for each image.

        Raises:
            RefusedError: If one of the images is refused by the model, and so all of them.
            ClientError: If the answer is none.
        """


def late(address: Address) -> ClientError:
    """What to raise when the time is up."""
    return ClientError(f"{address}: no answer within the time; give a larger timeout, or smaller chunks")
