"""Whatever is sent to the admin socket: a clear error that names the field, nothing changed, the daemon unharmed."""

import base64
import json
import os
import resource
import socket
import time
import unittest

from harness import LabCase
from lab.waiting import until
from lab.wireguard import new_private_key, public_key_of


def key():
    return base64.b64encode(os.urandom(32)).decode()


class BadInput(LabCase):
    @classmethod
    def prepare(cls):
        cls.taken = cls.admin.add_peer(owner={"name": "Ayesha Khan"}, device="laptop", public_key=key())["peer"]
        cls.own_key = cls.admin.interface()["public_key"]

    def setUp(self):
        self.before = self.state()
        self.pid = self.gateway.process.pid

    def tearDown(self):
        self.assertIsNone(self.gateway.process.poll(), "sanadd ended")
        self.assertEqual(self.gateway.process.pid, self.pid)
        self.assertEqual(self.state(), self.before, "something changed")

    def state(self):
        return json.dumps(self.admin.peers()), self.admin.status()["evidence"]["records"]

    def refused(self, body, field=None, status=400, method="POST", target="/v1/peers", headers=None):
        answer = self.admin.ask(method, target, body, headers={"Content-Type": "application/json", **(headers or {})})
        self.assertEqual(answer.status, status, f"{body!r:.200}: {answer!r}")
        self.assertEqual(answer.headers.get("Content-Type"), "application/problem+json")
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["type"].startswith("urn:sanad:problem:"))
        self.assertTrue(problem["detail"] or problem["title"])
        if field is not None:
            self.assertEqual(problem.get("field"), field, answer)
        return problem

    def good(self, **changes):
        body = {"owner": {"name": "Bilal Ahmed"}, "device": "laptop", "public_key": key()}
        body.update(changes)
        return body

    # ---- JSON ----

    def test_malformed_json(self):
        for body in (
            b"",
            b"{",
            b"[]",
            b"null",
            b"42",
            b"\"text\"",
            b"{]",
            b"{\"owner\":}",
            b"{} {}",
            b"\xff\xfe",
            b"{\"owner\": \"\\ud800\"}",
            b"{\"owner\":{\"name\":\"a\xc0\xaf\"}}",
            b"[" * 100_000,
            b"{\"a\":" * 50_000,
            b"{\"owner\":{\"name\":\"x\"},}",
            b"\x00{}",
            b"{'owner': 1}",
            b"{\"device\": 1e999}",
            b"nan",
        ):
            with self.subTest(body[:40]):
                self.refused(body)

    def test_unknown_and_repeated_fields(self):
        self.refused(self.good(colour="red"), "colour")
        self.refused(self.good(owner={"name": "B", "shoe_size": 42}), "owner.shoe_size")
        self.refused(b'{"owner":{"name":"A"},"device":"a","device":"b","public_key":"' + key().encode() + b'"}', "device")
        self.refused(b'{"owner":{"name":"A","name":"B"},"device":"a","public_key":"' + key().encode() + b'"}')
        self.refused({}, "owner")

    def test_wrong_types(self):
        for field, value in (
            ("owner", "Bilal"),
            ("owner", []),
            ("device", 7),
            ("device", None),
            ("public_key", {}),
            ("allowed_ips", "10.66.0.9/32"),
            ("keepalive_s", "25"),
            ("keepalive_s", -1),
            ("keepalive_s", 65536),
            ("keepalive_s", 2.5),
            ("keepalive_s", 10**30),
            ("enabled", "yes"),
            ("enabled", 1),
            ("not_before", 12),
            ("not_before", "tomorrow"),
            ("expires_at", "2026-13-40T00:00:00Z"),
            ("groups", "staff"),
            ("note", ["x"]),
            ("interface", 0),
            ("make_key", "true"),
        ):
            with self.subTest(field=field, value=value):
                problem = self.refused(self.good(**{field: value}))
                self.assertTrue(problem["field"].startswith(field), problem)
        self.assertEqual(self.refused(self.good(allowed_ips=[7]))["field"], "allowed_ips[0]")
        self.assertEqual(self.refused(self.good(groups=["staff", 1]))["field"], "groups[1]")

    # ---- texts ----

    def test_control_characters_and_lengths(self):
        for bad in (
            "Ayesha\0Khan",
            "Ayesha\nKhan",
            "Ayesha\rKhan",
            "Ayesha\x1b[31mKhan",
            "\x7f",
            "a\u2028b",
            "a\u202eb",
            "\u0085",
        ):
            with self.subTest(bad):
                self.refused(self.good(owner={"name": bad}), "owner.name")
        for field, length in (("device", 65), ("note", 1025), ("interface", 16)):
            with self.subTest(field):
                self.refused(self.good(**{field: "a" * length}), field)
        self.refused(self.good(owner={"name": "a" * 257}), "owner.name")
        self.refused(self.good(owner={"name": ""}), "owner.name")
        self.refused(self.good(owner={"name": "A", "email": "a" * 300 + "@example.com"}), "owner.email")
        for email in ("nobody", "@", "a@", "@b", "a@b@c", "a b@example.com", "a@example.com\r\nBcc: x@example.com"):
            with self.subTest(email):
                self.refused(self.good(owner={"name": "A", "email": email}), "owner.email")
        for device in ("", "Laptop", "lap top", "-laptop", "laptop-", "../../etc", "lap;rm -rf", "$(reboot)", "läptop"):
            with self.subTest(device):
                self.refused(self.good(device=device), "device")

    # ---- keys and addresses ----

    def test_keys(self):
        zero = base64.b64encode(bytes(32)).decode()
        for bad in (
            "xyz",
            "",
            "A" * 44,
            key()[:-1],
            key() + "=",
            key().replace("=", "!"),
            base64.b64encode(os.urandom(31)).decode(),
            base64.b64encode(os.urandom(33)).decode(),
            zero,
            key()[:20] + "\n" + key()[21:],
        ):
            with self.subTest(bad):
                self.refused(self.good(public_key=bad), "public_key")
        self.refused(self.good(public_key=self.own_key), "public_key")
        self.refused(self.good(public_key=self.taken["public_key"]), "public_key", status=409)
        for bad in ("xyz", zero, "A" * 44):
            problem = self.refused(self.good(preshared_key=bad), "preshared_key")
            self.assertNotIn(bad, json.dumps(problem))
        self.refused(self.good(make_key=True), "make_key")
        self.refused({"owner": {"name": "B"}, "device": "laptop"}, "public_key")

    def test_allowed_ips(self):
        theirs = self.taken["allowed_ips"]
        self.refused(self.good(allowed_ips=theirs), "allowed_ips[0]", status=409)
        self.refused(self.good(allowed_ips=["10.66.0.0/24"]), "allowed_ips[0]")  # holds the gateway's own address too
        self.refused(self.good(allowed_ips=["10.66.0.2/31"]), "allowed_ips[0]", status=409)
        self.refused(self.good(allowed_ips=["10.66.0.1/32"]), "allowed_ips[0]")
        self.refused(self.good(allowed_ips=["0.0.0.0/0"]), "allowed_ips[0]")
        self.refused(self.good(allowed_ips=["10.66.5.0/24", "10.66.5.7/32"]), "allowed_ips[1]")
        self.refused(self.good(allowed_ips=[]), "allowed_ips")
        self.refused(self.good(allowed_ips=["10.66.9.1/32"] * 300))
        for bad in (
            "10.66.0.999",
            "10.66.0.9/33",
            "10.66.0.9/-1",
            "fd66::/129",
            "10.66.0.9/32; reboot",
            "",
            "::ffff:10.66.0.9/200",
            "10.66.0.09/32",
            "10.66.0.9/032",
            "10.66.0.9/24",
        ):
            with self.subTest(bad):
                self.refused(self.good(allowed_ips=[bad]), "allowed_ips[0]")

    def test_times(self):
        self.refused(self.good(expires_at="2020-01-01T00:00:00Z"), "expires_at")
        self.refused(self.good(not_before="2030-01-02T00:00:00Z", expires_at="2030-01-01T00:00:00Z"), "not_before")

    def test_same_name_twice(self):
        self.refused({"owner": {"id": self.taken["owner"]["id"]}, "device": "laptop", "public_key": key()}, "device", status=409)
        self.refused({"owner": {"id": "o-nobody"}, "device": "laptop", "public_key": key()}, "owner.id", status=404)
        self.refused(self.good(interface="wg9"), "interface")

    # ---- requests ----

    def test_queries_and_ids(self):
        for target in (
            "/v1/peers?limit=0",
            "/v1/peers?limit=1001",
            "/v1/peers?limit=x",
            "/v1/peers?colour=red",
            "/v1/peers?state=asleep",
            "/v1/peers?limit=1&limit=2",
            "/v1/peers?match=%zz",
            "/v1/peers?match=%00",
            "/v1/peers?cursor=nonsense",
        ):
            with self.subTest(target):
                self.refused(None, method="GET", target=target)
        for target in ("/v1/peers/p-0000000000000", "/v1/peers/..", "/v1/peers/%2e%2e", "/v1/peers/" + "a" * 200, "/v1/nothing"):
            with self.subTest(target):
                answer = self.admin.ask("GET", target)
                self.assertIn(answer.status, (400, 404), answer)
        self.assertEqual(self.admin.ask("PUT", "/v1/peers").status, 405)
        self.assertEqual(self.admin.ask("DELETE", "/v1/status").headers.get("Allow"), "GET")
        answer = self.admin.ask("POST", "/v1/peers", b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 415)
        for bad in ("", "a b", "k" * 129, "ä"):
            self.refused(self.good(), "Idempotency-Key", headers={"Idempotency-Key": bad.encode("latin-1")})

    def raw(self, data, seconds=15, then_close=False):
        """What comes back for these bytes, until the daemon closes or the answer is whole."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(self.admin.path)
            try:
                connection.sendall(data)
                if then_close:
                    return b""
                received = b""
                while part := connection.recv(65536):
                    received += part
                return received
            except (ConnectionResetError, BrokenPipeError):
                return b"reset"

    def test_what_is_not_http(self):
        for data in (
            b"\0" * 1000,
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: sanad\r\n\r\n",
            b"hello\r\n\r\n",
            b"GET /v1/status HTTP/1.1\r\n\r\n",
            b"GET /v1/status HTTP/1.1\r\nHost: sanad\r\nHost: sanad\r\n\r\n",
            b"GET /v1/status HTTP/1.1\nHost sanad\n\n",
            b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n",
            b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            with self.subTest(data[:40]):
                answer = self.raw(data + b"\r\n")
                self.assertTrue(answer.startswith(b"HTTP/1.1 4") or answer in (b"", b"reset"), answer[:200])

    def test_headers_without_end(self):
        answer = self.raw(b"GET /v1/status HTTP/1.1\r\nHost: sanad\r\n" + b"X-Filler: " + b"a" * 40_000 + b"\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 431"), answer[:100])

    def test_half_requests(self):
        body = json.dumps(self.good()).encode()
        whole = b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )
        for length in range(1, len(whole), 7):
            self.raw(whole[:length], then_close=True)
        self.assertTrue(self.admin.alive())

    def test_slow_requests_are_given_up(self):
        held = []
        for data in (
            b"GET /v1/st",
            b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
        ):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(connection.close)
            connection.settimeout(25)
            connection.connect(self.admin.path)
            connection.sendall(data)
            held.append(connection)
        for connection in held:
            answer = b""
            while part := connection.recv(65536):
                answer += part
            self.assertTrue(answer.startswith(b"HTTP/1.1 408"), answer[:100])

    def test_a_body_of_100_megabytes(self):
        for size, target, content in (
            (100 << 20, "/v1/peers", "application/json"),
            (100 << 20, "/v1/peers/import", "application/x-ndjson"),
        ):
            head = f"POST {target} HTTP/1.1\r\nHost: sanad\r\nContent-Type: {content}\r\nContent-Length: {size}\r\n\r\n".encode()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(30)
                connection.connect(self.admin.path)
                connection.sendall(head)
                block, sent = b" " * (1 << 20), 0
                try:
                    while sent < size:
                        connection.sendall(block)
                        sent += len(block)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                answer = connection.recv(65536)
            self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:100])
        # The same without saying how much is to come.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(30)
            connection.connect(self.admin.path)
            connection.sendall(
                b"POST /v1/peers HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            try:
                for _ in range(100):
                    connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = connection.recv(65536)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:100])
        with open(f"/proc/{self.pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        self.assertLess(resident, 200 * 1024, "kB resident after 300 MB of refused bodies")

    def test_a_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
        held = []
        try:
            for _ in range(1000):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                one.connect(self.admin.path)  # blocks while the backlog is full
                held.append(one)
            # Whoever comes now is served, or told at once why not; when they go, everybody is served again.
            answers = set()
            for _ in range(5):
                began = time.monotonic()
                answers.add(self.admin.ask("GET", "/v1/status", timeout=10).status)
                self.assertLess(time.monotonic() - began, 5)
            self.assertTrue(answers <= {200, 503}, answers)
        finally:
            for one in held:
                one.close()
        until(self.admin.alive, 10, "the socket to be free again")

    def test_import_lines(self):
        def imported(body):
            return self.admin.ask("POST", "/v1/peers/import", body, headers={"Content-Type": "application/x-ndjson"})

        bad = [
            b"{",
            b"[]",
            b"null",
            b'{"owner":{"name":"A"},"device":"x","public_key":"short"}',
            b'{"owner":{"name":"A"},"make_key":true}',
            b'{"owner":{"name":"' + b"x" * 100_000 + b'"}}',
            b"\xff\xff",
            json.dumps(self.good(public_key=self.own_key)).encode(),
            json.dumps(self.good(public_key=self.taken["public_key"])).encode(),
        ]
        answer = imported(b"\n".join(bad) + b"\n")
        self.assertEqual(answer.status, 200, answer)
        lines = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual(lines[-1]["summary"]["added"], 0)
        self.assertEqual(lines[-1]["summary"]["failed"], len(bad))
        self.assertTrue(all("problem" in line for line in lines[:-1]))
        self.assertEqual(imported(b"").status, 400)
        self.assertEqual(imported(b"\n\n\n").status, 400)
        self.assertEqual(
            self.admin.ask(
                "POST", "/v1/peers/import?atomic=maybe", b"{}\n", headers={"Content-Type": "application/x-ndjson"}
            ).status,
            400,
        )

    def test_registration(self):
        for pem in ("", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 500_000):
            with self.subTest(pem[:30]):
                self.refused({"certificate_pem": pem}, "certificate_pem", method="PUT", target="/v1/registration")
        other = public_key_of(new_private_key())
        self.assertNotEqual(other, self.own_key)
        self.refused({"until": "2020-01-01T00:00:00Z", "announcement": "x"}, "until", target="/v1/registration/grace")
        self.refused({"until": "2030-01-01T00:00:00Z", "announcement": ""}, "announcement", target="/v1/registration/grace")


class SmallPool(LabCase):
    """A network of eight addresses: six for peers after the gateway's own and the network's."""

    init = {"network": "10.66.0.0/29"}

    def test_pool_exhausted(self):
        added = []
        for number in range(20):
            answer = self.admin.ask(
                "POST", "/v1/peers", {"owner": {"name": f"Person {number}"}, "device": "laptop", "public_key": key()}
            )
            if answer.status != 201:
                break
            added.append(answer.json["peer"]["allowed_ips"][0])
        self.assertEqual(answer.status, 409, answer)
        self.assertEqual(answer.json["type"], "urn:sanad:problem:exhausted")
        self.assertEqual(answer.json["field"], "allowed_ips")
        self.assertEqual(sorted(added), [f"10.66.0.{n}/32" for n in range(2, 7)])
        # A revoked peer's address rests, so there is still none.
        gone = self.admin.peers()[0]
        self.admin.want("DELETE", f"/v1/peers/{gone['id']}")
        again = self.admin.ask("POST", "/v1/peers", {"owner": {"name": "Late"}, "device": "laptop", "public_key": key()})
        self.assertEqual(again.status, 409, again)
        self.assertEqual(len(self.admin.peers()), 4)


if __name__ == "__main__":
    unittest.main()
