"""The tree walk of RFC 9989: where a policy comes from, and which domains belong to one organization."""

from typing import Any

import pytest

from notifier.sender_auth.dmarc import DmarcRecord, is_aligned, walk
from tests.support.dns import StubResolver


def dns(**records: str | list[str]) -> StubResolver:
    """DMARC records by domain, with _ for the dot."""
    given: dict[tuple[str, str], Any] = {
        ("txt", f"_dmarc.{name.replace('_', '.')}"): [value] if isinstance(value, str) else value
        for name, value in records.items()
    }
    return StubResolver(given)


P = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    ("records", "domain", "organizational", "home"),
    [
        ({}, "a.b.example", "a.b.example", None),
        ({"b_example": P}, "a.b.example", "b.example", "b.example"),
        ({"a_b_example": P, "b_example": P}, "a.b.example", "b.example", "a.b.example"),
        # psd=n ends the walk: a department that is an organization of its own.
        ({"a_b_example": f"{P}; psd=n", "b_example": P}, "x.a.b.example", "a.b.example", "a.b.example"),
        # A public suffix: the organization is one label below it, and the suffix decides if it has no record.
        ({"example": f"{P}; psd=y"}, "a.b.example", "b.example", "example"),
        ({"example": f"{P}; psd=y", "b_example": P}, "a.b.example", "b.example", "b.example"),
        ({"co_example": f"{P}; psd=y"}, "a.b.co.example", "b.co.example", "co.example"),
        # A suffix that sends itself.
        ({"example": f"{P}; psd=y"}, "example", "example", "example"),
        # Several records at one name count as none; another version is none.
        ({"a_b_example": [P, P], "b_example": P}, "a.b.example", "b.example", "b.example"),
        ({"a_b_example": "v=DMARC2; p=reject", "b_example": P}, "a.b.example", "b.example", "b.example"),
    ],
)
def test_where_a_policy_comes_from(records: dict[str, Any], domain: str, organizational: str, home: str | None) -> None:
    found = walk(domain, dns(**records))
    assert found.organizational == organizational
    assert (found.deciding.home if found.deciding else None) == home


def test_a_long_name_costs_eight_queries() -> None:
    resolver = dns(example=P)
    domain = "a.b.c.d.e.f.g.h.i.j.mail.example"
    assert walk(domain, resolver).organizational == "example"
    asked = [name.removeprefix("_dmarc.") for _, name in resolver.asked]
    assert asked == [
        domain,
        "f.g.h.i.j.mail.example",
        "g.h.i.j.mail.example",
        "h.i.j.mail.example",
        "i.j.mail.example",
        "j.mail.example",
        "mail.example",
        "example",
    ]


@pytest.mark.parametrize(
    ("tags", "domain", "exists", "policy"),
    [
        ("p=reject", "b.example", True, "reject"),
        ("p=reject", "a.b.example", True, "reject"),
        ("p=reject; sp=none", "a.b.example", True, "none"),
        ("p=none; sp=quarantine; np=reject", "a.b.example", False, "reject"),
        ("p=none; sp=quarantine", "a.b.example", False, "quarantine"),
        ("p=none; np=reject", "b.example", False, "none"),
        # p is optional; a policy that is unknown counts as none if reports are wanted, else the record as absent.
        ("rua=mailto:d@b.example", "b.example", True, "none"),
        ("p=maybe; rua=mailto:d@b.example", "b.example", True, "none"),
        ("p=maybe", "b.example", True, None),
        ("p=reject; sp=maybe; rua=nowhere", "a.b.example", True, None),
        ("P=reject", "b.example", True, None),
        ("p = REJECT ", "b.example", True, "reject"),
    ],
)
def test_what_applies_to_a_domain(tags: str, domain: str, exists: bool, policy: str | None) -> None:
    assert DmarcRecord.parse("b.example", f"v=DMARC1; {tags}").policy_for(domain, exists=exists) == policy


def test_alignment_compares_organizations() -> None:
    resolver = dns(b_example=P, example=f"{P}; psd=y")
    assert is_aligned("x.b.example", "y.z.b.example", resolver, strict=False)
    assert not is_aligned("x.b.example", "b.example", resolver, strict=True)
    assert not is_aligned("c.example", "b.example", resolver, strict=False)
    assert not is_aligned("notb.example", "b.example", resolver, strict=False)
