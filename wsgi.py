"""`gunicorn wsgi:app` and `celery -A wsgi:celery_app` in a checkout; an installed notifier has `notifier.wsgi`."""

from notifier.wsgi import app, celery_app

__all__ = ["app", "celery_app"]
