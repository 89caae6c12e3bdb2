"""Several ways out: a mail takes one of those that are not held, by weight."""

import random
from collections.abc import Callable, Collection, Sequence

from notifier.smtp.transport import Transport
from notifier.smtp.transport_config import PRIMARY, Tls, TransportConfig, transport_configs

__all__ = ["PRIMARY", "Tls", "TransportConfig", "Transports", "transport_configs"]

_DICE = random.Random()


class Transports:
    """The transports of one process, by name. Threads may share it."""

    def __init__(self, configs: Sequence[TransportConfig], make: Callable[[TransportConfig], Transport]) -> None:
        """`make` opens nothing: a transport connects when it has a mail. The first of `configs` is the primary."""
        self.configs = tuple(configs)
        self._weights = {config.name: config.weight for config in configs}
        self._transports = {config.name: make(config) for config in configs}
        #: In the order of the settings.
        self.names = tuple(self._weights)

    @property
    def primary(self) -> Transport:
        """The transport of the MAIL_* settings."""
        return self._transports[self.names[0]]

    def choose(self, allowed: Collection[str], rng: random.Random = _DICE) -> str:
        """One of `allowed` (those that are not held), by weight; names that are gone are left out.

        Where all of them have the weight 0, each is as likely. Raises LookupError where none is left.
        """
        names = [name for name in self.names if name in allowed]
        if not names:
            raise LookupError("no transport is allowed")
        if len(names) == 1:
            return names[0]
        weights = [self._weights[name] for name in names]
        return rng.choices(names, weights if any(weights) else None)[0]

    def transport(self, name: str) -> Transport:
        """The transport of that name. Raises KeyError where the settings have it no more."""
        return self._transports[name]

    def close(self) -> None:
        """Say QUIT on the idle connections of all. Can be used again."""
        for transport in self._transports.values():
            transport.close()
