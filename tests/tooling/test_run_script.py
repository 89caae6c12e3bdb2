"""./run without the network: syntax, messages, and that a warm start costs next to nothing."""

import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "run"
#: What the script needs besides a Python.
TOOLS = ("sh", "dirname", "cat", "cksum", "mkdir", "rm", "mv", "sleep")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a blank in its name, whose notifier prints its arguments."""
    folder = tmp_path / "my checkout"
    (folder / "notifier").mkdir(parents=True)
    (folder / "notifier" / "__init__.py").touch()
    (folder / "notifier" / "__main__.py").write_text(
        "import os, sys\nprint(sys.argv[1:], os.environ['NOTIFIER_DATA_DIR'])"
    )
    for name in ("run", "requirements.txt", "requirements-dev.txt"):
        shutil.copy2(ROOT / name, folder)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with nothing on it but the tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def add_command(path: Path, name: str, script: str) -> None:
    """A command of ours."""
    (path / name).write_text(f"#!{shutil.which('sh')}\n{script}\n")
    (path / name).chmod(0o755)


def run(checkout: Path, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "run", *arguments], env={"PATH": str(path)}, cwd=path, capture_output=True, text=True, check=False
    )


#: Stands for uv: makes an "environment" whose python is the one of the tests, and notes what it installs.
UV = """
case $1 in
    venv) for last; do :; done; mkdir -p "$last/bin"; ln -sf {python} "$last/bin/python" ;;
    pip) echo "$*" >>"{log}"; {extra} ;;
esac
"""


def fake_uv(path: Path, extra: str = ":") -> Path:
    """Returns the log of what was installed."""
    log = path / "installed"
    python = Path(sys.executable).resolve()
    add_command(path, "uv", UV.format(python=python, log=log, extra=extra))
    (path / "ln").symlink_to(shutil.which("ln") or "")
    return log


def test_is_a_posix_script() -> None:
    assert RUN.stat().st_mode & stat.S_IXUSR
    for shell in filter(shutil.which, ("sh", "dash", "busybox")):
        command = [shell, "sh"] if shell == "busybox" else [shell]
        subprocess.run([*command, "-n", RUN], check=True)
    text = RUN.read_text()
    assert text.startswith("#!/bin/sh\n")
    for bashism in ("[[", "function ", "local ", "<<<", "&>", "source "):
        assert bashism not in text, bashism


def test_ci_runs_check() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().rstrip().endswith('exec ./run check "$@"')


def test_locks_hold_no_address() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_help_needs_nothing(checkout: Path, path: Path) -> None:
    done = run(checkout, path)
    assert done.returncode == 0
    assert "./run up " in done.stdout
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("python3", [None, "exit 127", "exit 1"], ids=["none", "shim", "too old"])
def test_no_python_is_one_line(checkout: Path, path: Path, python3: str | None) -> None:
    if python3:
        add_command(path, "python3", python3)
    done = run(checkout, path, "up")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Python 3.11 or newer is needed" in line
    assert "apt-get install python3-venv" in line


def test_python_without_pip_is_one_line(checkout: Path, path: Path) -> None:
    add_command(path, "python3", 'case "$*" in *version_info*) exit 0 ;; *) exit 1 ;; esac')
    done = run(checkout, path, "up")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "apt-get install python3-venv" in done.stderr


def test_an_example_is_started_by_its_own_script(checkout: Path, path: Path) -> None:
    fake_uv(path)
    script = checkout / "examples" / "shop" / "up.py"
    script.parent.mkdir(parents=True)
    script.write_text("import sys; print(sys.argv[1:])")
    (checkout / "examples" / "http").mkdir()  # nothing to start
    assert run(checkout, path, "example", "shop", "--web-port", "0").stdout == "['--web-port', '0']\n"
    for name in ([], ["shops"]):
        done = run(checkout, path, "example", *name)
        assert done.returncode == 2
        assert done.stderr.endswith("there is no such example; these exist: shop\n")


def test_installs_once_and_again_when_the_lock_changed(checkout: Path, path: Path) -> None:
    log = fake_uv(path)
    first = run(checkout, path, "seed", "a b", "--c")
    assert first.stdout == f"['seed', 'a b', '--c'] {checkout}/var\n"
    assert "requirements.txt" in first.stderr
    assert f"--require-hashes -r {checkout}/requirements.txt" in log.read_text()
    assert run(checkout, path, "seed").stderr == "", "quiet when warm"
    with (checkout / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    run(checkout, path, "seed")
    assert len(log.read_text().splitlines()) == 2


def test_dev_contains_run(checkout: Path, path: Path) -> None:
    """After `./run fmt` nothing is left to install for `./run up`; not so the other way round."""
    log = fake_uv(path)
    run(checkout, path, "seed")
    run(checkout, path, "fmt")
    run(checkout, path, "seed")
    assert [line.rpartition("/")[2] for line in log.read_text().splitlines()] == [
        "requirements.txt",
        "requirements-dev.txt",
    ]


def test_failed_installation_is_not_taken_for_done(checkout: Path, path: Path) -> None:
    log = fake_uv(path, extra='[ -f "$0.fixed" ]')
    assert run(checkout, path, "seed").returncode != 0
    assert not (checkout / ".venv" / ".installing").exists()
    (path / "uv.fixed").touch()
    assert run(checkout, path, "seed").returncode == 0
    assert len(log.read_text().splitlines()) == 2


def test_two_at_once_install_once(checkout: Path, path: Path) -> None:
    log = fake_uv(path, extra="sleep 0.5")
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: run(checkout, path, "seed"), range(2)))
    assert [done.returncode for done in both] == [0, 0], both
    assert len(log.read_text().splitlines()) == 1


def test_lock_of_a_killed_run_is_taken_over(checkout: Path, path: Path) -> None:
    fake_uv(path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    installing = checkout / ".venv" / ".installing"
    installing.mkdir(parents=True)
    (installing / "pid").write_text(f"{gone.pid}\n")
    assert run(checkout, path, "seed").returncode == 0
