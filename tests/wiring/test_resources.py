"""Templates and migrations are found in the installed package, and in a checkout beside it."""

from pathlib import Path

import pytest

from notifier import resources


def test_a_checkout_has_them_beside_the_package() -> None:
    assert (resources.templates() / "emails" / "verification" / "subject.txt").is_file()
    assert (resources.migrations() / "env.py").is_file()
    assert resources.templates().parent == resources.import_root()
    assert (resources.import_root() / "notifier" / "resources.py").is_file()


def test_what_a_build_put_into_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "DATA", tmp_path)
    (tmp_path / "templates").mkdir()
    assert resources.templates() == tmp_path / "templates"
    assert resources.migrations() == resources.import_root() / "migrations"
