"""Sessions seen as they begin, because the kernel tells of handshakes; and the same without, where it may not."""

import json
import pathlib
import re
import unittest

from kernel_case import INSIDE, KernelCase
from lab.shell import run
from lab.waiting import until

# `ip netns exec` mounts a /sys of its own; where the program is left is seen in the first process's.
FIRST_MOUNTS = ["nsenter", "--mount=/proc/1/ns/mnt"]
BARELY = [*FIRST_MOUNTS, "setpriv", "--bounding-set", "-sys_admin,-bpf,-perfmon"]  # what the systemd unit leaves
PARANOID = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
POLL_S = 6


class EventsCase(KernelCase):
    @classmethod
    def configure(cls):
        super().configure()
        # A hundred times what is asked for: nobody could take a poll for it.
        cls.gateway.change_config(r"poll_interval: 1s", f"poll_interval: {POLL_S}s")
        cls.gateway.change_config(r"checkpoint: 10s", "checkpoint: 30s")

    def state(self):
        return until(lambda: (s := self.admin.status()["session_events"])["state"] != "userspace" and s, 20, "the kernel's answer")

    def doctor(self):
        checks = json.loads(self.gateway.sanad("doctor", "--json", "--config", self.gateway.config, check=False).stdout)
        return next(check for check in checks if check["check"] == "session starts")

    def seen_after(self, number):
        """Somebody new connects: how long after the handshake the device was read that showed it, in ms; and the person."""
        person = self.lab.add_person(f"Person {number}", f"198.51.100.{20 + number}")
        person.client.ping(INSIDE, 30)
        until(lambda: self.admin.peer(person.id)["connected"], POLL_S + 10, "the session", every=0.01)
        opened = next(leaf for leaf in self.gateway.session_events(1) if leaf["sanad"]["peer"] == person.id)
        return opened["sanad"]["bounds"]["not_after"] - opened["time"], person

    def looks(self):
        return int(re.search(r"(?m)^sanad_session_looks_total\{[^}]*\} (\d+)", self.gateway.metrics()).group(1))

    def assert_refused(self, why):
        """Said by the status and by doctor, and everything works as before."""
        state = self.state()
        self.assertEqual(state["state"], "refused")
        self.assertIn(why, state["problem"])
        said = self.doctor()
        print(f"{said['detail']} -> {said['mend']}", flush=True)
        self.assertEqual(said["verdict"], "warn")
        self.assertIn(state["problem"], said["detail"])
        seen, person = self.seen_after(1)
        self.assertLess(seen, (POLL_S + 5) * 1000)
        self.assertTrue(self.admin.peer(person.id)["connected"])
        self.assertEqual(self.looks(), 0)

    def assert_seen_at_once(self, times):
        print(f"seen {', '.join(f'{ms:.0f}' for ms in times)} ms after the handshake", flush=True)
        self.assertLessEqual(sorted(times)[len(times) // 2], 50)


class Followed(EventsCase):
    def test_1_told(self):
        self.assertEqual(self.state(), {"state": "followed", "hook": "fexit", "problem": None, "hint": None})
        self.assertEqual(self.doctor()["verdict"], "ok")

    def test_2_seen_at_once(self):
        polls = self.gateway.polls()
        seen = [self.seen_after(number) for number in range(5)]
        self.assert_seen_at_once([ms for ms, _ in seen])
        self.assertGreater(self.looks(), 0)
        self.assert_device_is_right()
        print(f"{self.looks()} looks, {self.gateway.polls() - polls} polls", flush=True)

    def test_3_every_byte_is_in_a_session(self):
        def told():
            return sorted((s["peer"]["id"], s["rx_bytes"], s["tx_bytes"]) for s in self.admin.sessions())

        def counted():
            return sorted((peer["id"], (d := self.gateway.dump()[peer["public_key"]]).rx, d.tx) for peer in self.admin.peers())

        until(lambda: told() == counted(), 3 * POLL_S, "one session each, with all that the kernel counted")

    def test_4_log_is_whole(self):
        self.assertEqual(self.gateway.session_events(99), [], "nobody failed to connect")
        self.assert_log_is_whole_and_impersonal([])


class LeftByTheUnit(EventsCase):
    """As systemd starts it: the program is put into the kernel by a process with all rights, the daemon has none of them."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = BARELY
        run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
        cls.gateway.host.run(*FIRST_MOUNTS, cls.gateway.binaries / "sanadd", "--attach-hints", "--config", cls.gateway.config)

    def test_1_taken_up(self):
        self.assertEqual(self.state()["state"], "followed")
        self.assert_seen_at_once([self.seen_after(number)[0] for number in range(3)])

    def test_2_goes_on_after_a_restart(self):
        self.gateway.kill()
        self.gateway.start()
        self.assertEqual(self.state()["state"], "followed")
        self.assert_seen_at_once([self.seen_after(number)[0] for number in range(3, 6)])

    def test_3_taken_away(self):
        self.gateway.host.run(*FIRST_MOUNTS, self.gateway.binaries / "sanadd", "--detach-hints")
        self.assertEqual(list(pathlib.Path("/sys/fs/bpf").iterdir()), [])


class WithoutRights(EventsCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = BARELY

    def test_said_and_works_as_before(self):
        self.assert_refused("rights")


class WithoutTypes(EventsCase):
    """A kernel built without type information."""

    @classmethod
    def configure(cls):
        super().configure()
        hidden = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
        cls.gateway.started_by = [*FIRST_MOUNTS, "unshare", "--mount", "sh", "-c", hidden, "sh"]

    def test_said_and_works_as_before(self):
        self.assert_refused("no type information")


class ByKprobe(EventsCase):
    """The rights that a kernel asks for which lets their holders use perf events."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = ["setpriv", "--bounding-set", "-sys_admin"]
        cls.before = PARANOID.read_text()
        PARANOID.write_text("2")

    @classmethod
    def tearDownClass(cls):
        PARANOID.write_text(cls.before)
        super().tearDownClass()

    def test_seen_at_once(self):
        self.assertEqual((self.state()["state"], self.state()["hook"]), ("followed", "kprobe"))
        self.assert_seen_at_once([self.seen_after(number)[0] for number in range(3)])


if __name__ == "__main__":
    unittest.main()
