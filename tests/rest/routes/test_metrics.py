"""The route of the metrics."""

from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.fakes import fake_app


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
