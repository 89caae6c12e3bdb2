"""DNS and the web without a network: what a test says is what there is."""

from collections.abc import Mapping

from notifier.sender_auth import LookupFailed, Unreachable, WebAnswer, WebUnreachable


class StubResolver:
    """`records` maps (kind, name) to records. Kinds: txt, mx, a, ptr. A string in place of a list fails."""

    def __init__(self, records: dict[tuple[str, str], list[str] | str], *, up: bool = True) -> None:
        self.records = records
        self.up = up
        self.asked: list[tuple[str, str]] = []

    def _ask(self, kind: str, name: str) -> list[str]:
        self.asked.append((kind, name))
        if not self.up:
            raise Unreachable(f"no answer about {name} within 5 s")
        found = self.records.get((kind, name), [])
        if isinstance(found, str):
            raise LookupFailed(found)
        return found

    def txt(self, name: str) -> list[str]:
        return self._ask("txt", name)

    def mx(self, name: str) -> list[str]:
        return self._ask("mx", name)

    def addresses(self, name: str) -> list[str]:
        return self._ask("a", name)

    def ptr(self, address: str) -> list[str]:
        return self._ask("ptr", address)


class StubWeb:
    """`answers` maps (method, the beginning of a URL) to answers. An exception in place of one is raised."""

    def __init__(self, answers: Mapping[tuple[str, str], WebAnswer | Exception] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[tuple[str, str, str]] = []

    def _ask(self, method: str, url: str, form: str = "") -> WebAnswer:
        self.asked.append((method, url, form))
        for (kind, start), answer in self.answers.items():
            if kind == method and url.startswith(start):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise WebUnreachable("Connection refused")

    def get(self, url: str) -> WebAnswer:
        return self._ask("GET", url)

    def post(self, url: str, form: str) -> WebAnswer:
        return self._ask("POST", url, form)
