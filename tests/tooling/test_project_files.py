"""The project's files agree with each other: version, license, Python versions, changelog."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from flask import Flask

import notifier
from notifier.cli.main import build

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PAGES = sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


def never() -> Flask:
    raise AssertionError("the version needs no application")


def test_the_version_is_printed_without_an_application() -> None:
    result = CliRunner().invoke(build(never), ["--version"])
    assert (result.exit_code, result.output) == (0, f"notifier {notifier.__version__}\n")


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == notifier.__version__
    newest = re.findall(r"(?m)^## (\S+) \(\d{4}-\d\d-\d\d\)$", CHANGELOG)[0]
    assert newest == notifier.__version__


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert re.findall(r"(?m)^## (\S+)", CHANGELOG)[0] == "Unreleased"
    assert set(re.findall(r"(?m)^### (.*)$", CHANGELOG)) <= {"Added", "Changed", "Fixed"}


def test_ci_runs_every_python_that_the_package_names() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    [job] = workflow["jobs"].values()
    named = [c.rsplit(" ", 1)[-1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert job["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert workflow["permissions"] == {"contents": "read"}
    assert job["steps"][-1]["run"] == ".ci/run"


def test_actions_are_pinned_by_version() -> None:
    used = re.findall(r"uses: (\S+)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", name)] == []


def test_the_license_is_the_one_that_the_package_names() -> None:
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\(([^)\s#]+)(?:#([\w-]+))?\)|<img src=\"([^\"]+)\"", page.read_text())
    for target, anchor, image in links:
        if target.startswith(("http://", "https://")):
            continue
        path = (page.parent / (target or image)).resolve()
        assert path.exists(), f"{name} links to {target or image}"
        assert not anchor or anchor in anchors(path), f"{name} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return the addresses of a page's headings, as forges make them: lower case, hyphens for spaces."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
