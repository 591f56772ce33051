"""Addresses of served models."""

from __future__ import annotations

import pytest

from kvision.core.errors import UsageError
from kvision_export.serving import address
from kvision_export.serving.address import Address


@pytest.mark.parametrize(
    ("url", "model", "expected"),
    [
        ("http://host:9000", "unet", Address("http", "host", 9000, "unet")),
        ("http://host", "unet", Address("http", "host", 8501, "unet")),
        ("host:9000", "unet", Address("http", "host", 9000, "unet")),
        ("localhost", "unet", Address("http", "localhost", 8501, "unet")),
        ("https://host/", "unet", Address("https", "host", 443, "unet")),
        ("grpc://host", "unet", Address("grpc", "host", 8500, "unet")),
        ("grpc://host:1/unet", None, Address("grpc", "host", 1, "unet")),
        ("http://host/v1/models/unet", None, Address("http", "host", 8501, "unet")),
        ("http://host/v1/models/unet/versions/3", "unet", Address("http", "host", 8501, "unet", 3)),
        ("http://host/v1/models/my%20net/labels/best%2F1", None, Address("http", "host", 8501, "my net", None, "best/1")),
        ("http://[::1]:80/v1/models/unet", None, Address("http", "[::1]", 80, "unet")),
    ],
)
def test_what_is_understood(url: str, model: str | None, expected: Address) -> None:
    assert address.parse(url, model) == expected


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "http://host:port/", "http://host/v1/models/a/b", "http://host/unet?x=1", "http://host/v1/models/unet:predict"]
)
def test_what_is_not_an_address(url: str) -> None:
    with pytest.raises(UsageError, match=r"is no address of a model; accepted are http://HOST:8501/v1/models/NAME"):
        address.parse(url, "unet")


def test_one_model_is_named_once() -> None:
    with pytest.raises(UsageError, match=r"names no model.*--model NAME, or http://host:9000/v1/models/NAME"):
        address.parse("http://host:9000/")
    with pytest.raises(UsageError, match="names the model unet, and resnet is asked for"):
        address.parse("http://host/v1/models/unet", "resnet")


def test_paths_are_quoted() -> None:
    assert Address("http", "h", 1, "my net", None, "a/b").path == "/v1/models/my%20net/labels/a%2Fb"
    assert Address("http", "h", 1, "unet", 2).path == "/v1/models/unet/versions/2"
    assert str(Address("http", "h", 1, "unet")) == "http://h:1/v1/models/unet"
