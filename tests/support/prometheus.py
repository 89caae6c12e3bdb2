"""promtool judges our rules over what an application really shows, minute by minute."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
import yaml
from flask import Flask

from notifier.extensions import db
from notifier.observability.exposition import Exposition
from notifier.services import services_of
from notifier.testing.servers.process import NotInstalled
from tests.support.metrics import Labels, samples_of

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "notifier.rules.yml"


def find() -> str:
    """The path of promtool. Raise NotInstalled."""
    path = shutil.which("promtool")
    if path is None:
        raise NotInstalled("promtool is missing (Debian: apt-get install prometheus)")
    return path


def promtool(*arguments: str, folder: Path = RULES.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find(), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


class Timeline:
    """Scrapes of one application at equal steps, while its frozen clock moves."""

    def __init__(self, app: Flask, clock: time_machine.Traveller, *, step: timedelta = timedelta(minutes=1)) -> None:
        services = services_of(app)
        names = services.transports.names
        self._app, self._clock, self._step = app, clock, step
        self._shown = Exposition(
            db.session, services.sender.leases.now, transports=names, kinds=services.kinds, cache_seconds=-1
        )
        self._scrapes: list[dict[tuple[str, Labels], float]] = []

    @property
    def now(self) -> int:
        """The number of the last scrape."""
        return len(self._scrapes) - 1

    def go(self, steps: int, act: Callable[[], object] = lambda: None) -> int:
        """Let time pass; before each scrape `act` happens. Return the number of the last scrape."""
        for _ in range(steps):
            act()
            services_of(self._app).recorder.flush()
            db.session.rollback()
            self._scrapes.append(samples_of(self._shown.render()[0].decode()))
            self._clock.shift(self._step)
        return self.now

    def skip(self, steps: int) -> int:
        """Let time pass in which nobody can scrape."""
        self._scrapes += [{}] * steps
        return self.now

    def assert_alert(self, name: str, folder: Path, *, quiet: list[int], firing: list[int], **labels: str) -> None:
        """promtool finds this alert, with these labels, at the scrapes `firing`, and not at those of `quiet`."""
        rule = alerts()[name]
        given = {**rule["labels"], **labels}
        minutes = int(self._step.total_seconds() // 60)
        checks = []
        for at in sorted({*quiet, *firing}):
            found = [{"exp_labels": given}] if at in firing else []
            checks.append({"eval_time": f"{at * minutes}m", "alertname": name, "exp_alerts": found})
        # Annotations hold figures that this test does not repeat.
        stripped = yaml.safe_load(RULES.read_text())
        for group in stripped["groups"]:
            for each in group["rules"]:
                each.pop("annotations", None)
        (folder / "rules.yml").write_text(yaml.safe_dump(stripped))
        test = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": f"{minutes}m",
            "tests": [{"interval": f"{minutes}m", "input_series": self._series(), "alert_rule_test": checks}],
        }
        (folder / "test.yml").write_text(yaml.safe_dump(test))
        done = promtool("test", "rules", "test.yml", folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def _series(self) -> list[dict[str, str]]:
        keys = {key for scrape in self._scrapes for key in scrape}
        made = []
        for name, labels in sorted(keys):
            values = [scrape.get((name, labels)) for scrape in self._scrapes]
            text = " ".join("_" if each is None else _number(each) for each in values)
            inside = ",".join(f"{label}={json.dumps(value)}" for label, value in (*labels, ("instance", "web:8000")))
            made.append({"series": f"{name}{{{inside}}}", "values": text})
        return made


def _number(value: float) -> str:
    return {float("inf"): "Inf", float("-inf"): "-Inf"}.get(value, repr(value))
