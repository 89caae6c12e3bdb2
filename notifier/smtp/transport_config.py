"""Read the transports from the settings: `smtp` from MAIL_*, others from the file MAIL_TRANSPORTS.

All mistakes are reported together, one line each. No line contains a value that may be a secret.
"""

import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from notifier.config.cross_checks import is_loopback
from notifier.config.settings import ConfigError, Settings
from notifier.sender_auth.dkim_keys import KeyProblem, load_private_key
from notifier.sender_auth.dkim_signing import DkimSigner

#: The transport that the MAIL_* settings describe.
PRIMARY = "smtp"

#: Characters. dkimpy folds a longer domain or selector in the middle, and then no signature verifies.
_MAX_NAME = 63

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+\Z")
_SELECTOR = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")


class Tls(StrEnum):
    """The protection of the connection. It is never lowered if a server does not offer it."""

    IMPLICIT = "implicit"
    REQUIRED = "required"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """One transport. `weight` is its share of the emails among transports that are not held; 0: only as a fallback."""

    name: str
    server: str
    port: int
    security: Tls
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    weight: float = 1.0
    signer: DkimSigner | None = None


class _Entry(BaseModel):
    """One [[transport]] table of the file. docs/transports.md documents the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    server: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    security: Tls = Tls.REQUIRED
    username: Annotated[str, Field(min_length=1)] | None = None
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    ca_file: Path | None = None
    weight: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 1.0
    dkim_domain: str | None = None
    dkim_selector: str | None = None
    dkim_key_file: Path | None = None


def transport_configs(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[TransportConfig]:
    """Return all transports, `smtp` first. Raise ConfigError with one line for each mistake."""
    problems: list[str] = []
    configs = [_with_signer(primary_config(settings), _DKIM_SETTINGS, *_dkim_settings(settings), problems)]
    if settings.mail_ca_file is not None:
        problems += _unreadable_ca("MAIL_CA_FILE:", settings.mail_ca_file)
    if settings.mail_transports is not None:
        configs += _from_file(settings, settings.mail_transports, environ, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return configs


def primary_config(settings: Settings) -> TransportConfig:
    """Return the transport `smtp` without its DKIM signer."""
    return TransportConfig(
        name=PRIMARY,
        server=settings.mail_server,
        port=settings.mail_port,
        security=Tls.IMPLICIT if settings.mail_use_ssl else Tls.REQUIRED if settings.mail_use_tls else Tls.NONE,
        username=settings.mail_username,
        password=settings.mail_password,
        ca_file=settings.mail_ca_file,
    )


_DKIM_SETTINGS = ("MAIL_DKIM_DOMAIN", "MAIL_DKIM_SELECTOR", "MAIL_DKIM_KEY_FILE")
_DKIM_KEYS = ("dkim_domain", "dkim_selector", "dkim_key_file")


def _dkim_settings(settings: Settings) -> tuple[str | None, str | None, Path | None]:
    return settings.mail_dkim_domain, settings.mail_dkim_selector, settings.mail_dkim_key_file


def _from_file(
    settings: Settings, path: Path, environ: Mapping[str, str], problems: list[str]
) -> list[TransportConfig]:
    configs = []
    seen = {PRIMARY}
    for number, table in enumerate(_tables(path, problems), 1):
        name = table.get("name")
        where = f"MAIL_TRANSPORTS: transport {name if isinstance(name, str) else number}:"
        try:
            entry = _Entry.model_validate(table)
        except ValidationError as error:
            problems += [f"{where} {line}" for line in _lines(error)]
            continue
        if entry.name in seen:
            problems.append(f"{where} the name is taken" + (" by the MAIL_* settings" if name == PRIMARY else ""))
        seen.add(entry.name)
        problems += [f"{where} {line}" for line in _mistakes(entry, settings, environ)]
        configs.append(_config(entry, path.parent, environ, where, problems))
    return configs


def _tables(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    """Return the [[transport]] tables of the file; add its mistakes to `problems`."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problems.append(f"MAIL_TRANSPORTS: {path} cannot be read: {error.strerror}")
        return []
    except UnicodeDecodeError:
        problems.append(f"MAIL_TRANSPORTS: {path} is not UTF-8")
        return []
    except tomllib.TOMLDecodeError as error:
        problems.append(f"MAIL_TRANSPORTS: {path} is not TOML: {error}")
        return []
    problems += [f"MAIL_TRANSPORTS: unknown key {key}" for key in content if key != "transport"]
    tables = content.get("transport", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append("MAIL_TRANSPORTS: transports are written as [[transport]], in double brackets")
        return []
    if not tables and "transport" not in content:
        problems.append("MAIL_TRANSPORTS: the file has no [[transport]]")
    return tables


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] == "extra_forbidden"
        lines.append(f"unknown key {key}" if unknown else f"{key}: {item['msg'][:1].lower()}{item['msg'][1:]}")
    return lines


def _mistakes(entry: _Entry, settings: Settings, environ: Mapping[str, str]) -> list[str]:
    bare = entry.security is Tls.NONE
    production = settings.notifier_env == "production"
    variable = entry.password_env
    rules = {
        "username and password_env: set both or neither": (entry.username is None) != (variable is None),
        f"the variable {variable} is not set": variable is not None and not environ.get(variable),
        "credentials never travel in clear: security must be implicit or required": bare and entry.username is not None,
        "security = none is allowed only for a server on this machine": bare
        and production
        and not is_loopback(entry.server),
    }
    return [line for line, wrong in rules.items() if wrong]


def _config(
    entry: _Entry, folder: Path, environ: Mapping[str, str], where: str, problems: list[str]
) -> TransportConfig:
    """Build the config of `entry` with its secrets. Paths are relative to the folder of the file."""
    config = TransportConfig(
        name=entry.name,
        server=entry.server,
        port=entry.port,
        security=entry.security,
        username=entry.username,
        password=environ.get(entry.password_env) if entry.password_env else None,
        ca_file=folder / entry.ca_file if entry.ca_file else None,
        weight=entry.weight,
    )
    if config.ca_file is not None:
        problems += _unreadable_ca(f"{where} ca_file:", config.ca_file)
    key_file = folder / entry.dkim_key_file if entry.dkim_key_file else None
    names = tuple(f"{where} {key}" for key in _DKIM_KEYS)
    return _with_signer(config, names, entry.dkim_domain, entry.dkim_selector, key_file, problems)


def _with_signer(
    config: TransportConfig,
    names: tuple[str, ...],
    domain: str | None,
    selector: str | None,
    key_file: Path | None,
    problems: list[str],
) -> TransportConfig:
    """Return `config` with its DkimSigner if the three DKIM settings, called `names`, are set and valid."""
    if domain is None and selector is None and key_file is None:
        return config
    if domain is None or selector is None or key_file is None:
        missing = [name for name, value in zip(names, (domain, selector, key_file), strict=True) if value is None]
        problems.append(f"{missing[0]}: missing; DKIM needs domain, selector and key file together")
        return config
    if len(domain) > _MAX_NAME or not _DOMAIN.match(domain):
        problems.append(
            f"{names[0]}: not a domain name of {_MAX_NAME} characters at most (an international one as xn--...)"
        )
    if len(selector) > _MAX_NAME or not _SELECTOR.match(selector):
        problems.append(f"{names[1]}: not a selector: letters, digits, hyphens and dots, {_MAX_NAME} at most")
    try:
        return replace(config, signer=DkimSigner(domain, selector, load_private_key(key_file)))
    except KeyProblem as error:
        problems.append(f"{names[2]}: {error}")
        return config


def _unreadable_ca(name: str, path: Path) -> list[str]:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return [f"{name} {path} holds no certificate in PEM form"]
    except OSError as error:
        return [f"{name} {path} cannot be read: {error.strerror}"]
    return []
