"""The dashboard and the rules ask for metrics that a running service has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from benchmarks.soak.alerts import FAULTS
from benchmarks.soak.prometheus import shorten_rules
from tests.server.scraping import Samples, total, wait_for_total
from tests.server.service_process import ask, connect, serve

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES: Sequence[Mapping[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERTS = {rule["alert"] for rule in RULES if "alert" in rule}
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
_WINDOW = re.compile(r"\[(\w+)\]")
OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"job", "instance"}
EXPRESSIONS = {
    **{rule.get("record") or rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
}


@pytest.fixture(scope="module")
def samples() -> Iterator[Samples]:
    """What two workers say after a prediction, and after bytes that are no HTTP."""
    with serve(workers=2) as service:
        with connect(service.port) as connection:
            ask(connection, "/api/v1/test-images/3/prediction")
        with connect(service.port) as connection:
            connection.sendall(b"no HTTP\r\n\r\n")
            connection.recv(100)
        wait_for_total(service.port, 1, "fashion_predictions_total")
        yield wait_for_total(service.port, 1, "fashion_refusals_total")


def find_selectors(expression: str) -> list[promql.VectorSelector]:
    """Parse an expression; gives all that it selects."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(promql.parse(expression), visit)
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_selects_what_a_scrape_has(samples: Samples, name: str) -> None:
    """Each expression parses, and every series with its labels is in a scrape, is recorded, or is Prometheus's own."""
    labels: dict[str, set[str]] = {}
    for found, its_labels in samples:
        labels.setdefault(found, set()).update(label for label, _ in its_labels)
    selectors = find_selectors(EXPRESSIONS[name])
    assert selectors
    for selector in selectors:
        assert selector.name in labels.keys() | RECORDED | OF_PROMETHEUS
        if selector.name in labels:
            asked = {matcher.name for matcher in selector.matchers.matchers}
            assert asked <= labels[selector.name] | LABELS_OF_PROMETHEUS


def test_shares_of_the_test_set_are_given(samples: Samples) -> None:
    """Drift is told by them: those of the classes add up to 1, and that of what is accepted is known."""
    assert total(samples, "fashion_expected_share") == pytest.approx(1)
    assert 0.9 < total(samples, "fashion_expected_accepted_share") < 1


def test_dashboard_can_be_read_at_a_glance() -> None:
    """It has at most 16 panels, each with a title and a description."""
    panels = DASHBOARD["panels"]
    assert len(panels) <= 16
    assert all(panel["title"] and panel["description"] for panel in panels)


def test_each_alert_has_a_case_in_which_it_is_raised() -> None:
    """And each says what it means, and how severe it is."""
    cases = yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
    raised = {test["alertname"] for case in cases for test in case["alert_rule_test"] if test.get("exp_alerts")}
    assert raised == ALERTS
    for rule in RULES:
        if "alert" in rule:
            assert rule["labels"].keys() == {"severity"}
            assert rule["annotations"].keys() == {"summary", "description"}


def test_each_alert_has_its_fault_in_the_soak() -> None:
    """`make soak ARGS=alerts` raises every alert."""
    assert {alert for alert, _, _ in FAULTS} == ALERTS


def test_soak_shortens_times_only() -> None:
    """The rules of the soak are those of deploy/, but for windows and waits, each of which is at most 20 s."""
    shortened = shorten_rules(yaml.safe_load((FOLDER / "rules.yml").read_text()))
    rules = [rule for group in shortened["groups"] for rule in group["rules"]]
    times = [time for rule in rules for time in (*_WINDOW.findall(rule["expr"]), rule.get("for", "2s"))]
    assert set(times) == {"2s", "10s", "20s"}
    assert [_leave_times_out(rule) for rule in rules] == [_leave_times_out(rule) for rule in RULES]


def _leave_times_out(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**rule, "expr": _WINDOW.sub("", rule["expr"]), "for": "for" in rule}


@pytest.mark.parametrize(
    "arguments",
    ["check rules rules.yml", "check config prometheus.yml", "test rules rules_test.yml"],
    ids=["rules", "configuration", "cases"],
)
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not installed")
def test_promtool_finds_no_fault(arguments: str) -> None:
    """Prometheus itself takes the rules and the configuration, and each alert's case comes out as it says."""
    command = ["promtool", *arguments.split()]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert done.returncode == 0, done.stdout + done.stderr
