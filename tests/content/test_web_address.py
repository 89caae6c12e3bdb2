"""Addresses of links: each can be opened, is ASCII in the email, or is refused with the line and what is wrong."""

import pytest

from notifier.content import Checked, Content, ContentError
from notifier.content.layout import lay_out
from notifier.emails import KINDS
from notifier.emails.announcement import Announcement, Text

VALUES = {"url": "https://a.example/", "name": "Zoë"}

WRONG = [
    ("https://../", "host has an empty part"),
    ("https://example..com", "host has an empty part"),
    ("https://.example.com/", "host has an empty part"),
    ("https://-", "host “-” is not a name"),
    ("https://-a.example", "host “-a.example” is not a name"),
    ("https://a!b.example/", "host “a!b.example” is not a name"),
    ("https://" + "a" * 64 + ".example/", "is not a name"),
    ("https://" + "a." * 127 + "example/", "is not a name"),
    ("https://☃.example/", "host “☃.example” is not a name"),
    ("https://example.com:99999", "port is a number from 1 to 65535"),
    ("https://example.com:0/", "port is a number from 1 to 65535"),
    ("https://example.com:https/", "port is a number from 1 to 65535"),
    ("https://example.com:\uff11/", "port is a number from 1 to 65535"),
    ("https://192.0.2.300/", "is not an IP address"),
    ("https://1.2.3/", "is not an IP address"),
    ("https://[::g]/", "is not an IP address"),
    ("https://[1::2:80/", "is not an IP address"),
    ("https://[fe80::1%25eth0]/", "is not an IP address"),
    ("https://", "has no host"),
    ("https:///path", "has no host"),
    ("https://:80/", "has no host"),
    ("https://u:p@x.example/", "user name"),
    ("https://x.example/\u200b", "characters that no address has"),
    ("https://x.example/" + "x" * 2000, "has 2,018 characters; at most 2,000"),
    ("https://x.example/" + "ä" * 400, "has 2,418 characters; at most 2,000"),
]

RIGHT = [
    ("https://intranet/", "https://intranet/"),
    ("http://localhost:8000", "http://localhost:8000"),
    ("https://192.0.2.1:8443/a", "https://192.0.2.1:8443/a"),
    ("https://a_b.example./?c=d&e=%20#f", "https://a_b.example./?c=d&e=%20#f"),
    ("HTTPS://Example.com?", "HTTPS://Example.com?"),
    ("https://münchen.de", "https://xn--mnchen-3ya.de"),
    ("https://MÜNCHEN.de:8443/ä?ö=ü#ß", "https://xn--mnchen-3ya.de:8443/%C3%A4?%C3%B6=%C3%BC#%C3%9F"),
]


def body(source: str) -> str:
    checked = Checked(Content("s", "h", f"One.\n\n{source}"), VALUES)
    (span,) = lay_out(checked.draw(VALUES), strict=True).before[-1].lines[0]
    return span.url


def announced(url: str) -> str:
    text = Text(subject="s", heading="h", paragraphs=("p",), button_text="Go", button_url=url)
    content = Announcement().content(text)
    offered = {"user": {"name": "Ann", "email": "a@example.com"}}
    return lay_out(Checked(content, offered).draw(offered), strict=True).before[-1].lines[0][0].url


@pytest.mark.parametrize(("url", "message"), WRONG, ids=range(len(WRONG)))
def test_an_address_that_cannot_work_is_refused_with_its_line(url: str, message: str) -> None:
    sources = [f"{{button: a | {url}}}"] + ([] if url.startswith("https://[") else [f"[a]({url})"])
    for source in sources:
        with pytest.raises(ContentError, match=r"Write a (link|button) like this") as caught:
            body(source)
        assert (message in str(caught.value), caught.value.line) == (True, 3), caught.value
    with pytest.raises(ValueError, match=r"(?s)button_url") as refused:
        announced(url)
    assert message.replace("2,000", "1,000") in str(refused.value)


@pytest.mark.parametrize("url", ["https://x.example/" + "x" * length for length in (3000, 5000, 9000)])
def test_an_address_of_any_length_is_called_too_long(url: str) -> None:
    for source in (f"[a]({url})", f"{{button: a | {url}}}"):
        with pytest.raises(ContentError, match=r"at most 2,000"):
            body(source)


@pytest.mark.parametrize(("url", "sent"), RIGHT)
def test_an_address_is_ascii_in_the_email(url: str, sent: str) -> None:
    assert body(f"[a]({url})") == body(f"{{button: a | {url}}}") == body(f"{{button: a | {{{{ '{url}' }}}}}}") == sent
    if url.lower().startswith("https:"):
        assert announced(url) == announced(sent) == sent


def test_an_ipv6_address_leads_a_button() -> None:
    assert body("{button: a | https://[2001:db8::1]:8443/}") == "https://[2001:db8::1]:8443/"
    assert announced("https://[2001:db8::1]/a[]{b}|c") == "https://[2001:db8::1]/a%5B%5D%7Bb%7D%7Cc"


@pytest.mark.parametrize(
    "url",
    [
        "https://{{ name }}.com", "https://{{ name }}/", "https://example.{{ name }}",
        "https://example.com:{{ name }}/", "{{ name }}.com", "{{ url }}:80",
    ],
)  # fmt: skip
def test_a_placeholder_within_the_host_is_refused(url: str) -> None:
    for source in (f"[a]({url})", f"{{button: a | {url}}}"):
        with pytest.raises(ContentError, match="A placeholder cannot be part of the host") as caught:
            body(source)
        assert caught.value.line == 3


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("{{ url }}", "https://a.example/"),
        ("{{ url }}?n={{ name }}", "https://a.example/?n=Zo%C3%AB"),
        ("https://x.example/{{ name }}?n={{ name }}#{{ name }}", "https://x.example/Zo%C3%AB?n=Zo%C3%AB#Zo%C3%AB"),
        ("https://x.example?{{ name }}", "https://x.example?Zo%C3%AB"),
    ],
)
def test_a_placeholder_is_the_address_or_within_path_and_query(url: str, sent: str) -> None:
    assert body(f"[a]({url})") == sent


def test_the_button_of_an_announcement_is_https_and_short() -> None:
    assert "announcement" in KINDS
    with pytest.raises(ValueError, match="starts with https://, not with http://"):
        announced("http://x.example/")
    with pytest.raises(ValueError, match="has 1,018 characters; at most 1,000"):
        announced("https://x.example/" + "x" * 1000)
