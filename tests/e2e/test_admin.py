"""What an admin does, on a daemon with traffic: disable, expire, rotate, import, reload, and the same request twice."""

import datetime
import json
import secrets
import subprocess
import time
import unittest

from harness import LabCase
from lab.waiting import until
from lab.wireguard import Pings, Profile, new_private_key, public_key_of

INSIDE = "10.66.0.1"


def some_key():
    """A public key that nobody has the private part of; cheap enough for hundreds."""
    import base64

    return base64.b64encode(secrets.token_bytes(32)).decode()


def rfc3339(seconds):
    return (
        datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


class Peers(LabCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.ayesha.client.ping(INSIDE)

    def connected(self, person, seconds=60):
        person.client.ping(INSIDE, seconds)
        return until(lambda: self.admin.peer(person.id)["connected"], 10, "the session")

    def test_disable_and_enable(self):
        session = self.connected(self.ayesha)["session"]
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.01)
        pings.wait_for(20)
        answer = self.admin.want("POST", f"/v1/peers/{self.ayesha.id}/disable")
        returned = time.time()
        self.assertEqual(answer["peer"]["state"], "disabled")
        closed = until(lambda: (s := self.admin.session(session))["state"] == "closed" and s, 10, "the end of the session")
        pings.stop()
        self.assertLessEqual((pings.replies()[-1][0] - returned) * 1000, 10)
        self.assertEqual(closed["reason"], "disabled")
        until(lambda: self.ayesha.key not in self.gateway.dump(), 10, "the peer to leave the device")
        again = self.admin.want("POST", f"/v1/peers/{self.ayesha.id}/enable")
        self.assertEqual(again["peer"]["state"], "active")
        self.assertEqual(again["peer"]["allowed_ips"], self.ayesha.peer["allowed_ips"])
        self.assertNotEqual(self.connected(self.ayesha)["session"], session)
        actions = [
            leaf["sanad"]["action"]
            for leaf in self.gateway.leaves()
            if leaf["class_uid"] == 3004 and leaf["entity"]["uid"] == self.ayesha.id
        ]
        self.assertEqual(actions[-2:], ["disable", "enable"])

    def test_enable_before_the_removal_was_carried_out(self):
        session = self.connected(self.ayesha)["session"]
        self.admin.want("POST", f"/v1/peers/{self.ayesha.id}/disable")
        self.admin.want("POST", f"/v1/peers/{self.ayesha.id}/enable")
        self.connected(self.ayesha)
        self.gateway.after_polls(3)
        self.assertEqual(self.gateway.dump()[self.ayesha.key].allowed_ips, set(self.ayesha.peer["allowed_ips"]))
        self.assertEqual(len(self.sessions_with(session)), 1)

    def sessions_with(self, session):
        return [s for s in self.admin.sessions(f"peer={self.ayesha.id}") if s["id"] == session]

    def test_expiry_ends_access(self):
        person = self.lab.add_person("Guest One", "198.51.100.20", expires_at=rfc3339(time.time() + 6))
        person.client.ping(INSIDE)
        session = until(lambda: self.admin.peer(person.id)["connected"], 5, "the session")["session"]
        until(lambda: self.admin.peer(person.id)["state"] == "expired", 15, "the expiry")
        closed = until(lambda: (s := self.admin.session(session))["state"] == "closed" and s, 10, "the end of the session")
        self.assertEqual(closed["reason"], "peer_expired")
        until(lambda: person.key not in self.gateway.dump(), 10, "the peer to leave the device")
        self.assertFalse(person.client.reaches(INSIDE, tries=1))
        self.assertEqual(len(self.gateway.entity_events("expire", person.id)), 1)
        # Prolonged, it is back.
        self.admin.want("PATCH", f"/v1/peers/{person.id}", {"expires_at": None})
        self.connected(person)

    def test_not_before_begins_access(self):
        person = self.lab.add_person("Guest Two", "198.51.100.21", not_before=rfc3339(time.time() + 5), connect=False)
        self.assertEqual(person.peer["state"], "pending")
        self.assertNotIn(person.key, self.gateway.dump())
        until(lambda: person.key in self.gateway.dump(), 15, "the peer to come to the device")
        person.client.connect(person.profile)
        self.connected(person)
        self.assertEqual(len(self.gateway.entity_events("begin", person.id)), 1)

    def test_rotated_preshared_key(self):
        person = self.lab.add_person("Rida Noor", "198.51.100.22")
        person.client.ping(INSIDE)
        answer = self.admin.want("POST", f"/v1/peers/{person.id}/rotate-psk")
        person.client.disconnect()
        person.client.connect(person.profile)
        self.assertFalse(person.client.reaches(INSIDE, tries=2), "the old key must not do any more")
        person.client.disconnect()
        fresh = answer["preshared_key"] if "preshared_key" in answer else answer["profile"]
        person.client.connect(Profile(person.profile.text).with_line("PresharedKey", fresh.split("= ")[-1].strip()))
        self.connected(person)

    def test_edit(self):
        person = self.lab.add_person("Sana Iqbal", "198.51.100.23", connect=False)
        answer = self.admin.ask("GET", f"/v1/peers/{person.id}")
        tag = answer.headers.get("ETag")
        edited = self.admin.want(
            "PATCH", f"/v1/peers/{person.id}", {"note": "second floor", "keepalive_s": 15}, headers={"If-Match": tag}
        )["peer"]
        self.assertEqual(
            (edited["note"], edited["keepalive_s"], edited["version"]), ("second floor", 15, person.peer["version"] + 1)
        )
        stale = self.admin.ask("PATCH", f"/v1/peers/{person.id}", {"note": "third floor"}, headers={"If-Match": tag})
        self.assertEqual(stale.status, 412, stale)
        self.assertEqual(self.admin.peer(person.id)["note"], "second floor")
        moved = self.admin.want("PATCH", f"/v1/peers/{person.id}", {"allowed_ips": ["10.66.200.1/32"]})["peer"]
        self.assertEqual(moved["allowed_ips"], ["10.66.200.1/32"])
        until(lambda: self.gateway.dump()[person.key].allowed_ips == {"10.66.200.1/32"}, 10, "the address on the device")
        self.assertEqual(self.gateway.own_events("drift"), [])

    def test_same_request_twice(self):
        key = "retry-" + secrets.token_hex(8)
        body = {"owner": {"name": "Tariq Jamil"}, "device": "laptop", "make_key": True}
        records = self.admin.status()["evidence"]["records"]
        first = self.admin.ask("POST", "/v1/peers", body, headers={"Idempotency-Key": key})
        second = self.admin.ask("POST", "/v1/peers", body, headers={"Idempotency-Key": key})
        self.assertEqual((first.status, second.status), (201, 201))
        self.assertEqual(first.json["peer"]["id"], second.json["peer"]["id"])
        self.assertEqual(first.json["evidence"], second.json["evidence"])
        self.assertIn("PrivateKey", first.json["profile"])
        self.assertIsNone(second.json["profile"])
        self.assertEqual(self.admin.status()["evidence"]["records"], records + 1)
        other = self.admin.ask("POST", "/v1/peers", {**body, "device": "phone"}, headers={"Idempotency-Key": key})
        self.assertEqual(other.status, 409, other)
        # And after a restart.
        self.gateway.kill()
        self.gateway.start()
        third = self.admin.ask("POST", "/v1/peers", body, headers={"Idempotency-Key": key})
        self.assertEqual(third.json["peer"]["id"], first.json["peer"]["id"])

    def lines(self, count, tag, bad_at=None):
        out = []
        for i in range(count):
            line = {
                "owner": {"name": f"{tag} {i}", "email": f"{tag}.{i}@example.com"},
                "device": "laptop",
                "public_key": some_key(),
            }
            if i == bad_at:
                line["public_key"] = "nonsense"
            out.append(json.dumps(line))
        return "\n".join(out).encode() + b"\n"

    def imported(self, body, query=""):
        answer = self.admin.ask(
            "POST", f"/v1/peers/import{query}", body, headers={"Content-Type": "application/x-ndjson"}, timeout=120
        )
        return answer, [json.loads(line) for line in answer.body.splitlines()]

    def test_import(self):
        before = len(self.admin.peers())
        answer, lines = self.imported(self.lines(300, "mass"))
        self.assertEqual(answer.status, 200)
        summary = lines[-1]["summary"]
        self.assertEqual((summary["added"], summary["failed"], summary["atomic"]), (300, 0, False))
        self.assertEqual([line["line"] for line in lines[:-1]], list(range(1, 301)))
        self.assertEqual(len(self.admin.peers()), before + 300)
        self.assertEqual(
            len({ip for peer in self.admin.peers() for ip in peer["allowed_ips"]}),
            sum(len(peer["allowed_ips"]) for peer in self.admin.peers()),
            "an address was given twice",
        )
        indices = [line["evidence"]["index"] for line in lines[:-1]]
        self.assertEqual(len(set(indices)), 300)
        until(lambda: len(self.gateway.dump()) >= before + 300, 20, "the peers on the device")
        # Half of the lines wrong: the good ones count.
        answer, lines = self.imported(self.lines(3, "mixed", bad_at=1))
        self.assertEqual((lines[-1]["summary"]["added"], lines[-1]["summary"]["failed"]), (2, 1))
        self.assertEqual(lines[1]["problem"]["field"], "public_key")

    def test_import_all_or_nothing(self):
        before = len(self.admin.peers())
        records = self.admin.status()["evidence"]["records"]
        answer, _ = self.imported(self.lines(300, "whole", bad_at=250), "?atomic=true")
        self.assertEqual(answer.status, 400, answer)
        self.assertIn("line 251", answer.json["detail"])
        self.assertEqual(len(self.admin.peers()), before)
        self.assertEqual(self.admin.status()["evidence"]["records"], records)
        answer, lines = self.imported(self.lines(300, "entire"), "?atomic=true")
        self.assertEqual((answer.status, lines[-1]["summary"]["added"]), (200, 300))
        self.assertEqual(len(self.admin.peers()), before + 300)
        self.assertEqual(self.admin.status()["evidence"]["records"], records + 300)

    def test_list_by_pages(self):
        self.imported(self.lines(25, "page"))
        whole = [peer["id"] for peer in self.admin.peers()]
        paged, cursor = [], ""
        while True:
            page = self.admin.want("GET", f"/v1/peers?limit=7{cursor}")
            self.assertLessEqual(len(page["peers"]), 7)
            paged += [peer["id"] for peer in page["peers"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        self.assertEqual(paged, whole)
        found = self.admin.want("GET", "/v1/peers?match=PAGE.1")["peers"]
        self.assertEqual(sorted(p["owner"]["email"] for p in found), sorted(f"page.{i}@example.com" for i in (1, *range(10, 20))))

    def test_reload_of_the_difference(self):
        session = self.connected(self.ayesha)["session"]
        backend = self.gateway.backend_pid()
        nothing = self.gateway.reload()
        self.assertEqual(nothing["changed"], [])
        self.gateway.change_config(r"^  attempt_interval: 2s$", "  attempt_interval: 7s")
        changed = self.gateway.reload()
        self.assertEqual(changed["changed"], ["sessions.attempt_interval"])
        leaf = self.gateway.entity_events("reload")[-1]
        self.assertEqual(leaf["index"], changed["evidence"]["index"])
        self.assertNotEqual(leaf["sanad"]["before_sha256"], leaf["sanad"]["after_sha256"])
        # A wrong file: every error with its place, and nothing changed.
        good = self.gateway.config.read_text()
        self.gateway.config.write_text(good.replace("attempt_interval: 7s", "attempt_interval: soon\n  colour: red"))
        records = self.admin.status()["evidence"]["records"]
        refused = self.admin.ask("POST", "/v1/reload")
        self.gateway.config.write_text(good)
        self.assertEqual(refused.status, 400, refused)
        text = refused.body.decode()
        for part in ("sanad.yaml:", "attempt_interval", "colour"):
            self.assertIn(part, text)
        # What needs a restart is refused as a whole.
        self.gateway.config.write_text(good.replace("id: \"example-khi-1\"", "id: other"))
        refused = self.admin.ask("POST", "/v1/reload")
        self.gateway.config.write_text(good)
        self.assertEqual(refused.status, 400, refused)
        self.assertIn("gateway.id", refused.body.decode())
        self.assertEqual(self.admin.status()["gateway"], "example-khi-1")
        self.assertGreaterEqual(self.admin.status()["evidence"]["records"], records)
        self.assertEqual(self.gateway.backend_pid(), backend)
        self.assertEqual(self.admin.peer(self.ayesha.id)["connected"]["session"], session)

    def test_profile_is_shown_once(self):
        person = self.lab.add_person("Umar Farooq", "198.51.100.24", connect=False)
        again = self.admin.want("GET", f"/v1/peers/{person.id}/profile")
        self.assertFalse(again["complete"])
        for line in person.profile.text.splitlines():
            if line.startswith(("PrivateKey", "PresharedKey")):
                self.assertNotIn(line.split("= ", 1)[1], again["profile"])
        self.assertIn(f"Endpoint = {self.gateway.address}:{self.gateway.port}", again["profile"])

    def test_registration_is_enforced(self):
        status = self.admin.want("GET", "/v1/registration")["standing"]
        self.assertEqual((status["standing"], status["level"], status["action"]), ("in_force", "self", "serve"))
        # Its own word about another address: the certificate does not fit the gateway any more.
        good = self.gateway.config.read_text()
        self.gateway.config.write_text(good + "\nregistration:\n  public_addresses: [203.0.113.200]\n")
        try:
            self.gateway.reload()
            until(lambda: self.admin.status()["registration"]["standing"] == "mismatch", 10, "the mismatch")
            refused = self.admin.ask("POST", "/v1/peers", {"owner": {"name": "Nobody"}, "device": "laptop", "make_key": True})
            self.assertEqual(refused.status, 403, refused)
            self.assertIn("mismatch", refused.json["detail"])
            # Whoever is there stays.
            self.connected(self.ayesha)
            self.gateway.config.write_text(
                good + "\nregistration:\n  public_addresses: [203.0.113.200]\n  on_mismatch: suspend\n"
            )
            session = self.connected(self.ayesha)["session"]
            self.gateway.reload()
            closed = until(
                lambda: (s := self.admin.session(session))["state"] == "closed" and s, 10, "the session to be suspended"
            )
            self.assertEqual(closed["reason"], "suspended")
            until(lambda: not self.gateway.dump(), 20, "all peers to leave the device")
            self.assertEqual(self.admin.peer(self.ayesha.id)["state"], "suspended")
        finally:
            self.gateway.config.write_text(good)
            self.gateway.reload()
        until(lambda: self.admin.status()["registration"]["standing"] == "in_force", 10, "the return")
        until(lambda: self.ayesha.key in self.gateway.dump(), 10, "her return to the device")
        self.connected(self.ayesha)

    def test_zz_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha], ["@example.com", "Guest One", "Tariq", "second floor"])


class CommandLine(LabCase):
    """`sanad` as people use it; most of it has its own tests, this is what needs a daemon."""

    def test_a_day(self):
        sanad = self.gateway.sanad
        profile = self.lab.directory / "ayesha.conf"
        said = sanad(
            "peer", "add", "Ayesha Khan", "--email", "ayesha@example.com", "--device", "laptop", "--profile", profile
        ).stdout
        self.assertIn("ayesha-khan/laptop", said)
        self.assertEqual(profile.stat().st_mode & 0o777, 0o600)
        self.assertIn("ayesha-khan/laptop", sanad("peer", "list").stdout)
        self.assertEqual(len(json.loads(sanad("peer", "list", "--json").stdout)), 1)
        sanad("peer", "add", "Ayesha Khan", "--device", "phone", "--profile", self.lab.directory / "phone.conf")
        ambiguous = sanad("peer", "revoke", "ayesha", check=False)
        self.assertEqual(ambiguous.returncode, 3)
        self.assertIn("2 peers match", ambiguous.stderr)
        sanad("peer", "disable", "ayesha-khan/phone")
        self.assertIn("disabled", sanad("peer", "list").stdout)
        sanad("peer", "revoke", "ayesha-khan/phone")
        wrong = sanad("peer", "add", "Bilal", "--public-key", "xyz", check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("--public-key", wrong.stderr)
        for arguments in (
            ["status"],
            ["status", "--json"],
            ["session", "list"],
            ["session", "list", "--json"],
            ["registration", "show"],
            ["log", "cat"],
            ["log", "cat", "--json"],
            ["reload"],
        ):
            self.assertEqual(sanad(*arguments).returncode, 0, arguments)
        json.loads(sanad("status", "--json").stdout)
        self.assertEqual(json.loads(sanad("session", "list", "--json").stdout), [])
        # Revoked twice: it is gone.
        self.assertEqual(sanad("peer", "revoke", "ayesha-khan/phone", check=False).returncode, 3)

    def test_curl(self):
        done = subprocess.run(
            ["curl", "-sS", "--unix-socket", self.admin.path, "http://sanad/v1/status"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        self.assertEqual(json.loads(done.stdout)["gateway"], "example-khi-1")
        private = new_private_key()
        body = json.dumps({"owner": {"name": "Curl User"}, "device": "laptop", "public_key": public_key_of(private)})
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--unix-socket",
                self.admin.path,
                "-H",
                "Content-Type: application/json",
                "-d",
                body,
                "-w",
                "\n%{http_code}",
                "http://localhost/v1/peers",
            ],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        self.assertEqual(done.stdout.splitlines()[-1], "201")
        # Chunked, from standard input, with Expect.
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--unix-socket",
                self.admin.path,
                "-H",
                "Content-Type: application/x-ndjson",
                "-H",
                "Transfer-Encoding: chunked",
                "-H",
                "Expect: 100-continue",
                "--data-binary",
                "@-",
                "-w",
                "\n%{http_code}",
                "http://sanad/v1/peers/import",
            ],
            input=json.dumps({"owner": {"name": "From Curl"}, "device": "laptop", "public_key": some_key()}) + "\n",
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        self.assertEqual(done.stdout.splitlines()[-1], "200")

    def test_python_keep_alive(self):
        from lab.admin import UnixConnection

        connection = UnixConnection(self.admin.path)
        for _ in range(20):
            connection.request("GET", "/v1/peers")
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            json.loads(answer.read())
        connection.close()


if __name__ == "__main__":
    unittest.main()
