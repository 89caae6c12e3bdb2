"""Send an email over HTTP, and wait for the webhook that says that it was sent. Only Python's own library.

API=http://127.0.0.1:8000/v1 KEY=nk_1_… python client.py ada@example.com
"""

import base64
import hmac
import json
import os
import queue
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API, KEY = os.environ["API"], os.environ["KEY"]


def ask(method, path, body=None, **headers):
    """Return what the API answers. End the program with an error of the API, which says what to do."""
    given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise SystemExit(error.read().decode()) from None


def verified(secret, headers, body):
    """Return the event of a webhook (https://www.standardwebhooks.com). Raise ValueError if it is not ours, or old."""
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        raise ValueError("the webhook is too old, or from the future")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    ours = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    # Two signatures come while the secret is replaced.
    if not any(hmac.compare_digest(ours, each.encode()) for each in headers["webhook-signature"].split()):
        raise ValueError("the signature is wrong")
    return json.loads(body)


class Receiver(BaseHTTPRequestHandler):
    """Puts verified events into a queue, and answers at once."""

    secret, events = "", queue.Queue()

    def do_POST(self):
        """Answer 204 to a webhook of notifier's, and 400 to any other request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.events.put(verified(self.secret, self.headers, body))
            self.send_response(204)
        except (TypeError, ValueError):
            self.send_response(400)
        self.end_headers()


def main(address):
    """Add an endpoint, send the email, and wait for its webhook; then remove the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hooks"
    endpoint = ask("POST", "/webhooks", {"url": url, "types": ["notification.sent", "notification.failed"]})
    Receiver.secret = endpoint["secret"]
    try:
        to = {"id": "user-18", "email": address, "name": "Ada"}
        key = {"Idempotency-Key": f"verify:{address}"}
        sent = ask("POST", "/notifications", {"to": to, "kind": "verification"}, **key)
        print(f"email {sent['id']}: {sent['status']}")
        while sent["status"] == "accepted":  # otherwise it never is sent, and `reason` says why
            try:
                event = Receiver.events.get(timeout=20)
            except queue.Empty:
                # The webhook of an email that was sent before does not come again. Its row says the same.
                status = ask("GET", f"/notifications/{sent['id']}")["status"]
                if status in ("pending", "sending"):
                    continue
                print(f"email {sent['id']}: {status}")
                break
            if str(event["data"]["id"]) == sent["id"]:
                print(f"email {sent['id']}: {event['type']}")
                break
    finally:
        ask("DELETE", f"/webhooks/{endpoint['id']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
