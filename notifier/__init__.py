"""Notifier: the emails that a web application sends its users, each a ledger row first.

    from notifier import Notifier, OperatorIdentity, UserFields

Names are imported when they are used, so `import notifier` loads nothing.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifier.embedding import OURS as OURS
    from notifier.embedding import Base as Base
    from notifier.embedding import Notifier as Notifier
    from notifier.embedding import OperatorIdentity as OperatorIdentity
    from notifier.embedding import UserFields as UserFields

__version__ = "0.1.0"

_LAZY = frozenset({"OURS", "Base", "Notifier", "OperatorIdentity", "UserFields"})

#: Of a package, `from notifier import …` gives modules besides.
__all__ = ["OURS", "Base", "Notifier", "OperatorIdentity", "UserFields", "__version__"]


def __getattr__(name: str) -> Any:
    """Import what an embedding application needs (PEP 562). Raise AttributeError for any other name."""
    if name not in _LAZY:
        raise AttributeError(f"module 'notifier' has no attribute {name!r}")
    return resolve_name(f"notifier.embedding:{name}")
