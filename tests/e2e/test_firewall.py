"""What makes a gateway of the host: forwarding, masquerading, peers kept apart. One table for it, and nobody else's touched."""

import unittest

from harness import CONFIG, LabCase
from lab.lab import OFFICE_SERVER
from lab.waiting import until

INSIDE = "10.66.0.1"
FOREIGN = """\
table inet theirs {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr 192.0.2.1 counter packets 0 bytes 0 accept
	}
}
table inet sanadish {
	chain nothing {
	}
}
"""


class Firewall(LabCase):
    init = {"routes": "10.20.0.0/24"}

    @classmethod
    def configure(cls):
        cls.gateway.host.run("nft", "-f", "/dev/stdin", text_in=FOREIGN)
        cls.foreign = cls.listed("theirs") + cls.listed("sanadish")

    @classmethod
    def listed(cls, table, check=True):
        return cls.gateway.host.run("nft", "list", "table", "inet", table, check=check).stdout

    @classmethod
    def prepare(cls):
        cls.office = cls.lab.add_office()
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7")
        cls.bilal = cls.lab.add_person("Bilal Ahmed", "198.51.100.8")
        for person in (cls.ayesha, cls.bilal):
            person.client.ping(INSIDE)
        until(lambda: cls.listed("sanad", check=False), 10, "our table")

    def test_1_masquerading_reaches_what_is_behind(self):
        # The office server knows no way to 10.66.0.0/16: an answer proves that it saw the gateway's own address.
        self.ayesha.client.ping(OFFICE_SERVER)
        self.assertNotIn("10.66.", self.office.run("ip", "route", "show").stdout)

    def test_2_peers_are_kept_apart(self):
        self.assertFalse(self.ayesha.client.reaches(self.bilal.inside))
        self.assertFalse(self.bilal.client.reaches(self.ayesha.inside))
        for family_address in (self.bilal.peer["allowed_ips"][1].split("/")[0],):
            self.assertFalse(self.ayesha.client.reaches(family_address))
        self.assertTrue(self.ayesha.client.reaches(INSIDE))

    def test_3_unless_they_may_talk(self):
        self.gateway.change_config(r"^    backend: auto$", "    backend: auto\n    peers_may_talk: true")
        changed = self.gateway.reload()["changed"]
        self.assertEqual([key.split(".")[-1] for key in changed], ["peers_may_talk"])
        until(lambda: self.ayesha.client.reaches(self.bilal.inside, tries=1), 15, "the peers to reach each other")
        self.gateway.change_config(r"^    peers_may_talk: true$", "    peers_may_talk: false")
        self.gateway.reload()
        until(lambda: not self.ayesha.client.reaches(self.bilal.inside, tries=1), 15, "the peers to be apart again")

    def test_4_drift_is_put_right(self):
        first = self.admin.status()["evidence"]["records"]
        right = self.listed("sanad")
        self.gateway.host.run("nft", "delete", "table", "inet", "sanad")
        until(lambda: self.listed("sanad", check=False) == right, 10, "the table to come back")
        self.gateway.host.run("nft", "flush", "table", "inet", "sanad")
        until(lambda: self.listed("sanad", check=False) == right, 10, "the rules to come back")
        self.assertGreaterEqual(
            len([leaf for leaf in self.gateway.own_events("host_changed", first) if "nftables" in leaf["sanad"]["change"]]), 2
        )
        self.gateway.host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")
        until(
            lambda: self.gateway.host.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "1",
            10,
            "forwarding to come back",
        )
        self.ayesha.client.ping(OFFICE_SERVER)

    def test_5_the_rules_outlive_a_restart(self):
        right = self.listed("sanad")
        self.gateway.stop()
        self.assertEqual(self.listed("sanad"), right)
        self.assertTrue(self.ayesha.client.reaches(OFFICE_SERVER))
        self.assertFalse(self.ayesha.client.reaches(self.bilal.inside))
        self.gateway.start()
        self.assertEqual(self.listed("sanad"), right)

    def test_6_nobody_elses_table_was_touched(self):
        self.assertEqual(self.listed("theirs") + self.listed("sanadish"), self.foreign)


class NoMasquerading(LabCase):
    """Where `nat` does not ask for it, nothing is rewritten."""

    config = CONFIG

    @classmethod
    def prepare(cls):
        cls.office = cls.lab.add_office()
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7")
        cls.ayesha.client.ping(INSIDE)
        cls.ayesha.client.host.ip("route", "add", "10.20.0.0/24", "dev", cls.ayesha.client.interface)
        cls.ayesha.client.host.run(
            "wg",
            "set",
            cls.ayesha.client.interface,
            "peer",
            cls.gateway.admin.interface()["public_key"],
            "allowed-ips",
            "10.66.0.0/16,10.20.0.0/24",
        )

    def test_the_address_stays(self):
        self.assertFalse(self.ayesha.client.reaches(OFFICE_SERVER), "no way back, and no masquerading: no answer")
        self.office.ip("route", "add", "10.66.0.0/16", "via", "10.20.0.1")
        self.ayesha.client.ping(OFFICE_SERVER)


if __name__ == "__main__":
    unittest.main()
