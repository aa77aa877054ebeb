"""Holds, erasure, the second admin, retention: what must be kept is kept, what must go is in no byte of any file, and the log
verifies all the same, by us and by others' code."""

import base64
import datetime
import http.client
import ipaddress
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import impersonal
from harness import CONFIG, ROOT, LabCase
from lab.admin import Admin, as_user
from lab.waiting import until

USERS_GROUP = 100
FIRST_ADMIN, SECOND_ADMIN = 4104, 4105
TWO_ADMINS = CONFIG.replace("  roles:\n", "  roles:\n    - {uid: 4105, role: admin}\n", 1)
INSIDE = "10.66.0.1"


def to_rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def files_with(directory, words):
    """{word: [files]} of the bytes that are found."""
    found = {}
    for file in sorted(pathlib.Path(directory).rglob("*")):
        if not file.is_file() or file.suffix == ".lock":
            continue
        data = file.read_bytes()
        for word in words:
            if word in data:
                found.setdefault(word, []).append(file.name)
    return found


class CustodyCase(LabCase):
    def revoke(self, person):
        self.admin.want("DELETE", f"/v1/peers/{person.id}")
        person.client.disconnect()
        until(lambda: self.open_session(person) is None, 30, "the session of a revoked peer to be closed")
        self.gateway.after_polls(3)  # the device was seen without it

    def own(self, name, action):
        return [leaf for leaf in self.gateway.own_events(name) if leaf["sanad"]["action"] == action]

    def verify(self):
        log = self.gateway.state / "log"
        key = self.gateway.sanad("log", "key", "--dir", log).stdout.split()[0]
        return self.gateway.sanad("log", "verify", log, "--key", key)

    def covered(self, index):
        checkpoint = self.gateway.state / "log" / "checkpoint"
        until(lambda: int(checkpoint.read_text().splitlines()[1]) > index, 10, f"a checkpoint that covers record {index}")

    # The daemon's clock set ahead (libfaketime); what it finds recorded is of today.
    def start_in(self, days):
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        self.assertIsNotNone(library, "faketime is missing: scripts/setup installs it")
        environment = dict(os.environ, LD_PRELOAD=str(library), FAKETIME=f"+{days}d", FAKETIME_DONT_FAKE_MONOTONIC="1")
        with self.gateway.log.open("ab") as log:
            self.gateway.process = self.gateway.host.start(
                self.gateway.binaries / "sanadd", "--config", self.gateway.config, stdout=log, stderr=log, env=environment
            )
        until(self.admin.alive, 60, f"sanadd to answer; it says:\n{self.gateway.last_words()}")

    def erase(self, owner, uid=None):
        body = {"person": owner, "reason": "request 2027-17"}
        if uid is None:
            return self.admin.ask("POST", "/v1/erasures", body)
        path = self.admin.path
        return as_user(uid, uid, [USERS_GROUP], lambda: Admin(path).ask("POST", "/v1/erasures", body))

    def as_admin(self, uid, method, target, body=None):
        path = self.admin.path
        return as_user(uid, uid, [USERS_GROUP], lambda: Admin(path).ask(method, target, body))


class Erasure(CustodyCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com", note="third floor, by the lift")
        cls.bilal = cls.lab.add_person("Bilal Ahmed", "203.0.113.77", email="bilal@example.com")
        for person in (cls.ayesha, cls.bilal):
            person.client.ping(INSIDE)
        cls.gateway.after_polls(2)
        cls.ayesha.client.move(cls.lab.internet, "203.0.113.99")
        cls.ayesha.client.ping(INSIDE)
        cls.gateway.after_polls(2)
        cls.owner = cls.ayesha.peer["owner"]["id"]
        address = ipaddress.ip_address("198.51.100.7")
        cls.words = [
            b"Ayesha Khan",
            b"ayesha-khan",
            b"ayesha@example.com",
            b"third floor, by the lift",
            b"198.51.100.7",
            b"203.0.113.99",
            b"\x04" + address.packed,
            b"\x04" + ipaddress.ip_address("203.0.113.99").packed,
            base64.b64decode(cls.ayesha.key),
        ]

    def test_1_who_has_devices_in_service_is_refused_with_a_way_on(self):
        answer = self.erase(self.owner)
        self.assertEqual(answer.status, 409, answer)
        self.assertIn("sanad peer revoke --all-of ayesha-khan", answer.json["hint"])

    def test_2_who_is_held_is_refused_and_that_is_recorded(self):
        self.revoke(self.ayesha)
        placed = self.gateway.sanad(
            "hold", "add", "--person", "ayesha-khan", "--reason", "case 4711", "--approver", "District Court", "--json"
        )
        hold = json.loads(placed.stdout)["hold"]["id"]
        self.assertIn(hold, self.gateway.sanad("hold", "list").stdout)
        refused = self.gateway.sanad("erase", "ayesha-khan", "--reason", "request 2027-17", "--yes", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(hold, refused.stderr)
        self.assertIn("District Court", refused.stderr)
        until(
            lambda: any(
                leaf["class_uid"] == 6003 and leaf["api"]["operation"] == "POST /v1/erasures" and leaf["status_code"] == "refused"
                for leaf in self.gateway.leaves()
            ),
            10,
            "the refusal to be recorded",
        )
        self.gateway.sanad("hold", "release", hold)
        self.assertEqual([leaf["sanad"]["hold"] for leaf in self.own("hold", "release")], [hold])
        self.assertEqual(self.admin.want("GET", "/v1/holds"), {"holds": []})

    def test_3_the_erased_are_in_no_byte_of_any_file(self):
        before = files_with(self.gateway.state, self.words)
        self.assertEqual(set(before), set(self.words), "what is not there before cannot show that it went")
        records = self.admin.status()["evidence"]["records"]
        kept = {entry["index"]: entry["leaf"] for entry in self.admin.entries()}
        said = self.gateway.sanad("erase", "ayesha-khan", "--reason", "request 2027-17", "--yes").stdout
        self.assertIn("No file of the gateway holds the person any more", said)
        self.assertEqual(files_with(self.gateway.state, self.words), {})
        # Somebody else's are all there, and what was recorded is as it was.
        self.assertEqual(len(files_with(self.gateway.state, [b"Bilal Ahmed", b"bilal@example.com", b"203.0.113.77"])), 3)
        for entry in self.admin.entries():
            if entry["index"] < records:
                self.assertEqual(entry["leaf"], kept[entry["index"]])
        redactions = self.own("redaction", "erase")
        self.assertEqual(redactions[0]["sanad"]["owner"], self.owner)
        opened = next(leaf for leaf in self.gateway.session_events(1) if leaf["user"]["uid"] == self.owner)
        self.assertTrue(any(first <= opened["index"] <= last for first, last in redactions[0]["sanad"]["records"]))
        self.assertEqual(opened["personal"], {})
        self.covered(redactions[-1]["index"])
        self.verify()

    def test_4_answers_say_that_and_when(self):
        record = self.own("redaction", "erase")[0]["index"]
        told = f"(record #{record})"
        shown = self.gateway.sanad("peer", "show", self.ayesha.id).stdout
        self.assertIn(told, shown)
        self.assertNotIn(self.ayesha.key, shown)
        self.assertIn(told, self.gateway.sanad("session", "list").stdout)
        session = self.sessions_of(self.ayesha)[0]
        self.assertEqual((session["owner"]["name"], session["owner"]["erased"]["evidence"]), ("", record))
        self.assertEqual(session["endpoints"], [])
        started = datetime.datetime.fromisoformat(session["started_at"])
        moment = (started + datetime.timedelta(milliseconds=500)).isoformat()
        held = self.gateway.sanad("session", "who-held", self.ayesha.inside, "--at", moment).stdout
        self.assertIn("erased on ", held)
        self.assertIn(self.owner, held)
        again = self.erase(self.owner)
        self.assertEqual((again.status, again.json["evidence"]["index"]), (200, record))

    def test_5_it_survives_a_kill_and_a_restart(self):
        self.gateway.kill()
        self.gateway.start()
        self.assertEqual(files_with(self.gateway.state, self.words), {})
        self.assertIsNotNone(self.admin.peer(self.bilal.id))
        self.verify()

    def test_6_others_code_judges_leaves_and_disclosures(self):
        """RFC 8785 and RFC 9901 by npm's canonicalize and @sd-jwt/core."""

        def encoded(disclosure):
            text = json.dumps([disclosure["salt"], disclosure["name"], disclosure["value"]], ensure_ascii=False, separators=(",", ":"))
            return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

        entries = self.admin.entries()
        disclosures = {entry["index"]: [encoded(one) for one in entry["disclosures"]] for entry in entries}
        self.covered(entries[-1]["index"])
        raw = {}
        for leaf in impersonal.published_leaves(self.gateway.state / "log"):
            raw[json.loads(leaf)["i"]] = leaf.decode()
        records = [{"index": i, "leaf": raw[i], "disclosures": disclosures[i]} for i in sorted(disclosures)]
        self.assertTrue(any(record["disclosures"] for record in records))
        with tempfile.TemporaryDirectory() as scratch:

            def judge(what):
                file = pathlib.Path(scratch) / "records"
                file.write_text("".join(json.dumps(record) + "\n" for record in what))
                return subprocess.run([ROOT / "tests/judges/npm/run", file], capture_output=True, text=True, timeout=300)

            judged = judge(records)
            self.assertEqual(judged.returncode, 0, judged.stderr)
            self.assertIn(f"{len(records)} records in canonical form", judged.stdout)
            some = next(record for record in records if record["disclosures"])
            for tampered in (
                dict(some, leaf=some["leaf"].replace('"event":{', '"event": {', 1)),
                dict(some, leaf=some["leaf"].replace(f'"i":{some["index"]},', f'"i":{some["index"]}.0,', 1)),
                dict(some, disclosures=[encoded({"salt": "c2FsdHNhbHRzYWx0c2FsdA", "name": "user.name", "value": "Somebody"})]),
            ):
                refused = judge([tampered])
                self.assertEqual(refused.returncode, 1, refused.stdout)
                self.assertIn(f"record {some['index']}", refused.stderr)


class KilledWhileErasing(CustodyCase):
    def test_what_was_begun_is_carried_on_and_what_was_not_is_as_it_was(self):
        seed = int(os.environ.get("SANAD_SEED", random.randrange(1 << 30)))
        print(f"SANAD_SEED={seed} ", end="", flush=True)
        chance = random.Random(seed)
        begun = 0
        for number in range(8):
            name = f"Person {chance.randrange(1 << 40):010x}"
            person = self.admin.add_peer(owner={"name": name}, device="laptop", make_key=True)["peer"]
            # Some hundred records that name the person.
            for note in range(150):
                self.admin.want("PATCH", f"/v1/peers/{person['id']}", {"note": f"{name} {note}"})
            self.admin.want("DELETE", f"/v1/peers/{person['id']}")
            self.gateway.after_polls(3)
            owner = person["owner"]["id"]
            asking = threading.Thread(target=self.try_to_erase, args=(owner,))
            asking.start()
            time.sleep(chance.random() * 0.02)
            self.gateway.kill()
            asking.join()
            self.gateway.start()
            erased = self.admin.peer(person["id"])["owner"]["erased"]
            begun += erased is not None
            if erased is None:
                self.assertEqual(self.admin.peer(person["id"])["owner"]["name"], name)
                self.assertEqual(self.erase(owner).status, 200)
            until(lambda: files_with(self.gateway.state, [name.encode()]) == {}, 30, f"{name} to be gone")
        print(f"{begun} of 8 had begun ", end="", flush=True)
        self.verify()

    def try_to_erase(self, owner):
        try:
            self.erase(owner)
        except (OSError, http.client.HTTPException):
            pass  # killed


class DualControl(CustodyCase):
    config = TWO_ADMINS.replace("access:\n", "access:\n  dual_control: [erasure, retention, hold_release]\n", 1)

    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", connect=False)
        cls.owner = cls.ayesha.peer["owner"]["id"]

    def confirm(self, uid, confirmation):
        return self.as_admin(uid, "POST", f"/v1/confirmations/{confirmation}")

    def test_1_an_erasure_needs_a_second_and_different_admin(self):
        self.revoke(self.ayesha)
        asked = self.erase(self.owner, FIRST_ADMIN)
        self.assertEqual(asked.status, 202, asked)
        confirmation = asked.json["confirmation"]["id"]
        self.assertIn(f"sanad confirm {confirmation}", asked.json["confirmation"]["how"])
        self.assertIn(confirmation, self.gateway.sanad("confirm").stdout)
        self.assertEqual(self.confirm(FIRST_ADMIN, confirmation).status, 403)
        self.assertEqual(self.as_admin(4103, "POST", f"/v1/confirmations/{confirmation}").status, 403, "an operator")
        self.assertEqual(self.admin.peer(self.ayesha.id)["owner"]["name"], "Ayesha Khan")
        done = self.confirm(SECOND_ADMIN, confirmation)
        self.assertEqual(done.status, 200, done)
        self.assertTrue(done.json["erasure"]["overwritten"], done)
        self.assertEqual(self.admin.peer(self.ayesha.id)["owner"]["name"], "")
        self.assertEqual(self.confirm(SECOND_ADMIN, confirmation).status, 404)
        actors = {leaf["sanad"]["action"]: leaf["actor"]["user"]["uid"] for leaf in self.gateway.own_events("confirmation")}
        self.assertEqual(actors, {"asked": str(FIRST_ADMIN), "given": str(SECOND_ADMIN)})

    def test_2_a_hold_is_placed_at_once_and_released_by_two(self):
        hold = self.admin.want("POST", "/v1/holds", {"address": "198.51.100.7", "reason": "r", "approver": "court"})["hold"]["id"]
        asked = self.as_admin(FIRST_ADMIN, "DELETE", f"/v1/holds/{hold}")
        self.assertEqual(asked.status, 202, asked)
        self.assertEqual(len(self.admin.want("GET", "/v1/holds")["holds"]), 1)
        self.assertEqual(self.confirm(SECOND_ADMIN, asked.json["confirmation"]["id"]).status, 200)
        self.assertEqual(self.admin.want("GET", "/v1/holds")["holds"], [])

    def test_3_a_shorter_retention_waits_a_longer_one_does_not(self):
        def waiting():
            return [one for one in self.admin.want("GET", "/v1/confirmations")["confirmations"] if one["act"] == "retention"]

        with self.gateway.config.open("a") as config:
            config.write("\nretention: {sessions: 30d}\n")
        reloaded = self.as_admin(FIRST_ADMIN, "POST", "/v1/reload")
        self.assertEqual(reloaded.status, 200, reloaded)
        self.assertEqual(reloaded.json["changed"], ["retention.sessions"])
        changed = self.gateway.entity_events("reload")[-1]
        self.assertEqual(changed["sanad"]["changed"], ["retention.sessions"])
        asked = until(waiting, 10, "the shorter time to wait for a second admin")[0]
        self.assertEqual((asked["request"], asked["asked_by_uid"]), ({"days": 30}, FIRST_ADMIN))
        self.assertEqual(self.own("retention", "policy"), [])
        self.assertEqual(self.confirm(FIRST_ADMIN, asked["id"]).status, 403)
        self.assertEqual(self.confirm(SECOND_ADMIN, asked["id"]).status, 200)
        shortened = self.own("retention", "policy")[0]
        self.assertEqual((shortened["sanad"]["old_days"], shortened["sanad"]["new_days"]), (365, 30))
        self.assertEqual(shortened["actor"]["user"]["uid"], str(SECOND_ADMIN))
        self.gateway.change_config(r"sessions: 30d", "sessions: 60d")
        self.assertEqual(self.as_admin(FIRST_ADMIN, "POST", "/v1/reload").status, 200)
        until(lambda: len(self.own("retention", "policy")) == 2, 10, "the longer time to be in force")
        self.assertEqual(waiting(), [])

    def test_4_what_nobody_confirmed_and_holds_that_end_are_recorded_as_such(self):
        body = {"address": "198.51.100.7", "reason": "r", "approver": "court"}
        kept = self.admin.want("POST", "/v1/holds", body)["hold"]["id"]
        ends = to_rfc3339(time.time() + 3600)
        ended = self.admin.want("POST", "/v1/holds", dict(body, expires=ends))["hold"]["id"]
        asked = self.as_admin(FIRST_ADMIN, "DELETE", f"/v1/holds/{kept}").json["confirmation"]["id"]
        self.assertEqual(self.gateway.stop(), 0)
        self.start_in(1)
        until(lambda: self.own("confirmation", "expired"), 30, "the confirmation to expire")
        self.assertEqual([leaf["sanad"]["confirmation"] for leaf in self.own("confirmation", "expired")], [asked])
        self.assertEqual([leaf["sanad"]["hold"] for leaf in self.own("hold", "expire")], [ended])
        self.assertEqual([hold["id"] for hold in self.admin.want("GET", "/v1/holds")["holds"]], [kept])
        self.assertEqual(self.confirm(SECOND_ADMIN, asked).status, 404)


class Retention(CustodyCase):
    def bundle(self, number):
        return self.gateway.state / "log" / "tile" / "entries" / f"{number:03}"

    def test_retention_takes_what_is_old_and_not_held_and_the_log_verifies(self):
        ayesha = self.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        ayesha.client.ping(INSIDE)
        until(lambda: self.open_session(ayesha), 30, "a session")
        self.revoke(ayesha)
        while self.admin.status()["evidence"]["records"] < 600:
            self.admin.want("GET", "/v1/log/entries?from=0&limit=1")
        self.covered(599)
        until(lambda: self.bundle(1).exists(), 10, "two full bundles")
        hold = self.admin.want(
            "POST", "/v1/holds", {"person": ayesha.peer["owner"]["id"], "reason": "case 4711", "approver": "court"}
        )["hold"]["id"]
        self.assertEqual(self.gateway.stop(), 0)

        self.start_in(400)
        self.gateway.after_polls(3)
        self.assertTrue(self.bundle(0).exists(), "a hold stops retention")
        self.assertEqual(len(self.sessions_of(ayesha)[0]["endpoints"]), 1)
        self.assertEqual(self.own("retention", "minimum"), [])
        self.admin.want("DELETE", f"/v1/holds/{hold}")
        self.assertEqual(self.gateway.stop(), 0)

        self.start_in(400)
        until(lambda: not self.bundle(1).exists(), 60, f"two bundles to go; sanadd says:\n{self.gateway.last_words()}")
        ended = self.own("retention", "sessions")[0]["sanad"]
        self.assertEqual((ended["sessions"], ended["addresses"], ended["policy_days"]), (1, 1, 365))
        raised = self.own("retention", "minimum")[0]
        minimum = raised["sanad"]["new"]
        self.assertEqual((raised["sanad"]["old"], minimum % 256), (0, 0))
        self.assertGreaterEqual(minimum, 512)
        self.assertEqual(self.admin.entries()[0]["index"], minimum)
        self.assertEqual(self.sessions_of(ayesha), [])
        until(lambda: files_with(self.gateway.state, [b"198.51.100.7", b"\x04\xc6\x33\x64\x07"]) == {}, 30, "the address to be gone")

        said = self.verify().stdout
        self.assertIn(f"records 0 to {minimum - 1} are past retention", said)
        self.assertIn(f"retention record #{raised['index']}", said)
        log = self.gateway.state / "log"
        proof = self.gateway.sanad("log", "prove", 3, "--dir", log, check=False)
        self.assertEqual(proof.returncode, 3)
        self.assertIn("past retention", proof.stderr)
        self.assertIn("past retention", self.gateway.sanad("log", "cat").stderr)
        self.assertEqual(self.gateway.stop(), 0)
        database = sqlite3.connect(f"file:{self.gateway.state / 'state.db'}?mode=ro", uri=True)
        self.assertEqual(database.execute("SELECT minimum_index, pruned_index FROM retention").fetchone(), (minimum, minimum))
        database.close()
        # A bundle that goes by another hand is a break.
        self.verify()
        size = int((log / "checkpoint").read_text().splitlines()[1])
        kept = self.bundle(minimum // 256)
        if size < minimum + 256:
            kept = kept.with_name(kept.name + ".p") / str(size % 256)
        kept.unlink()
        key = self.gateway.sanad("log", "key", "--dir", log).stdout.split()[0]
        broken = self.gateway.sanad("log", "verify", log, "--key", key, check=False)
        self.assertNotEqual(broken.returncode, 0)
        self.assertIn("no retention record", broken.stderr)


class Impersonal(unittest.TestCase):
    """What walks every run's log finds what it is there to find."""

    def test_a_leaf_that_says_something_is_found(self):
        leaves = ['{"i":0,"event":{"user":"o-1"}}', '{"i":1,"event":{"note":"caf\\u00e9 \\"Zur Post\\""}}', '{"i":2,"ip":"198.51.100.7"}']
        found = impersonal.leaks(leaves, {"198.51.100.7", '"Zur Post"', "Ayesha Khan"})
        self.assertEqual({word for _, word in found}, {"198.51.100.7", '"Zur Post"'})
        self.assertEqual(impersonal.leaks(leaves, {"Ayesha Khan", "198.51.100.8"}), [])


if __name__ == "__main__":
    unittest.main()
