"""The admin socket as a program uses it: http.client over a Unix socket."""

import http.client
import json
import os
import pickle
import socket
import sys
import traceback


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("sanad", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Waits while the backlog is full; with a timeout set, a Unix socket would say EAGAIN at once instead.
        self.sock.connect(self._path)
        self.sock.settimeout(self.timeout)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Refused(AssertionError):
    def __init__(self, what, answer):
        super().__init__(f"{what}: {answer!r}")
        self.answer = answer


class Admin:
    def __init__(self, path):
        self.path = str(path)
        # What was told it and what it gave out once: whoever judges the log afterwards knows what must not be in it.
        self.sent = []
        self.profiles = []

    def ask(self, method, target, body=None, headers=None, timeout=60):
        """Any answer, also a refusal. A dict or list becomes JSON, bytes go as they are."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            self.sent.append(body)
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = UnixConnection(self.path, timeout)
        try:
            try:
                connection.request(method, target, body=body, headers=headers)
            except BrokenPipeError:
                pass  # refused before it was read: the answer is there all the same
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.getheaders()), response.read())
            if method == "POST" and target == "/v1/peers" and answer.status == 201 and answer.json.get("profile"):
                self.profiles.append(answer.json["profile"])
            return answer
        finally:
            connection.close()

    def want(self, method, target, body=None, **options):
        """The JSON of a 2xx answer; Refused otherwise."""
        answer = self.ask(method, target, body, **options)
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {target}", answer)
        return answer.json

    def alive(self):
        try:
            return self.ask("GET", "/v1/status", timeout=10).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def status(self):
        return self.want("GET", "/v1/status")

    def interface(self):
        return self.status()["interfaces"][0]

    def peers(self):
        return self.want("GET", "/v1/peers")["peers"]

    def peer(self, peer_id):
        return self.want("GET", f"/v1/peers/{peer_id}")["peer"]

    def add_peer(self, **fields):
        return self.want("POST", "/v1/peers", fields)

    def sessions(self, query=""):
        return self.want("GET", "/v1/sessions" + (f"?{query}" if query else ""))["sessions"]

    def session(self, session_id):
        return self.want("GET", f"/v1/sessions/{session_id}")["session"]

    def entries(self, first=0):
        """Every entry of the log from `first` on, page after page."""
        out = []
        while True:
            page = self.want("GET", f"/v1/log/entries?from={first}&limit=1000")
            out += page["entries"]
            if page["next"] is None:
                return out
            first = int(page["next"])


def as_user(uid, gid, groups, ask):
    """What ask() returns or raises when a process of that user calls it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            try:
                result = (True, ask())
            except Exception as error:  # it is handed over and raised again there
                result = (False, error)
            with os.fdopen(writer, "wb") as out:
                pickle.dump(result, out)
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        data = source.read()
    os.waitpid(child, 0)
    good, value = pickle.loads(data)
    if good:
        return value
    raise value
