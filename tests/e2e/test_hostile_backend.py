"""Something that is no wireguard-go answers on its socket: garbage, halves, lies, silence. The gateway says so, invents nothing, and
goes on when the real one is back."""

import base64
import contextlib
import os
import pathlib
import socket
import threading
import unittest

from harness import LabCase
from lab.waiting import until
from lab.wireguard import new_private_key, public_key_of

INSIDE = "10.66.0.1"
SOCKETS = pathlib.Path("/var/run/wireguard")


def hexed(key):
    return base64.b64decode(key).hex()


class Impostor:
    """Listens where wireguard-go did and answers every question with `answer(connection)`."""

    def __init__(self, path, answer):
        self._answer = answer
        self.asked = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                connection.recv(65536)
                self.asked += 1
                self._answer(connection)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class HostileBackend(LabCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.ayesha.client.ping(INSIDE)
        until(lambda: cls.admin.peer(cls.ayesha.id)["connected"], 40, "the session")
        cls.path = SOCKETS / f"{cls.gateway.interface}.sock"
        cls.aside = SOCKETS / f"{cls.gateway.interface}.aside"

    @contextlib.contextmanager
    def answering(self, answer):
        os.rename(self.path, self.aside)
        impostor = Impostor(self.path, answer)
        mine = self.path.stat().st_ino
        try:
            yield impostor
        finally:
            impostor.close()
            # A backend that hung up is started again, and takes the path from the impostor: then that one stays.
            if self.path.exists() and self.path.stat().st_ino != mine:
                self.aside.unlink()
            else:
                os.rename(self.aside, self.path)

    def endures(self, answer, times=4):
        """The daemon asks `times` times, serves its socket all the while, and records no session that was not there; afterwards the
        client's traffic is recorded again."""
        pid = self.gateway.process.pid
        first = self.admin.status()["evidence"]["records"]
        with self.answering(answer) as impostor:
            until(lambda: impostor.asked >= times, 60, "the daemon to ask again and again")
            self.assertIsNone(self.gateway.process.poll())
            self.assertEqual(self.admin.status()["gateway"], "example-khi-1")
            self.assertEqual(self.gateway.session_events(1, first=first), [], "a session was invented")
        # A session that was closed because the backend seemed dead opens again with the next handshake: here, a client that comes anew.
        self.ayesha.client.disconnect()
        self.ayesha.client.connect(self.ayesha.profile)
        self.ayesha.client.ping(INSIDE, seconds=40)
        until(lambda: self.admin.peer(self.ayesha.id)["connected"], 60, "the session to be seen again")
        self.gateway.after_polls(2)
        self.assertEqual(self.gateway.process.pid, pid)

    def test_1_garbage(self):
        self.endures(lambda connection: connection.sendall(os.urandom(100_000)))

    def test_2_half_an_answer(self):
        key = hexed(self.ayesha.key)
        self.endures(lambda connection: connection.sendall(f"private_key={'0' * 64}\npublic_key={key}\nrx_byt".encode()))

    def test_3_an_error(self):
        self.endures(lambda connection: connection.sendall(b"errno=5\n\n"))

    def test_4_numbers_that_are_none(self):
        key = hexed(self.ayesha.key)
        text = f"public_key={key}\nlast_handshake_time_sec=99999999999999999999\nrx_bytes=-1\ntx_bytes=1e9\nerrno=0\n\n"
        self.endures(lambda connection: connection.sendall(text.encode()))

    def test_5_a_stranger_with_a_handshake(self):
        stranger = hexed(public_key_of(new_private_key()))
        text = (
            f"listen_port={self.gateway.port}\npublic_key={stranger}\nendpoint=198.51.100.66:1\nlast_handshake_time_sec=1700000000\n"
            f"last_handshake_time_nsec=1\nrx_bytes=5000\ntx_bytes=5000\nallowed_ip=10.66.9.9/32\nprotocol_version=1\nerrno=0\n\n"
        )
        self.endures(lambda connection: connection.sendall(text.encode()))

    def test_6_an_answer_without_end(self):
        def drip(connection):
            with contextlib.suppress(OSError):
                for _ in range(4000):  # bounded: 256 MB, were anybody to read all of it
                    connection.sendall(b"rx_bytes=1\n" * 6000)

        self.endures(drip, times=2)

    def test_7_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha])


if __name__ == "__main__":
    unittest.main()
