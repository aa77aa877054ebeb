"""What others do to the interface itself, and what the kernel does silently."""

import pathlib
import unittest

from kernel_case import INSIDE, KernelCase
from lab.waiting import until
from lab.wireguard import Pings, SetWatch, new_private_key, public_key_of


class Interface(KernelCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.bilal = cls.lab.add_person("Bilal Ahmed", "198.51.100.8", email="bilal@example.com")
        cls.people = [cls.ayesha, cls.bilal]
        cls.watch = SetWatch(cls.gateway.host)

    def setUp(self):
        self.before = {person.id: self.connected(person)["session"] for person in self.people}
        self.first = self.next_index()

    def ends(self, person):
        return self.gateway.session_events(2, self.before[person.id], self.first)

    def test_1_link_down_and_up(self):
        """Keys are gone: sessions end then. Counters go on, and not a byte is counted twice or lost."""
        dumped = self.gateway.dump()
        self.gateway.host.ip("link", "set", self.gateway.interface, "down")
        for person in self.people:
            ended = until(lambda person=person: self.ends(person), 20, "the end of the session")
            self.assertEqual(ended[0]["status_detail"], "link_down")
        until(lambda: self.drift_since(self.first, "link"), 20, "the drift in the log")
        for person in self.people:
            self.assertNotEqual(self.connected(person, 60)["session"], self.before[person.id])
        now = self.readers_agree()
        for person in self.people:
            self.assertGreaterEqual(now[person.key]["rx"], dumped[person.key].rx, "a link that was down keeps its counters")
        dumped, sessions = self.gateway.figures_at_rest([person.key for person in self.people])
        for person in self.people:
            told = sum(s["rx_bytes"] for s in sessions if s["peer"]["id"] == person.id)
            self.assertEqual(told, dumped[person.key].rx, "every byte belongs to one session")
        self.assert_device_is_right()

    def test_2_deleted_and_made_again_by_somebody(self):
        name = self.gateway.interface
        self.gateway.host.ip("link", "delete", name)
        self.gateway.host.run("ip", "link", "add", name, "type", "wireguard", check=False)
        for person in self.people:
            ended = until(lambda person=person: self.ends(person), 30, "the end of the session")
            self.assertEqual(ended[0]["status_detail"], "device")
        for person in self.people:
            self.assertNotEqual(self.connected(person, 90)["session"], self.before[person.id])
        self.assert_device_is_right()

    def test_3_renamed(self):
        """The name is what the gateway knows its interface by: one of that name is made again, the other is left to who took it."""
        name, other = self.gateway.interface, "wgmoved"

        def renamed():
            # By one process: the gateway puts the link up again at once, and a link that is up keeps its name.
            commands = f"link set {name} down\nlink set {name} name {other}\n"
            return self.gateway.host.run("ip", "-batch", "-", text_in=commands, check=False).returncode == 0

        until(renamed, 30, "the interface to be renamed", every=0.01)
        try:
            for person in self.people:
                until(lambda person=person: self.ends(person), 30, "the end of the session")
            # Its port is still taken by the other: said, and tried again until it is free.
            self.gateway.host.ip("link", "delete", other)
            for person in self.people:
                self.connected(person, 120)
        finally:
            self.gateway.host.run("ip", "link", "delete", other, check=False)
        self.assert_device_is_right()

    def test_4_private_key_changed_by_somebody(self):
        """All keys expire with it. It is put back, and sessions go on when the clients have shaken hands again."""
        key = new_private_key()
        self.gateway.host.run("wg", "set", self.gateway.interface, "private-key", "/dev/stdin", text_in=key + "\n")
        until(lambda: self.drift_since(self.first, "private_key"), 20, "the drift in the log")
        until(lambda: self.readers_agree()[""]["public_key"] == self.admin.interface()["public_key"], 20, "our key to be back")
        for person in self.people:
            self.connected(person, 60)
            self.assertLessEqual(len(self.ends(person)), 1)
        self.assert_device_is_right()

    def test_5_own_public_key_as_a_peer(self):
        """The kernel says yes to it and does nothing."""
        own = self.admin.interface()["public_key"]
        self.wg_set("peer", own, "allowed-ips", "10.66.99.1/32")
        self.assertNotIn(own, self.readers_agree())
        answer = self.admin.ask("POST", "/v1/peers", {"owner": {"name": "Mirror"}, "device": "box", "public_key": own})
        self.assertEqual(answer.status, 400, answer)
        self.assert_device_is_right()

    def test_6_private_key_of_a_peer_given_to_the_interface(self):
        """The kernel then silently removes that peer; it is back with the key."""
        private = new_private_key()
        public = public_key_of(private)
        peer = self.admin.add_peer(owner={"name": "Chandni Rao"}, device="laptop", public_key=public)["peer"]
        until(lambda: public in self.gateway.dump(), 20, "the peer on the device")
        self.gateway.after_polls(2)
        first = self.next_index()
        self.gateway.host.run("wg", "set", self.gateway.interface, "private-key", "/dev/stdin", text_in=private + "\n")
        until(lambda: self.drift_since(first, "private_key"), 20, "the drift in the log")
        until(lambda: public in self.gateway.dump(), 20, "the peer to be back")
        self.assert_device_is_right()
        self.admin.want("DELETE", f"/v1/peers/{peer['id']}")
        for person in self.people:
            self.connected(person, 60)

    def test_7_replace_peers_by_somebody(self):
        """What wg setconf and systemd-networkd do: everybody is thrown off at once."""
        text = f"[Interface]\nListenPort = {self.gateway.port}\n"
        self.gateway.host.run("wg", "setconf", self.gateway.interface, "/dev/stdin", text_in=text)
        for person in self.people:
            ended = until(lambda person=person: self.ends(person), 20, "the end of the session")
            self.assertIn(ended[0]["status_detail"], ("removed_externally", "counters_reset"))
        missing = until(lambda: (found := self.drift_since(self.first, "peer_missing")) and len(found) >= 2 and found, 20, "the drift")
        self.assertLessEqual({person.id for person in self.people}, {leaf["sanad"].get("peer") for leaf in missing})
        for person in self.people:
            self.assertNotEqual(self.connected(person, 60)["session"], self.before[person.id])
        self.assert_device_is_right()

    def test_8_same_name_in_another_namespace(self):
        """The gateway's reach ends with its namespace."""
        other = self.lab.add_client_host("198.51.100.30").host
        name, key = self.gateway.interface, public_key_of(new_private_key())
        other.ip("link", "add", name, "type", "wireguard")
        other.run("wg", "set", name, "peer", key, "allowed-ips", "10.66.5.5/32")
        self.gateway.after_polls(3)
        theirs = self.readers_agree(other, name)
        self.assertEqual(set(theirs), {"", key})
        self.assertEqual(self.gateway.own_events("drift", self.first), [])
        self.assert_device_is_right()

    def test_9_daemon_killed_and_restarted(self):
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.1)
        pings.wait_for(5)
        self.gateway.kill()
        had = len(pings.replies())
        pings.wait_for(had + 20)
        self.gateway.start()
        self.gateway.after_polls(2)
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1)
        for person in self.people:
            self.assertEqual(self.connected(person)["session"], self.before[person.id])
            self.assertEqual(self.ends(person), [])
        self.assertEqual(self.gateway.own_events("drift", self.first), [])
        self.assert_device_is_right()

    def test_a_threads(self):
        """A kernel may run a thread per peer, for the asking or by default: here none does for long."""
        switch = pathlib.Path("/sys/class/net") / self.gateway.interface / "threaded"

        def said():
            return self.gateway.host.run("cat", switch).stdout.strip()

        def threads():
            names = [path.read_text().strip() for path in pathlib.Path("/proc").glob("[0-9]*/comm")]
            return [name for name in names if name.startswith(f"napi/{self.gateway.interface}"[:15])]

        self.assertEqual((said(), threads()), ("0", []))
        self.gateway.host.run("sh", "-c", f"echo 1 > {switch}")
        until(lambda: said() == "0", 20, "the threads to be switched off again")
        # Kernels before 6.17 keep those that were started, idle; but whoever comes later gets none.
        started = len(threads())
        public = public_key_of(new_private_key())
        peer = self.admin.add_peer(owner={"name": "Daud Shah"}, device="laptop", public_key=public)["peer"]
        until(lambda: public in self.gateway.dump(), 20, "the peer on the device")
        self.assertLessEqual(len(threads()), started)
        self.admin.want("DELETE", f"/v1/peers/{peer['id']}")
        for person in self.people:
            self.assertEqual(self.connected(person)["session"], self.before[person.id])

    def test_b_never_replace_peers(self):
        """Through all of this: the one message with it is the one of wg setconf above."""
        seen = self.watch.stop()
        self.assertEqual(seen["replace_peers"], 1)
        self.assertGreater(seen["sets"], 10)

    def test_c_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal(self.people)


if __name__ == "__main__":
    unittest.main()
