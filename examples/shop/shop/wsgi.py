"""The entry points: `gunicorn shop.wsgi:app`, `celery -A shop.wsgi:celery worker`, `flask --app shop.wsgi`."""

from shop import create_app

app = create_app()
celery = app.extensions["celery"]
notifier_celery = app.extensions["notifier"].celery
