"""What the containers run, run here: the environment that .env gives them, and their shell lines."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from notifier.testing.servers.postgres import PostgresServer, postgres_binaries
from tests.support.compose import ROOT, environment, put_in, services

OVERLAY = "docker-compose.secrets.yml"
SECRETS = services(OVERLAY)


def shell(service: str, folder: Path, stub: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the shell line of a service, with a program `stub` that prints its arguments and the password it has."""
    program = folder / stub
    program.write_text('#!/bin/sh\necho "$0 $*"\necho "auth=$FLOWER_BASIC_AUTH$REDISCLI_AUTH"\n')
    program.chmod(0o755)
    line = put_in(services()[service]["command"][-1], {})
    return subprocess.run(
        ["sh", "-c", line], env={"PATH": f"{folder}:{os.environ['PATH']}", **env}, capture_output=True, text=True,
        check=False, timeout=20,
    )  # fmt: skip


def test_a_database_and_a_broker_of_ones_own_win() -> None:
    own = {"DATABASE_URL": "postgresql://me@db.example.com/n", "REDIS_URL": "rediss://:p@redis.example.com/0"}
    for name in ("migrate", "web", "worker", "bulk", "webhooks", "beat", "alerts", "flower"):
        env = environment(name, own)
        assert {key: env[key] for key in own} == own
    assert environment("backup", own)["DATABASE_URL"] == own["DATABASE_URL"]


def test_without_them_the_containers_are_used() -> None:
    env = environment("web", {"DATABASE_URL": "", "POSTGRES_PASSWORD": "one", "REDIS_PASSWORD": "two"})
    assert env["DATABASE_URL"] == "postgresql://notifier:one@postgres:5432/notifier"
    assert env["REDIS_URL"] == "redis://:two@redis:6379/0"
    assert environment("web", {"REDIS_URL": ""})["REDIS_URL"] == "", "with RabbitMQ there may be no Redis"


@pytest.mark.parametrize("name", sorted(services()))
def test_every_secret_can_be_a_file(name: str) -> None:
    """Laid over, no secret is in the environment: each has a file, which the container has."""
    env = environment(name, {"POSTGRES_PASSWORD": "one", "REDIS_PASSWORD": "two", "FLOWER_BASIC_AUTH": "a:b"}, OVERLAY)
    files = {key: value for key, value in env.items() if key.endswith("_FILE")}
    assert [key for key, value in env.items() if re.search("one|two|a:b|trial-only", value)] == []
    given = {f"/run/secrets/{secret}" for secret in SECRETS.get(name, {}).get("secrets", [])}
    assert set(files.values()) == given
    for key in files:
        assert env.get(key.removesuffix("_FILE"), "") == ""
    assert bool(given) == (name != "mailhog")


def test_flower_has_a_password_and_never_on_its_command_line(tmp_path: Path) -> None:
    done = shell("flower", tmp_path, "celery", {"FLOWER_BASIC_AUTH": "ada:hush"})
    first, auth, *_ = done.stdout.splitlines()
    assert first.endswith("celery -A wsgi:celery_app flower --address=0.0.0.0 --port=5555")
    assert auth == "auth=ada:hush"


def test_flower_reads_its_password_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("ada:hush\n")
    done = shell("flower", tmp_path, "celery", {"FLOWER_BASIC_AUTH_FILE": str(tmp_path / "auth")})
    assert done.stdout.splitlines()[-1] == "auth=ada:hush"


@pytest.mark.parametrize(
    "env", [{}, {"FLOWER_BASIC_AUTH": "ada"}, {"FLOWER_BASIC_AUTH": ":"}, {"FLOWER_BASIC_AUTH_FILE": "/nowhere"}]
)
def test_flower_does_not_start_without_a_password(env: dict[str, str], tmp_path: Path) -> None:
    done = shell("flower", tmp_path, "celery", env)
    assert (done.returncode, done.stdout) == (1, "")


def test_redis_has_a_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush\n")
    for env in ({"REDISCLI_AUTH": "hush"}, {"REDISCLI_AUTH": "", "REDIS_PASSWORD_FILE": str(tmp_path / "password")}):
        assert "--requirepass hush --appendonly yes" in shell("redis", tmp_path, "redis-server", env).stdout
    assert shell("redis", tmp_path, "redis-server", {}).returncode == 1


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a backup: a database with one table, and Postgres's programs."""
    url = postgres.create_database(f"backup_{tmp_path.name[-20:].replace('-', '_')}")
    url = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
    path = f"{postgres_binaries(tmp_path)}:{os.environ['PATH']}"
    return {"DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://"), "PATH": path}


def backup(folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    argv = ["sh", str(ROOT / "deploy/compose/backup.sh"), str(folder)]
    return subprocess.run(argv, env=dict(env), capture_output=True, text=True, check=False, timeout=60)


def test_a_backup_can_be_restored(database: dict[str, str], postgres: PostgresServer, tmp_path: Path) -> None:
    old = tmp_path / "backups" / "notifier-20000101T000000Z.dump"
    old.parent.mkdir()
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    (tmp_path / "url").write_text(database.pop("DATABASE_URL") + "\n")
    done = backup(old.parent, {**database, "DATABASE_URL_FILE": str(tmp_path / "url")})
    assert done.returncode == 0, done.stderr
    (made,) = old.parent.iterdir()
    assert done.stdout == f"backup: {made}\n"
    assert made.stat().st_mode & 0o777 == 0o600
    into = postgres.create_database(f"into_{tmp_path.name[-20:].replace('-', '_')}")
    into = into.replace("postgresql+psycopg://", "postgresql://")
    subprocess.run(["pg_restore", "--dbname", into, str(made)], env=database, check=True, timeout=60)
    with psycopg.connect(into) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (7,)


def test_a_backup_that_fails_leaves_no_file_and_deletes_none(database: dict[str, str], tmp_path: Path) -> None:
    old = tmp_path / "backups" / "notifier-20000101T000000Z.dump"
    old.parent.mkdir()
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    done = backup(old.parent, {**database, "DATABASE_URL": database["DATABASE_URL"] + "_nowhere"})
    assert done.returncode != 0
    assert [*old.parent.iterdir()] == [old]


@pytest.mark.parametrize("wrong", [{"DATABASE_URL": "sqlite:////x"}, {"DATABASE_URL": ""}, {"BACKUP_KEEP_DAYS": "-1"}])
def test_what_a_backup_cannot_read_is_said(wrong: dict[str, str], tmp_path: Path) -> None:
    done = backup(tmp_path, {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://h/d", **wrong})
    assert (done.returncode, done.stderr.startswith("backup: ")) == (1, True)
