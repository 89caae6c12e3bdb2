"""Providers that are open, and a web server of AWS that is ours."""

from collections.abc import Mapping

import pytest

from notifier.inbound import registry
from notifier.inbound.provider import Provider
from notifier.testing.settings import make_settings
from tests.support.webhooks import Aws, settings


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def providers(aws: Aws) -> Mapping[str, Provider]:
    return registry.configured(make_settings(**settings()), aws)
