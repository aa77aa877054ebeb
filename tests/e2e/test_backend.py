"""The backend dies, and others change the device behind our back: recorded, put right."""

import unittest

from harness import LabCase
from lab.waiting import until
from lab.wireguard import Pings, new_private_key, public_key_of

INSIDE = "10.66.0.1"


class Backend(LabCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.bilal = cls.lab.add_person("Bilal Ahmed", "198.51.100.8", email="bilal@example.com")
        for person in (cls.ayesha, cls.bilal):
            person.client.ping(INSIDE)
        cls.wait_connected(cls.ayesha)
        cls.wait_connected(cls.bilal)

    @classmethod
    def wait_connected(cls, person, seconds=40):
        return until(lambda: cls.admin.peer(person.id)["connected"], seconds, f"a session of {person.peer['name']}")

    def wg_set(self, *arguments, **options):
        self.gateway.host.run("wg", "set", self.gateway.interface, *arguments, **options)

    def drift_since(self, first, kind):
        return [leaf for leaf in self.gateway.own_events("drift", first) if leaf["sanad"]["kind"] == kind]

    def next_index(self):
        return self.admin.status()["evidence"]["records"]

    def test_1_peer_removed_by_someone(self):
        first = self.next_index()
        session = self.wait_connected(self.ayesha)["session"]
        self.wg_set("peer", self.ayesha.key, "remove")
        until(lambda: self.ayesha.key in self.gateway.dump(), 10, "the peer to be restored")
        found = until(lambda: self.drift_since(first, "peer_missing"), 10, "the drift in the log")
        self.assertEqual([leaf["sanad"]["peer"] for leaf in found], [self.ayesha.id])
        closed = until(lambda: self.gateway.session_events(2, session, first), 10, "the end of its session")
        self.assertEqual(closed[0]["status_detail"], "removed_externally")
        restored = self.gateway.dump()[self.ayesha.key]
        self.assertEqual(restored.allowed_ips, set(self.ayesha.peer["allowed_ips"]))
        self.ayesha.client.ping(INSIDE, seconds=40)
        again = self.wait_connected(self.ayesha)
        self.assertNotEqual(again["session"], session)

    def test_2_peer_added_by_someone(self):
        first = self.next_index()
        stranger = public_key_of(new_private_key())
        self.wg_set("peer", stranger, "allowed-ips", "10.66.77.77/32")
        until(lambda: stranger not in self.gateway.dump(), 10, "the stranger to be removed")
        found = until(lambda: self.drift_since(first, "peer_unknown"), 10, "the drift in the log")
        self.assertEqual(len(found), 1)
        self.assertNotIn("peer", found[0]["sanad"])
        self.assertTrue(found[0]["sanad"]["key_sha256"])

    def test_3_allowed_ips_changed_by_someone(self):
        first = self.next_index()
        session = self.wait_connected(self.bilal)["session"]
        pings = Pings(self.bilal.client.host, INSIDE, every=0.1)
        pings.wait_for(3)
        self.wg_set("peer", self.bilal.key, "allowed-ips", "10.66.77.0/24")
        until(
            lambda: self.gateway.dump()[self.bilal.key].allowed_ips == set(self.bilal.peer["allowed_ips"]),
            10,
            "the allowed IPs to be put right",
        )
        found = until(lambda: self.drift_since(first, "allowed_ips"), 10, "the drift in the log")
        self.assertEqual([leaf["sanad"]["peer"] for leaf in found], [self.bilal.id])
        had = len(pings.replies())
        pings.wait_for(had + 3)
        pings.stop()
        # The peer itself was right and is not touched: the same session goes on.
        self.assertEqual(self.wait_connected(self.bilal)["session"], session)
        self.assertEqual(self.gateway.session_events(2, session), [])

    def test_4_address_taken_by_someone_elses_peer(self):
        """Allowed IPs given to another peer move there silently; both are put right."""
        session = self.wait_connected(self.bilal)["session"]
        first = self.next_index()
        self.wg_set(
            "peer", self.ayesha.key, "allowed-ips", ",".join(self.ayesha.peer["allowed_ips"] + self.bilal.peer["allowed_ips"])
        )
        until(
            lambda: self.gateway.dump()[self.bilal.key].allowed_ips == set(self.bilal.peer["allowed_ips"]),
            10,
            "the address to come back",
        )
        self.assertEqual(self.gateway.dump()[self.ayesha.key].allowed_ips, set(self.ayesha.peer["allowed_ips"]))
        until(lambda: len(self.drift_since(first, "allowed_ips")) >= 1, 10, "the drift in the log")
        self.bilal.client.ping(INSIDE)
        self.assertEqual(self.wait_connected(self.bilal)["session"], session)

    def test_5_port_and_link_changed_by_someone(self):
        first = self.next_index()
        self.wg_set("listen-port", "51999")
        until(
            lambda: self.gateway.host.run("wg", "show", self.gateway.interface, "listen-port").stdout.strip()
            == str(self.gateway.port),
            10,
            "the port to be put right",
        )
        until(lambda: self.drift_since(first, "listen_port"), 10, "the drift in the log")
        self.gateway.host.ip("addr", "del", f"{INSIDE}/16", "dev", self.gateway.interface)
        until(
            lambda: f" {INSIDE}/16 " in self.gateway.host.ip("-o", "addr", "show", "dev", self.gateway.interface).stdout,
            10,
            "the address to be put back",
        )
        until(lambda: self.drift_since(first, "link"), 10, "the drift in the log")
        self.ayesha.client.ping(INSIDE, seconds=40)

    def test_6_backend_killed(self):
        before = {person.id: self.wait_connected(person)["session"] for person in (self.ayesha, self.bilal)}
        first = self.next_index()
        life = self.gateway.backend_life()
        self.assertIsNotNone(life)
        self.gateway.end_backend()
        died = until(lambda: self.gateway.own_events("backend_died", first), 10, "its death in the log")
        self.assertEqual(len(died), 1)
        until(lambda: self.gateway.own_events("backend_restored", first), 20, "its return in the log")
        until(lambda: {self.ayesha.key, self.bilal.key} <= set(self.gateway.dump()), 10, "the peers on the new device")
        self.assertNotEqual(self.gateway.backend_life(), life)
        for person in (self.ayesha, self.bilal):
            person.client.ping(INSIDE, seconds=60)
            again = self.wait_connected(person)
            self.assertNotEqual(again["session"], before[person.id])
            old = self.admin.session(before[person.id])
            self.assertEqual((old["state"], old["reason"]), ("closed", "device"))
        # That everything was missing on the new device is nobody's doing.
        self.assertEqual([leaf["sanad"]["kind"] for leaf in self.gateway.own_events("drift", first)], [])
        dumped, sessions = self.gateway.figures_at_rest([self.ayesha.key])
        newest = next(s for s in sessions if s["peer"]["id"] == self.ayesha.id and s["state"] == "connected")
        self.assertEqual((newest["rx_bytes"], newest["tx_bytes"]), (dumped[self.ayesha.key].rx, dumped[self.ayesha.key].tx))

    def test_7_daemon_and_backend_killed_together(self):
        before = {person.id: self.wait_connected(person)["session"] for person in (self.ayesha, self.bilal)}
        first = self.next_index()
        self.gateway.kill()
        self.gateway.end_backend()
        self.gateway.start()
        for person in (self.ayesha, self.bilal):
            old = until(
                lambda: (s := self.admin.session(before[person.id]))["state"] == "closed" and s, 20, "the end of the old session"
            )
            self.assertEqual(old["reason"], "device")
            # The live counters are gone; the last durable ones stand, and are said to be that.
            self.assertTrue(old["figures_from_checkpoint"])
            person.client.ping(INSIDE, seconds=60)
            self.assertNotEqual(self.wait_connected(person)["session"], before[person.id])
        self.assertEqual([leaf["sanad"]["kind"] for leaf in self.gateway.own_events("drift", first)], [])

    def test_8_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha, self.bilal])


if __name__ == "__main__":
    unittest.main()
