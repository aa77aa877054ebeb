"""One daemon, two interfaces: peers are told apart by their pools, one log and one socket serve both."""

import unittest

from harness import LabCase
from lab.lab import Person
from lab.waiting import until
from lab.wireguard import Profile, dump, new_private_key, public_key_of
from second_interface import add_second_interface


class TwoInterfaces(LabCase):
    @classmethod
    def configure(cls):
        gateway = cls.gateway
        cls.first, cls.second = gateway.interface, add_second_interface(gateway)
        # Room for one peer in the first, so that the next finds its place in the second.
        gateway.change_config(r"addresses: \[.*10\.66\.0\.1/16.*\]", "addresses: [10.66.0.1/30]")

    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.bilal = cls.add_with_own_key("Bilal Ahmed", "198.51.100.8")

    @classmethod
    def add_with_own_key(cls, name, address):
        """The registration certificate names one interface's key, and only to that are profiles written: the others' clients are set
        up by hand."""
        private = new_private_key()
        peer = cls.admin.add_peer(
            owner={"name": name}, device="laptop", public_key=public_key_of(private), preshared_key="none", profile=False
        )["peer"]
        gateway = next(i for i in cls.admin.status()["interfaces"] if i["name"] == peer["interface"])
        text = (
            f"[Interface]\nPrivateKey = {private}\nAddress = {', '.join(peer['allowed_ips'])}\n"
            f"[Peer]\nPublicKey = {gateway['public_key']}\nEndpoint = 203.0.113.10:51830\n"
            "AllowedIPs = 10.67.0.0/24\nPersistentKeepalive = 25\n"
        )
        person = Person(peer, Profile(text), cls.lab.add_client_host(address))
        person.client.connect(person.profile)
        return person

    def on(self, interface):
        return dump(self.gateway.host, interface)

    def connected(self, person, address):
        person.client.ping(address)
        return until(lambda: self.admin.peer(person.id)["connected"], 10, f"a session of {person.peer['name']}")

    def test_1_peers_find_their_place(self):
        self.assertEqual(self.ayesha.peer["interface"], self.first)
        self.assertEqual(self.bilal.peer["interface"], self.second, "the first has no room left")
        self.assertEqual(set(self.on(self.first)), {self.ayesha.key})
        self.assertEqual(set(self.on(self.second)), {self.bilal.key})

    def test_2_sessions_of_both(self):
        self.connected(self.ayesha, "10.66.0.1")
        self.connected(self.bilal, "10.67.0.1")
        sessions = {s["peer"]["id"]: s for s in self.admin.sessions("active=true")}
        self.assertEqual(sessions[self.ayesha.id]["interface"], self.first)
        self.assertEqual(sessions[self.bilal.id]["interface"], self.second)
        said = {i["name"]: i for i in self.admin.status()["interfaces"]}
        self.assertEqual({name: (i["state"], i["connected"]) for name, i in said.items()}, {self.first: ("up", 1), self.second: ("up", 1)})

    def test_3_by_name_and_by_address(self):
        def add(name, **options):
            key = public_key_of(new_private_key())
            return self.admin.add_peer(owner={"name": name}, device="router", public_key=key, **options)["peer"]

        named = add("Site 1", interface=self.second, allowed_ips=["10.67.0.77/32"])
        placed = add("Site 2", allowed_ips=["10.67.0.78/32"])
        self.assertEqual((named["interface"], placed["interface"]), (self.second, self.second))
        until(lambda: {named["public_key"], placed["public_key"]} <= set(self.on(self.second)), 10, "both on the second device")
        # A key made here needs a profile, and the registration names the first interface's key alone: that one is full.
        full = self.admin.ask("POST", "/v1/peers", {"owner": {"name": "Site 3"}, "device": "router", "make_key": True})
        self.assertEqual(full.status, 409, full)
        self.assertIn("no free address is left in 10.66.0.0/30", full.json["detail"])
        wrong = self.admin.ask("POST", "/v1/peers", {"owner": {"name": "X"}, "device": "y", "make_key": True, "interface": "nowhere"})
        self.assertEqual(wrong.status, 400, wrong)

    def test_4_one_dies_the_other_goes_on(self):
        before = self.connected(self.bilal, "10.67.0.1")["session"]
        first = self.admin.status()["evidence"]["records"]
        self.gateway.end_backend()
        until(lambda: self.gateway.own_events("backend_restored", first), 30, "the first interface to be back")
        died = self.gateway.own_events("backend_died", first)
        self.assertEqual([leaf["sanad"]["interface"] for leaf in died], [self.first])
        self.assertEqual(self.connected(self.bilal, "10.67.0.1")["session"], before)
        self.ayesha.client.ping("10.66.0.1", seconds=60)

    def test_5_revoked_on_the_second(self):
        self.connected(self.bilal, "10.67.0.1")
        self.admin.want("DELETE", f"/v1/peers/{self.bilal.id}")
        self.assertFalse(self.bilal.client.reaches("10.67.0.1"))
        until(lambda: self.bilal.key not in self.on(self.second), 10, "the peer to leave the device")
        self.assertIn(self.ayesha.key, self.on(self.first))

    def test_6_restart_adopts_both(self):
        before = self.connected(self.ayesha, "10.66.0.1")["session"]
        first = self.admin.status()["evidence"]["records"]
        self.gateway.kill()
        self.gateway.start()
        adopted = until(lambda: len(found := self.gateway.own_events("backend_adopted", first)) == 2 and found, 10, "both adopted")
        self.assertEqual({leaf["sanad"]["interface"] for leaf in adopted}, {self.first, self.second})
        self.assertEqual(self.connected(self.ayesha, "10.66.0.1")["session"], before)

    def test_7_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha, self.bilal])


if __name__ == "__main__":
    unittest.main()
