"""Run the groups of `notifier doctor` that are asked for."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier.config.settings import Settings
from notifier.doctor import emails, one_click, rates, refusals, unsubscribing
from notifier.emails import EmailKind
from notifier.rendering.drafts import Drafts
from notifier.sender_auth import Diagnosis, Group, Resolver, Rule, Subject, WebClient, examine
from notifier.sender_auth.dkim_signing import DkimSigner
from notifier.sender_auth.report import wrong

#: Lines that explain why checks are missing; they belong to every group that asks DNS.
_WITHOUT_DNS = {"dns.reachable", "dns.answers"}

ROWS = Rule(Group.running, "database.readable", "docs/runbook.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Everything that the checks need."""

    settings: Settings
    kinds: Mapping[str, EmailKind]
    drafts: Drafts
    #: The DKIM signer of each transport by its name; None for one that does not sign.
    signers: Mapping[str, DkimSigner | None]
    session: Session
    resolver: Resolver
    web: WebClient

    def examine(self, subject: Subject, groups: Set[Group]) -> list[Diagnosis]:
        """Return the results of these groups, in their order. Change nothing."""
        lines: list[Diagnosis] = []
        if groups & {Group.identity, Group.dns}:
            lines += [each for each in examine(subject, self.resolver, self.web) if _belongs(each, groups)]
        if Group.email in groups:
            lines += self._with_rows("Emails", self._emails)
        if Group.running in groups:
            lines.append(one_click.check(self.settings.link_base, self.web))
            lines += self._with_rows("Ledger", self._ledger)
        return lines

    def _emails(self) -> Iterator[Diagnosis]:
        sender = emails.EmailSettings(self.settings, self.signers)
        yield from emails.check_settings(sender)
        for specimen in emails.specimens(self.session, self.kinds, self.drafts):
            yield from emails.check(specimen, sender)

    def _ledger(self) -> Iterator[Diagnosis]:
        yield unsubscribing.check(self.session, self.kinds)
        yield from rates.check(self.session)
        yield from refusals.check(self.session)

    def _with_rows(self, name: str, checks: Callable[[], Iterator[Diagnosis]]) -> list[Diagnosis]:
        """Return the results; one line if the database cannot be read, because DNS is worth a report on its own."""
        try:
            return list(checks())
        except DBAPIError as error:
            self.session.rollback()
            said = f"the database cannot be read ({type(error.orig).__name__}), so these checks were not made"
            return [wrong(ROWS, name, said, "run notifier health, and notifier db upgrade if tables are missing")]


def _belongs(line: Diagnosis, groups: Set[Group]) -> bool:
    return line.rule.group in groups or line.rule.code in _WITHOUT_DNS
