"""DNS of the world: domains of customers have mail servers of Microsoft. Nothing leaves this machine."""

from notifier.sender_auth import LookupFailed

#: Domains of the people who are customers of Microsoft.
CUSTOMERS = tuple(f"customer{number}.example" for number in range(1, 13))


class ScriptedDns:
    """A resolver that knows these domains alone."""

    def mx(self, name: str) -> list[str]:
        """Return the mail servers of a domain."""
        return [f"{name.replace('.', '-')}.mail.protection.outlook.com"] if name in CUSTOMERS else [f"mx.{name}"]

    def txt(self, name: str) -> list[str]:
        """Raise LookupFailed: nothing here asks."""
        raise LookupFailed(f"no TXT records in this world: {name}")

    def addresses(self, name: str) -> list[str]:
        """Raise LookupFailed: nothing here asks."""
        raise LookupFailed(f"no addresses in this world: {name}")

    def ptr(self, address: str) -> list[str]:
        """Raise LookupFailed: nothing here asks."""
        raise LookupFailed(f"no names in this world: {address}")
