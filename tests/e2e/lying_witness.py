"""lying_witness.py PORT: answers each POST on the loopback with the next of its lies; after the last it says nothing at all."""

import http.server
import sys
import threading

LIES = [(200, b"<html>welcome</html>"), (409, b"0\n"), (409, b"999999999\n"), (500, b"\xff" * 100_000), (302, b"")]


class Liar(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if not LIES:
            threading.Event().wait(60)
            return
        status, body = LIES.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Liar)
print("ready", flush=True)
server.serve_forever()
