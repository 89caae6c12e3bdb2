"""What servers import: `app` for gunicorn, `celery_app` for celery."""

from notifier.app import create_app

app = create_app()
celery_app = app.extensions["celery"]
