"""The units of deploy/systemd as systemd reads them: each with the drop-in that all of them share."""

import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "notifier-.service.d" / "10-common.conf"

#: Where the units expect the programs of the installed package.
BIN = "/opt/notifier/bin"


class Unit(NamedTuple):
    """One unit: its name, and its lines as (section, key, value), after those of the drop-in."""

    name: str
    lines: list[tuple[str, str, str]]

    def all(self, key: str) -> list[str]:
        """Return every value of a key, in order."""
        return [value for _, name, value in self.lines if name == key]

    def one(self, key: str) -> str:
        """Return the only value of a key."""
        (value,) = self.all(key)
        return value

    def seconds(self, key: str) -> float:
        """Return a time in seconds, if it has no unit."""
        return float(self.one(key))

    def argv(self, instance: str = "1") -> list[str]:
        """Return the command of ExecStart, with the specifiers of systemd put in."""
        words = shlex.split(self.one("ExecStart"))
        return [word.replace("%i", instance).replace("%%", "%") for word in words]


def read(path: Path) -> Unit:
    """Read a unit; a service has the lines of the drop-in, too."""
    shared = _lines(COMMON) if path.suffix == ".service" and path.name.startswith("notifier-") else []
    return Unit(path.name, [*shared, *_lines(path)])


def _lines(path: Path) -> list[tuple[str, str, str]]:
    found, section = [], ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


UNITS = {path.name: read(path) for path in sorted(FOLDER.iterdir()) if path.is_file()}
SERVICES = {name: unit for name, unit in UNITS.items() if name.endswith(".service")}
#: Those that run until they are stopped.
LASTING = {name: unit for name, unit in SERVICES.items() if unit.one("Type") != "oneshot"}
WORKERS = {name: unit for name, unit in LASTING.items() if " worker " in unit.one("ExecStart")}


def installed(folder: Path) -> Path:
    """Make a root folder in which the units are installed beside those of this machine's systemd; return it."""
    units, binaries = folder / "etc/systemd/system", folder / BIN.lstrip("/")
    shutil.copytree(FOLDER, units)
    # Copied: symbolic links inside of a linked folder would lead back to it.
    shutil.copytree("/usr/lib/systemd/system", folder / "usr/lib/systemd/system", symlinks=True)
    (folder / "lib").symlink_to("usr/lib")
    binaries.mkdir(parents=True)
    for name in {unit.argv()[0].rpartition("/")[2] for unit in SERVICES.values()}:
        (binaries / name).write_text("#!/bin/sh\n")
        (binaries / name).chmod(0o755)
    return folder
