"""One save of the campaign form stays easy to follow: few files run. `python -m bench.form_files` lists them."""

from collections.abc import Callable

import pytest
from flask import Flask

from bench.form_files import saves


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_save_of_the_campaign_form_enters_few_files(make_app: Callable[..., Flask]) -> None:
    found = saves(make_app())
    assert set(found["title"].own) >= {"admin/campaigns/edit.py", "admin/campaigns/form.py", "campaigns/editing.py"}
    assert len(found["title and rate"].own) <= 8, found["title and rate"].own
    # With another schedule: what reads it, too.
    assert len(found["title and time"].own) <= 11, found["title and time"].own
    for each in found.values():
        assert set(each.own) < set(each.files)
