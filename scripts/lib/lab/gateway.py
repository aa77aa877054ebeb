"""sanadd in its namespace: its files, its process, its command line."""

import os
import pathlib
import re
import signal

from . import wireguard
from .admin import Admin
from .shell import run
from .waiting import until


class Gateway:
    """`directory` holds everything: sanad.yaml, state/, run/, sanadd.log."""

    def __init__(self, host, directory, binaries, interface, address, port=51820):
        self.host = host
        self.directory = pathlib.Path(directory)
        self.binaries = pathlib.Path(binaries)
        self.interface = interface
        self.address = address
        self.port = port
        self.config = self.directory / "sanad.yaml"
        self.state = self.directory / "state"
        self.log = self.directory / "sanadd.log"
        self.admin = Admin(self.directory / "run" / "admin.sock")
        self.process = None
        self.started_by = []  # a program and its arguments that sanadd is started through

    # ---- files ----

    def init(
        self, company="Example Software (Pvt) Ltd", network="10.66.0.0/16, fd66::/64", routes="tunnel", gateway_id="example-khi-1"
    ):
        """What `sanad init` does on a host; returns what it said."""
        return self.host.run(
            self.binaries / "sanad",
            "init",
            "--yes",
            "--company",
            company,
            "--public-address",
            self.address,
            "--network",
            network,
            "--routes",
            routes,
            "--gateway-id",
            gateway_id,
            "--interface",
            self.interface,
            "--port",
            self.port,
            "--backend",
            "auto",
            "--config",
            self.config,
            "--state-dir",
            self.state,
            "--run-dir",
            self.directory / "run",
        ).stdout

    def add_to_config(self, text):
        """More top-level keys."""
        with self.config.open("a") as out:
            out.write("\n" + text)

    def change_config(self, pattern, replacement):
        text, count = re.subn(pattern, replacement, self.config.read_text(), flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{pattern!r} fits {count} places of {self.config}")
        self.config.write_text(text)

    # ---- process ----

    def start(self, seconds=60):
        """Starts sanadd and waits until it answers."""
        self.launch()
        until(self._answers, seconds, f"sanadd to answer on its socket; {self.log} ends with:\n{self.last_words()}")

    def launch(self):
        with self.log.open("ab") as log:
            self.process = self.host.start(
                *self.started_by, self.binaries / "sanadd", "--config", self.config, stdout=log, stderr=log
            )

    def _answers(self):
        status = self.process.poll()
        if status is not None:
            raise AssertionError(f"sanadd ended with status {status}:\n{self.last_words()}")
        return self.admin.alive()

    def last_words(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def stop(self, seconds=30):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def reload(self):
        return self.admin.want("POST", "/v1/reload")

    def backend_pid(self):
        return wireguard.pid_of_backend(self.host, self.interface)

    def backend_life(self):
        """What is another once the backend has died: the process id of wireguard-go, the index of a kernel interface."""
        pid = self.backend_pid()
        if pid is not None:
            return f"wireguard-go {pid}"
        shown = self.host.run("cat", f"/sys/class/net/{self.interface}/ifindex", check=False)
        return f"kernel {shown.stdout.strip()}" if shown.returncode == 0 else None

    def end_backend(self):
        """wireguard-go is killed; a kernel interface, which cannot die by itself, is deleted."""
        pid = self.backend_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        else:
            self.host.ip("link", "delete", self.interface)

    # ---- what it says ----

    def sanad(self, *arguments, check=True, **options):
        environment = dict(os.environ, SANAD_SOCKET=self.admin.path, NO_COLOR="1")
        return run(self.binaries / "sanad", *arguments, check=check, env=environment, **options)

    def dump(self):
        return wireguard.dump(self.host, self.interface)

    def polls(self):
        return int(re.search(r"(?m)^sanad_polls_total\{[^}]*\} (\d+)", self.metrics()).group(1))

    def metrics(self):
        return self.admin.ask("GET", "/v1/metrics").body.decode()

    def after_polls(self, count=2, seconds=30):
        """Returns when the device has been read `count` more times: what happened before the call has been seen."""
        target = self.polls() + count
        until(lambda: self.polls() >= target, seconds, f"{count} more polls")

    def leaves(self, first=0):
        """The events of the log, each with its index and, under "personal", what its disclosures say."""
        out = []
        for entry in self.admin.entries(first):
            event = dict(entry["leaf"]["event"], index=entry["index"])
            event["personal"] = {d["name"]: d["value"] for d in entry.get("disclosures", [])}
            event["sanad"] = event.get("unmapped", {}).get("sanad", {})
            out.append(event)
        return out

    def own_events(self, name, first=0):
        return [leaf for leaf in self.leaves(first) if leaf["class_uid"] == 0 and leaf["sanad"].get("name") == name]

    def entity_events(self, action, peer_id=None, first=0):
        return [
            leaf
            for leaf in self.leaves(first)
            if leaf["class_uid"] == 3004 and leaf["sanad"].get("action") == action and peer_id in (None, leaf["entity"]["uid"])
        ]

    def session_events(self, activity, session=None, first=0):
        """Of class 4014: 1 opened, 2 closed, 3 moved, 99 attempted."""
        return [
            leaf
            for leaf in self.leaves(first)
            if leaf["class_uid"] == 4014
            and leaf["activity_id"] == activity
            and session in (None, leaf.get("session", {}).get("uid"))
        ]

    def figures_at_rest(self, public_keys, seconds=30):
        """(dump, [sessions]) of one moment: wg showed the same counters before and after the sessions were asked for, and
        their figures are from in between."""

        def attempt():
            before = self.dump()
            self.after_polls(2)
            sessions = self.admin.sessions()
            after = self.dump()
            same = all((before[key].rx, before[key].tx) == (after[key].rx, after[key].tx) for key in public_keys)
            return (after, sessions) if same else None

        return until(attempt, seconds, "a moment in which the counters stand still")
