"""Long answers of the kernel: peers that do not fit a message, and dumps under which the device changes."""

import base64
import json
import pathlib
import re
import subprocess
import time
import unittest

from kernel_case import KernelCase
from lab.waiting import until
from lab.wireguard import new_private_key, public_key_of


def addresses(count, first=0):
    return [f"10.{100 + (first + n) // 65536}.{(first + n) // 256 % 256}.{(first + n) % 256}/32" for n in range(count)]


class LongLists(KernelCase):
    """The three cases of WireGuard's own selftests, and what the gateway makes of them when somebody puts them on its device."""

    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.session = cls.connected(cls.ayesha)["session"]

    def set_from_file(self, interface, lists):
        """{public key: addresses} by `wg addconf`: a command line has no room for so many."""
        text = "".join(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {', '.join(ips)}\n" for key, ips in lists.items())
        self.gateway.host.run("wg", "addconf", interface, "/dev/stdin", text_in=text)

    def check_split(self, lists):
        name = "wgsplit"
        self.gateway.host.ip("link", "add", name, "type", "wireguard")
        try:
            self.set_from_file(name, lists)
            read = self.readers_agree(interface=name)
            self.assertEqual({key: peer["allowed_ips"] for key, peer in read.items() if key}, {k: sorted(v) for k, v in lists.items()})
        finally:
            self.gateway.host.ip("link", "delete", name)

    def test_1_one_peer_with_65280(self):
        self.check_split({public_key_of(new_private_key()): addresses(65280)})

    def test_2_forty_peers_with_52(self):
        self.check_split({public_key_of(new_private_key()): addresses(52, 52 * n) for n in range(40)})

    def test_3_one_peer_with_197(self):
        self.check_split({public_key_of(new_private_key()): addresses(197)})

    def test_4_peers_of_ours_with_many(self):
        for n in range(40):
            self.admin.add_peer(owner={"name": f"Site {n}"}, device="router", make_key=True, allowed_ips=addresses(52, 52 * n))
        self.assert_device_is_right()

    def test_5_somebody_gives_our_peer_65280(self):
        """It is put right, and the record of it fits the log."""
        first = self.next_index()
        self.set_from_file(self.gateway.interface, {self.ayesha.key: self.ayesha.peer["allowed_ips"] + addresses(65280, 65536)})
        found = until(lambda: self.drift_since(first, "allowed_ips"), 60, "the drift in the log")
        self.assertEqual([leaf["sanad"]["peer"] for leaf in found], [self.ayesha.id])
        self.assert_device_is_right()
        self.assertEqual(self.connected(self.ayesha)["session"], self.session)

    def test_6_a_stranger_with_65280(self):
        first = self.next_index()
        self.set_from_file(self.gateway.interface, {public_key_of(new_private_key()): addresses(65280, 65536)})
        until(lambda: self.drift_since(first, "peer_unknown"), 60, "the drift in the log")
        self.assert_device_is_right()
        self.assertEqual(self.connected(self.ayesha)["session"], self.session)

    def test_7_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha])


class UnderChange(KernelCase):
    """Somebody else changes a device of many messages while it is read, again and again."""

    PEERS = 2000

    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.session = cls.connected(cls.ayesha)["session"]
        cls.idle = [public_key_of(new_private_key()) for _ in range(40)]
        lines = [f'{{"owner": {{"name": "Site {n}"}}, "device": "box", "public_key": "{key}"}}\n' for n, key in enumerate(cls.idle)]
        # Any 32 bytes are a public key; no private key is needed to be read.
        lines += [
            f'{{"owner": {{"name": "Site {n}"}}, "device": "router", "public_key": "{numbered_key(n)}"}}\n' for n in range(cls.PEERS)
        ]
        answer = cls.admin.ask(
            "POST", "/v1/peers/import", "".join(lines).encode(), {"Content-Type": "application/x-ndjson"}, timeout=300
        )
        assert answer.status == 200, answer
        until(lambda: len(cls.gateway.dump()) == cls.PEERS + 41, 60, "all imported peers on the device")

    def test_1_fifty_changes_a_second(self):
        """For a minute: the address of one peer taken and given back, and a stranger that comes and goes."""
        stranger = public_key_of(new_private_key())
        self.churn([{"public_key": stranger, "allowed_ips": ["10.66.200.1/32"]}, {"public_key": stranger, "remove": True}], 60)
        until(lambda: stranger not in self.gateway.dump(), 20, "the stranger to be removed")
        self.assert_device_is_right()
        self.assertEqual(self.gateway.session_events(2), [], "nothing was closed")
        self.assertEqual(self.connected(self.ayesha)["session"], self.session)

    def test_2_cursor_peers_removed(self):
        """Peers go while the dump stands on them: the kernel ends such a dump early, and says that all went well."""
        first = self.next_index()
        self.churn([{"public_key": key, "remove": True} for key in self.idle], 15)
        self.assert_device_is_right()
        self.assertEqual(self.gateway.session_events(2), [], "nothing was closed")
        self.assertEqual(self.connected(self.ayesha)["session"], self.session)
        ours = {peer["id"] for peer in self.admin.peers() if peer["public_key"] in self.idle}
        missing = {leaf["sanad"].get("peer") for leaf in self.drift_since(first, "peer_missing")}
        self.assertLessEqual(missing, ours, "only peers that really were removed were missed")

    def test_3_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha])

    def churn(self, changes, seconds):
        """Polls go on all the while, and each ends."""
        before, interrupted = self.gateway.polls(), self.interruptions()
        program = pathlib.Path(__file__).with_name("churn.py")
        process = self.gateway.host.start(
            "python3", "-B", program, self.gateway.interface, 50, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            process.stdin.write(json.dumps(changes))
            process.stdin.close()
            self.assertEqual(process.stdout.readline(), "ready\n")
            end, polls = time.monotonic() + seconds, before
            while time.monotonic() < end:
                until(lambda: self.gateway.polls() > polls, 30, "one more poll under change")
                polls = self.gateway.polls()
        finally:
            process.terminate()
            made = int(process.stdout.read() or 0)
            process.stdout.close()
            process.wait()
        interrupted = self.interruptions() - interrupted
        print(f"{made} foreign changes in {seconds} s, {polls - before} polls, {interrupted} interrupted dumps", flush=True)
        # Fifty where the machine is not emulated by a processor that others use too.
        self.assertGreater(made, 5 * seconds)
        self.assertGreater(interrupted, 0, "no dump was interrupted: nothing was tried")

    def interruptions(self):
        return int(re.search(r"(?m)^sanad_snapshot_interruptions_total\{[^}]*\} (\d+)", self.gateway.metrics()).group(1))


def numbered_key(number):
    return base64.b64encode(number.to_bytes(4, "little") + b"\1" * 26 + b"\7\0").decode()


if __name__ == "__main__":
    unittest.main()
