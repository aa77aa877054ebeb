"""A witness on another machine: the gateway's checkpoints are cosigned there, an auditor demands it, a witness that is away or
lies harms nobody, and a log that was rewritten below what was cosigned is seen even when root did it."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from harness import LabCase
from lab.shell import run
from lab.waiting import until

WITNESS_ADDRESS = "203.0.113.77"
WITNESS_PORT = 7380
NAME = "audit.example.net"
LIAR_PORT = 7399
LIAR_URL = f"http://127.0.0.1:{LIAR_PORT}"


class WitnessProcess:
    """`sanad witness` on a host of its own."""

    def __init__(self, lab):
        self.lab = lab
        self.host = lab.internet.add_host("wit", WITNESS_ADDRESS)
        self.directory = pathlib.Path(lab.directory) / "witness"
        self.sanad = lab.gateway.binaries / "sanad"
        self.process = None
        said = self.host.run(self.sanad, "witness", "key", "--store", self.directory, "--name", NAME)
        self.key = said.stdout.strip()

    def start(self, log_keys, tls=()):
        """`tls`: certificate and key, to be reached by https."""
        self.scheme = "https" if tls else "http"
        logs = [word for key in log_keys for word in ("--log", key)]
        if tls:
            logs += ["--tls-cert", tls[0], "--tls-key", tls[1]]
        with (pathlib.Path(self.lab.directory) / "witness.log").open("ab") as log:
            self.process = self.host.start(
                self.sanad, "witness", "--store", self.directory, "--name", NAME, "--listen", f"{WITNESS_ADDRESS}:{WITNESS_PORT}",
                *logs, stdout=log, stderr=log,
            )
        until(self.answers, 20, "the witness to answer")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the witness ended with status {self.process.poll()}")
        return self.ask("GET", "/").startswith("404")

    def ask(self, method, path, *more):
        """The status and the body, as curl on the gateway sees them."""
        done = self.lab.gateway.host.run(
            "curl", "-sk", "-X", method, "-w", "\n%{http_code}", f"{self.scheme}://{WITNESS_ADDRESS}:{WITNESS_PORT}{path}", *more,
            check=False,
        )
        body, _, status = done.stdout.rpartition("\n")
        return f"{status} {body}"

    def checkpoint(self, origin):
        return self.ask("GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None


def self_signed(directory, name, address):
    """A certificate for the address, and its key."""
    certificate, key = pathlib.Path(directory) / f"{name}.pem", pathlib.Path(directory) / f"{name}.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out", certificate)
    return certificate, key


class Witnessed(LabCase):
    """One lab for all of it: each test goes on where the last left off."""

    @classmethod
    def configure(cls):
        cls.witness = WitnessProcess(cls.lab)
        cls.trusted = self_signed(cls.lab.directory, "trusted", WITNESS_ADDRESS)
        cls.strange = self_signed(cls.lab.directory, "strange", WITNESS_ADDRESS)
        # What sanadd's OpenSSL takes for the system's trust store.
        os.environ["SSL_CERT_FILE"] = str(cls.trusted[0])
        cls.gateway.add_to_config(
            "evidence:\n  push_interval: 1s\n  alarm_after: 10s\n  witnesses:\n"
            f"    - {{key: '{cls.witness.key}', url: 'http://{WITNESS_ADDRESS}:{WITNESS_PORT}'}}\n"
        )

    @classmethod
    def prepare(cls):
        cls.log = cls.gateway.state / "log"
        cls.log_key = cls.gateway.sanad("log", "key", "--dir", cls.log).stdout.strip()
        cls.origin = cls.log_key.split("+")[0]
        cls.witness.start([cls.log_key])

    def size(self):
        return int((self.log / "checkpoint").read_text().split("\n")[1])

    def state(self):
        return self.admin.status()["evidence"]["witnesses"][0]

    def cosigned(self, records, seconds=30):
        """Waits until the witness has cosigned so many records; its state."""
        return until(lambda: (self.state()["records"] or 0) >= records and self.state(), seconds, f"{records} cosigned records")

    def cosigned_file(self):
        files = list((self.log / "cosigned").iterdir())
        self.assertEqual(len(files), 1)
        return files[0].read_text()

    def verify(self, *more, check=True):
        return self.gateway.sanad("log", "verify", self.log, "--policy", self.log / "policy", *more, check=check)

    def metric(self, name):
        for line in self.gateway.metrics().splitlines():
            if line.startswith(f'{name}{{witness="{NAME}"}} '):
                return float(line.split()[-1])
        raise AssertionError(f"no {name}")

    def add_peer(self, name):
        return self.admin.add_peer(owner={"name": name}, device="laptop", make_key=True)["evidence"]["index"]

    def test_1_what_is_recorded_is_cosigned_and_an_auditor_sees_it(self):
        index = self.add_peer("Ayesha Khan")
        state = self.cosigned(index + 1)
        self.assertFalse(state["alarm"])
        self.assertIsNone(state["problem"])
        note = self.cosigned_file()
        self.assertIn(f"\n— {NAME} ", note)
        self.assertIn(f"\n— {self.origin} ", note)
        policy = (self.log / "policy").read_text()
        self.assertIn(f"log {self.log_key}\n", policy)
        self.assertIn(f"witness {NAME} {self.witness.key} http://{WITNESS_ADDRESS}:{WITNESS_PORT}\n", policy)
        said = self.verify().stdout
        self.assertRegex(said, rf"cosigned  by {NAME} up to record \d+(, the last| \(.* before the last\))\n")
        self.assertRegex(said, r"quorum    vouches for (all|the first) \d+ records\n")
        found = json.loads(self.verify("--json").stdout)
        self.assertGreater(found["quorum_records"], index)
        self.assertEqual(found["witnesses"][0]["name"], NAME)
        self.assertIn(f"witness       {NAME}   ", self.gateway.sanad("status").stdout)

    def test_2_the_latest_checkpoint_carries_the_cosignature_once_the_log_rests(self):
        until(lambda: f"\n— {NAME} " in (self.log / "checkpoint").read_text(), 30, "a cosigned latest checkpoint")

    def test_3_what_the_witness_shows_finds_a_log_that_was_cut_back(self):
        copy = pathlib.Path(self.lab.directory) / "copy"
        shutil.copytree(self.log, copy)
        size = self.size()
        self.add_peer("Bilal Ahmed")
        self.cosigned(size + 1)
        shown = self.witness.checkpoint(self.origin)
        self.assertTrue(shown.startswith("200 "), shown)
        kept = pathlib.Path(self.lab.directory) / "kept"
        kept.write_text(shown[4:])
        # The older copy is whole in itself, and says so with the warning; beside what the witness has it is not.
        old = self.gateway.sanad("log", "verify", copy, "--policy", copy / "policy")
        self.assertIn("Only a later checkpoint, kept elsewhere, tells", old.stdout)
        self.assertIn(f"http://{WITNESS_ADDRESS}:{WITNESS_PORT}/{hashlib.sha256(self.origin.encode()).hexdigest()}/checkpoint", old.stdout)
        cut = self.gateway.sanad("log", "verify", copy, "--policy", copy / "policy", "--checkpoint", kept, check=False)
        self.assertEqual(cut.returncode, 1)
        self.assertIn("it was cut short", cut.stderr)
        self.assertIn("the log grew out of them", self.verify("--checkpoint", kept).stdout)
        shutil.rmtree(copy)

    def test_4_a_quorum_that_is_missing_fails_in_plain_words(self):
        policy = pathlib.Path(self.lab.directory) / "strict.policy"
        other = self.gateway.sanad("witness", "key", "--store", pathlib.Path(self.lab.directory) / "other", "--name", "other").stdout
        lines = (self.log / "policy").read_text().splitlines()[:-2]
        lines += [f"witness other {other.strip()}", f"group both all {NAME} other", "quorum both"]
        policy.write_text("\n".join(lines) + "\n")
        failed = self.gateway.sanad("log", "verify", self.log, "--policy", policy, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("the quorum that the policy asks for is missing: 1 of its 2 witnesses", failed.stderr)
        self.assertIn("cosigned  not by other\n", failed.stdout)
        policy.write_text("quorum both\n")
        self.assertIn("line 1: ", self.gateway.sanad("log", "verify", self.log, "--policy", policy, check=False).stderr)

    def test_5_a_witness_that_is_away_is_told_once_and_caught_up_with(self):
        before = len(self.gateway.own_events("witness"))
        self.witness.kill()
        index = self.add_peer("Chaudhry Akram")
        lagging = until(lambda: self.state()["alarm"] and self.state(), 60, "the alarm")
        self.assertGreaterEqual(lagging["lag_s"], 10)
        self.assertGreater(lagging["lag_records"], 0)
        self.assertIn("couldn't connect", lagging["problem"])
        self.assertIn("ALARM: ", self.gateway.sanad("status").stdout)
        self.assertEqual(self.metric("sanad_witness_alarm"), 1)
        self.assertGreaterEqual(self.metric("sanad_witness_lag_seconds"), 10)
        self.assertGreater(self.metric("sanad_witness_failures_total"), 0)
        # Nothing else suffers: what is acknowledged is published as ever.
        again = self.add_peer("Dania Shah")
        until(lambda: self.size() > again, 10, "a checkpoint")
        told = until(lambda: self.gateway.own_events("witness")[before:], 10, "the record of the alarm")
        self.assertEqual([event["sanad"]["state"] for event in told], ["behind"])
        self.assertEqual(told[0]["sanad"]["witness"], NAME)
        self.witness.start([self.log_key])
        state = self.cosigned(again + 1, 90)
        self.assertGreater(state["records"], index)
        until(lambda: not self.state()["alarm"], 10, "the end of the alarm")
        told = until(lambda: len(self.gateway.own_events("witness")) == before + 2 and self.gateway.own_events("witness"), 10, "its record")
        self.assertEqual([event["sanad"]["state"] for event in told[before:]], ["behind", "recovered"])

    def test_6_restarts_of_either_side_lose_nothing(self):
        self.assertEqual(self.witness.stop(), 0)
        self.witness.start([self.log_key])
        self.cosigned(self.add_peer("Erum Baig") + 1)
        self.assertEqual(self.gateway.stop(), 0)
        self.gateway.start()
        self.assertIsNotNone(until(lambda: self.state()["records"], 10, "what was cosigned before the restart"))
        self.cosigned(self.add_peer("Fahad Iqbal") + 1)

    def test_7_a_witness_that_lies_harms_nothing(self):
        self.witness.kill()
        # The liar lives in the gateway's own namespace, behind another url.
        script = pathlib.Path(__file__).with_name("lying_witness.py")
        liar = self.gateway.host.start("python3", script, LIAR_PORT, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(liar.stdout.readline(), "ready\n")
            self.gateway.change_config(rf"http://{WITNESS_ADDRESS}:{WITNESS_PORT}", LIAR_URL)
            self.gateway.reload()
            until(lambda: self.state()["url"] == LIAR_URL, 5, "the new url")
            # In the end it is silent: that is a failure, too.
            failures = self.state()["failures"]
            until(lambda: self.state()["failures"] >= failures + 5, 120, "five failures")
            slowest = 0
            for number in range(10):
                began = time.monotonic()
                index = self.add_peer(f"Person {number}")
                slowest = max(slowest, time.monotonic() - began)
            until(lambda: self.size() > index, 10, "a checkpoint beside a liar")
            self.assertLess(slowest, 5)
            self.assertNotIn("html", json.dumps(self.admin.status()))
        finally:
            liar.kill()
            liar.wait()
            liar.stdout.close()
        self.gateway.change_config(LIAR_URL, f"http://{WITNESS_ADDRESS}:{WITNESS_PORT}")
        self.gateway.reload()
        self.witness.start([self.log_key])
        self.cosigned(index + 1, 120)
        self.verify()

    def test_8_over_tls_the_certificate_has_to_be_the_witness_s_and_trusted(self):
        self.witness.kill()
        self.gateway.change_config(rf"http://{WITNESS_ADDRESS}", f"https://{WITNESS_ADDRESS}")
        for files, why in (((self.strange[0], self.strange[1]), "TLS failed"), (self.trusted, None)):
            self.witness.start([self.log_key], files)
            self.gateway.reload()
            index = self.add_peer(f"Person {time.monotonic_ns()}")
            if why:
                until(lambda: why in (self.state()["problem"] or ""), 60, "the stranger to be refused")
            else:
                self.cosigned(index + 1, 90)
            self.assertEqual(self.witness.stop(), 0)
        self.gateway.change_config(rf"https://{WITNESS_ADDRESS}", f"http://{WITNESS_ADDRESS}")
        self.witness.start([self.log_key])
        self.gateway.reload()
        self.cosigned(self.add_peer("Person after TLS") + 1, 90)

    def test_9_a_log_rewritten_below_what_was_cosigned_is_refused_and_seen(self):
        self.cosigned(self.add_peer("Ghazala Mir") + 1)
        self.assertEqual(self.gateway.stop(), 0)
        database = self.gateway.state / "state.db"
        with_log = pathlib.Path(self.lab.directory) / "older"
        with_log.mkdir()
        shutil.copy(database, with_log / "state.db")
        shutil.copytree(self.log, with_log / "log")
        self.gateway.start()
        for _ in range(100):  # more than a start leaves records of; reading the log is recorded
            self.admin.want("GET", "/v1/log/entries?from=0&limit=1")
        cosigned = self.cosigned(self.add_peer("Hina Raza") + 1)["records"]
        self.assertEqual(self.gateway.stop(), 0)
        # Root puts back how everything was before Hina, and goes on as if nothing had been.
        for suffix in ("-wal", "-shm"):
            pathlib.Path(f"{database}{suffix}").unlink(missing_ok=True)
        shutil.copy(with_log / "state.db", database)
        shutil.rmtree(self.log)
        shutil.copytree(with_log / "log", self.log)
        self.gateway.start()
        state = until(lambda: self.state()["alarm"] and self.state(), 60, "the witness to refuse the log")
        self.assertIn("the log was cut back", state["problem"])
        until(lambda: any(e["sanad"]["state"] == "refused" for e in self.gateway.own_events("witness")), 10, "its record")
        # Longer than what was cosigned, it is refused for what it is: another history.
        while self.size() <= cosigned:
            self.add_peer(f"Nobody {time.monotonic_ns()}")
        until(lambda: "the log was rewritten" in (self.state()["problem"] or ""), 90, "the witness to see another history")
        self.assertEqual(self.witness.checkpoint(self.origin).split("\n")[1], str(cosigned))
        kept = pathlib.Path(self.lab.directory) / "kept"
        kept.write_text(self.witness.checkpoint(self.origin)[4:])
        seen = self.verify("--checkpoint", kept, check=False)
        self.assertEqual(seen.returncode, 1)
        self.assertIn("history was rewritten", seen.stderr)


if __name__ == "__main__":
    unittest.main()
