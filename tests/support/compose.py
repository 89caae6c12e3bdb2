"""Compose files as Compose reads them: variables of .env put in, `$$` as `$`, one file over another."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

#: `${NAME}`, `${NAME-default}` and `${NAME:-default}`; a default may hold others, one level deep.
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<how>:?-)(?P<default>(?:[^{}]|\{[^{}]*\})*))?\})")


def services(name: str = "docker-compose.yml") -> dict[str, dict[str, Any]]:
    """Return the services as they are written in the file."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / name).read_text())["services"]
    return found


def put_in(text: str, env: Mapping[str, str]) -> str:
    """Return the text with the variables of `env`, and with `$` for `$$`."""

    def value(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        given = env.get(match["name"])
        if given is None or (given == "" and match["how"] == ":-"):
            return put_in(match["default"] or "", env)
        return given

    return _VARIABLE.sub(value, text)


def environment(service: str, env: Mapping[str, str], *files: str) -> dict[str, str]:
    """Return the environment of a container, if `.env` holds `env`, of the file and of those laid over it."""
    merged: dict[str, str] = {}
    for name in ("docker-compose.yml", *files):
        own = services(name).get(service, {}).get("environment", {})
        merged |= {key: put_in(str(value), env) for key, value in own.items()}
    return merged
