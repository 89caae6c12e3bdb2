"""deploy/systemd: checked by systemd itself, and what its check does not see."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from notifier.config.settings import Settings
from notifier.dev.plan import ALL_QUEUES
from notifier.testing.servers.process import NotInstalled
from tests.support.needs import need
from tests.support.units import BIN, FOLDER, LASTING, ROOT, SERVICES, UNITS, WORKERS, Unit, installed

#: The exposure that `systemd-analyze security` may find, of 10: below 2 it calls a service "OK".
EXPOSURE = "1.5"

each_service = pytest.mark.parametrize("unit", SERVICES.values(), ids=SERVICES)
each_lasting = pytest.mark.parametrize("unit", LASTING.values(), ids=LASTING)


def find() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        raise NotInstalled("systemd-analyze is missing. Install it with: apt-get install systemd")
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    need(find, "SYSTEMD")
    return installed(tmp_path)


def instance(name: str) -> str:
    return name.replace("@.", "@1.")


def analyze(root: Path, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find(), verb, f"--root={root}", *options], cwd=root / "etc/systemd/system", capture_output=True, text=True,
        check=False, timeout=60, env={**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
    )  # fmt: skip


def test_systemd_accepts_every_unit(root: Path) -> None:
    done = analyze(root, "verify", "--man=no", "--recursive-errors=yes", *map(instance, UNITS))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("KillMode=mixed", "KillMode=gentle", "gentle"),
        ("Restart=always", "Restrat=always", "Restrat"),
        (f"{BIN}/gunicorn", f"{BIN}/unicorn", "unicorn"),
    ],
)
def test_systemd_would_see_a_mistake(right: str, wrong: str, named: str, root: Path) -> None:
    unit = root / "etc/systemd/system/notifier-web.service"
    assert right in unit.read_text()
    unit.write_text(unit.read_text().replace(right, wrong))
    done = analyze(root, "verify", "--man=no", "--recursive-errors=yes", unit.name)
    assert named in done.stdout + done.stderr


def test_systemd_calls_every_service_well_protected(root: Path) -> None:
    for name in SERVICES:
        done = analyze(root, "security", "--offline=true", f"--threshold={float(EXPOSURE) * 10:.0f}", instance(name))
        (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert float(level) <= float(EXPOSURE), f"{name}\n{done.stdout}"
        assert done.returncode == 0, f"{name}: {level}"


def test_every_queue_has_a_reader() -> None:
    read = [queue for unit in WORKERS.values() for queue in option(unit, "-Q").split(",")]
    assert sorted(read) == sorted(ALL_QUEUES.split(","))


def option(unit: Unit, name: str) -> str:
    argv = unit.argv()
    return argv[argv.index(name) + 1]


@pytest.mark.parametrize("unit", WORKERS.values(), ids=WORKERS)
def test_workers_are_told_apart(unit: Unit) -> None:
    """By instance and by host: `%h` of Celery is the host, but `%h` of systemd is a home folder, so it is doubled."""
    assert unit.name.endswith("@.service")
    assert re.fullmatch(r"[a-z]+-7@%h", Unit(unit.name, unit.lines).argv("7")[unit.argv().index("-n") + 1])
    assert "@%%h " in unit.one("ExecStart")


@each_service
def test_commands_are_run_without_a_shell(unit: Unit) -> None:
    command = unit.one("ExecStart")
    assert command.startswith(f"{BIN}/")
    assert not re.search(r"""[;&|<>$`"'\\*]|\bsh\b""", command), command


@each_service
def test_none_runs_as_root(unit: Unit) -> None:
    assert (unit.one("User"), unit.one("Group")) == ("notifier", "notifier")
    users = (ROOT / "deploy/sysusers.d/notifier.conf").read_text()
    assert re.search(r"(?m)^u notifier - ", users)


@each_lasting
def test_they_come_back_and_stop_gently(unit: Unit) -> None:
    assert (unit.one("Restart"), unit.one("KillMode")) == ("always", "mixed")
    assert unit.one("StartLimitIntervalSec") == "0"
    assert unit.seconds("TimeoutStopSec") > Settings.model_fields["stop_grace"].default
    # gunicorn's graceful_timeout.
    assert unit.seconds("TimeoutStopSec") > 30
    # Wrong settings, as wsgi.py ends with them; a loop of restarts would hide their lines.
    assert unit.one("RestartPreventExitStatus") == "3"


@each_service
def test_all_use_the_same_data_folder(unit: Unit) -> None:
    assert unit.one("StateDirectory") == "notifier"
    assert "NOTIFIER_DATA_DIR=%S/notifier" in unit.all("Environment")
    assert unit.one("WorkingDirectory") == "%S/notifier"


@each_service
def test_secrets_are_credentials_and_nothing_else(unit: Unit) -> None:
    given = [line.split(":")[0] for line in unit.all("LoadCredential")]
    files = dict(line.split("=", 1) for line in unit.all("Environment") if "_FILE=" in line)
    assert files == {f"{name.upper()}_FILE": f"%d/{name}" for name in given}
    assert set(given) <= set(Settings.model_fields)
    secret = re.compile(r"(?i)(password|secret_keys|database_url|redis_url)=")
    assert [line for line in unit.all("Environment") if secret.search(line)] == []


@each_service
def test_proc_keeps_what_journals_need(unit: Unit) -> None:
    """With ProcSubset=pid a journal could not tell that its host was restarted, and would be believed."""
    assert unit.all("ProcSubset") == []


def test_the_web_listens_on_this_machine_alone() -> None:
    argv = LASTING["notifier-web.service"].argv()
    assert argv[argv.index("--bind") + 1] == "127.0.0.1:8000"


def test_the_target_starts_what_must_run() -> None:
    wanted = {name for name, unit in UNITS.items() if unit.all("WantedBy") == ["notifier.target"]}
    assert set(LASTING) | {"notifier-bounces-imap.timer"} == wanted
    for name in wanted:
        assert UNITS[name].one("PartOf") == "notifier.target"
    assert UNITS["notifier.target"].one("WantedBy") == "multi-user.target"


def test_every_file_is_a_unit_or_the_drop_in() -> None:
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} == {".service", ".timer", ".target"}
    assert [path.name for path in FOLDER.iterdir() if path.is_dir()] == ["notifier-.service.d"]
