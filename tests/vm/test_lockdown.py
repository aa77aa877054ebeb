"""A kernel in lockdown lets nobody look into it. In a machine of its own: lockdown ends with the next boot."""

import pathlib
import unittest

from test_events import FIRST_MOUNTS, EventsCase  # brings the path that follows

from lab.shell import run

LOCKDOWN = pathlib.Path("/sys/kernel/security/lockdown")


class Lockdown(EventsCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = FIRST_MOUNTS  # where that file is seen
        if not LOCKDOWN.exists():
            run("mount", "-t", "securityfs", "security", "/sys/kernel/security")
        LOCKDOWN.write_text("confidentiality\n")

    def test_said_and_works_as_before(self):
        self.assert_refused("locked down")
        self.assert_device_is_right()


if __name__ == "__main__":
    unittest.main()
