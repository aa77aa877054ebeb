"""What the gateway says when the kernel will not do what it needs: one clear line, what to do, and up again once that is done.
Runs alone and first: it keeps the kernel from loading the module."""

import pathlib
import unittest

from kernel_case import LabCase, until
from lab.shell import run

MODPROBE = pathlib.Path("/proc/sys/kernel/modprobe")
LOADED = pathlib.Path("/sys/module/wireguard")


class RefusalCase(LabCase):
    @classmethod
    def configure(cls):
        cls.gateway.change_config(r"backend: auto", "backend: kernel")

    def says(self, *words):
        """In the status and in the log; exactly one line of the log is about it."""
        status = until(lambda: (i := self.admin.interface())["state"] == "backend_down" and i, 20, "the interface to be down")
        for word in words:
            self.assertIn(word, self.gateway.log.read_text())
        lines = [line for line in self.gateway.log.read_text().splitlines() if " error " in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(words[0], status["problem"])
        return lines[0]

    def comes_up(self):
        until(lambda: self.admin.interface()["state"] == "up", 60, "the interface to come up by itself", every=0.3)


class NoWireguard(RefusalCase):
    @classmethod
    def configure(cls):
        super().configure()
        # The namespaces of the labs before, and the interfaces in them, are taken down behind their back.
        until(lambda: not LOADED.exists() or run("modprobe", "-r", "wireguard", check=False).returncode == 0, 30, "the module to be unused")
        cls.loader = MODPROBE.read_text()
        MODPROBE.write_text("/bin/false\n")

    @classmethod
    def tearDownClass(cls):
        MODPROBE.write_text(cls.loader)
        super().tearDownClass()

    def test_said_and_mended(self):
        print(self.says("this kernel has no WireGuard", "modprobe wireguard"), flush=True)
        self.gateway.host.run("modprobe", "wireguard")
        self.comes_up()


class NameTaken(RefusalCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.host.ip("link", "add", cls.gateway.interface, "type", "dummy")

    def test_said_and_mended(self):
        print(self.says("is taken by an interface of another kind", "rename it, or choose another"), flush=True)
        kind = self.gateway.host.ip("-d", "link", "show", "dev", self.gateway.interface).stdout
        self.assertIn("dummy", kind, "somebody else's interface is left alone")
        self.gateway.host.ip("link", "delete", self.gateway.interface)
        self.comes_up()


class NoPermission(RefusalCase):
    @classmethod
    def configure(cls):
        super().configure()
        cls.gateway.started_by = ["setpriv", "--bounding-set", "-net_admin"]

    def test_said(self):
        print(self.says("CAP_NET_ADMIN"), flush=True)


if __name__ == "__main__":
    unittest.main()
