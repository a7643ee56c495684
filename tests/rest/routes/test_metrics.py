"""The route of the metrics."""

from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.fakes import fake_app

_METRICS_ROUTE_SERIES = 22
"""The first answer of `/metrics` itself: its counter, when that was made, and its histogram."""


def test_metrics_count_the_requests_before() -> None:
    """A request that is over is in the metrics a moment later."""
    app = fake_app()
    with TestClient(app) as client:
        client.get("/livez")
        app.request_log.flush()
        text = client.get("/metrics").text
    assert 'fashion_requests_total{method="GET",route="/livez",status="200"} 1.0' in text
    assert 'fashion_model_info{engine="fake",name="fake",version="0123456789ab"} 1.0' in text


def test_metrics_need_a_key_where_keys_are_asked_for() -> None:
    """Without a key the metrics are refused, though health is not; with one they are given."""
    with TestClient(fake_app(api_keys=(SecretStr("key"),))) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"X-API-Key": "key"}).status_code == 200


def test_metrics_are_given_under_overload() -> None:
    """When too many requests are under way, their number can still be seen."""
    app = fake_app()
    with TestClient(app) as client:
        assert app.service is not None
        app.service.request_limit.under_way = 1000
        assert client.get("/api/v1/model").status_code == 503
        assert client.get("/metrics").status_code == 200
        app.request_log.flush()
        assert 'fashion_refusals_total{reason="overloaded"} 1.0' in client.get("/metrics").text


def test_metrics_with_a_port_of_their_own_are_nowhere_else() -> None:
    """Where a port is named for them, the service's own address has no metrics."""
    with TestClient(fake_app(metrics_port=9100)) as client:
        assert client.get("/metrics").status_code == 404


def count_series(text: str) -> int:
    """How many series there are."""
    return sum(not line.startswith("#") for line in text.splitlines())


def test_what_callers_invent_adds_no_series() -> None:
    """Many paths, methods, queries and headers that nobody knows are as many series as a few."""
    app = fake_app()
    counts = []
    with TestClient(app) as client:
        for round_ in range(2):
            for number in range(20):
                name = f"made-up-{round_}-{number}"
                headers = {"X-Request-ID": name, "User-Agent": name, f"X-{name}": name}
                client.get(f"/{name}", headers=headers)
                client.request(f"MADE{round_}UP{number}", "/livez", headers=headers)
                client.get(f"/api/v1/test-images/{name}/prediction?{name}={name}", headers=headers)
                client.get(f"/static/{name}.js", headers=headers)
            app.request_log.flush()
            text = client.get("/metrics").text
            assert "made-up" not in text
            counts.append(count_series(text))
    first, second = counts
    assert 'fashion_requests_total{method="other",route="/livez",status="405"} 40.0' in text
    assert second - first <= _METRICS_ROUTE_SERIES


def test_metrics_are_off_where_that_is_set() -> None:
    """Nothing is counted then, and there are no metrics to ask for."""
    app = fake_app(metrics=False)
    with TestClient(app) as client:
        assert client.get("/api/v1/test-images/3/prediction").status_code == 200
        assert client.get("/metrics").status_code == 404
        app.request_log.flush()
        assert app.service is not None
        assert app.service.batcher.take_batches() == []
        registry = app.service.metrics.registry
    assert not [family.name for family in registry.collect() if family.name == "fashion_requests" and family.samples]
