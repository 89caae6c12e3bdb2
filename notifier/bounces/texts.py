"""The words of a report for people: without the returned email, in pieces, with the replies of servers in them."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from notifier.bounces.decoding import html_text
from notifier.bounces.parts import PREAMBLE, Email
from notifier.smtp.outcome import Phase

#: Characters of a report's text that are read, of one line and of one piece; number of lines, pieces and replies.
MAX_TEXT, MAX_LINE, MAX_PIECE = 12_000, 600, 900
MAX_LINES, MAX_PIECES, MAX_REPLIES = 400, 50, 8
#: Statements of one report that are judged.
MAX_STATEMENTS = 24

#: Codes that servers reply with when they refuse (RFC 5321 4.2.3, RFC 4954, RFC 7504, and codes of known systems).
_CODES = r"4(?:21|[2-5][0-9]|7[12])|5(?:0[0-4]|1[0-9]|2[1-9]|3[0-8]|4[1-7]|5[0-9]|7[0-9]|98|99)"
_STATUS = r"[245]\.\d{1,3}\.\d{1,3}"
_REPLY = re.compile(
    rf"(?<![\w.,@+#(/-])[(\[\"'#]{{0,2}}({_CODES})(?:[-: ]{{1,3}}|[)\]] ?[:-]? ?|(?=#))"
    rf"[(\[#]{{0,2}}({_STATUS}(?![\w.]*@))?[)\]:;]{{0,2}}(?= ?[^\d\s]| ?$)"
)
#: The code after the words: "mailbox unavailable. [SMTP Error Code 550]".
_CODE_BEHIND = re.compile(
    rf"\b(?:smtp )?(?:error|reply|status|response)(?:[ _-]?code)?\b[ :=(]{{0,3}}({_CODES})\b", re.IGNORECASE
)
_BARE_STATUS = re.compile(rf"(?<![\d.])({_STATUS})(?![\d.]*\d|[\w.]*@)")

#: Where the returned email begins, in words.
_RETURNED_BELOW = re.compile(
    r"[\s*_=|~#>-]{0,60}(?:"
    r"(?:below (?:this|the next) line (?:is|are)|follow(?:s|ing) is|attached is) .{0,30}\b(?:copy|message"
    r"|mail)\b.{0,50}"
    r"|(?:this is|here is|here are|included is|attachment is)? ?(?:a |the )?(?:copy|headers?|first part"
    r"|beginning) of .{0,60}"
    r"|(?:start of )?(?:the )?(?:header|first \d{1,3} lines|top|beginning)\b.{0,30}\bmessage\b.{0,30}"
    r"|(?:start of |the |your )?(?:original|returned|unsent|undelivered|failed|bounced|rejected|source) "
    r"(?:message|mail|e-?mail)\b.{0,40}"
    r"|message (?:text|headers?|body|contents?)\b.{0,40}|unsent message below.{0,5}"
    r"|(?:mensaje|mensagem|messaggio) original.{0,30}|message d'origine.{0,30}|urspr.{1,3}ngliche nachricht.{0,30}"
    r"|(?:en-?t.{1,2}tes|kopfzeilen|encabezados|intestazioni|cabe.{1,2}alhos)\b.{0,50}"
    r")[\s*_=|~#:.<-]{0,60}",
    re.IGNORECASE,
)
#: A line that only a header of the returned email can be. Without its name there is no telling where it begins.
_HEADER = re.compile(
    r">?[ \t]{0,4}(?:Received: (?:from|by|\(|with)|Return-Path: ?<|DKIM-Signature: ?|MIME-Version: ?1|ARC-Seal: |"
    r"X-(?:Originating|Mailer|Sender|Received|Google)[\w-]{0,30}: |Delivered-To: |DomainKey-Signature: "
    r"|X-Notifier-Id: )",
    re.IGNORECASE,
)
#: A line with which the entry of one recipient begins.
_ENTRY = re.compile(r"\s{0,8}(?:<[^<>\s]{1,200}@[^<>\s]{1,200}>:|>>> |<<< |\* \[|--> )")
#: A line that describes the email that failed: its words are the sender's.
_DESCRIBES = re.compile(
    r"[ \t>*|]{0,8}(?:to|cc|from|subject|sent|date|message-id|your message|betreff|gesendet|an|von|objet"
    r"|envoy.{1,2}|de|asunto|"
    r"enviado|para|assunto|oggetto|inviato|onderwerp|temat|тема|件名|主题|主旨)[ \t]{0,4}:[ \t]",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?:;>])\s")
_END_OF_DATA = re.compile(
    r"end of data|after (?:i sent|sending) the message|after data|\bfinal dot\b|>>> \.", re.IGNORECASE
)
_MAIL_FROM = re.compile(
    r"(?:reply to|after|response to|>>>) (?:the )?mail ?from|but sender was rejected", re.IGNORECASE
)


class Statement(NamedTuple):
    """What a server or a report said: the text on one line, and codes if there are any (0, "" if not)."""

    text: str
    code: int = 0
    enhanced: str = ""
    phase: Phase = Phase.RCPT
    #: The same without the whitespace of folds, if the text is from a field that is folded. It counts, too.
    joined: str = ""


def readable(email: Email) -> str:
    """Return the text for people up to the returned email: that of the plain parts, else of the HTML parts."""
    plain, marked = [], []
    preamble = "\n\n".join(part.text for part in email.parts if part.media_type == PREAMBLE)
    for part in email.parts:
        if part.returned:
            break
        if part.media_type in {"text/plain", "text/x-plain", "text", "text/enriched", "plain/text"}:
            plain.append(part.text[:MAX_TEXT])
        elif part.media_type == "text/html":
            marked.append(html_text(part.text)[:MAX_TEXT])
    text = "\n\n".join(each for each in plain if each.strip()) or "\n\n".join(marked) or preamble
    return text[:MAX_TEXT]


def split_returned(text: str) -> tuple[str, str]:
    """Return (the words of the report, the returned email) of a text that holds both."""
    lines = text.split("\n", MAX_LINES)
    for number, line in enumerate(lines[:MAX_LINES]):
        if _HEADER.match(line) or (
            number and len(line) < 120 and _RETURNED_BELOW.fullmatch(line) and not _says_more(line)
        ):
            return "\n".join(lines[:number]), "\n".join(lines[number:])
    return "\n".join(lines[:MAX_LINES]), ""


def _says_more(line: str) -> bool:
    """Return whether a line about the returned email is a sentence about its failure, not a heading."""
    return bool(re.search(r"\b(?:was|could|has|because|failed|cannot|can't|not) ", line, re.IGNORECASE)) and not (
        line.strip().startswith("--") or "below" in line.lower() or "follow" in line.lower()
    )


def pieces(text: str) -> Iterator[str]:
    """Yield the paragraphs of a text, each on one line; the entry of a recipient begins a new one."""
    kept: list[str] = []
    count = 0
    for line in [*text.split("\n", MAX_LINES)[:MAX_LINES], ""]:
        line = "" if _DESCRIBES.match(line) and not _names_failure(line) else line[:MAX_LINE]
        bare = line.strip(" \t*-=_|#~>+")
        if kept and (not bare or _ENTRY.match(line)):
            piece = _SPACE.sub(" ", " ".join(kept))[:MAX_PIECE].strip()
            kept = []
            if piece:
                yield piece
                count += 1
                if count >= MAX_PIECES:
                    return
        if bare:
            kept.append(line)


def _names_failure(line: str) -> bool:
    """Return whether a line such as `To: <someone@example.com>: 550 unknown` has a reply in it."""
    return bool(_REPLY.search(line[:MAX_LINE]))


def replies(piece: str) -> list[Statement]:
    """Return the replies of servers in a piece of text, in their order."""
    found = list(_REPLY.finditer(piece))[: MAX_REPLIES * 2]
    phase = phase_of(piece)
    out: list[Statement] = []
    for number, each in enumerate(found):
        code, enhanced = int(each[1]), each[2] or ""
        if (
            out
            and out[-1].code == code
            and number
            and not enhanced.startswith("9")
            and _continues(piece, found, number)
        ):
            # The next line of the same reply repeats its code.
            last = out.pop()
            out.append(last._replace(text=_SPACE.sub(" ", f"{last.text} {_words(piece, found, number)}").strip()))
            continue
        words = _words(piece, found, number)
        if not enhanced and (bare := _BARE_STATUS.search(words[:40])):
            enhanced = bare[1]
        out.append(Statement(words, code, enhanced, phase))
    if not out and (behind := _CODE_BEHIND.search(piece)):
        bare_status = _BARE_STATUS.search(piece)
        out.append(Statement(piece, int(behind[1]), bare_status[1] if bare_status else "", phase))
    return out[:MAX_REPLIES]


def _continues(piece: str, found: list[re.Match[str]], number: int) -> bool:
    between = piece[found[number - 1].end() : found[number].start()]
    return "<<<" not in between and ">>>" not in between


def _words(piece: str, found: list[re.Match[str]], number: int) -> str:
    end = found[number + 1].start() if number + 1 < len(found) else len(piece)
    return piece[found[number].end() : end].strip(" :;-").rstrip("<>\"'")


def before_reply(piece: str) -> str:
    """Return the words of a piece before the first reply in it: the report explains that reply. Empty without one."""
    found = _REPLY.search(piece)
    return piece[: found.start()].strip() if found else ""


def plain_statement(piece: str) -> Statement:
    """Return a piece without a reply as a statement; an enhanced code in it counts."""
    found = _BARE_STATUS.search(piece)
    return Statement(piece, 0, found[1] if found else "", phase_of(piece))


def phase_of(piece: str) -> Phase:
    """Return the step of the SMTP conversation that a text names; RCPT if it names none."""
    if _END_OF_DATA.search(piece):
        return Phase.EOD
    return Phase.MAIL if _MAIL_FROM.search(piece) else Phase.RCPT


def statements(words: str) -> Iterator[Statement]:
    """Yield what a text says: the replies of servers, then its paragraphs, then its sentences.

    The first ones decide nearly always, so nothing is read before it is asked for.
    """
    cut = list(pieces(words))
    yield from by_entry(cut)
    yield from map(plain_statement, _sentences(cut)[:MAX_STATEMENTS])


def by_entry(cut: list[str]) -> Iterator[Statement]:
    """Yield the replies in pieces of text, then the pieces."""
    yield from islice((reply for piece in cut for reply in replies(piece)), MAX_STATEMENTS // 2)
    yield from (plain_statement(words) for piece in cut[:MAX_STATEMENTS] if (words := before_reply(piece)))
    yield from map(plain_statement, cut[:MAX_STATEMENTS])


def _sentences(cut: list[str]) -> list[str]:
    """Return the sentences of pieces that have more than one: words about one thing may stand beside another's.

    A reply stays whole: after "authentication failed:" an unknown user is the sender.
    """
    parts = [[each for each in _SENTENCE.split(piece) if len(each) > 8] for piece in cut if not replies(piece)]
    return [each for sentences in parts if len(sentences) > 1 for each in sentences]
