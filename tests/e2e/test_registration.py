"""A registration's life with real parts: confirmed by registrars, expiring, in grace, expired, renewed, revoked over HTTP, restored;
and a rogue gateway that passes for none of it. The clock of sanadd and of the registrars is moved with libfaketime; the tunnel's own
clock is not, so everything that looks at sessions happens in the present."""

import datetime
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import unittest

from faketime import clock_moved_by
from harness import CONFIG, LabCase
from lab.gateway import Gateway
from lab.waiting import until
from lab.wireguard import Profile
from sse import Stream

INSIDE = "10.66.0.1"
WEB = "203.0.113.80"

REGISTRATION = """
registration:
  anchors:
    - {{file: {company}/ca.pem, level: company, name: Example Root}}
    - {{file: {association}/ca.pem, level: association, name: Example Association}}
  crl_urls: ["http://{web}/crl.pem"]
  crl_interval: 10s
"""

ANSWERS = """\
category: company
legal_name: Example Software (Pvt) Ltd
organization_identifier: NTRPK-0123456
country: PK
authority: PTA
regime: pta-self-registration
purpose: Secure access of staff to the company's network
service_provider: Example Internet
subscriber_id: "EI-20417"
addresses: [203.0.113.10]
representative: {name: Ayesha Khan, identity_number: 42101-0000000-0}
documents: {cnic_front: front.jpg, cnic_back: back.jpg, incorporation: letter.pdf}
"""

NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  server {{ listen {web}:80; root {root}; }}
}}
"""


def date(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).date().isoformat()


class Life(LabCase):
    @classmethod
    def configure(cls):
        cls.days = -400
        cls.company = cls.lab.directory / "company"
        cls.association = cls.lab.directory / "association"
        for place, name in ((cls.company, "Example Root"), (cls.association, "Example Association")):
            cls.sanad("registrar", "init", "--dir", place, "--name", name, "--country", "PK")
        cls.sanad("registrar", "publish", "--dir", cls.association)
        cls.gateway.add_to_config(REGISTRATION.format(company=cls.company, association=cls.association, web=WEB))
        papers = cls.lab.directory / "papers"
        papers.mkdir()
        for name in ("front.jpg", "back.jpg", "letter.pdf"):
            (papers / name).write_text(f"scan of {name}")
        (papers / "answers.yaml").write_text(ANSWERS)
        passphrase = papers / "pass"
        passphrase.write_text("a long passphrase\n")
        passphrase.chmod(0o600)
        cls.web = cls.lab.internet.add_host("web", WEB)
        cls.start_web()
        cls.gateway.launch = cls.launch

    @classmethod
    def launch(cls):
        with cls.gateway.log.open("ab") as log:
            cls.gateway.process = cls.gateway.host.start(
                cls.gateway.binaries / "sanadd", "--config", cls.gateway.config, stdout=log, stderr=log, env=dict(os.environ, **clock_moved_by(cls.days))
            )

    @classmethod
    def start_web(cls):
        directory = cls.lab.directory / "web"
        directory.mkdir(exist_ok=True)
        config = directory / "nginx.conf"
        # Its worker is another user.
        for place in (cls.association, cls.association / "public"):
            place.chmod(0o755)
        config.write_text(NGINX.format(directory=directory, web=WEB, root=cls.association / "public"))
        cls.server = cls.web.start("nginx", "-c", config, "-p", directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: cls.web.run("curl", "-sf", f"http://{WEB}/crl.pem", check=False).returncode == 0, 20, "nginx to answer")

    @classmethod
    def stop_web(cls):
        cls.server.terminate()
        cls.server.wait(20)

    @classmethod
    def sanad(cls, *arguments, check=True, **options):
        environment = dict(os.environ, SANAD_SOCKET=cls.admin.path, NO_COLOR="1", **clock_moved_by(cls.days))
        return cls.gateway.host.run(cls.gateway.binaries / "sanad", *arguments, check=check, env=environment, **options)

    def move_clock(self, days):
        self.gateway.stop()
        type(self).days = days
        self.gateway.start()

    def registration(self):
        return self.admin.want("GET", "/v1/registration")["standing"]

    def wait_for(self, kind, seconds=30):
        return until(lambda: (lambda s: s if s["standing"] == kind else None)(self.registration()), seconds, f"the standing {kind}")

    def told_everywhere(self, kind, words):
        """A standing is a leaf, an event, a metric and a line of the status."""
        self.assertEqual(self.gateway.own_events("standing_changed")[-1]["sanad"]["to"], kind)
        stream = Stream(self.admin.path, "?from=0")
        try:
            told = f'"to":"{kind}"'
            until(lambda: any("standing_changed" in e["data"] and told in e["data"] for e in stream.events), 20, "the event")
        finally:
            stream.close()
        metrics = re.findall(r'(?m)^sanad_registration_standing\{standing="(\w+)"\} 1$', self.gateway.metrics())
        self.assertEqual(metrics, [kind])
        self.assertIn(words, self.sanad("status").stdout)
        self.assertIn(words, self.sanad("registration", "show").stdout)

    def pings(self, person):
        return person.client.host.run("ping", "-n", "-c", "1", "-W", "1", INSIDE, check=False).returncode == 0

    def refuses_new(self, name):
        answer = self.admin.ask("POST", "/v1/peers", {"owner": {"name": name}, "device": "laptop", "make_key": True})
        return answer.status == 403

    def issue(self, registrar, request, name, *options):
        out = self.lab.directory / name
        self.sanad("registrar", "issue", "--dir", registrar, request, "--out", out, *options)
        return out

    def apply(self, answers, out):
        papers = self.lab.directory / "papers"
        return self.sanad(
            "registration", "request", "--config", self.gateway.config, "--answers", papers / answers,
            "--passphrase-file", papers / "pass", "--out", self.lab.directory / out,
        ).stdout

    def test_life(self):
        # ---- nobody has confirmed anything: `init` made a certificate that begins in the present ----
        self.assertEqual(self.registration()["standing"], "unregistered")
        self.assertTrue(self.refuses_new("Early Bird"))

        # ---- applied for, with papers ----
        papers = self.lab.directory / "papers"
        (papers / "other.yaml").write_text(ANSWERS.replace("Secure access of staff", "Telephony for everybody"))
        self.apply("other.yaml", "other")
        self.assertIn("recorded, hashes only", self.apply("answers.yaml", "application"))
        leaf = self.gateway.entity_events("request")[-1]
        self.assertEqual(len(leaf["sanad"]["documents"]), 3)
        self.assertNotIn("42101", json.dumps(leaf))
        self.assertNotIn("42101", (self.lab.directory / "application" / "request.csr").read_text())
        request = self.lab.directory / "application" / "request.csr"

        self.the_dossier_opens("answers.yaml")

        # ---- confirmed within the company, then by the association ----
        inspected = self.sanad("registrar", "inspect", "--dir", self.company, request).stdout
        self.assertIn("nobody has confirmed", inspected)
        other = self.issue(self.company, self.lab.directory / "other" / "request.csr", "other.pem")
        refused = self.sanad("registration", "install", other, check=False)
        self.assertEqual(refused.returncode, 21)
        self.assertIn("purpose is not what was asked for", refused.stderr)
        self.sanad("registration", "install", self.issue(self.company, request, "company.pem"))
        self.assertEqual(self.registration()["level"], "company")
        self.assertIn("not confirmed by anyone outside it", self.registration()["sentence"])
        certificate = self.issue(self.association, request, "member.pem", "--reference", "24-7781", "--valid-until", date(-35))
        self.sanad("registration", "install", certificate)
        standing = self.registration()
        self.assertEqual((standing["standing"], standing["level"]), ("in_force", "association"))
        self.assertIn("confirmed by Example Association", standing["sentence"])
        self.assertNotIn("regulator", standing["sentence"])

        # ---- serves ----
        ayesha = self.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        ayesha.client.ping(INSIDE)
        profile = self.lab.directory / "ayesha.conf"
        profile.write_text(ayesha.profile.text)
        genuine = self.sanad("profile", "verify", profile, "--trust", self.association / "ca.pem", "--level", "association")
        self.assertIn("registration confirmed by Example Association", genuine.stdout)
        self.assertIn("reference 24-7781", genuine.stdout)

        # ---- a warning, 30 days before ----
        self.move_clock(-63)
        standing = self.wait_for("expiring")
        self.assertEqual(self.registration()["action"], "serve")
        self.told_everywhere("expiring", "expiring")
        ayesha.client.ping(INSIDE)
        due = self.sanad("registrar", "list", "--dir", self.association, "--due", "30d").stdout
        self.assertIn("example-khi-1", due)

        # ---- a certificate for another port does not match this gateway ----
        claimed = (papers / "answers.yaml").read_text() + "listen_ports: [51821]\n"
        (papers / "port.yaml").write_text(claimed)
        faults = self.sanad(
            "registration", "request", "--config", self.gateway.config, "--answers", papers / "port.yaml",
            "--passphrase-file", papers / "pass", "--out", self.lab.directory / "port", check=False,
        )
        self.assertIn("this gateway listens on 51820, not on 51821", faults.stderr)
        self.assertFalse((self.lab.directory / "port").exists())

        # ---- past the end: no new peers, the old ones served; an announced grace lifts that; its end brings it back ----
        self.move_clock(-33)
        self.wait_for("expired")
        self.told_everywhere("expired", "expired: new and re-enabled peers are refused")
        self.assertTrue(self.refuses_new("Too Late"))
        ayesha.client.ping(INSIDE)
        self.sanad("registration", "grace", "--until", date(-20), "--announcement", "https://authority.example/notice-17")
        self.wait_for("grace")
        self.told_everywhere("grace", "grace")
        self.assertIn("https://authority.example/notice-17", self.sanad("registration", "show").stdout)
        bilal = self.lab.add_person("Bilal Ahmed", "198.51.100.8", connect=False)
        self.move_clock(-15)
        self.wait_for("expired")
        self.assertTrue(self.refuses_new("Much Too Late"))
        ayesha.client.ping(INSIDE)

        # ---- renewed, in the present ----
        self.move_clock(0)
        self.wait_for("expired")
        renewal = self.lab.directory / "renewal.csr"
        self.sanad("registration", "renew", "--config", self.gateway.config, "--out", renewal)
        self.sanad("registrar", "publish", "--dir", self.association)
        self.sanad("registration", "install", self.issue(self.association, renewal, "renewed.pem"))
        self.wait_for("in_force")
        ayesha.client.ping(INSIDE, 60)
        bilal.client.connect(bilal.profile)
        bilal.client.ping(INSIDE)
        session = until(lambda: self.open_session(bilal), 20, "Bilal's session")

        # ---- the list's server is gone: a finding, no more ----
        self.stop_web()
        until(lambda: any(f["code"] == "revocation_unavailable" for f in self.registration()["findings"]), 40, "the finding")
        self.assertEqual(self.registration()["standing"], "in_force")
        self.assertTrue(self.pings(bilal))
        known = self.admin.want("GET", "/v1/registration")
        self.assertEqual(known["standing"]["revocation"]["status"], "good")
        [fetched] = known["revocation_lists"]
        self.assertEqual(fetched["source"], f"http://{WEB}/crl.pem")
        self.assertLess(fetched["read_at"], fetched["failing_since"])
        self.assertEqual(known["standing"]["revocation"]["checked_at"], fetched["read_at"])
        shown = self.sanad("registration", "show").stdout
        self.assertRegex(shown, r"(?m)^revocation +not revoked, last checked ")
        self.assertRegex(shown, rf"(?m)^list +http://{WEB}/crl.pem  read .*; failing since .*: \S")
        self.start_web()
        fetched_again = lambda: all(f["code"] != "revocation_unavailable" for f in self.registration()["findings"])  # noqa: E731
        until(fetched_again, 80, "the list to be fetched again")

        # What must come back exactly: the peers as the device has them.
        served = self.served()
        self.assertIn(bilal.key, served)

        # ---- revoked, over HTTP ----
        self.sanad("registrar", "revoke", "--dir", self.association, "example-khi-1", "--reason", "keyCompromise")
        self.sanad("registrar", "publish", "--dir", self.association)
        standing = self.wait_for("revoked", 90)
        self.assertEqual(standing["action"], "suspend")
        self.told_everywhere("revoked", "revoked: peers are suspended")
        until(lambda: self.served() == {}, 20, "the peers to leave the device")
        until(lambda: not self.pings(bilal), 20, "the ping to stop")
        ended = until(lambda: (lambda s: s if s["reason"] else None)(self.admin.session(session["id"])), 20, "the session's end")
        self.assertEqual(ended["reason"], "suspended")
        listed = self.sanad("profile", "verify", profile, "--trust", self.association / "ca.pem", "--crl", self.association / "public" / "crl.pem", check=False)
        self.assertNotEqual(listed.returncode, 0)

        # ---- and a restart while the server is away forgets none of it ----
        self.stop_web()
        self.move_clock(0)
        self.wait_for("revoked")
        self.assertFalse(self.pings(bilal))
        self.start_web()

        # ---- a new certificate restores what was, as it was ----
        self.sanad("registration", "install", self.issue(self.association, renewal, "again.pem"))
        self.wait_for("in_force")
        bilal.client.ping(INSIDE, 60)
        self.assertEqual(self.served(), served)
        self.told_everywhere("in_force", "confirmed by Example Association")
        history = self.sanad("registration", "history").stdout.splitlines()
        installed = self.admin.want("GET", "/v1/registration")["history"]
        self.assertEqual(len(history), len(installed))
        self.assertIn("on, in force", history[-1])
        for line, entry, following in zip(history, installed, installed[1:]):
            self.assertIn(f"records #{entry['from_index']} to #{following['from_index'] - 1}  {entry['fingerprint']}", line)
        changes = [leaf["sanad"]["to"] for leaf in self.gateway.own_events("standing_changed")]
        for kind in ("in_force", "expiring", "expired", "grace", "revoked"):
            self.assertIn(kind, changes)
        self.assertEqual(changes[-1], "in_force")
        self.sanad("log", "verify", self.association / "log")

        self.the_key_is_changed(bilal, renewal)

    def the_dossier_opens(self, answers):
        """For who has the passphrase, or is the recipient; and holds what was given."""
        papers = self.lab.directory / "papers"

        def openssl(*arguments):
            return subprocess.run(["openssl", *map(str, arguments)], cwd=papers, check=True, capture_output=True).stdout

        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "reader.key", "-subj", "/CN=Reader", "-out", "reader.pem")
        self.sanad("registration", "request", "--config", self.gateway.config, "--answers", papers / answers, "--recipient",
                   papers / "reader.pem", "--out", self.lab.directory / "to-reader")
        # What the others are held against is the application made first.
        self.apply(answers, "application")
        opened = ("cms", "-decrypt", "-inform", "DER", "-binary", "-in")
        for archive in (
            openssl(*opened, self.lab.directory / "application" / "dossier.cms", "-pwri_password", "a long passphrase"),
            openssl(*opened, self.lab.directory / "to-reader" / "dossier.cms", "-inkey", "reader.key"),
        ):
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                names = tar.getnames()
                self.assertEqual(names[:4], ["index.json", "request.csr", "summary.html", "answers.yaml"])
                index = json.load(tar.extractfile("index.json"))
                scans = {name: tar.extractfile(name).read() for name in names if name.startswith("documents/")}
            hashes = {document["sha256"] for document in index["documents"]}
            self.assertEqual({hashlib.sha256(scan).hexdigest() for scan in scans.values()}, hashes)
            self.assertEqual(len(hashes), 3)
        page = (self.lab.directory / "application" / "summary.html").read_text()
        self.assertLess(page.index("Service provider"), page.index("Subscriber ID"))
        self.assertIn("@page", page)

    def the_key_is_changed(self, bilal, renewal):
        old_key = self.dump_key()
        old_profile = self.lab.directory / "bilal-old.conf"
        old_profile.write_text(self.admin.want("GET", f"/v1/peers/{bilal.id}/profile")["profile"])
        trust = ("--trust", self.association / "ca.pem", "--level", "association")
        self.sanad("profile", "verify", old_profile, *trust)

        request = self.lab.directory / "next.csr"
        interface = self.gateway.interface
        self.sanad("interface", "rotate-key", interface, "--config", self.gateway.config, "--request", request)
        self.assertEqual(self.dump_key(), old_key, "the old key serves until the new one is certified")
        wrong = self.sanad("interface", "rotate-key", interface, "--certificate", self.lab.directory / "again.pem", check=False)
        self.assertIn("another WireGuard key", wrong.stderr)
        # Another key under the same gateway: the registrar sees a renewal.
        certificate = self.issue(self.association, request, "next.pem")
        said = self.sanad("interface", "rotate-key", interface, "--certificate", certificate).stdout
        self.assertIn("hold the old profile", said)
        self.assertIn("bilal-ahmed/laptop", said)
        until(lambda: self.dump_key() != old_key, 20, "the new key on the device")
        self.wait_for("in_force")

        profiles = self.lab.directory / "profiles"
        self.sanad("interface", "rotate-key", interface, "--profiles", profiles)
        renewed = profiles / "bilal-ahmed-laptop.conf"
        self.sanad("profile", "verify", renewed, *trust)
        before = int(re.search(r"sanad-sequence: (\d+)", old_profile.read_text()).group(1))
        after = int(re.search(r"sanad-sequence: (\d+)", renewed.read_text()).group(1))
        self.assertGreater(after, before)
        old = self.sanad("profile", "verify", old_profile, *trust, "--least-sequence", after, check=False)
        self.assertEqual(old.returncode, 22, old.stderr)

        # Bilal takes the new server key, and is seen to have it.
        new_key = re.search(r"(?m)^PublicKey = (\S+)", renewed.read_text()).group(1)
        bilal.client.host.run("wg", "setconf", bilal.client.interface, "/dev/stdin", text_in=bilal.profile.with_line("PublicKey", new_key).stripped)
        bilal.client.ping(INSIDE, 60)
        until(lambda: "bilal" not in self.sanad("interface", "key", interface).stdout, 30, "Bilal to be seen with the new key")
        self.assertEqual(self.gateway.own_events("drift"), [], "our own change is nobody's drift")
        # A restart finds the key where it belongs.
        self.move_clock(0)
        self.wait_for("in_force")
        bilal.client.ping(INSIDE, 60)

    def served(self):
        """What the device has of each peer, but for what traffic changes."""
        lines = self.gateway.host.run("wg", "show", self.gateway.interface, "dump").stdout.splitlines()[1:]
        return {key: (psk, allowed, keepalive) for key, psk, _, allowed, _, _, _, keepalive in (line.split("\t") for line in lines)}

    def dump_key(self):
        return self.gateway.host.run("wg", "show", self.gateway.interface, "public-key").stdout.strip()


class Rogue(LabCase):
    """The same company, name, address and gateway id, but its own keys."""

    @classmethod
    def configure(cls):
        cls.association = cls.lab.directory / "association"
        cls.gateway.sanad("registrar", "init", "--dir", cls.association, "--name", "Example Association", "--country", "PK")
        cls.gateway.add_to_config(
            f"registration:\n  anchors:\n    - {{file: {cls.association}/ca.pem, level: association, name: Example Association}}\n"
        )

    @classmethod
    def prepare(cls):
        request, certificate = cls.lab.directory / "r.csr", cls.lab.directory / "c.pem"
        cls.gateway.sanad("registration", "renew", "--config", cls.gateway.config, "--out", request)
        cls.gateway.sanad("registrar", "issue", "--dir", cls.association, request, "--out", certificate)
        cls.gateway.sanad("registration", "install", certificate)
        cls.gateway.sanad("registrar", "publish", "--dir", cls.association)

    def verify(self, text, *options):
        file = self.lab.directory / "checked.conf"
        file.write_text(text)
        return self.gateway.sanad(
            "profile", "verify", file, "--trust", self.association / "ca.pem", "--level", "association", *options, check=False
        )

    def test_a_rogue_passes_for_nobody(self):
        ayesha = self.lab.add_person("Ayesha Khan", "198.51.100.7")
        ayesha.client.ping(INSIDE)
        genuine = self.association / "public" / "genuine.json"
        self.assertEqual(self.verify(ayesha.profile.text, "--list", genuine).returncode, 0)

        host = self.lab.internet.add_host("rogue", "203.0.113.66")
        directory = self.lab.directory / "rogue"
        directory.mkdir()
        rogue = Gateway(host, directory, self.gateway.binaries, f"rg{self.lab.mark}", "203.0.113.10")
        rogue.init()
        rogue.add_to_config(CONFIG)
        rogue.start()
        try:
            victim = rogue.admin.add_peer(owner={"name": "Ayesha Khan"}, device="laptop", make_key=True)
            forged = victim["profile"]
            # Its profile names the same gateway, address and company, and is signed by the rogue's own certificate.
            refused = self.verify(forged)
            self.assertEqual(refused.returncode, 17, refused.stderr)
            self.assertIn("not among the trusted", refused.stderr)
            # The true profile, with the rogue's key in it.
            edited = ayesha.profile.with_line("PublicKey", rogue_key(rogue))
            self.assertEqual(self.verify(edited.text).returncode, 20)
            # The true profile, sent elsewhere.
            hijacked = ayesha.profile.with_line("Endpoint", "203.0.113.66:51820")
            self.assertEqual(self.verify(hijacked.text).returncode, 21)

            # The rogue serves whoever took its profile; a client with the true one never shakes hands with it.
            lured = self.lab.add_client_host("198.51.100.8")
            lured.connect(Profile(forged).with_line("Endpoint", "203.0.113.66:51820"))
            lured.ping(INSIDE)
            loyal = self.lab.add_client_host("198.51.100.9")
            loyal.connect(hijacked)
            until(lambda: loyal.server().tx > 0, 20, "the true client to try")
            answers = loyal.host.run("ping", "-n", "-c", "8", "-W", "1", INSIDE, check=False)
            self.assertNotEqual(answers.returncode, 0)
            self.assertEqual(loyal.server().handshake, 0)
        finally:
            rogue.kill()

    def test_each_damage_has_its_exit_status(self):
        text = self.lab.add_person("Bilal Ahmed", "198.51.100.10", connect=False).profile.text
        signature = re.search(r"(?m)^# sanad-signature: .*\n", text).group(0)
        lines = text.splitlines(keepends=True)
        address = next(i for i, line in enumerate(lines) if line.startswith("Address = "))
        reordered = lines[:]
        endpoint = next(i for i, line in enumerate(lines) if line.startswith("Endpoint = "))
        reordered[endpoint - 1], reordered[endpoint] = reordered[endpoint], reordered[endpoint - 1]
        self.assertEqual(self.verify(text).returncode, 0)
        for damaged, status in (
            (text.replace("\n", "\r\n"), 11),
            ("\ufeff" + text, 12),
            ("".join(reordered), 13),
            (text.replace(signature, ""), 14),
            (text + signature, 15),
            (text.replace(lines[address], lines[address].replace("10.66.", "10.67.")), 16),
        ):
            said = self.verify(damaged)
            self.assertEqual(said.returncode, status, said.stderr)


def rogue_key(rogue):
    return rogue.host.run("wg", "show", rogue.interface, "public-key").stdout.strip()


if __name__ == "__main__":
    unittest.main()
