"""The story that scripts/demo tells. Every claim is checked where it is made."""

import argparse
import datetime
import json
import pathlib
import shutil
import signal
import sys
import time

from lab.lab import GATEWAY_INSIDE, OFFICE_SERVER, Lab, Person, check_requirements
from lab.shell import run
from lab.waiting import until
from lab.wireguard import Pings, Profile, transfer

COMPANY = "Example Software (Pvt) Ltd"
CONFIRMED_BY = "Example Group"
POLL_S = 1

CONFIG = """\
registration:
  anchors:
    # Whoever signed the certificate must be known here, and how far to believe them.
    - file: {trust}
      level: company
      name: {name}

sessions:
  # The default is 10s; the demo wants to show things sooner.
  poll_interval: 1s
  checkpoint: 10s
"""


class Story:
    """Prints the steps and keeps count of what was checked."""

    def __init__(self, steps):
        self._began = time.monotonic()
        self._steps = steps
        self._step = 0
        self._colour = sys.stdout.isatty()
        self.checked = 0
        self.wrong = []

    def _paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def step(self, title, *lines):
        self._step += 1
        passed = int(time.monotonic() - self._began)
        print(f"\n{self._paint(f'{self._step}/{self._steps}  {title}', '1')}  ({passed // 60}:{passed % 60:02})", flush=True)
        for line in lines:
            print(f"     {line}", flush=True)

    def shell(self, command, output):
        """A command of the admin's and what it said."""
        print(self._paint(f"     # {command}", "36"))
        for line in output.rstrip().splitlines():
            print(f"     {line}")
        sys.stdout.flush()

    def check(self, claim, true):
        self.checked += 1
        if true:
            print(f"     {self._paint('ok', '32')}   {claim}", flush=True)
        else:
            self.wrong.append(claim)
            print(f"     {self._paint('WRONG', '31')}   {claim}", flush=True)

    def wait(self, until_true, seconds, what):
        """Shows that time passes, where somebody is looking."""
        began = time.monotonic()

        def look():
            if self._colour:
                print(f"\r     {what}: {int(time.monotonic() - began)} s ", end="", flush=True)
            return until_true()

        try:
            return until(look, seconds, what, every=0.5)
        finally:
            if self._colour:
                print("\r\033[K", end="", flush=True)


def table(rows, right=()):
    """Rows of text, the first of them the head, as columns."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            str(cell).rjust(width) if i in right else str(cell).ljust(width) for i, (cell, width) in enumerate(zip(row, widths))
        ]
        print("     " + "  ".join(cells).rstrip())


def clock(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds / 1000).strftime("%H:%M:%S.%f")[:-3]


def number(value):
    return f"{value:,}"


class Demo:
    def __init__(self, story, lab, tools, stay):
        self.story = story
        self.lab = lab
        self.gateway = lab.gateway
        self.admin = lab.gateway.admin
        self.tools = tools
        self.stay = stay
        self.profiles = lab.directory / "profiles"
        self.profiles.mkdir()

    def sanad(self, *arguments, show=None, **options):
        done = self.gateway.sanad(*arguments, **options)
        words = [str(word) for word in arguments]
        shown = show or "sanad " + " ".join(f'"{word}"' if " " in word else word for word in words)
        self.story.shell(shown, done.stdout + done.stderr)
        return done

    # ---- the steps ----

    def network(self):
        self.story.step(
            "A small internet",
            f"Namespaces: the gateway at {self.gateway.address}, an office server behind it at {OFFICE_SERVER}",
            "(which knows no way back to the tunnel), and two employees on other networks.",
        )
        self.office = self.lab.add_office()
        self.hosts = [self.lab.add_client_host("198.51.100.7"), self.lab.add_client_host("198.51.100.23")]

    def set_up(self):
        self.story.step("From nothing to a gateway: sanad init", "Makes keys, a configuration and a self-declared certificate.")
        said = self.gateway.init(company=COMPANY, routes="10.20.0.0/24")
        self.story.shell(f'sanad init --company "{COMPANY}" --public-address {self.gateway.address} --routes 10.20.0.0/24', said)

    def register(self):
        self.story.step(
            "Registration: a certificate that the company's registrar confirmed",
            "Made here with a root of the demo's own; a real one comes from whoever checks your papers.",
        )
        key = self.gateway.host.run(
            "wg", "pubkey", text_in=(self.gateway.state / "keys" / f"{self.gateway.interface}.key").read_text()
        )
        self.trust = self.lab.directory / "trust.pem"
        run(
            self.tools / "sanad_test_certs",
            "--out",
            self.lab.directory,
            "--registration-key",
            self.gateway.state / "keys" / "registration.key",
            "--root-name",
            CONFIRMED_BY,
            "--legal-name",
            COMPANY,
            "--gateway-id",
            "example-khi-1",
            "--wireguard-key",
            key.stdout.strip(),
            "--address",
            self.gateway.address,
            "--port",
            self.gateway.port,
        )
        self.gateway.add_to_config(CONFIG.format(trust=self.trust, name=json.dumps(CONFIRMED_BY)))
        self.gateway.start()
        before = self.admin.status()["registration"]
        self.story.check(
            f"the gateway runs, and says honestly: {before['sentence']}",
            before["standing"] == "in_force"
            and before["level"] == "self"
            and "not confirmed by anyone else" in before["sentence"],
        )
        self.sanad(
            "registration",
            "install",
            self.lab.directory / "certificate.pem",
            "--reference",
            "24-7781",
            show="sanad registration install certificate.pem --reference 24-7781",
        )
        registered = self.admin.status()["registration"]
        self.story.check(
            f"in force at level {registered['level']}: {registered['sentence']}",
            registered["standing"] == "in_force"
            and registered["level"] == "company"
            and CONFIRMED_BY in registered["sentence"]
            and "24-7781" in registered["sentence"],
        )
        self.sanad("status")

    def add_people(self):
        self.story.step("Two employees, added through the admin socket")
        self.people = []
        for (name, email), client in zip(
            (("Ayesha Khan", "ayesha@example.com"), ("Bilal Ahmed", "bilal@example.com")), self.hosts
        ):
            handle = name.lower().replace(" ", "-")
            path = self.profiles / f"{handle}.conf"
            self.sanad("peer", "add", name, "--email", email, "--device", "laptop", "--profile", path.name, cwd=self.profiles)
            peer = next(p for p in self.admin.peers() if p["owner"]["name"] == name)
            self.people.append(Person(peer, Profile(path.read_text()), client))
        self.ayesha, self.bilal = self.people
        self.story.check(
            "the profiles are readable by root alone", all(p.stat().st_mode & 0o777 == 0o600 for p in self.profiles.iterdir())
        )
        keys = [
            line.split("= ", 1)[1].strip()
            for p in self.people
            for line in p.profile.text.splitlines()
            if line.startswith("PrivateKey")
        ]
        stored = b"".join(f.read_bytes() for f in self.gateway.state.rglob("*") if f.is_file())
        self.story.check(
            "the private keys in them are kept nowhere on the gateway",
            len(keys) == 2 and not any(key.encode() in stored for key in keys),
        )

    def connect(self):
        self.story.step("Both connect, each with a wireguard-go of their own, and work")
        for person in self.people:
            person.client.connect(person.profile)
        for person in self.people:
            person.client.ping(GATEWAY_INSIDE)
            until(lambda: self.admin.peer(person.id)["connected"], 10, "the session to be seen")
        self.story.check(f"the gateway answers both inside the tunnel ({GATEWAY_INSIDE})", True)
        for person in self.people:
            report = transfer(person.client.host, self.office, OFFICE_SERVER, seconds=2)
            megabits = report["end"]["sum_received"]["bits_per_second"] / 1e6
            self.story.check(
                f"{person.peer['owner']['name']}: iperf3 to the office server behind the gateway, {megabits:.0f} Mbit/s",
                report["end"]["sum_received"]["bytes"] > 0,
            )
        self.story.check(
            "neither reaches the other: peers are kept apart unless the configuration lets them talk",
            not self.ayesha.client.reaches(self.bilal.inside, tries=2),
        )
        self.sanad("session", "list", "--active")
        self.compare("so far")

    def compare(self, when):
        """Bytes of the sessions against the backend's own counters, at a moment in which both stand still."""
        dumped, sessions = self.gateway.figures_at_rest(
            [person.key for person in self.people if person.key in self.gateway.dump()]
        )
        for person in self.people:
            if person.key not in dumped:
                continue
            mine = [s for s in sessions if s["peer"]["id"] == person.id]
            received, sent = sum(s["rx_bytes"] for s in mine), sum(s["tx_bytes"] for s in mine)
            self.story.check(
                f"bytes {when}, {person.peer['owner']['name']}: {number(received)} in, {number(sent)} out, "
                "equal to wg's own counters",
                (received, sent) == (dumped[person.key].rx, dumped[person.key].tx),
            )

    def roam(self):
        self.story.step("Ayesha leaves the office for a café: 198.51.100.7 becomes 203.0.113.99")
        before = self.admin.peer(self.ayesha.id)["connected"]["session"]
        self.ayesha.client.move(self.lab.internet, "203.0.113.99")
        self.ayesha.client.ping(GATEWAY_INSIDE)
        session = until(lambda: (s := self.admin.session(before))["moves"] == 1 and s, 10, "the move to be seen")
        self.story.check(
            "the same session, now from 203.0.113.99; both addresses are in it",
            session["state"] == "connected"
            and [e["address"].split(":")[0] for e in session["endpoints"]] == ["198.51.100.7", "203.0.113.99"],
        )

    def restart(self):
        self.story.step("The daemon is restarted while she works", "wireguard-go outlives it and is taken over again.")
        session = self.admin.peer(self.ayesha.id)["connected"]["session"]
        backend = self.gateway.backend_pid()
        pings = Pings(self.ayesha.client.host, GATEWAY_INSIDE, every=0.1)
        pings.wait_for(10)
        self.gateway.stop()
        had = len(pings.replies())
        pings.wait_for(had + 10)
        self.story.check("while no sanadd runs, the tunnel carries her pings", True)
        self.gateway.start()
        until(lambda: self.admin.peer(self.ayesha.id)["connected"], 10, "the session to be taken up")
        pings.wait_for(len(pings.replies()) + 5)
        sent, received = pings.stop()
        # The one on its way when ping is stopped does not count.
        self.story.check(f"{sent} pings sent across the restart, {received} answered", sent - received <= 1)
        self.story.check(
            f"the same wireguard-go (pid {backend}), the same session ({session[:8]}...)",
            self.gateway.backend_pid() == backend and self.admin.peer(self.ayesha.id)["connected"]["session"] == session,
        )
        self.compare("after the restart")

    def revoke(self):
        self.story.step(
            "Bilal is revoked while connected",
            "He pings 500 times a second; the last answer he gets tells when his traffic stopped.",
        )
        session = self.admin.peer(self.bilal.id)["connected"]["session"]
        pings = Pings(self.bilal.client.host, GATEWAY_INSIDE, every=0.002)
        pings.wait_for(100)
        self.sanad("peer", "revoke", "bilal-ahmed/laptop")
        returned = time.time()
        self.cut_off = self.gateway.dump().get(self.bilal.key)
        pings.stop()
        self.revoked = until(lambda: (s := self.admin.session(session))["state"] == "closed" and s, 10, "the session to end")
        late_ms = (pings.replies()[-1][0] - returned) * 1000
        self.story.check(
            f"his last answer came {-late_ms:.0f} ms before the command returned"
            if late_ms <= 0
            else f"his last answer came {late_ms:.0f} ms after the command returned",
            late_ms <= 10,
        )
        self.story.check(
            "his session is closed as revoked, the time exact, not inferred",
            self.revoked["reason"] == "revoked" and not self.revoked["end_inferred"],
        )
        until(lambda: self.bilal.key not in self.gateway.dump(), 10, "the peer to leave the device")
        self.story.check(
            "his key is no longer on the device, and he gets no answer", not self.bilal.client.reaches(GATEWAY_INSIDE, tries=2)
        )

    def leave(self):
        self.story.step(
            "Ayesha shuts her laptop without a word",
            "WireGuard knows no goodbye: 180 s after the last handshake neither side holds a key any more.",
        )
        pings = Pings(self.ayesha.client.host, GATEWAY_INSIDE)
        pings.wait_for(5)
        pings.stop()
        self.last_sign = pings.replies()[-1][0]
        self.ayesha.client.disconnect()
        open_session = self.admin.peer(self.ayesha.id)["connected"]["session"]
        self.story.wait(lambda: self.admin.peer(self.ayesha.id)["connected"] is None, 220, "waiting for her session to end")
        self.expired = self.admin.session(open_session)
        ended = datetime.datetime.fromisoformat(self.expired["ended_at"].replace("Z", "+00:00")).timestamp()
        self.story.check(
            f"closed as expired; the recorded end is {abs(ended - self.last_sign):.1f} s from her last answer (poll: {POLL_S} s)",
            self.expired["reason"] == "expired" and self.expired["end_inferred"] and abs(ended - self.last_sign) <= POLL_S + 1.5,
        )

    def results(self):
        self.story.step("Who was connected, from where, when, how much")
        self.sanad("session", "list")
        sessions = self.admin.sessions()
        self.story.check(
            "two sessions, no more: a move, a restart and a revocation make none up",
            sorted(s["owner"]["name"] for s in sessions) == ["Ayesha Khan", "Bilal Ahmed"],
        )
        moment = self.expired["endpoints"][1]["since"]
        held = self.sanad("session", "who-held", self.ayesha.inside, "--at", moment)
        self.story.check(f"who held {self.ayesha.inside} at that time: one answer", "Ayesha Khan" in held.stdout)
        dumped = self.gateway.dump()[self.ayesha.key]
        rows = [
            ("BYTES", "SESSION IN", "COUNTER IN", "SESSION OUT", "COUNTER OUT", "COUNTER READ"),
            (
                "Ayesha Khan",
                number(self.expired["rx_bytes"]),
                number(dumped.rx),
                number(self.expired["tx_bytes"]),
                number(dumped.tx),
                "now",
            ),
        ]
        if self.cut_off:
            rows.append(
                (
                    "Bilal Ahmed",
                    number(self.revoked["rx_bytes"]),
                    number(self.cut_off.rx),
                    number(self.revoked["tx_bytes"]),
                    number(self.cut_off.tx),
                    "when he was revoked",
                )
            )
        table(rows, right=(1, 2, 3, 4))
        self.story.check(
            "Ayesha's bytes are equal to the byte", (self.expired["rx_bytes"], self.expired["tx_bytes"]) == (dumped.rx, dumped.tx)
        )
        if self.cut_off:
            # His client went on sending for a moment, into the void; the gateway counted what reached it.
            sent_by_him = self.bilal.client.server().tx
            self.story.check(
                "so is what was sent to Bilal; what came from him is no less than the counter then and no more than he ever sent",
                self.revoked["tx_bytes"] == self.cut_off.tx and self.cut_off.rx <= self.revoked["rx_bytes"] <= sent_by_him,
            )

    def administration(self):
        self.story.step("What the admin did, and what the gateway did by itself")
        leaves = self.gateway.leaves()
        rows = [("#", "TIME", "WHO", "WHAT")]
        for leaf in leaves:
            who = "the gateway"
            if leaf["class_uid"] == 3004:
                if "actor" in leaf:
                    who = leaf["personal"].get("actor.user.name") or f"uid {leaf['actor']['user']['uid']}"
                about = leaf["personal"].get("entity.name") or leaf["entity"]["uid"][:16]
                what = f"{leaf['sanad']['action']} {leaf['entity']['type']} {about}"
            elif leaf["class_uid"] == 6002 and leaf["activity_id"] in (3, 4):
                what = f"sanadd {'started' if leaf['activity_id'] == 3 else 'stopped: ' + leaf['sanad'].get('reason', '')}"
            elif leaf["class_uid"] == 0 and leaf["sanad"]["name"] not in ("host_changed", "clock"):
                sanad = leaf["sanad"]
                what = sanad["name"].replace("_", " ")
                if sanad["name"] == "standing_changed":
                    what += f": {sanad['from']} -> {sanad['to']}"
                elif sanad["name"] == "gap":
                    what += f" of {(sanad['to'] - sanad['from']) / 1000:.1f} s in what it saw ({sanad['cause']})"
            else:
                continue
            rows.append((str(leaf["index"]), clock(leaf["time"]), who, what))
        table(rows, right=(0,))
        actions = [leaf["sanad"]["action"] for leaf in leaves if leaf["class_uid"] == 3004 and leaf["entity"]["type"] == "peer"]
        self.story.check("two peers created, one revoked, nothing else", sorted(actions) == ["create", "create", "revoke"])
        self.story.check(
            f"{len(leaves)} records, numbered without a gap", [leaf["index"] for leaf in leaves] == list(range(len(leaves)))
        )
        entries = self.admin.entries()
        bare = "\n".join(json.dumps(entry["leaf"], ensure_ascii=False) for entry in entries)
        personal = ["Ayesha", "Bilal", "@example.com", "198.51.100.", "203.0.113.99", self.ayesha.key, self.bilal.key]
        self.story.check(
            "no name, e-mail, client address or key in any record itself: they stand beside it, where they can be erased",
            not any(word in bare for word in personal),
        )

    def evidence(self):
        self.story.step(
            "The log of all this, checked from its files alone",
            "What an auditor does with a copy and the gateway's public key; neither daemon nor database is asked.",
        )
        log = self.gateway.state / "log"
        records = self.admin.status()["evidence"]["records"]
        until(lambda: int((log / "checkpoint").read_text().splitlines()[1]) >= records, 10, "the checkpoint over all records")
        self.vkey = self.gateway.sanad("log", "key", "--dir", log).stdout.split()[0]
        copy = self.lab.directory / "copy"
        shutil.copytree(log, copy)
        said = self.sanad("log", "verify", copy.name, "--key", self.vkey, check=False, cwd=self.lab.directory)
        self.story.check(f"good: all {records} records and what has come since", said.returncode == 0)
        part = max((copy / "tile" / "entries").rglob("*"), key=lambda f: f.stat().st_size if f.is_file() else 0)
        part.write_bytes(part.read_bytes().replace(self.bilal.id.encode(), b"p-" + b"0" * (len(self.bilal.id) - 2)))
        said = self.sanad("log", "verify", copy.name, "--key", self.vkey, check=False, cwd=self.lab.directory)
        self.story.check("with another peer written in Bilal's place the copy is found out", said.returncode != 0)

    def registration(self):
        self.story.step("The registration")
        self.sanad("registration", "show")

    def keep(self, out):
        """Results go to `out`, the daemon has stopped."""
        for name in ("log", "state", "profiles"):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / "sessions.json").write_text(self.kept_sessions)
        # The log can be given to anyone; what its digests stand for cannot, and lies beside it.
        shutil.copytree(self.gateway.state / "log", out / "log")
        (out / "log.vkey").write_text(self.vkey + "\n")
        (out / "entries.ndjson").write_text(self.kept_entries)
        said = self.gateway.sanad("log", "verify", out / "log", "--key", self.vkey, check=False)
        self.story.check("the log as it is kept verifies, the record of the stop included", said.returncode == 0)
        shutil.copytree(self.gateway.state, out / "state", ignore=shutil.ignore_patterns("*.lock"))
        shutil.copytree(self.profiles, out / "profiles")
        shutil.copy(self.trust, out / "trust.pem")

    def collect(self):
        self.kept_sessions = self.gateway.sanad("session", "list", "--json").stdout
        self.kept_entries = self.gateway.sanad("log", "cat", "--json").stdout
        sessions = json.loads(self.kept_sessions)
        entries = [json.loads(line) for line in self.kept_entries.splitlines()]
        self.story.check(
            "sessions.json and the log can be read by programs",
            len(sessions) == 2 and all(s["started_at"] and s["ended_at"] for s in sessions) and len(entries) > 10,
        )


def play(demo):
    """--stay: Ayesha connects again, and everything is left running until Ctrl-C."""
    demo.ayesha.client.connect(demo.ayesha.profile)
    demo.ayesha.client.ping(GATEWAY_INSIDE)
    print(
        f"""
It is all still running, and Ayesha is connected again. Things to try in another terminal:
  export SANAD_SOCKET={demo.admin.path} PATH={demo.gateway.binaries}:$PATH
  sanad top                                    who is connected, live
  sanad session watch                          sessions as they come and go
  sanad peer add "Chandni Rao" --qr            another peer, as a QR code
  sanad peer disable ayesha-khan/laptop        and enable
  sanad log cat --follow                       the records as they are made
  curl --unix-socket $SANAD_SOCKET http://sanad/v1/metrics
  ip netns exec {demo.ayesha.client.host.namespace} ping {OFFICE_SERVER}
  ip netns exec {demo.gateway.host.namespace} wg show
  ip netns exec {demo.gateway.host.namespace} nft list table inet sanad
Ctrl-C ends it and cleans up.""",
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("\nending", flush=True)


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    missing = check_requirements()
    if missing:
        print("demo: cannot run here, missing: " + "; ".join(missing), file=sys.stderr)
        return 1
    steps = (
        "network",
        "set_up",
        "register",
        "add_people",
        "connect",
        "roam",
        "restart",
        "revoke",
        "leave",
        "results",
        "administration",
        "evidence",
        "registration",
    )
    story = Story(len(steps))
    print("Sanad: a registered WireGuard gateway at work. About 4 minutes; Ctrl-C ends it at any time and leaves nothing behind.")
    lab = Lab(options.bin)
    try:
        demo = Demo(story, lab, options.bin / "tests", options.stay)
        for step in steps:
            getattr(demo, step)()
        demo.collect()
        if options.stay:
            play(demo)
        stopped = demo.gateway.stop()
        story.check("sanadd stops cleanly when told to", stopped == 0)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            demo.keep(options.out)
            print(
                f"\nKept in {options.out}: sessions.json, log/ and log.vkey (for anyone), entries.ndjson (with the names), "
                "state/ (with the gateway's keys), profiles/ (with the clients'), trust.pem"
            )
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", flush=True)
        return 130
    except Exception as error:  # whatever it was: say it, clean up, fail
        print(f"\nThe demo did not come to its end: {error}", file=sys.stderr)
        print(f"sanadd said last:\n{lab.gateway.last_words()}", file=sys.stderr)
        return 1
    finally:
        # A second Ctrl-C would only leave namespaces behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()
    if story.wrong:
        print(f"\n{len(story.wrong)} of {story.checked} claims turned out wrong:")
        for claim in story.wrong:
            print(f"  {claim}")
        return 1
    print(f"\nAll {story.checked} claims were checked and are true.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
