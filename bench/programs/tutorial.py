"""The tutorial way: Flask-Mail's `send()` in one Celery task for each mail.

Many tutorials show it. The values are in the task, so that no query slows it.
"""

import os
from pathlib import Path

from celery import Celery, signals
from flask import Flask, render_template
from flask_mail import Mail, Message

from bench.driver import flat_templates, smtp_port
from bench.personal import Values

QUEUE = "tutorial"

app = Flask(__name__, template_folder=str(flat_templates()))
app.config.update(
    MAIL_SERVER="127.0.0.1",
    MAIL_PORT=smtp_port(),
    MAIL_DEFAULT_SENDER="Notifier <hello@notifier.example>",
)
mail = Mail(app)

celery_app = Celery("tutorial", broker=os.environ["BENCH_REDIS"])
celery_app.conf.update(task_ignore_result=True, task_default_queue=QUEUE, worker_hijack_root_logger=False)


@celery_app.task
def send_report(address: str, values: Values) -> None:
    """Send one email over one connection."""
    with app.app_context():
        message = Message(" ".join(render_template("subject.txt", **values).split()), recipients=[address])
        message.body = render_template("body.txt", **values)
        message.html = render_template("body.html", **values)
        mail.send(message)


@signals.worker_ready.connect(weak=False)
def _tell_ready(**_: object) -> None:
    Path(os.environ["NOTIFIER_READY_FILE"]).touch()
