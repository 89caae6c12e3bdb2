"""Code in a process that sees only what an installation with some extras of the package has.

    python -m tests.support.without web,dev - 'import notifier.app'

Everything else is hidden from `import` and from `find_spec`.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ask(extras: Iterable[str], code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this code with the core and these extras, or other distributions."""
    command = [sys.executable, "-m", "tests.support.without", ",".join(extras), code]
    return subprocess.run(
        command, cwd=cwd or ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


def requirements(extra: str | None) -> list[Requirement]:
    """The direct dependencies of the core (None), or of an extra without those that it contains."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != PROJECT["name"]]


def contained(extra: str) -> Iterator[str]:
    """The extra and those that it contains."""
    yield extra
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == PROJECT["name"]:
            for each in requirement.extras:
                yield from contained(each)


def installed(extras: Iterable[str]) -> set[str]:
    """The distributions that such an installation has, by canonical name."""
    asked, known = set(extras), set(PROJECT["optional-dependencies"])
    names = {name for extra in asked & known for name in contained(extra)}
    waiting = [each for extra in (None, *sorted(names)) for each in requirements(extra)]
    waiting += map(Requirement, asked - known)
    found: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found and requirement.extras <= found[name]:
            continue
        found.setdefault(name, set()).update(requirement.extras)
        waiting += [each for each in map(Requirement, distribution(name).requires or ()) if _wanted(each, requirement)]
    return set(found)


def _wanted(each: Requirement, by: Requirement) -> bool:
    return each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *by.extras))


class Hiding:
    """A finder that finds no module of a distribution that is not in `names`."""

    def __init__(self, names: set[str]) -> None:
        self._hidden = {
            module
            for module, distributions in packages_distributions().items()
            if not names.intersection(map(canonicalize_name, distributions))
        } - {PROJECT["name"]}

    find_distributions = staticmethod(PathFinder.find_distributions)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As the finder of the path, if it may be seen."""
        return None if name.partition(".")[0] in self._hidden else PathFinder.find_spec(name, path, target)


if __name__ == "__main__":
    hiding = Hiding(installed(filter(None, sys.argv[1].split(","))))
    for name in set(sys.modules):
        if name.partition(".")[0] in hiding._hidden:
            del sys.modules[name]
    sys.meta_path[:] = [hiding if finder is PathFinder else finder for finder in sys.meta_path]  # type: ignore[list-item]
    exec(compile(sys.argv[2], "<the test>", "exec"), {"__name__": "__main__"})
