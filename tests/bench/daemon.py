"""daemon.py PEERS: the whole sanadd with so many peers on a real kernel: loaded from its state, read, one revoked while it sends,
stopped and started again; with the memory it takes and what other users of RTNL wait. Run in scripts/vm, with the release programs
and device_bench. The last line it prints is one JSON object."""

import contextlib
import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from lab.admin import UnixConnection  # noqa: E402  (the path comes first)
from lab.lab import Lab  # noqa: E402
from lab.waiting import until  # noqa: E402
from lab.wireguard import SetWatch  # noqa: E402

BINARIES = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "bin"
HOURS = 4 * 3600
REVOKED = 1000
INSIDE = "10.0.0.1"

# Says when the packets that an interface took from its peers last grew, by CLOCK_MONOTONIC: of its own namespace, twice a millisecond.
WATCH = """
import signal, sys, time
name, stop = sys.argv[1] + ":", []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
count, last, first = None, 0.0, None
while not stop:
    with open("/proc/net/dev") as table:
        line = next(line for line in table if line.strip().startswith(name))
    now, packets = time.monotonic(), int(line.split(":")[1].split()[1])
    if packets != count:
        first = packets if first is None else first
        count, last = packets, now
    time.sleep(0.0005)
print(last, count - first)
"""


def say(text):
    print(f"{time.monotonic():8.1f} s  {text}", file=sys.stderr, flush=True)


def fill(database, interface, count):
    """Peers as an import leaves them, written past the daemon: what is measured begins when it reads them."""
    with contextlib.closing(sqlite3.connect(database)) as state:
        old = time.time_ns() - 3600 * 10**9
        state.execute("INSERT INTO owners(id, handle, name, email) VALUES ('o-bench', 'bench', 'Bench', '')")
        state.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
            INSERT INTO peers(id, interface, owner_id, device, public_key, allowed_ips, keepalive_s, enabled, peer_groups, note, created,
                              updated, version, on_device)
            SELECT printf('p-bench%07d', i), ?1, 'o-bench', printf('d%d', i), randomblob(31) || x'01',
                   printf('10.%d.%d.%d/32 fd66::b:%x:%x/128', 64 + i / 65536, i / 256 % 256, i % 256, i / 65536, i % 65536),
                   0, 1, '', '', ?2, ?2, 1, 1 FROM n""", (interface, old, count))
        state.commit()
        state.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def memory(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return {name: int(re.search(rf"{key}:\s+(\d+) kB", text).group(1)) / 1024 for name, key in (("resident", "VmRSS"), ("peak", "VmHWM"))}


class Run:
    def __init__(self, peers):
        self.peers = peers
        self.found = {"peers": peers, "other_users": {}}
        self.given = None
        self.lab = Lab(BINARIES)
        self.gateway = self.lab.gateway

    @contextlib.contextmanager
    def other_users(self, during):
        process = self.gateway.host.start("device_bench", "getlink", "lo", stdout=subprocess.PIPE, text=True)
        try:
            yield
        finally:
            process.terminate()
            self.found["other_users"][during] = json.loads(process.communicate()[0])

    def loaded(self):
        found = re.search(r"(\d+) missing peers put on the device in ([\d.]+) s", self.gateway.log.read_text())
        return found and float(found.group(2))

    def tell_loading(self):
        given = re.findall(r"(\d+) of \d+ peers given to the device", self.gateway.log.read_text())
        if given and given[-1] != self.given:
            self.given = given[-1]
            say(f"{self.given} peers given to the device")
        return self.loaded()

    def status(self):
        return self.gateway.admin.ask("GET", "/v1/status", timeout=HOURS).json["interfaces"][0]

    def on_device(self):
        return self.gateway.host.run("wg", "show", self.gateway.interface, "peers", timeout=HOURS).stdout.count("\n")

    def start(self):
        began = time.monotonic()
        self.gateway.start(seconds=HOURS)
        return time.monotonic() - began

    def prepare(self):
        self.gateway.init(network="10.0.0.0/8, fd66::/64")
        self.gateway.change_config(r"backend: auto", "backend: kernel")
        self.gateway.start()
        self.stays = self.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        self.leaves = self.lab.add_person("Bilal Ahmed", "198.51.100.8", email="bilal@example.com")
        for person in (self.stays, self.leaves):
            person.client.ping(INSIDE, 120)
        self.gateway.stop()
        # As after a reboot: nothing is on the device, and that is nobody's doing.
        self.gateway.host.ip("link", "delete", self.gateway.interface)
        say(f"writing {self.peers} peers into the state")
        fill(self.gateway.state / "state.db", self.gateway.interface, self.peers)

    def run(self):
        self.prepare()
        watch = SetWatch(self.gateway.host)
        with self.other_users("nothing"):
            time.sleep(5)  # the span that is measured, not a wait for something
        say("loading")
        with self.other_users("load"):
            self.found["start_s"] = self.start()
            until(self.tell_loading, HOURS, "all peers on the device", every=1)
        self.found["load_s"] = self.loaded()
        self.found["memory_loaded"] = memory(self.gateway.process)
        say(f"{self.found}")
        say("polls")
        with self.other_users("polls"):
            self.gateway.after_polls(3, seconds=HOURS)
        self.found["snapshot_ms"] = self.status()["snapshot_ms"]
        self.found["memory_polling"] = memory(self.gateway.process)
        say(f"{self.found}")
        say("revocation")
        with self.other_users("revocation"):
            self.revoke()
        say(f"{self.found}")
        say(f"revoking {REVOKED}")
        with self.other_users("removal"):
            self.revoke_many()
        say(f"restart; {self.found}")
        self.stays.client.ping(INSIDE, 120)
        before = self.session()
        self.found["stop_s"] = self.stop()
        with self.other_users("restart"):
            self.found["restart_s"] = self.start()
            self.gateway.after_polls(1, seconds=HOURS)
        self.found["session_went_on"] = self.session() == before
        self.gateway.after_polls(2, seconds=HOURS)
        self.found["memory_restarted"] = memory(self.gateway.process)
        self.found["told"] = watch.stop()
        return self.found

    def session(self):
        return until(lambda: self.gateway.admin.peer(self.stays.id)["connected"], 300, "a session")["session"]

    def stop(self):
        began = time.monotonic()
        self.gateway.stop(seconds=HOURS)
        return time.monotonic() - began

    def revoke(self):
        host, client = self.gateway.host, self.leaves.client.host
        self.leaves.client.ping(INSIDE, 120)
        # As fast as answers come back.
        flood = client.start("ping", "-n", "-q", "-f", INSIDE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watch = host.start("python3", "-B", "-c", WATCH, self.gateway.interface, stdout=subprocess.PIPE, text=True)
        time.sleep(3)  # of flood, counted below
        called = time.monotonic()
        self.gateway.admin.want("DELETE", f"/v1/peers/{self.leaves.id}", timeout=HOURS)
        answered = time.monotonic()
        time.sleep(2)  # in which nothing may come
        watch.terminate()
        last, packets = watch.communicate()[0].split()
        flood.kill()
        self.found["revocation"] = {"call_ms": (answered - called) * 1000, "after_answer_ms": (float(last) - answered) * 1000,
                                    "packets": int(packets)}

    def revoke_many(self):
        """One call after the other over one connection, as a script would."""
        before = self.on_device()
        connection = UnixConnection(self.gateway.admin.path, HOURS)
        began = time.monotonic()
        calls = []
        for number in range(1, REVOKED + 1):
            called = time.monotonic()
            connection.request("DELETE", f"/v1/peers/p-bench{number:07d}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"a revocation was answered {answer.status} {body!r}")
            calls.append(time.monotonic() - called)
        connection.close()
        calls.sort()
        until(lambda: self.on_device() <= before - REVOKED, HOURS, "the revoked to be gone from the device", every=1)
        self.found["revoked_many"] = {"peers": REVOKED, "p50_ms": calls[REVOKED // 2] * 1000, "p99_ms": calls[REVOKED * 99 // 100] * 1000,
                                      "gone_s": time.monotonic() - began}


if __name__ == "__main__":
    run = Run(int(sys.argv[1]))
    try:
        found = run.run()
    finally:
        say("sanadd's last words:\n" + run.gateway.last_words())
        run.lab.close()
    print(json.dumps(found))
