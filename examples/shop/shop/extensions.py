"""The extensions, made once and connected to each application by `create_app`."""

from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from notifier import migrations as notifier_migrations


class Base(DeclarativeBase):
    """The base of all tables, whose constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate(
    directory=str(Path(__file__).parents[1] / "migrations"), include_name=notifier_migrations.include_name
)
csrf = CSRFProtect()
login = LoginManager()
login.login_view = "account.sign_in"
login.login_message = "Sign in to continue."


def make_celery(app: Flask) -> Celery:
    """Create the Celery application of `app`; its tasks run in the application's context."""

    class InContext(Task):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=InContext)
    celery.config_from_object(app.config["CELERY"])
    celery.set_default()
    app.extensions["celery"] = celery
    return celery
