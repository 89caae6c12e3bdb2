"""Django's settings for django-post_office, the fastest that we found."""

import os

from psycopg.conninfo import conninfo_to_dict

from bench.driver import dsn, flat_templates, smtp_port

_database = conninfo_to_dict(dsn())

SECRET_KEY = "bench"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database["dbname"],
        "USER": _database["user"],
        "HOST": _database["host"],
        "PORT": _database["port"],
        "CONN_MAX_AGE": None,
    }
}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [flat_templates()]}]
EMAIL_BACKEND = "post_office.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = smtp_port()
EMAIL_TIMEOUT = 60
DEFAULT_FROM_EMAIL = "Notifier <hello@notifier.example>"
POST_OFFICE = {
    "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
    "DEFAULT_PRIORITY": "medium",
    "BATCH_SIZE": int(os.environ.get("BENCH_BATCH_SIZE", "5000")),
    "THREADS_PER_PROCESS": int(os.environ["BENCH_THREADS"]),
    "BATCH_DELIVERY_TIMEOUT": 600,
    "LOG_LEVEL": 0,
    "MAX_RETRIES": 0,
}
LOGGING_CONFIG = None
