"""Metrics for Prometheus: requests, latency by stage, sizes of queues and collections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
Gauges = Callable[[], Iterator[tuple[str, str, dict[str, str], float]]]


class Metrics:
    """The metrics of one application.

    Args:
        gauges: called at every scrape; yields (name, help, labels, value) of values that are read rather than counted.
    """

    def __init__(self, gauges: Gauges) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "unite_search_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.request_s = Histogram(
            "unite_search_request_seconds",
            "From the head of a request to the end of its response.",
            ("route",),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.stage_s = Histogram(
            "unite_search_stage_seconds",
            "Parts of a query: load, encode (with waiting), search.",
            ("stage",),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(_Gauges(gauges))

    def text(self) -> bytes:
        """Return all metrics in the exposition format of Prometheus."""
        return generate_latest(self.registry)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the time of one stage of a query."""
        with self.stage_s.labels(name).time():
            yield


class _Gauges(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, meaning, labels, value in self._gauges():
            family = families.setdefault(name, GaugeMetricFamily(name, meaning, labels=list(labels)))
            family.add_metric(list(labels.values()), value)
        yield from families.values()


class RequestMeter:
    """ASGI middleware that counts and times requests by route; those that no route answers count as `other`."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, then record its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_s.labels(route).observe(time.perf_counter() - started)
