"""Templates and migrations are found in the installed package, and in a checkout beside it."""

from pathlib import Path

import pytest

from notifier import resources

ROOT = Path(__file__).parents[2]


def test_a_checkout_has_them_beside_the_package() -> None:
    assert (resources.templates() / "emails" / "verification" / "subject.txt").is_file()
    assert (resources.migrations() / "env.py").is_file()
    assert resources.templates().parent == resources.checkout() == ROOT


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "DATA", tmp_path)
    assert resources.templates() == tmp_path / "templates"
    assert resources.migrations() == tmp_path / "migrations"
    assert resources.checkout() is None
