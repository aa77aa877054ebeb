"""A kernel in lockdown lets nobody look into it. In a machine of its own: lockdown ends with the next boot."""

import pathlib
import unittest

from lab.shell import run
from test_events import FIRST_MOUNTS, EventsCase

LOCKDOWN = pathlib.Path("/sys/kernel/security/lockdown")


class Lockdown(EventsCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = FIRST_MOUNTS  # where that file is seen
        if not LOCKDOWN.exists():
            run("mount", "-t", "securityfs", "security", "/sys/kernel/security")
        LOCKDOWN.write_text("confidentiality\n")

    def test_1_said(self):
        state = self.state()
        self.assertEqual(state["state"], "refused")
        self.assertIn("lockdown", state["problem"])
        said = self.doctor()
        print(f"{said['detail']} -> {said['mend']}", flush=True)
        self.assertEqual(said["verdict"], "warn")

    def test_2_works_as_before(self):
        self.assertTrue(self.seen_after(1))
        self.assertEqual(self.looks(), 0)
        self.assert_device_is_right()


if __name__ == "__main__":
    unittest.main()
