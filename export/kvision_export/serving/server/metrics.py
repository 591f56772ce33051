"""Counts and latencies under TF Serving's names, in the text that Prometheus reads (prometheus_exporter.cc)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from kvision_export.serving.server.status import Code

_BUCKETS = tuple(10 * 1.8**power for power in range(33))
"""Microseconds, up to about 20 minutes."""


class Metrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        """Starts at zero."""
        self._registry = CollectorRegistry()
        prefix = ":tensorflow:serving:"
        self._count = Counter(f"{prefix}request_count", "Requests.", ["model_name", "status"], registry=self._registry)
        labels = ["model_name", "API", "entrypoint"]
        self._latency = Histogram(f"{prefix}request_latency", "Microseconds.", labels, buckets=_BUCKETS, registry=self._registry)
        labels = ["model_name", "API", "runtime"]
        self._runtime = Histogram(f"{prefix}runtime_latency", "Microseconds.", labels, buckets=_BUCKETS, registry=self._registry)

    def request(self, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Counts a request; the latency is of those that went well.

        Args:
            model: Name of a model that is served; empty for any other, so that wrong names cost no memory.
            api: `predict`, `classify` ...
            entrypoint: `REST` or `GRPC`.
            code: How it ended.
            seconds: How long it took.
        """
        self._count.labels(model, code.name).inc()
        if code == 0:
            self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def runtime(self, model: str, api: str, seconds: float) -> None:
        """Notes how long TensorFlow took, with the wait for a batch.

        Args:
            model: Its name.
            api: `Predict`, `Classify` ...
            seconds: How long it took.
        """
        self._runtime.labels(model, api, "TF1").observe(seconds * 1e6)

    def page(self) -> str:
        """The text; counters without the `_total` that prometheus_client adds and TF Serving does not."""
        lines = []
        for metric in self._registry.collect():
            lines.append(f"# TYPE {metric.name} {metric.type}")
            for sample in metric.samples:
                if not sample.name.endswith("_created"):
                    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
                    lines.append(f"{sample.name.removesuffix('_total')}{{{labels}}} {sample.value:.15g}")
        return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
