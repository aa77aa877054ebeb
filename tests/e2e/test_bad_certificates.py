"""Certificates and revocation lists that must not pass, made with openssl and given to a running gateway: each is refused with a plain
message and an exit status of its own, and what is installed stays. (Profiles: test_registration.)"""

import base64
import datetime
import os
import re
import subprocess
import unittest

from faketime import clock_moved_by
from harness import LabCase
from lab.waiting import until

REGISTRATION_OID = "2.25.72688007539472885702448925622241558222"

# What a gateway's certificate has besides names and the registration.
USAGE = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class BadCertificates(LabCase):
    @classmethod
    def configure(cls):
        cls.work = cls.lab.directory / "work"
        cls.work.mkdir()
        cls.association = cls.lab.directory / "association"
        cls.stranger = cls.lab.directory / "stranger"
        for place, name in ((cls.association, "Example Association"), (cls.stranger, "Example Stranger")):
            cls.registrar("init", place, "--name", name, "--country", "PK")
        # Of a kind of key that can be made to sign with SHA-1.
        cls.openssl("req", "-x509", *P256, "-keyout", "old.key", "-out", "old.pem", "-subj", "/C=PK/O=Example Old CA", "-days", "100")
        cls.lists = cls.work / "crl.pem"
        cls.publish(cls.association)
        cls.gateway.add_to_config(
            "registration:\n  anchors:\n"
            f"    - {{file: {cls.association}/ca.pem, level: association, name: Example Association}}\n"
            f"    - {{file: {cls.work}/old.pem, level: company, name: Example Old CA}}\n"
            f"  crl_files: [{cls.lists}]\n"
        )

    @classmethod
    def prepare(cls):
        cls.request = cls.work / "gateway.csr"
        cls.gateway.sanad("registration", "renew", "--config", cls.gateway.config, "--out", cls.request)
        cls.good = cls.issue("good")
        cls.gateway.sanad("registration", "install", cls.good)
        cls.fingerprint = cls.installed()

    @classmethod
    def openssl(cls, *arguments, **options):
        return subprocess.run(["openssl", *map(str, arguments)], cwd=cls.work, check=True, capture_output=True, **options).stdout

    @classmethod
    def registrar(cls, act, directory, *arguments, days=0):
        environment = dict(os.environ, NO_COLOR="1", **clock_moved_by(days))
        return cls.gateway.host.run(cls.gateway.binaries / "sanad", "registrar", act, "--dir", directory, *arguments, env=environment)

    @classmethod
    def issue(cls, name, *options, directory=None, days=0):
        out = cls.work / f"{name}.pem"
        cls.registrar("issue", directory or cls.association, cls.request, "--out", out, *options, days=days)
        return out

    @classmethod
    def publish(cls, registrar, days=0):
        cls.registrar("publish", registrar, days=days)
        cls.lists.write_bytes((registrar / "public" / "crl.pem").read_bytes())

    @classmethod
    def installed(cls):
        return cls.gateway.admin.want("GET", "/v1/registration")["history"][-1]["fingerprint"]

    def forge(self, name, extensions=USAGE, ca=("old.pem", "old.key"), digest="-sha256", key=None, copy=True):
        """A certificate like the gateway's, with other extensions, key or signature."""
        (self.work / f"{name}.ext").write_text(extensions)
        given = ["-force_pubkey", key] if key else []
        self.openssl("x509", "-req", "-in", self.request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-days", "30", digest, *given,
                     *(["-copy_extensions", "copyall"] if copy else []), "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        return self.work / f"{name}.pem"

    def public_key(self, name, *kind):
        self.openssl("genpkey", *kind, "-out", f"{name}.key")
        self.openssl("pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
        return f"{name}.pub"

    def claims(self):
        """The registration extension of the request as openssl writes extensions."""
        text = self.openssl("req", "-in", self.request, "-outform", "DER")
        shown = self.openssl("asn1parse", "-inform", "DER", input=text).decode()
        value = re.search(REGISTRATION_OID + r"\n.*OCTET STRING\s+\[HEX DUMP\]:([0-9A-F]+)", shown).group(1)
        return f"{REGISTRATION_OID}=DER:{value}\n"

    def refused(self, certificate, status, message):
        said = self.gateway.sanad("registration", "install", certificate, check=False)
        self.assertEqual(said.returncode, status, said.stderr)
        self.assertIn(message, said.stderr)
        self.assertEqual(self.installed(), self.fingerprint, "what was installed stays")

    def pem(self, name, der):
        text = base64.encodebytes(der).decode()
        (self.work / f"{name}.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
        return self.work / f"{name}.pem"

    def der_of(self, certificate):
        return self.openssl("x509", "-in", certificate, "-outform", "DER")

    # ---- certificates ----

    def test_what_openssl_makes_rightly_is_taken(self):
        """Else the forgeries below could be refused for something else than their fault."""
        self.gateway.sanad("registration", "install", self.forge("right"))
        self.gateway.sanad("registration", "install", self.forge("right-too", USAGE + self.claims(), copy=False))
        self.gateway.sanad("registration", "install", self.good)

    def test_dates(self):
        self.refused(self.issue("expired", "--valid-until", self.date(-50), days=-90), 17, "expired on ")
        self.refused(self.issue("early", days=40), 17, "not valid before ")

    @staticmethod
    def date(days):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).date().isoformat()

    def test_keys(self):
        self.refused(self.forge("other-key", key=self.public_key("other", "-algorithm", "ed25519")), 18, "for another registration key")
        weak = self.public_key("weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        self.refused(self.forge("rsa-1024", key=weak), 11, "weak key in ")
        following = self.work / "next.csr"
        self.gateway.sanad("interface", "rotate-key", self.gateway.interface, "--config", self.gateway.config, "--request", following)
        out = self.work / "next.pem"
        self.registrar("issue", self.association, following, "--out", out)
        self.refused(out, 19, "for another WireGuard key")

    def test_signatures(self):
        self.refused(self.forge("sha-1", digest="-sha1"), 11, "SHA-256 or stronger is needed")
        der = bytearray(self.der_of(self.good))
        der[-1] ^= 1
        self.refused(self.pem("edited", bytes(der)), 15, "broken signature")
        self.refused(self.issue("strange", directory=self.stranger), 14, "unknown issuer")

    def test_usage_and_extensions(self):
        # What the request asks for would come on top.
        authority, signer = USAGE.replace("FALSE", "TRUE"), USAGE.replace("digitalSignature", "cRLSign")
        self.refused(self.forge("ca", authority + self.claims(), copy=False), 12, "an issuing certificate is not a gateway's")
        self.refused(self.forge("signs-lists", signer + self.claims(), copy=False), 12, "not for digital signatures")
        self.refused(self.forge("foreign", USAGE + "1.2.3.4.5=critical,DER:0500\n"), 13, "unknown critical extension")
        self.refused(self.forge("none", USAGE, copy=False), 10, "the registration extension is missing")
        self.refused(self.forge("broken", USAGE + f"{REGISTRATION_OID}=DER:3003020101\n", copy=False), 10, "not the ASN.1 of a registration")

    def test_addresses(self):
        five_bytes = "subjectAltName=DER:30:07:87:05:CB:00:71:0A:01\n"
        self.refused(self.forge("five-bytes", USAGE + self.claims() + five_bytes, copy=False), 10, "an address has 4 or 16 bytes, this one 5")
        mail = "subjectAltName=email:ayesha@example.com\n"
        self.refused(self.forge("mail", USAGE + self.claims() + mail, copy=False), 10, "only addresses and DNS names")
        elsewhere = self.forge("elsewhere", USAGE + self.claims() + "subjectAltName=IP:203.0.113.77\n", copy=False)
        self.refused(elsewhere, 20, "203.0.113.77")

    def test_chains(self):
        for name in ("a", "b"):
            self.openssl("req", "-new", *P256, "-keyout", f"loop-{name}.key", "-out", f"loop-{name}.csr", "-subj", f"/C=PK/O=Loop {name}")
        (self.work / "loop.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")

        def sign(subject, out, *by):
            self.openssl("x509", "-req", "-in", f"loop-{subject}.csr", *by, "-days", "30", "-extfile", "loop.ext", "-out", out)

        sign("b", "loop-b.pem", "-signkey", "loop-b.key")
        sign("a", "loop-a.pem", "-CA", "loop-b.pem", "-CAkey", "loop-b.key", "-CAcreateserial")
        sign("b", "loop-b-again.pem", "-CA", "loop-a.pem", "-CAkey", "loop-a.key", "-CAcreateserial")
        self.forge("in-a-loop", ca=("loop-a.pem", "loop-a.key"))
        loop = self.work / "loop.pem"
        loop.write_text("".join((self.work / name).read_text() for name in ("in-a-loop.pem", "loop-a.pem", "loop-b-again.pem")))
        self.refused(loop, 14, "unknown issuer")

        bundle = self.work / "bundle.pem"
        bundle.write_text(self.good.read_text() * 6)
        self.refused(bundle, 10, "more than five certificates")
        bundle.write_text(self.good.read_text() * 1000)
        self.refused(bundle, 10, "larger than")

    def test_form(self):
        self.refused(self.pem("garbage", os.urandom(600)), 10, "its DER is malformed")
        self.refused(self.pem("trailing", self.der_of(self.good) + b"\0"), 10, "bytes follow the end of the certificate")
        (self.work / "text.pem").write_text("hello\n")
        self.refused(self.work / "text.pem", 10, "not a PEM certificate")
        key = self.work / "with-key.pem"
        key.write_text(self.good.read_text() + (self.work / "old.key").read_text())
        self.refused(key, 2, "holds a private key")

    # ---- revocation lists ----

    def list_says(self, text):
        """With this list in force: the standing, and what `registration show` says of the list."""
        self.gateway.reload()
        return until(lambda: (lambda shown: shown if text in shown else None)(self.gateway.sanad("registration", "show").stdout), 20, text)

    def test_lists(self):
        self.publish(self.association)
        shown = self.list_says("not revoked, last checked")
        self.assertIn(f"{self.lists}  read ", shown)
        self.assertNotIn("failing", shown)

        self.lists.write_bytes((self.stranger_list()).read_bytes())
        shown = self.list_says("another issuer")
        self.assertIn("not revoked, last checked", shown, "the last good list goes on counting")
        self.assertIn("failing since", shown)
        self.assertIn("Example Stranger", shown)
        for content, said in (
            (b"\x30\x82" + os.urandom(500), "not a revocation list"),
            (b"x" * (9 * 1024 * 1024), "larger than"),
        ):
            self.lists.write_bytes(content)
            shown = self.list_says(said)
            self.assertIn("not revoked, last checked", shown)
            self.assertIn("standing      in force", shown)

        # Older than the one that was read: whoever brings it could hide a revocation. And past its own next update.
        self.publish(self.association, days=-60)
        shown = self.list_says("older than one that was read before")
        self.assertIn("not revoked", shown)
        # What was read of a file is not remembered over a restart.
        self.gateway.stop()
        self.gateway.start()
        self.list_says("a newer revocation list was due on")
        self.publish(self.association)
        self.list_says("not revoked, last checked")

    def stranger_list(self):
        self.registrar("publish", self.stranger)
        return self.stranger / "public" / "crl.pem"


if __name__ == "__main__":
    unittest.main()
