"""Sessions on real traffic: opened, moved, revoked, expired, and attempts that never became one."""

import datetime
import json
import time
import unittest

from harness import EXPIRY_S, POLL_S, LabCase
from lab.waiting import until
from lab.wireguard import Pings, Profile, run

# What two processes on a loaded machine may be late by, beyond the poll.
SLACK_S = 1.5
INSIDE = "10.66.0.1"


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Sessions(LabCase):
    @classmethod
    def prepare(cls):
        cls.everybody = []
        cls.ayesha = cls.add("Ayesha Khan", "198.51.100.7")
        cls.bilal = cls.add("Bilal Ahmed", "198.51.100.8")
        cls.chandni = cls.add("Chandni Rao", "198.51.100.9")
        cls.daud = cls.add("Daud Malik", "198.51.100.10", connect=False)
        cls.erum = cls.add("Erum Shah", "198.51.100.11", connect=False)
        cls.before = time.time()
        cls.ayesha.client.ping(INSIDE)
        # She leaves at once; what the protocol needs to notice passes while the other tests run.
        pings = Pings(cls.ayesha.client.host, INSIDE)
        pings.wait_for(10)
        cls.last_reply = pings.replies()[-1][0]
        cls.ayesha.client.disconnect()
        pings.stop()
        cls.left = time.monotonic()

    @classmethod
    def add(cls, name, address, **more):
        person = cls.lab.add_person(name, address, email=name.split()[0].lower() + "@example.com", **more)
        cls.everybody.append(person)
        return person

    def connected(self, person):
        person.client.ping(INSIDE)
        return until(lambda: self.admin.peer(person.id)["connected"], 10, f"a session of {person.peer['name']}")

    def test_1_open(self):
        began = time.time()
        self.connected(self.bilal)
        session = self.open_session(self.bilal)
        self.assertEqual(session["state"], "connected")
        self.assertEqual(session["owner"]["name"], "Bilal Ahmed")
        self.assertEqual(session["outer"].split(":")[0], "198.51.100.8")
        self.assertEqual(session["inner"][0], self.bilal.inside)
        start = seconds(session["started_at"])
        bounds = session["started_bounds"]
        self.assertLessEqual(seconds(bounds["not_before"]), start)
        self.assertLessEqual(start, seconds(bounds["not_after"]))
        self.assertLessEqual(seconds(bounds["not_after"]) - seconds(bounds["not_before"]), POLL_S + SLACK_S)
        # The first packet came in prepare() or just now, never before that and never later than one poll from here.
        self.assertGreaterEqual(start, self.before - POLL_S - 30)
        self.assertLessEqual(start, began + POLL_S + SLACK_S)
        self.assertTrue(self.bilal.client.reaches("fd66::1"), "IPv6 inside the tunnel")
        opened = self.gateway.session_events(1, session["id"])
        self.assertEqual(len(opened), 1)
        self.assertEqual(opened[0]["index"], session["evidence"]["opened"])
        self.assertEqual(opened[0]["personal"]["src_endpoint.ip"], "198.51.100.8")

    def test_2_bytes_are_the_backends_own(self):
        self.connected(self.bilal)
        pings = Pings(self.bilal.client.host, INSIDE, every=0.01, size=1200)
        pings.wait_for(50)
        pings.stop()
        dumped, sessions = self.gateway.figures_at_rest([self.bilal.key])
        mine = [s for s in sessions if s["peer"]["id"] == self.bilal.id]
        self.assertEqual(len(mine), 1)
        self.assertEqual((mine[0]["rx_bytes"], mine[0]["tx_bytes"]), (dumped[self.bilal.key].rx, dumped[self.bilal.key].tx))
        self.assertGreater(mine[0]["rx_bytes"], 50 * 1200)
        # The other end counts the same packets.
        server = self.bilal.client.server()
        self.assertEqual((server.tx, server.rx), (mine[0]["rx_bytes"], mine[0]["tx_bytes"]))

    def test_3_roam(self):
        self.connected(self.bilal)
        session = self.open_session(self.bilal)
        moves = session["moves"]
        at = time.time()
        self.bilal.client.move(self.lab.internet, "203.0.113.99")
        self.bilal.client.ping(INSIDE)
        seen = until(
            lambda: self.admin.peer(self.bilal.id)["connected"]["endpoint"].startswith("203.0.113.99:"), 10, "the new address"
        )
        self.assertTrue(seen)
        now = until(lambda: (s := self.open_session(self.bilal))["moves"] == moves + 1 and s, 10, "the move in the session")
        self.assertEqual(now["id"], session["id"])
        self.assertEqual([e["address"].split(":")[0] for e in now["endpoints"]], ["198.51.100.8", "203.0.113.99"])
        self.assertLessEqual(abs(seconds(now["endpoints"][1]["since"]) - at), POLL_S + SLACK_S)
        moved = self.gateway.session_events(3, session["id"])
        self.assertEqual(len(moved), 1)
        self.assertEqual(moved[0]["personal"]["src_endpoint.ip"], "203.0.113.99")
        self.assertEqual(moved[0]["personal"]["unmapped.sanad.from.ip"], "198.51.100.8")
        for outer in ("198.51.100.8", "203.0.113.99"):
            found = self.admin.sessions(f"outer={outer}")
            self.assertEqual([s["id"] for s in found], [session["id"]], f"sessions from {outer}")

    def test_4_revoked_while_connected(self):
        self.connected(self.chandni)
        session = self.open_session(self.chandni)
        pings = Pings(self.chandni.client.host, INSIDE, every=0.002)
        pings.wait_for(200)
        answer = self.admin.want("DELETE", f"/v1/peers/{self.chandni.id}")
        returned = time.time()
        at_return = self.gateway.dump().get(self.chandni.key)
        self.assertTrue(answer["stopped"])
        self.assertEqual(answer["peer"]["state"], "revoked")
        closed = until(
            lambda: (s := self.sessions_of(self.chandni)[0])["state"] == "closed" and s, 10, "the record of the revocation"
        )
        pings.stop()
        late_ms = (pings.replies()[-1][0] - returned) * 1000
        print(f"last reply {late_ms:+.1f} ms from the return of the call", flush=True)
        self.assertLessEqual(late_ms, 10)
        self.assertEqual((closed["id"], closed["reason"], closed["end_inferred"]), (session["id"], "revoked", False))
        self.assertLessEqual(abs(seconds(closed["ended_at"]) - returned), POLL_S + SLACK_S)
        if at_return is not None:
            # The final figures are those of the last snapshot before the peer left the device. What still came in from a client
            # that kept on sending counts too, so they lie between the figures at the return and what it sent by the end.
            self.assertGreaterEqual(closed["rx_bytes"], at_return.rx)
            self.assertLessEqual(closed["rx_bytes"], self.chandni.client.server().tx)
            self.assertEqual(closed["tx_bytes"], at_return.tx)
        until(lambda: self.chandni.key not in self.gateway.dump(), 10, "the peer to leave the device")
        self.assertFalse(self.chandni.client.reaches(INSIDE))
        leaf = self.gateway.session_events(2, session["id"])[0]
        self.assertEqual((leaf["status_code"], leaf["status_detail"]), ("Admin-Reset", "revoked"))
        # Its address rests: the next peer gets another.
        other = self.admin.add_peer(owner={"name": "Chandni's Successor"}, device="laptop", make_key=True)["peer"]
        self.assertNotIn(self.chandni.peer["allowed_ips"][0], other["allowed_ips"])

    def test_5_wrong_preshared_key(self):
        wrong = run("wg", "genpsk").stdout.strip()
        self.assertEqual(self.gateway.dump()[self.daud.key].rx, 0)
        self.daud.client.connect(Profile(self.daud.profile.text).with_line("PresharedKey", wrong))

        def attempted():
            return [leaf for leaf in self.gateway.session_events(99) if leaf["sanad"]["peer"] == self.daud.id]

        self.assertFalse(self.daud.client.reaches(INSIDE, tries=2))
        found = until(attempted, 30, "the attempt in the log", every=0.5)
        self.assertGreaterEqual(int(found[0]["sanad"]["count_at_least"]), 1)
        self.assertEqual(found[0]["personal"]["src_endpoint.ip"], "198.51.100.10")
        self.assertEqual(self.sessions_of(self.daud), [])
        self.assertIsNone(self.admin.peer(self.daud.id)["connected"])
        # With the right key it is a session, and every byte is an attempt's or the session's.
        self.daud.client.disconnect()
        self.daud.client.connect(self.daud.profile)
        self.connected(self.daud)
        dumped, sessions = self.gateway.figures_at_rest([self.daud.key])
        mine = [s for s in sessions if s["peer"]["id"] == self.daud.id]
        self.assertEqual(len(mine), 1)
        attempts = [leaf["traffic"] for leaf in attempted()]
        # OCSF: in and out as the source sees them, and the source is the client.
        received = mine[0]["rx_bytes"] + sum(int(t["bytes_out"]) for t in attempts)
        sent = mine[0]["tx_bytes"] + sum(int(t["bytes_in"]) for t in attempts)
        self.assertEqual((received, sent), (dumped[self.daud.key].rx, dumped[self.daud.key].tx))

    def test_6_who_held(self):
        self.connected(self.bilal)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = self.gateway.sanad("session", "who-held", self.bilal.inside, "--at", now).stdout
        self.assertIn("Bilal Ahmed", said)
        held = json.loads(self.gateway.sanad("session", "who-held", self.bilal.inside, "--at", now, "--json").stdout)
        self.assertEqual([s["owner"]["name"] for s in held], ["Bilal Ahmed"])
        nobody = json.loads(self.gateway.sanad("session", "who-held", "10.66.99.99", "--json", check=False).stdout or "[]")
        self.assertEqual(nobody, [])
        long_ago = json.loads(
            self.gateway.sanad("session", "who-held", self.bilal.inside, "--at", "2020-01-01 00:00", "--json", check=False).stdout
            or "[]"
        )
        self.assertEqual(long_ago, [])

    def test_7_a_client_that_brings_its_key(self):
        private = run("wg", "genkey").stdout.strip()
        public = run("wg", "pubkey", text_in=private).stdout.strip()
        added = self.admin.add_peer(owner={"name": "Farid Aziz", "email": "farid@example.com"}, device="phone", public_key=public)
        self.assertEqual(added["peer"]["public_key"], public)
        self.assertNotIn(private, added["profile"])
        client = self.lab.add_client_host("198.51.100.12")
        text = added["profile"]
        # The profile has everything but the key that never left the client.
        text = Profile(text).without_line("PrivateKey").text.replace("[Interface]", f"[Interface]\nPrivateKey = {private}", 1)
        client.connect(Profile(text))
        client.ping(INSIDE)

    def test_8_expired(self):
        until(
            lambda: self.admin.peer(self.ayesha.id)["connected"] is None, EXPIRY_S + 30, "the session of who left to end", every=1
        )
        closed_after = time.monotonic() - self.left
        sessions = self.sessions_of(self.ayesha)
        self.assertEqual(len(sessions), 1)
        session = sessions[0]
        print(
            f"closed {closed_after:.1f} s after the last sign; end recorded "
            f"{seconds(session['ended_at']) - self.last_reply:+.2f} s from the last reply",
            flush=True,
        )
        self.assertEqual((session["state"], session["reason"], session["end_inferred"]), ("closed", "expired", True))
        self.assertLessEqual(abs(seconds(session["ended_at"]) - self.last_reply), POLL_S + SLACK_S)
        self.assertLessEqual(closed_after, EXPIRY_S + POLL_S + SLACK_S + 5)
        dumped = self.gateway.dump()[self.ayesha.key]
        self.assertEqual(session["rx_bytes"], dumped.rx)
        closed = self.gateway.session_events(2, session["id"])
        self.assertEqual(len(closed), 1)
        self.assertEqual(closed[0]["status_code"], "Idle-Timeout")
        self.assertEqual(int(closed[0]["cumulative_traffic"]["bytes_out"]), session["rx_bytes"])

    def test_9_nothing_personal_in_the_log(self):
        self.assert_log_is_whole_and_impersonal(self.everybody)


if __name__ == "__main__":
    unittest.main()
