"""The configuration, from the environment."""

import os
from typing import Any


def from_environment() -> dict[str, Any]:
    """Return the configuration. Everything has a default that works on a developer's machine."""
    broker = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL") or "redis://localhost:6379/0"
    return {
        "SECRET_KEY": os.environ.get("SECRET_KEY", "for development only"),
        "SQLALCHEMY_DATABASE_URI": _database(os.environ.get("DATABASE_URL", "sqlite:///shop.db")),
        "CELERY": {"broker_url": broker, "task_ignore_result": True},
        # Seconds from placing an order until it is shipped.
        "SHIPPING_SECONDS": int(os.environ.get("SHIPPING_SECONDS", "20")),
        "SESSION_COOKIE_SAMESITE": "Lax",
    }


def _database(url: str) -> str:
    """Return the address with the driver that is installed."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
