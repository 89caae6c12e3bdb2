"""The personal values of each email of the race, which follow from the user's key.

This uses only the standard library, because every contender computes them in its own environment.
"""

from typing import Final

MONTH: Final = "October"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_THINGS: Final = (
    "Sunrise over the harbour",
    "My first sourdough",
    "Trip to the lakes",
    "Garden in June",
    "Night train",
)

Values = dict[str, str | int]


def personal_values(user_id: int) -> Values:
    """Return the values for one user, the same in every run."""
    return {
        "month": MONTH,
        "views": 100 + user_id * 37 % 9000,
        "likes": user_id * 7 % 211,
        "comments": user_id * 11 % 97,
        "friends": user_id * 5 % 23,
        "shares": user_id * 3 % 31,
        "countries": 2 + user_id % 17,
        "rank": 1 + user_id * 13 % 5000,
        "best_day": _DAYS[user_id % 7],
        "favourite": _THINGS[user_id % 5],
        "favourite_views": 10 + user_id * 17 % 700,
        "profile_url": f"http://127.0.0.1:8000/people/{user_id}",
    }
