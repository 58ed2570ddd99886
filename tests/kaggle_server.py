"""A loopback stand-in for Kaggle that the real kaggle client talks to, for tests and for trying a download by hand.

The client knows two addresses, https://api.kaggle.com and, with KAGGLE_API_ENVIRONMENT=LOCALHOST, http://localhost on
port 80. It also honours ``http_proxy``, so this server is given as the proxy: any free port will do, and the archive
can come from another host name, as it does at Kaggle, without a name being looked up or a packet leaving the machine.

By hand: ``python tests/kaggle_server.py archive.zip``, then run the download with the variables that it prints.
"""

import argparse
import base64
import json
import os
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

DATASET = ("kmader", "skin-cancer-mnist-ham10000")
STORAGE = "http://storage.invalid/archive.zip"  # where the API sends the client; a name that never resolves


class KaggleServer:
    """Serves one archive as Kaggle does: token check, redirect to storage, ranges, ETag.

    ``public`` says whether somebody without a token gets it; without, the API answers ``asks`` (401 or 403).

    ``cuts`` holds, for the next answers of the storage, after how many bytes the connection is closed; ``stall`` makes
    the next one send that many bytes and then nothing more; ``status`` makes the API refuse. ``requests`` lists
    (method, URL, headers) of all requests.
    """

    def __init__(self, archive: Path, port: int = 0, token: str = "good-token", key=("somebody", "good-key")):
        self.archive, self.token = Path(archive), token
        self.basic = "Basic " + base64.b64encode(":".join(key).encode()).decode()
        self.cuts, self.stall, self.status, self.public, self.asks = [], None, None, False, 401
        self.stalled, self.closing = threading.Event(), threading.Event()
        self.requests = []
        self.http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"kaggle": self}))
        self.http.daemon_threads = True

    @property
    def environment(self) -> dict[str, str]:
        """Variables, besides a token, that make the client talk to this server."""
        address = f"http://127.0.0.1:{self.http.server_address[1]}"
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": address, "no_proxy": ""}

    def ranges(self) -> list[str | None]:
        """The Range headers of the requests to the storage."""
        return [headers.get("Range") for _, url, headers in self.requests if url == STORAGE]

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer

    def log_message(self, *args):
        pass

    def _json(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.kaggle.requests.append((self.command, self.path, dict(self.headers)))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service = urlsplit(self.path).path
        if service == "/api/v1/security.OAuthService/IntrospectToken":
            good = body["token"] == self.kaggle.token
            self._json(200, {"active": good, "username": "somebody" if good else ""})
        elif service == "/api/v1/datasets.DatasetApiService/DownloadDataset":
            who = self.headers.get("Authorization")
            known = (f"Bearer {self.kaggle.token}", self.kaggle.basic, *([None] if self.kaggle.public else []))
            if who not in known:
                code = 401 if who else self.kaggle.asks
                self._json(code, {"code": code, "message": "Unauthenticated"})
            elif self.kaggle.status:
                self._json(self.kaggle.status, {"code": self.kaggle.status, "message": "Refused"})
            elif (body["ownerSlug"], body["datasetSlug"]) != DATASET:
                self._json(404, {"code": 404, "message": "Not found"})
            else:
                self.send_response(302)
                self.send_header("Location", STORAGE)
                self.send_header("Content-Length", "0")
                self.end_headers()
        else:
            self._json(404, {"code": 404, "message": "No such service"})

    def do_GET(self):
        self.kaggle.requests.append((self.command, self.path, dict(self.headers)))
        if self.path != STORAGE:
            self._json(404, {"code": 404, "message": "Not found"})
            return
        size = os.path.getsize(self.kaggle.archive)
        etag = f'"{size}-{os.stat(self.kaggle.archive).st_mtime_ns}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers.get("If-Range", etag) == etag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(size - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", formatdate(os.path.getmtime(self.kaggle.archive), usegmt=True))
        self.end_headers()
        stall, self.kaggle.stall = self.kaggle.stall, None
        left = stall or (self.kaggle.cuts.pop(0) if self.kaggle.cuts else size)
        with open(self.kaggle.archive, "rb") as file:
            file.seek(start)
            while left > 0 and (data := file.read(min(left, 1 << 16))):
                try:
                    self.wfile.write(data)
                except OSError:  # the client went away
                    return
                left -= len(data)
        if stall:
            self.wfile.flush()
            self.kaggle.stalled.set()
            self.kaggle.closing.wait(60)
        self.close_connection = True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--port", type=int, default=8008)
    options = parser.parse_args()
    server = KaggleServer(options.archive, options.port)
    print(*(f"export {name}={value}" for name, value in server.environment.items()), sep="\n")
    print(f"export KAGGLE_API_TOKEN={server.token}", flush=True)
    server.http.serve_forever()
