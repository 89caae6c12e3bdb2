"""DNS without a network: what a test says is what there is."""

from notifier.sender_auth import LookupFailed, Unreachable


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
