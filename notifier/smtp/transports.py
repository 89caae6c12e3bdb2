"""Choose among several mail servers: each email takes a transport that is not held, by weight."""

import random
from collections.abc import Callable, Collection, Sequence

from notifier.smtp.transport import Transport
from notifier.smtp.transport_config import PRIMARY, Tls, TransportConfig, transport_configs

__all__ = ["PRIMARY", "Tls", "TransportConfig", "Transports", "transport_configs"]

_DICE = random.Random()


class Transports:
    """Hold the transports of one process by name. Threads may share an instance."""

    def __init__(self, configs: Sequence[TransportConfig], make: Callable[[TransportConfig], Transport]) -> None:
        """Build each transport with `make`, which connects to nothing yet. The first of `configs` is the primary."""
        self.configs = tuple(configs)
        self._weights = {config.name: config.weight for config in configs}
        self._transports = {config.name: make(config) for config in configs}
        #: Names in the order of the settings.
        self.names = tuple(self._weights)

    @property
    def primary(self) -> Transport:
        """Return the transport of the MAIL_* settings."""
        return self._transports[self.names[0]]

    def choose(self, allowed: Collection[str], rng: random.Random = _DICE) -> str:
        """Pick one of `allowed` (the transports that are not held) at random, by weight; ignore unknown names.

        If all weights are 0, each is equally likely. Raise LookupError if no transport is left.
        """
        names = [name for name in self.names if name in allowed]
        if not names:
            raise LookupError("no transport is allowed")
        if len(names) == 1:
            return names[0]
        weights = [self._weights[name] for name in names]
        return rng.choices(names, weights if any(weights) else None)[0]

    def transport(self, name: str) -> Transport:
        """Return the transport of that name. Raise KeyError if the settings no longer have it."""
        return self._transports[name]

    def close(self) -> None:
        """Send QUIT on all idle connections. The transports stay usable."""
        for transport in self._transports.values():
            transport.close()
