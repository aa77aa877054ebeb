"""The stream of events of a gateway, read as it comes."""

import http.client
import socket
import threading

from lab.admin import UnixConnection


class Stream:
    """Reads Server-Sent Events into a list until it is closed."""

    def __init__(self, path, query="", headers=None):
        self.events = []
        self.comments = 0
        self._connection = UnixConnection(path, timeout=60)
        self._connection.request("GET", f"/v1/events{query}", headers=headers or {})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.type = self._answer.headers.get("Content-Type")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        fields = {}
        try:
            for line in self._answer:
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    self.events.append(fields)
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass

    def ids(self):
        return [int(event["id"]) for event in self.events]

    def close(self):
        if self._connection.sock:
            try:
                self._connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(10)
        self._connection.close()
