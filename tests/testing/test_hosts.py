"""The public fixtures in an application that embeds notifier: one override, and its own commits are what is sent."""

from collections.abc import Callable

APPLICATION = """
    import pytest
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from notifier import Notifier, UserFields, sqlite

    class Base(DeclarativeBase):
        pass

    db, notifier = SQLAlchemy(model_class=Base), Notifier()

    class User(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]

    @notifier.user(User)
    def fields(user):
        return UserFields(id=user.id, email=user.email)

    @notifier.on(User, "insert")
    def signed_up(user):
        notifier.send("verification", to=user)

    @pytest.fixture
    def notifier_host(tmp_path):
        app = Flask("host", instance_path=str(tmp_path))
        app.config |= {"TESTING": True, "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/host.db"}
        db.init_app(app)
        with app.app_context():
            sqlite.prepare(db.engine)
            db.create_all()
            notifier.create_all(db.engine)
            notifier.init_app(app, session=db.session, mount="/mail")
            yield app
            db.session.remove()
            db.engine.dispose()

    def sign_up(address):
        db.session.add(User(email=address))
        db.session.commit()
"""


def test_each_test_has_the_emails_of_its_own_application(pytester_like: Callable[[str], str]) -> None:
    output = pytester_like(
        APPLICATION
        + """
    def test_one(emails):
        sign_up("ada@example.com")
        assert [email.recipient for email in emails.sent] == ["ada@example.com"]

    def test_two(frozen_clock, emails):
        sign_up("bo@example.com")
        assert [email.recipient for email in emails.sent] == ["bo@example.com"]
        db.session.add(User(email="eve@example.com"))
        db.session.flush()
        db.session.rollback()
        assert len(emails.handed) == 1
"""
    )
    assert "2 passed" in output, output


def test_an_error_of_a_worker_fails_the_test(pytester_like: Callable[[str], str]) -> None:
    output = pytester_like(
        APPLICATION
        + """
    def test_it(emails, monkeypatch):
        from notifier.services import services_of
        monkeypatch.setattr(services_of(notifier.app).sender, "deliver", lambda *_, **__: 1 / 0)
        sign_up("ada@example.com")
"""
    )
    assert "the work of a worker failed" in output
    assert "1 passed, 1 error" in output


def test_an_email_that_cannot_be_rendered_fails_the_test(pytester_like: Callable[[str], str]) -> None:
    output = pytester_like(
        APPLICATION
        + """
    def test_it(emails, monkeypatch):
        from notifier.emails import Verification
        monkeypatch.setattr(Verification, "context", lambda *_: {})
        sign_up("ada@example.com")
"""
    )
    assert "the email verification could not be rendered" in output
    assert "1 passed, 1 error" in output
