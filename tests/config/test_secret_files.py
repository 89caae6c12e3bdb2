"""`NAME_FILE` instead of `NAME`: every setting can be in a file, and a file that cannot be used has its line."""

import os
from pathlib import Path

import pytest

from notifier.config.embedded import load_embedded_settings
from notifier.config.loading import load_settings
from notifier.config.secret_files import LARGEST, NEVER_IN_FILES, SUFFIX
from notifier.config.settings import ConfigError, Settings
from notifier.dev.plan import Ports
from notifier.dev.stack import stack_env
from tests.config.test_config import PRODUCTION
from tests.config.test_settings import BESIDE, DEFAULT, FIELDS, Means, rows_of

RIGHT = {
    name: next(
        text for text, expected in rows_of(name, field) if isinstance(expected, Means) and expected is not DEFAULT
    )
    for name, field in FIELDS.items()
    if name not in NEVER_IN_FILES and any(isinstance(e, Means) and e is not DEFAULT for _, e in rows_of(name, field))
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path / "data"))


def in_file(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name.lower()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv(f"{name.upper()}{SUFFIX}", str(path))
    return path


def lines() -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_settings()
    return str(refused.value).splitlines()


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_every_setting_means_the_same_in_a_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for other, value in BESIDE.items():
        if other != name:
            monkeypatch.setenv(other.upper(), value)
    with monkeypatch.context() as set_itself:
        set_itself.setenv(name.upper(), RIGHT[name])
        expected = outcome()
    in_file(monkeypatch, tmp_path, name, RIGHT[name])
    assert outcome() == expected


def outcome() -> object:
    try:
        return load_settings()
    except ConfigError as error:
        return str(error)


def test_most_settings_were_compared() -> None:
    assert len(RIGHT) > 0.9 * len(FIELDS)


def test_no_setting_has_the_name_of_the_file_of_another_one() -> None:
    assert [name for name in FIELDS if f"{name}{SUFFIX.lower()}" in FIELDS] == []


def test_the_line_break_at_the_end_is_not_part_of_a_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAIL_USERNAME", "me")
    monkeypatch.setenv("MAIL_USE_TLS", "1")
    in_file(monkeypatch, tmp_path, "MAIL_PASSWORD", "a long\tone\r\n".replace("\t", " "))
    assert load_settings().mail_password == "a long one"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty: write the value into it"),
        (b"\n", "is empty: write the value into it"),
        (b"\xff\xfe", "is not UTF-8: write it again"),
        (b"x" * (LARGEST + 1), "is larger than 64 kB: name a file that holds the value alone"),
    ],
)
def test_a_file_that_cannot_be_used_has_its_line(
    content: bytes, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = in_file(monkeypatch, tmp_path, "SECRET_KEYS", content)
    assert lines() == [f"SECRET_KEYS_FILE: {path} {line}"]


def test_a_missing_file_and_a_folder_have_their_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEYS_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path))
    assert sorted(lines()) == [
        f"REDIS_URL_FILE: {tmp_path} cannot be read: Is a directory",
        f"SECRET_KEYS_FILE: {tmp_path / 'nowhere'} cannot be read: No such file or directory",
    ]


def test_a_wrong_value_in_a_file_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_file(monkeypatch, tmp_path, "DATABASE_URL", "mysql://me:hush@host/x\n")
    (line,) = lines()
    assert line.startswith("DATABASE_URL: must be postgresql://")
    assert "hush" not in line


def test_the_value_and_its_file_are_not_both_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_file(monkeypatch, tmp_path, "REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("REDIS_URL", "")
    assert load_settings().redis_url == "redis://127.0.0.1:1/0"
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:2/0")
    assert lines() == ["REDIS_URL_FILE: REDIS_URL is set as well: keep one of them"]


@pytest.mark.parametrize("name", sorted(NEVER_IN_FILES))
def test_what_is_needed_first_is_refused_in_a_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_file(monkeypatch, tmp_path, name, "test")
    assert lines() == [f"{name.upper()}_FILE: is not read: set {name.upper()} itself"]


def test_production_starts_with_every_secret_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = {"SECRET_KEYS", "DATABASE_URL", "REDIS_URL"}
    for name, value in PRODUCTION.items():
        if name in secret:
            in_file(monkeypatch, tmp_path, name, f"{value}\n")
        else:
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.redis_url == PRODUCTION["REDIS_URL"]
    assert settings.secret_keys == [PRODUCTION["SECRET_KEYS"]]
    assert secret.isdisjoint(os.environ)


def test_an_embedding_application_names_files_by_our_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_file(monkeypatch, tmp_path, "NOTIFIER_SECRET_KEYS", "one,two\n")

    def load() -> Settings:
        return load_embedded_settings(
            {}, database_url="sqlite:///host.db", mount="/mail", data_dir=tmp_path / "data", testing=False
        )

    assert load().secret_keys == ["one", "two"]
    monkeypatch.setenv("NOTIFIER_SECRET_KEYS_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"NOTIFIER_SECRET_KEYS_FILE: .*nowhere cannot be read"):
        load()


def test_processes_of_up_do_not_find_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`up` hands the address of the database to its processes, which also inherit the environment."""
    in_file(monkeypatch, tmp_path, "DATABASE_URL", f"sqlite:///{tmp_path}/own.db")
    env = stack_env(load_settings(), Ports("127.0.0.1", 1, 2, 3, 4), None, with_inbox=True)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert load_settings().database_url == f"sqlite:///{tmp_path}/own.db"
