"""An S3 of one object that is as large as is wanted, on a free port; what is put is thrown away.

For figures of memory and speed: it keeps nothing and computes nothing.
"""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIZE = int(sys.argv[1])
PIECE = bytes(4 * 1024 * 1024)
UPLOAD = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
DONE = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None:
        return

    def do_GET(self) -> None:
        asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        start, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, SIZE)
        more = {"content-range": f"bytes {start}-{end - 1}/{SIZE}"} if asked else {}
        self._head(206 if asked else 200, end - start, more)
        try:
            for at in range(start, end, len(PIECE)):
                self.wfile.write(PIECE[: end - at])
        except OSError:
            self.close_connection = True

    def do_PUT(self) -> None:
        self._swallow()
        self._head(200, 0, {})

    def do_POST(self) -> None:
        self._swallow()
        body = DONE if "uploadId=" in self.path else UPLOAD
        self._head(200, len(body), {})
        self.wfile.write(body)

    def _swallow(self) -> None:
        left = int(self.headers.get("content-length", 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, len(PIECE))))

    def _head(self, status: int, size: int, more: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-length", str(size))
        self.send_header("etag", '"e"')
        self.send_header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
