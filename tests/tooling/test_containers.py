"""docker-compose.yml and Dockerfile: what their schema checks do not see. No engine is needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = re.split(r"(?m)^FROM ", DOCKERFILE)[-1]
OURS = {"migrate", "web", "worker", "bulk", "webhooks", "beat"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_services() -> None:
    assert set(SERVICES) == OURS | {"postgres", "redis", "mailhog", "flower"}


@each_service
def test_names_exist(name: str) -> None:
    """`depends_on`, networks and named volumes name something."""
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith((".", "/"))}
    assert named <= set(COMPOSE["volumes"])


def test_no_volume_or_network_is_left_over() -> None:
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    networks = {network for service in SERVICES.values() for network in service["networks"]}
    assert volumes == set(COMPOSE["volumes"])
    assert networks == set(COMPOSE["networks"])


@each_service
def test_dependency_is_not_in_another_profile(name: str) -> None:
    """Compose refuses to start a service that depends on one whose profile is off."""
    mine = set(SERVICES[name].get("profiles", []))
    for needed in SERVICES[name].get("depends_on", {}):
        profiles = set(SERVICES[needed].get("profiles", []))
        assert not profiles or profiles & mine


@each_service
def test_only_two_ports_are_published(name: str) -> None:
    """web and the development mailbox, both on loopback."""
    published = {"web": ["127.0.0.1:${WEB_PORT:-8000}:8000"], "mailhog": ["127.0.0.1:8025:8025"]}
    assert SERVICES[name].get("ports", []) == published.get(name, [])
    assert SERVICES[name].get("network_mode") is None


@each_service
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[\w./-]+:(v?\d[\w.-]*|local)", image), image
    if name in OURS:
        assert SERVICES[name]["build"] == "."


@each_service
def test_healthcheck_and_restart(name: str) -> None:
    """All but the one that ends by itself."""
    if name == "migrate":
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


def test_flower_needs_a_password() -> None:
    assert SERVICES["flower"]["profiles"] == ["flower"]
    assert "FLOWER_BASIC_AUTH" in " ".join(SERVICES["flower"]["command"])


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
