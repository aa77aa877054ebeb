"""A lab on the kernel backend, with three independent readers of its device."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import LabCase  # noqa: E402  (the path comes first)
from lab.waiting import until  # noqa: E402
from readers import agree  # noqa: E402

INSIDE = "10.66.0.1"


class KernelCase(LabCase):
    @classmethod
    def configure(cls):
        cls.gateway.change_config(r"backend: auto", "backend: kernel")

    @classmethod
    def connected(cls, person, seconds=60):
        person.client.ping(INSIDE, seconds)
        return until(lambda: cls.admin.peer(person.id)["connected"], 30, f"a session of {person.peer['name']}")

    def wg_set(self, *arguments, **options):
        return self.gateway.host.run("wg", "set", self.gateway.interface, *arguments, **options)

    def drift_since(self, first, kind):
        return [leaf for leaf in self.gateway.own_events("drift", first) if leaf["sanad"]["kind"] == kind]

    def next_index(self):
        return self.admin.status()["evidence"]["records"]

    def readers_agree(self, host=None, interface=None):
        """What all three read."""
        return agree(host or self.gateway.host, interface or self.gateway.interface)

    def assert_device_is_right(self):
        """All readers agree, and what they read is what the gateway wants: its active peers, each with its addresses."""
        wanted = {peer["public_key"]: sorted(peer["allowed_ips"]) for peer in self.admin.peers() if peer["state"] == "active"}

        def attempt():
            read = {key: peer["allowed_ips"] for key, peer in self.readers_agree().items() if key}
            return read == wanted

        until(attempt, 30, "the device to have what is wanted and nothing else", every=0.3)
