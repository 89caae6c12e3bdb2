#!/bin/sh
# Write one backup of DATABASE_URL into the folder $1, and delete those older than BACKUP_KEEP_DAYS.
# A file with the name of a backup is complete: while it is written, its name ends in .part.
set -eu
umask 077

folder=$1
keep=${BACKUP_KEEP_DAYS:-14}
url=${DATABASE_URL:-}
if [ -n "${DATABASE_URL_FILE:-}" ]; then url=$(cat "$DATABASE_URL_FILE"); fi
# The name of the driver is SQLAlchemy's; libpq does not know it.
case $url in
    postgresql+psycopg://*) url=postgresql://${url#*://} ;;
    postgresql://* | postgres://*) ;;
    *)
        echo "backup: DATABASE_URL must be a postgresql:// address" >&2
        exit 1
        ;;
esac
case $keep in
    '' | *[!0-9]*)
        echo "backup: BACKUP_KEEP_DAYS must be a whole number of days" >&2
        exit 1
        ;;
esac

name=$folder/notifier-$(date -u +%Y%m%dT%H%M%SZ).dump
trap 'rm -f "$name.part"' EXIT
pg_dump --format=custom --no-owner --file="$name.part" --dbname="$url"
# An archive that cannot be read is no backup.
pg_restore --list "$name.part" >/dev/null
mv "$name.part" "$name"
find "$folder" -maxdepth 1 -name 'notifier-*.dump' -mtime "+$keep" -delete
echo "backup: $name"
