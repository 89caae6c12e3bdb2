"""Answer at fixed moments after the request, so that the response time tells nothing.

The request does the same work for every address, but not at the same speed: on SQLite it waits while a worker writes,
and a machine with few cores is slower while a worker composes an email. Whether a worker has to do that depends on the
address of an earlier request.
"""

import time
from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import ParamSpec, TypeVar

from flask import request

from notifier.services import services

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def steady(view: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
    """Answer a POST at the next multiple of FORM_ANSWER_STEP after it arrived.

    The view must have committed by then: while it waits, a request holds a thread and nothing else.
    """

    @wraps(view)
    def answer(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        begun = time.monotonic()
        answered = view(*args, **kwargs)
        settings = services().settings
        step = settings.form_answer_step
        if step and request.method == "POST":
            time.sleep(rest_of_step(time.monotonic() - begun, step))
        return answered

    return answer


def rest_of_step(took: float, step: float) -> float:
    """Return the seconds until the next multiple of `step`, if `took` seconds have passed."""
    return max(0.0, ceil(took / step) * step - took)
