"""docker-compose.yml and Dockerfile: what their schema checks do not see. No engine is needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from notifier.config.settings import Settings
from tests.support.compose import put_in

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = re.split(r"(?m)^FROM ", DOCKERFILE)[-1]
OURS = {"migrate", "web", "worker", "bulk", "webhooks", "beat", "alerts"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_services() -> None:
    assert set(SERVICES) == OURS | {"postgres", "redis", "mailhog", "flower", "backup"}


@each_service
def test_names_exist(name: str) -> None:
    """`depends_on`, networks and named volumes name something."""
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith((".", "/"))}
    assert named <= set(COMPOSE["volumes"])


def test_no_volume_or_network_is_left_over() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    volumes = {volume.split(":")[0] for volume in mounted if not volume.startswith(".")}
    networks = {network for service in SERVICES.values() for network in service["networks"]}
    assert volumes == set(COMPOSE["volumes"])
    assert networks == set(COMPOSE["networks"])


@each_service
def test_dependency_is_not_in_another_profile(name: str) -> None:
    """Compose refuses to start a service that requires one whose profile is off."""
    mine = set(SERVICES[name].get("profiles", []))
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        profiles = set(SERVICES[needed].get("profiles", []))
        assert not profiles or profiles & mine or how["required"] is False


def test_databases_may_be_outside() -> None:
    """The trial has both; production starts those that its .env names."""
    assert SERVICES["postgres"]["profiles"] == ["dev", "postgres"]
    assert SERVICES["redis"]["profiles"] == ["dev", "redis"]
    example = (ROOT / ".env.example").read_text()
    assert re.search(r"(?m)^COMPOSE_PROFILES=postgres,redis$", example)
    assert re.search(r"(?m)^DATABASE_URL=$", example)


@each_service
def test_few_ports_are_published(name: str) -> None:
    """web, the development mailbox and Flower, all on loopback."""
    published = {
        "web": ["127.0.0.1:${WEB_PORT:-8000}:8000"],
        "mailhog": ["127.0.0.1:8025:8025"],
        "flower": ["127.0.0.1:${FLOWER_PORT:-5555}:5555"],
    }
    assert SERVICES[name].get("ports", []) == published.get(name, [])
    assert SERVICES[name].get("network_mode") is None


@each_service
def test_images_are_pinned(name: str) -> None:
    image = put_in(SERVICES[name]["image"], {})
    assert re.fullmatch(r"[\w./-]+:(v?\d[\w.-]*|local)", image), image
    if name in OURS:
        assert SERVICES[name]["build"] == "."


@each_service
def test_healthcheck_and_restart(name: str) -> None:
    """All but those that end by themselves."""
    if name in {"migrate", "backup"}:
        assert SERVICES[name]["restart"] == "no"
        return
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", sorted(OURS - {"migrate"}))
def test_waits_for_the_schema(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_dependencies_that_must_be_healthy_have_a_healthcheck() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]


def test_databases_have_no_way_out() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]


def test_redis_is_durable_and_locked() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("--requirepass", "--appendonly yes", "--maxmemory-policy noeviction"):
        assert option in command


def test_no_secret_is_written_down() -> None:
    """Secrets come from .env; the trial's are refused in production by `migrate`."""
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        assert not re.search(r"(PASSWORD|SECRET_KEYS|AUTH): (?!\$\{)\S", line), line
    assert "production*:trial-only@*" in " ".join(SERVICES["migrate"]["command"])
    example = (ROOT / ".env.example").read_text()
    for name in ("SECRET_KEYS", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "MAIL_PASSWORD", "FLOWER_BASIC_AUTH"):
        assert re.search(rf"(?m)^{name}=$", example), f"{name} must be there and empty"


@each_service
def test_every_service_has_its_limits(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", put_in(str(service["mem_limit"]), {}))
    assert 0 < float(put_in(str(service["cpus"]), {})) <= 2
    assert 64 <= service["pids_limit"] <= 512


def test_the_limit_of_redis_leaves_room_for_its_own() -> None:
    """Redis refuses at maxmemory; at the limit of the container the kernel would kill it."""
    (maxmemory,) = re.findall(r"--maxmemory (\S+)", put_in(" ".join(SERVICES["redis"]["command"]), {}))
    assert (maxmemory, put_in(SERVICES["redis"]["mem_limit"], {})) == ("256mb", "512m")


@each_service
def test_scaled_containers_are_told_apart(name: str) -> None:
    """The host name is the container's own, and a worker's name ends in it."""
    assert not {"hostname", "container_name"} & set(SERVICES[name])
    command = str(SERVICES[name].get("command", ""))
    assert " worker " not in command or re.search(r" -n [a-z]+@%h ", command)


@pytest.mark.parametrize("name", ["web", "worker", "bulk", "webhooks"])
def test_containers_stop_after_their_processes(name: str) -> None:
    """Docker kills after the grace period: workers stop within STOP_GRACE, gunicorn within 30 s."""
    seconds = int(put_in(SERVICES[name]["stop_grace_period"], {}).removesuffix("s"))
    own = float(put_in(SERVICES[name]["environment"]["STOP_GRACE"], {}))
    assert own == Settings.model_fields["stop_grace"].default
    assert seconds > max(own, 30)


def test_alerts_are_sent_by_who_wants_them() -> None:
    """Without ALERT_EMAILS and ALERT_WEBHOOK_URL the process has no one to tell, and ends."""
    assert SERVICES["alerts"]["profiles"] == ["alerts"]
    assert SERVICES["alerts"]["command"].endswith(" alerts watch")
    example = (ROOT / ".env.example").read_text()
    for name in ("ALERT_EMAILS", "ALERT_WEBHOOK_URL"):
        assert re.search(rf"(?m)^# ?{name}=", example), f"{name} must be there, and commented out"


def test_every_queue_has_a_worker() -> None:
    commands = " ".join(str(SERVICES[name].get("command", "")) for name in ("worker", "bulk", "webhooks"))
    assert "-Q notifier.transactional,notifier.control " in commands
    assert "-Q notifier.bulk,notifier.expansion " in commands
    assert "-Q notifier.webhooks " in commands


def test_final_stage_is_lean_and_not_root() -> None:
    user = re.findall(r"(?m)^USER (\S+)", FINAL_STAGE)
    assert user == ["10001:10001"]
    assert not re.search(r"apt-get|build-essential|gcc|pip install", FINAL_STAGE)
    assert "--require-hashes" in DOCKERFILE


def test_image_has_what_it_copies() -> None:
    """.dockerignore lets through what the Dockerfile copies, and nothing else."""
    copied = {word for line in re.findall(r"(?m)^COPY (?!--from)(.*)", DOCKERFILE) for word in line.split()[:-1]}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)
