"""Read request bodies that come in chunks, without a length, before anything else does."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def read_whole(app: "WSGIApplication", limit: int, larger: Mapping[str, int]) -> "WSGIApplication":
    """Give `app` a chunked body as one of known length. Bodies above `limit` bytes are left to `app` to refuse.

    `larger`: other limits, by the beginning of the path.

    The server finds broken chunks while the body is read. Only outside the application does its error get back to it:
    it answers 400 and hangs up. From within, the error would look like a fault of a page; and a page that needs no body
    would be answered before the server looks, and then a second time.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Without wsgi.input_terminated the server does not mark the end of a body, and reading it would never return.
        if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
            path = environ.get("PATH_INFO", "")
            most = next((each for start, each in larger.items() if path.startswith(start)), limit)
            body = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            del environ["HTTP_TRANSFER_ENCODING"]
        return app(environ, start_response)

    return answer
