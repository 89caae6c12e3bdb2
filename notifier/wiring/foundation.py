"""Parts that most other parts are built from."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType

from flask import Flask

from notifier.accounts.signup import Accounts
from notifier.accounts.signup_limits import SignupLimits
from notifier.config.settings import Settings
from notifier.consent.wording import Words, wording
from notifier.database.database_clock import DatabaseClock
from notifier.database.identity import RestoreHold
from notifier.database.transaction import writing
from notifier.emails import EmailKind, registry_of
from notifier.embedding.host import Host
from notifier.extensions import db
from notifier.metrics import Recorder, write
from notifier.metrics.tallies import Counted
from notifier.rendering.compose import Composer
from notifier.rendering.render import Renderer
from notifier.security.links import Links
from notifier.security.tokens import Signer


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """Parts that know no other part, and the settings."""

    app: Flask
    settings: Settings
    kinds: Mapping[str, EmailKind]
    wording: Mapping[str, Words]
    #: Age at which the sweep enqueues a new row.
    grace: timedelta
    signer: Signer
    links: Links
    clock: DatabaseClock
    renderer: Renderer
    composer: Composer
    #: None: sign-ups are not limited.
    signups: SignupLimits | None
    accounts: Accounts
    hold: RestoreHold
    recorder: Recorder


def lay_foundation(
    app: Flask, settings: Settings, kinds: Mapping[str, EmailKind] | None, host: Host | None
) -> Foundation:
    """Build the parts for `app`, whose database is bound.

    `kinds` replaces those of `notifier.emails`; those of `host` are added.
    """
    ours, named = registry_of(settings) if kinds is None else kinds, host.categories if host else {}
    words = wording(named)
    kinds = MappingProxyType(
        {
            **{name: _renamed(kind, words) if kind.category in named else kind for name, kind in ours.items()},
            **(host.kinds if host else {}),
        }
    )
    grace = timedelta(seconds=settings.sweep_grace)
    signer = Signer(settings.secret_keys)
    signups = _signup_limits(settings)
    folders = (*(host.templates if host else ()), Path(str(app.template_folder)))
    renderer = _renderer(folders, settings.notifier_env == "development")
    return Foundation(
        app=app,
        settings=settings,
        kinds=kinds,
        wording=words,
        grace=grace,
        signer=signer,
        links=Links(settings.link_base, signer, settings.home_url, own_signup=host is None),
        clock=_clock(app, settings),
        renderer=renderer,
        composer=Composer(settings, renderer, kinds),
        signups=signups,
        accounts=Accounts(
            signer,
            grace=grace,
            limits=signups,
            erased_keys=settings.secret_keys,
            confirm_for_host=host.confirm if host else None,
        ),
        hold=RestoreHold(db.session),
        recorder=_recorder(app, settings),
    )


def _renamed(kind: EmailKind, words: Mapping[str, Words]) -> EmailKind:
    """Return a copy of a kind of ours whose footer uses the embedding application's name of its category."""
    renamed = copy(kind)
    # For type checkers it belongs to the class, because every other kind says it there.
    vars(renamed)["because"] = words[kind.category].because
    return renamed


def _recorder(app: Flask, settings: Settings) -> Recorder:
    """Return the recorder, whose thread needs an application context and a session of its own."""

    def store(counted: Sequence[Counted]) -> None:
        with app.app_context(), writing(db.session) as session:  # also within a GET, which promises not to write
            write(session, counted)

    return Recorder(store, background=settings.notifier_env != "test")


def _clock(app: Flask, settings: Settings) -> DatabaseClock:
    with app.app_context():
        return DatabaseClock(
            db.engine, max_age=settings.database_clock_max_age, warn_above=settings.database_clock_warn_above
        )


@cache
def _renderer(templates: tuple[Path, ...], auto_reload: bool) -> Renderer:
    """Return the renderer. Compiled templates belong to the process and are shared by all of its applications."""
    return Renderer(templates, auto_reload=auto_reload)


def _signup_limits(settings: Settings) -> SignupLimits | None:
    if not settings.ratelimit_enabled:
        return None
    return SignupLimits(
        settings.secret_keys,
        per_day=settings.signup_emails_per_day,
        per_hour=settings.signup_emails_per_hour,
        bounces=settings.first_email_bounces,
        window=settings.first_email_window,
        per_minute=settings.first_emails_per_minute,
    )
