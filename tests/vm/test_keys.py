"""Whose address is it, and whose key: an allowed IP that somebody moves, and the gateway's own key changed with its certificate."""

import re
import unittest

from kernel_case import INSIDE, KernelCase
from lab.waiting import until
from lab.wireguard import new_private_key, public_key_of


class Keys(KernelCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.association = cls.lab.directory / "association"
        cls.gateway.sanad("registrar", "init", "--dir", cls.association, "--name", "Example Association", "--country", "PK")
        cls.gateway.add_to_config(
            f"registration:\n  anchors:\n    - {{file: {cls.association}/ca.pem, level: association, name: Example Association}}\n"
        )

    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.bilal = cls.lab.add_person("Bilal Ahmed", "198.51.100.8", email="bilal@example.com")
        cls.people = [cls.ayesha, cls.bilal]

    def setUp(self):
        self.before = {person.id: self.connected(person)["session"] for person in self.people}
        self.first = self.next_index()

    def assert_nobody_was_cut_off(self):
        for person in self.people:
            self.assertEqual(self.connected(person)["session"], self.before[person.id])
        self.assertEqual(self.gateway.session_events(2, first=self.first), [])

    def test_1_address_moved_to_another_of_our_peers(self):
        """The kernel takes it from its owner without a word."""
        taken = ",".join(self.bilal.peer["allowed_ips"] + self.ayesha.peer["allowed_ips"])
        self.wg_set("peer", self.bilal.key, "allowed-ips", taken)
        found = until(lambda: len(f := self.drift_since(self.first, "allowed_ips")) >= 2 and f, 20, "the drift of both")
        self.assertEqual({leaf["sanad"]["peer"] for leaf in found}, {self.ayesha.id, self.bilal.id})
        self.assert_device_is_right()
        self.assert_nobody_was_cut_off()

    def test_2_address_moved_to_a_stranger(self):
        stranger = public_key_of(new_private_key())
        self.wg_set("peer", stranger, "allowed-ips", ",".join(self.ayesha.peer["allowed_ips"]))
        until(lambda: self.drift_since(self.first, "allowed_ips") and self.drift_since(self.first, "peer_unknown"), 20, "the drift")
        self.assert_device_is_right()
        self.assert_nobody_was_cut_off()

    def test_3_our_key_changed_with_its_certificate(self):
        interface = self.gateway.interface
        for step, arguments in (
            ("first", ("registration", "renew", "--config", self.gateway.config, "--out")),
            ("next", ("interface", "rotate-key", interface, "--config", self.gateway.config, "--request")),
        ):
            request, certificate = self.lab.directory / f"{step}.csr", self.lab.directory / f"{step}.pem"
            self.gateway.sanad(*arguments, request)
            self.gateway.sanad("registrar", "issue", "--dir", self.association, request, "--out", certificate)
            if step == "first":
                self.gateway.sanad("registration", "install", certificate)
        old = self.readers_agree()[""]["public_key"]
        self.gateway.sanad("interface", "rotate-key", interface, "--certificate", certificate)
        until(lambda: self.readers_agree()[""]["public_key"] != old, 20, "the new key on the device")
        self.assert_device_is_right()

        profiles = self.lab.directory / "profiles"
        self.gateway.sanad("interface", "rotate-key", interface, "--profiles", profiles)
        new = {re.search(r"(?m)^PublicKey = (\S+)", path.read_text()).group(1) for path in profiles.glob("*.conf")}
        self.assertEqual(new, {self.readers_agree()[""]["public_key"]})
        for person in self.people:
            profile = person.profile.with_line("PublicKey", *new)
            person.client.host.run("wg", "setconf", person.client.interface, "/dev/stdin", text_in=profile.stripped)
            self.connected(person)
        self.assertEqual(self.gateway.own_events("drift", self.first), [], "our own change is nobody's drift")
        self.assert_device_is_right()

    def test_4_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal(self.people)


if __name__ == "__main__":
    unittest.main()
