"""The wheel of the checkout in an environment of its own, which has the dependencies of the tests' environment."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.up import Up

ROOT = Path(__file__).parents[2]


def build(folder: Path, *options: str) -> Path:
    """Build the checkout into `folder`, offline, and return the wheel. `options`: those of `python -m build`."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *options, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def surroundings() -> dict[str, str]:
    """The environment of this process without the checkout, which `./run` puts on the path."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NOTIFIER_"))}


class Environment:
    """A new environment in `folder`. The packages of the tests' own are behind those that are installed into it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        packages = self.ask("import sysconfig; print(sysconfig.get_path('purelib'))")
        (Path(packages) / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, wheel: Path) -> None:
        """Install the wheel as pip does, programs included, without its dependencies."""
        self._run(str(self.python), "-m", "installer", str(wheel))

    def ask(self, code: str, *, cwd: Path | None = None) -> str:
        """What this Python code prints in the environment."""
        return self._run(str(self.python), "-c", code, cwd=cwd).strip()

    def run(self, *arguments: str, cwd: Path) -> str:
        """What `notifier` with these arguments prints."""
        return self._run(str(self.folder / "bin" / "notifier"), *arguments, cwd=cwd)

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=surroundings(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class InstalledUp(Up):
    """`notifier up` of an environment, in a folder of its own and without NOTIFIER_DATA_DIR."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.environment = environment
        super().__init__(folder)
        self.data = folder / "var"

    def env(self) -> dict[str, str]:
        """Without the checkout."""
        return surroundings() | self.settings

    def command(self, *arguments: str) -> list[str]:
        """The program that the installation made."""
        return [str(self.environment.folder / "bin" / "notifier"), *arguments]
