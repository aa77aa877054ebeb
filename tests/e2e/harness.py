"""What every e2e test builds on: one lab for a class of tests, real programs only.

SANAD_BIN names the directory with sanad and sanadd (default: build/release/bin, else build/dev/bin).
"""

import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

import impersonal  # noqa: E402  (the path comes first)
from lab.lab import Lab, check_requirements  # noqa: E402
from lab.waiting import until  # noqa: E402

# An end of Python's own in both cases, so that labs are taken down; also where a shell started us with SIGINT ignored.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, signal.default_int_handler)

POLL_S = 1.0
# A session ends 180 s after its last handshake, and that is seen one poll and 5 s later (sessions.md).
EXPIRY_S = 180 + POLL_S + 5

CONFIG = """\
access:
  roles:
    - {uid: 4101, role: monitor}
    - {uid: 4102, role: auditor}
    - {uid: 4103, role: operator}
    - {uid: 4104, role: admin}

socket:
  # A group that every Debian has.
  group: users

sessions:
  poll_interval: 1s
  checkpoint: 10s
  attempt_interval: 2s
"""


def binaries():
    chosen = os.environ.get("SANAD_BIN")
    places = [pathlib.Path(chosen)] if chosen else [ROOT / "build" / "release" / "bin", ROOT / "build" / "dev" / "bin"]
    for place in places:
        if (place / "sanad").exists() and (place / "sanadd").exists():
            return place
    raise SystemExit(f"no sanad and sanadd in {', '.join(map(str, places))}: scripts/build, or set SANAD_BIN")


def make_lab(config=CONFIG, **init):
    missing = check_requirements()
    if missing:
        raise SystemExit("e2e tests cannot run here, missing: " + "; ".join(missing))
    lab = Lab(binaries())
    lab.before_removal = lambda: impersonal.check(lab)
    try:
        lab.gateway.init(**init)
        lab.gateway.add_to_config(config)
        return lab
    except BaseException:
        lab.close()
        raise


class LabCase(unittest.TestCase):
    """A lab for all tests of the class; `prepare` may add to it before the first."""

    config = CONFIG
    init = {}

    @classmethod
    def setUpClass(cls):
        cls.lab = make_lab(cls.config, **cls.init)
        cls.gateway = cls.lab.gateway
        cls.admin = cls.gateway.admin
        try:
            cls.configure()
            cls.gateway.start()
            cls.prepare()
        except BaseException:
            cls.report()
            cls.lab.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.lab.close()

    @classmethod
    def configure(cls):
        pass

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def report(cls):
        print(f"--- sanadd said last ({cls.__name__}):\n{cls.gateway.last_words(30)}\n---", file=sys.stderr)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            self.report()
        return result

    def open_session(self, person):
        """The open session of that person's peer, or None."""
        found = self.admin.sessions(f"peer={person.id}&active=true")
        return found[0] if found else None

    def sessions_of(self, person):
        return self.admin.sessions(f"peer={person.id}")

    # ---- what is true of every log, whatever the test did ----

    # The addresses of the labs are documentation's; the gateway's own is public knowledge, its clients' are not.
    _outer = ("198.51.100.", "203.0.113.9")

    def assert_log_is_whole_and_impersonal(self, people, secrets_=()):
        """Indices without a gap from 0, each leaf canonical JSON, nothing personal and no key in any of them; what was
        disclosed beside them opens the digests in them."""
        entries = self.admin.entries()
        self.assertEqual([entry["index"] for entry in entries], list(range(len(entries))))
        words = list(self._outer) + [secret for secret in secrets_ if secret]
        for person in people:
            owner = person.peer["owner"]
            words += [person.key, person.peer["name"], owner["name"], owner["handle"], owner["email"]]
            words += re.findall(r"(?m)^(?:PrivateKey|PresharedKey) *= *(\S+)", person.profile.text)
        words = [word for word in words if word]
        self.assertTrue(entries)
        for entry in entries:
            text = json.dumps(entry["leaf"], ensure_ascii=False)
            self.assertEqual(entry["leaf"]["i"], entry["index"])
            for word in words:
                self.assertNotIn(word, text, f"leaf {entry['index']} says something personal")
            digests = set(entry["leaf"]["_sd"])
            for disclosure in entry["disclosures"]:
                value = json.dumps(disclosure["value"], ensure_ascii=False, separators=(",", ":"))
                opened = json.dumps(disclosure["salt"]) + "," + json.dumps(disclosure["name"]) + "," + value
                encoded = base64.urlsafe_b64encode(f"[{opened}]".encode()).rstrip(b"=")
                digest = base64.urlsafe_b64encode(hashlib.sha256(encoded).digest()).rstrip(b"=").decode()
                self.assertIn(digest, digests, f"leaf {entry['index']}: {disclosure['name']} opens no digest")
            self.assertEqual(len(digests), len(entry["disclosures"]))
        # And what is published of it verifies, up to the last of these records at least.
        log = self.gateway.state / "log"
        until(lambda: int((log / "checkpoint").read_text().splitlines()[1]) >= len(entries), 10, "a checkpoint over all of it")
        key = self.gateway.sanad("log", "key", "--dir", log).stdout.split()[0]
        self.gateway.sanad("log", "verify", log, "--key", key)
