"""The files for Prometheus and Grafana name what exists: metrics, labels, values, and places in the runbook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from notifier.metrics.catalogue import METRICS, OWED_TO_ACCEPTED, PREFIX, MetricKind
from tests.support import prometheus
from tests.support.needs import need

DASHBOARD = prometheus.ROOT / "deploy" / "grafana" / "notifier.json"
DOCS = prometheus.ROOT / "docs"

_NAME = re.compile(rf"\b{PREFIX}[a-z_]+")
_SELECTED = re.compile(rf"\b({PREFIX}[a-z_]+)\{{([^}}]*)\}}")


def names_of_samples() -> dict[str, tuple[str, ...]]:
    """All names that a scrape shows, with the labels of each."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in METRICS:
        name = PREFIX + metric.name
        if metric.kind is MetricKind.histogram:
            found |= {f"{name}_bucket": (*metric.labels, "le"), f"{name}_sum": metric.labels}
            found[f"{name}_count"] = metric.labels
        else:
            found[name] = metric.labels
    return found


def expressions(value: Any) -> list[str]:
    """Everything that is an expression in a dashboard or in rules."""
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in ([each] if key == "expr" else expressions(each))]
    return [text for each in value for text in expressions(each)] if isinstance(value, list) else []


def github_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {github_anchor(line.lstrip("#")) for line in page.read_text().splitlines() if line.startswith("#")}


ALL = expressions(prometheus.rules()) + expressions(json.loads(DASHBOARD.read_text()))


@pytest.mark.parametrize("expression", ALL)
def test_an_expression_names_metrics_and_labels_that_are_exported(expression: str) -> None:
    known = names_of_samples()
    assert set(_NAME.findall(expression)) <= set(known)
    for name, selectors in _SELECTED.findall(expression):
        assert {each.partition("=")[0].rstrip("!~") for each in re.findall(r"\w+[!=~]+", selectors)} <= set(known[name])


def test_the_dashboard_shows_every_metric() -> None:
    text = DASHBOARD.read_text()
    assert [metric.name for metric in METRICS if PREFIX + metric.name not in text] == []
    ids = [panel["id"] for panel in json.loads(text)["panels"]]
    assert len(ids) == len(set(ids)) > 20


def test_ten_seconds_are_a_bound_of_the_histogram() -> None:
    assert 10 in OWED_TO_ACCEPTED.buckets
    assert sum('le="10.0"' in each for each in ALL) >= 4


@pytest.mark.parametrize("name", prometheus.alerts())
def test_an_alert_says_how_urgent_it_is_and_where_the_runbook_has_it(name: str) -> None:
    alert = prometheus.alerts()[name]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert path == "docs/runbook.md"
    assert anchor in anchors(prometheus.ROOT / path)
    assert alert["annotations"]["summary"]
    assert f"`{name}`" in (DOCS / "metrics.md").read_text()


def test_the_page_of_metrics_names_every_metric_and_every_label() -> None:
    rows = re.findall(r"^\| `([a-z_]+)(?:\{([a-z,]+)\})?` \|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert {name: tuple(labels.split(",")) if labels else () for name, labels in rows} == {
        metric.name: metric.labels for metric in METRICS
    }


def test_promtool_accepts_the_rules_and_each_alert_fires_and_clears() -> None:
    need(prometheus.find, "PROMTOOL")
    done = prometheus.promtool("check", "rules", prometheus.RULES.name)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = prometheus.RULES.parent / "notifier.tests.yml"
    done = prometheus.promtool("test", "rules", tests.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"alertname: (\w+)", tests.read_text())) == set(prometheus.alerts())
