# One image for web, workers, beat and the migration; docker-compose.yml has the command of each.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 notifier \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /srv/notifier --shell /usr/sbin/nologin notifier \
    && install --directory --owner 10001 --group 10001 /srv/notifier/var
WORKDIR /srv/notifier
COPY --from=build /opt/venv /opt/venv
COPY wsgi.py gunicorn.conf.py ./
COPY migrations ./migrations
COPY templates ./templates
COPY notifier ./notifier
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/notifier \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NOTIFIER_DATA_DIR=/srv/notifier/var
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "wsgi:app", "--bind", "0.0.0.0:8000"]
