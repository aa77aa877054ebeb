"""A new WireGuard key for the gateway, with kill -9 between what must be durable together; and the interfaces whose key the
registration does not name. (The way through it without accidents: test_registration.)"""

import pathlib
import re
import subprocess
import unittest

from harness import LabCase
from lab.waiting import until
from lab.wireguard import new_private_key, public_key_of
from second_interface import add_second_interface

INSIDE = "10.66.0.1"


class Rotation(LabCase):
    @classmethod
    def configure(cls):
        cls.company = cls.lab.directory / "company"
        cls.gateway.sanad("registrar", "init", "--dir", cls.company, "--name", "Example Root", "--country", "PK")
        cls.gateway.add_to_config(
            f"registration:\n  anchors:\n    - {{file: {cls.company}/ca.pem, level: company, name: Example Root}}\n"
        )
        cls.second = add_second_interface(cls.gateway, pool="10.67.0.0/24")

    @classmethod
    def prepare(cls):
        cls.sanad = cls.gateway.sanad
        cls.install_first_certificate()
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7")

    @classmethod
    def install_first_certificate(cls):
        request = cls.lab.directory / "first.csr"
        cls.sanad("registration", "renew", "--config", cls.gateway.config, "--out", request)
        cls.sanad("registration", "install", cls.issue(request))

    @classmethod
    def issue(cls, request):
        out = request.with_suffix(".pem")
        cls.sanad("registrar", "issue", "--dir", cls.company, request, "--out", out)
        return out

    def next_certificate(self, name):
        request = self.lab.directory / f"{name}.csr"
        self.sanad("interface", "rotate-key", self.gateway.interface, "--config", self.gateway.config, "--request", request)
        return self.issue(request)

    def device_key(self, interface=None):
        return self.gateway.host.run("wg", "show", interface or self.gateway.interface, "public-key").stdout.strip()

    def key_file(self, interface=None):
        return self.gateway.state / "keys" / f"{interface or self.gateway.interface}.key"

    def killed_at(self, path):
        """kill -9 when sanadd is about to rename the file of this path."""
        said = self.lab.directory / "strace"
        tracer = self.gateway.host.start(
            "strace", "-f", "-o", said, "-p", self.gateway.process.pid, "-P", path, "-e", "trace=rename,renameat,renameat2",
            "-e", "inject=rename,renameat,renameat2:signal=KILL", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        status = pathlib.Path(f"/proc/{self.gateway.process.pid}/status")
        until(lambda: not re.search(r"(?m)^TracerPid:\s*0$", status.read_text()), 20, "strace to hold sanadd")
        return tracer

    def rotate_and_die(self, certificate, path):
        self.before = self.gateway.leaves()[-1]["index"] + 1
        tracer = self.killed_at(path)
        # Its answer may come before the kill.
        self.sanad("interface", "rotate-key", self.gateway.interface, "--certificate", certificate, check=False)
        self.assertEqual(self.gateway.process.wait(30), -9)
        self.gateway.process = None
        tracer.wait(20)

    def in_force(self):
        standing = self.admin.want("GET", "/v1/registration")["standing"]
        return standing["standing"] in ("in_force", "expiring") and standing

    def heals(self, certificate, old_key):
        """What a start must find, whichever of the files was not written yet."""
        self.gateway.start()
        self.assertTrue(until(self.in_force, 20, "the registration to fit its key"))
        kept = public_key_of(self.key_file().read_text().strip())
        self.assertNotEqual(kept, old_key)
        until(lambda: self.device_key() == kept, 20, "the device to have the key of the file")
        self.assertFalse(self.key_file().with_suffix(".key.next").exists())
        written = self.gateway.state / "registration" / "certificate.pem"
        until(lambda: written.read_text() == certificate.read_text(), 20, "the certificate's file")
        self.assertEqual(self.gateway.own_events("drift", self.before), [], "our own change is nobody's drift")
        # The same command, by an admin who never saw an answer.
        again = self.sanad("interface", "rotate-key", self.gateway.interface, "--certificate", certificate).stdout
        self.assertIn("the new key is in use", again)
        self.assertEqual(len(self.gateway.entity_events("rotate-key", first=self.before)), 1, "nothing changed by it")
        # What is handed out now is genuine.
        profile = self.lab.directory / "after.conf"
        profile.write_text(self.admin.want("GET", f"/v1/peers/{self.ayesha.id}/profile")["profile"])
        self.sanad("profile", "verify", profile, "--trust", self.company / "ca.pem")
        new_key = re.search(r"(?m)^PublicKey = (\S+)", profile.read_text()).group(1)
        self.assertEqual(new_key, kept)
        text = self.ayesha.profile.with_line("PublicKey", new_key).stripped
        self.ayesha.client.host.run("wg", "setconf", self.ayesha.client.interface, "/dev/stdin", text_in=text)
        self.ayesha.client.ping(INSIDE, 60)

    def test_1_killed_before_the_key_is_in_its_place(self):
        old = self.device_key()
        certificate = self.next_certificate("one")
        following = self.key_file().with_suffix(".key.next")
        self.rotate_and_die(certificate, following)
        self.assertTrue(following.exists(), "killed too late")
        self.assertEqual(public_key_of(self.key_file().read_text().strip()), old)
        self.heals(certificate, old)

    def test_2_killed_before_the_certificate_is_in_its_place(self):
        old = self.device_key()
        certificate = self.next_certificate("two")
        written = self.gateway.state / "registration" / "certificate.pem"
        before = written.read_text()
        self.rotate_and_die(certificate, f"{written}.tmp.{self.gateway.process.pid}")
        self.assertEqual(written.read_text(), before, "killed too late")
        self.assertNotEqual(public_key_of(self.key_file().read_text().strip()), old)
        self.heals(certificate, old)

    def test_3_a_key_that_nobody_registered_changes_alone(self):
        old = self.device_key(self.second)
        private = new_private_key()
        peer = self.admin.add_peer(owner={"name": "Bilal Ahmed"}, device="laptop", public_key=public_key_of(private),
                                   interface=self.second)["peer"]
        first = self.sanad("interface", "rotate-key", self.second, "--config", self.gateway.config).stdout
        self.assertIn("nobody has to confirm", first)
        self.assertEqual(self.device_key(self.second), old, "made, not yet in use")
        certified = self.lab.directory / "two.pem"
        refused = self.sanad("interface", "rotate-key", self.second, "--certificate", certified, check=False)
        self.assertIn(f"the registration names the key of {self.gateway.interface}, not of {self.second}", refused.stderr)
        refused = self.sanad("interface", "rotate-key", self.gateway.interface, "--now", check=False)
        self.assertIn("needs its certificate", refused.stderr)

        said = self.sanad("interface", "rotate-key", self.second, "--now").stdout
        self.assertIn("bilal-ahmed/laptop", said)
        new = until(lambda: (lambda k: k if k != old else None)(self.device_key(self.second)), 20, "the new key on the device")
        self.assertIn(f"PublicKey = {new} by hand", said)
        self.assertTrue(self.in_force(), "the registration is of the other key")
        leaf = self.gateway.entity_events("rotate-key")[-1]
        self.assertEqual((leaf["entity"]["uid"], leaf["sanad"].get("certificate_sha256")), (self.second, None))
        self.gateway.kill()
        self.gateway.start()
        self.assertEqual(public_key_of(self.key_file(self.second).read_text().strip()), new)
        self.assertEqual(self.device_key(self.second), new)
        self.admin.want("DELETE", f"/v1/peers/{peer['id']}")

    def test_4_no_profile_that_a_check_would_refuse(self):
        name = ("peer", "add", "Chanda Bibi", "--device", "phone", "--interface", self.second)
        conf = self.lab.directory / "chanda.conf"
        made_here = self.sanad(*name, "--profile", conf, check=False)
        self.assertEqual(made_here.returncode, 1, made_here.stderr)
        self.assertIn("names the key of", made_here.stderr)
        self.assertIn("--public-key KEY", made_here.stderr)
        self.assertFalse(conf.exists())
        self.assertEqual(self.sanad("peer", "list", "chanda").stdout.count("chanda-bibi"), 0, "no peer without its key")

        own = self.sanad(*name, "--public-key", public_key_of(new_private_key()), "--profile", conf, check=False)
        self.assertEqual(own.returncode, 1)
        self.assertIn("the peer is added, but there is no profile for it", own.stderr)
        self.assertIn(f"PublicKey = {self.device_key(self.second)}, Endpoint = 203.0.113.10:51830", own.stderr)
        self.assertFalse(conf.exists())
        profile = self.sanad("peer", "profile", "chanda-bibi/phone", check=False)
        self.assertNotEqual(profile.returncode, 0)
        self.assertIn("a profile for it would pass for nobody's", profile.stderr)

    def test_5_a_key_that_the_service_manager_gives(self):
        self.gateway.stop()
        credentials = self.lab.directory / "credentials"
        credentials.mkdir(mode=0o700)
        (credentials / "wgkey").write_text(self.key_file().read_text())
        (credentials / "wgkey").chmod(0o400)
        self.gateway.change_config(rf"(name: {self.gateway.interface}\n)", r"\1    private_key_file: credential:wgkey\n")
        self.gateway.started_by = ["env", f"CREDENTIALS_DIRECTORY={credentials}"]
        self.gateway.start()
        refused = self.sanad("interface", "rotate-key", self.gateway.interface, "--config", self.gateway.config, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("comes from the service manager's credentials (credential:wgkey)", refused.stderr)
        self.assertIn("LoadCredential=", refused.stderr)
        self.assertFalse((credentials / "wgkey.next").exists())


if __name__ == "__main__":
    unittest.main()
