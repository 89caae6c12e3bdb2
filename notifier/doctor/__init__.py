"""What receivers demand of us, checked: identity, DNS, the emails as built, and what runs."""

from notifier.doctor.examination import Doctor

__all__ = ["Doctor"]
