"""A client whose way to the gateway is IPv6, and that moves to IPv4 and back."""

import unittest

from harness import LabCase
from lab.waiting import until

INSIDE = "10.66.0.1"
# RFC 3849: addresses set aside for documentation.
GATEWAY_6, CLIENT_6, ELSEWHERE_6 = "2001:db8:203::10", "2001:db8:203::7", "2001:db8:203::99"


class OuterIPv6(LabCase):
    _outer = LabCase._outer + ("2001:db8:203:",)

    @classmethod
    def prepare(cls):
        cls.gateway.host.ip("addr", "add", f"{GATEWAY_6}/64", "dev", "eth0", "nodad")
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com", connect=False)
        cls.ayesha.client.host.ip("addr", "add", f"{CLIENT_6}/64", "dev", "eth0", "nodad")
        cls.ayesha.client.connect(cls.ayesha.profile.with_line("Endpoint", f"[{GATEWAY_6}]:{cls.gateway.port}"))
        cls.ayesha.client.ping(INSIDE)

    def move_to(self, gateway_address):
        """The client's apps turn to another address of the gateway; the kernel then chooses the source."""
        client = self.ayesha.client
        client.host.run("wg", "set", client.interface, "peer", client.server().public_key, "endpoint", gateway_address)
        client.ping(INSIDE)

    def wait_for_address(self, address):
        return until(
            lambda: (s := self.open_session(self.ayesha)) and s["endpoints"][-1]["address"].startswith(address) and s,
            20,
            f"the session to be from {address}",
        )

    def test_1_the_session_says_from_where(self):
        session = self.wait_for_address(f"[{CLIENT_6}]:")
        opened = self.gateway.session_events(1, session["id"])
        self.assertEqual([e["personal"]["src_endpoint.ip"] for e in opened], [CLIENT_6])
        self.assertEqual([s["id"] for s in self.admin.sessions(f"outer={CLIENT_6}")], [session["id"]])
        told = self.gateway.sanad("session", "list").stdout
        self.assertIn(CLIENT_6, told)

    def test_2_moves_between_the_families_are_moves(self):
        session = self.open_session(self.ayesha)["id"]
        self.move_to(f"{self.gateway.address}:{self.gateway.port}")
        self.wait_for_address("198.51.100.7:")
        self.ayesha.client.host.ip("addr", "replace", f"{ELSEWHERE_6}/64", "dev", "eth0", "nodad")
        self.ayesha.client.host.ip("addr", "delete", f"{CLIENT_6}/64", "dev", "eth0")
        self.move_to(f"[{GATEWAY_6}]:{self.gateway.port}")
        now = self.wait_for_address(f"[{ELSEWHERE_6}]:")
        self.assertEqual(now["id"], session)
        moved = self.gateway.session_events(3, session)
        self.assertEqual(
            [(e["personal"]["unmapped.sanad.from.ip"], e["personal"]["src_endpoint.ip"]) for e in moved],
            [(CLIENT_6, "198.51.100.7"), ("198.51.100.7", ELSEWHERE_6)],
        )

    def test_3_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha])


if __name__ == "__main__":
    unittest.main()
