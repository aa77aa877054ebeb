"""What Sanad costs, measured on the programs themselves; scripts/bench starts it."""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from lab.lab import Lab, check_requirements  # noqa: E402  (the path comes first)
from lab.waiting import until  # noqa: E402
from rivals import Rivals  # noqa: E402
from report import Figure, percentile, print_json, print_table  # noqa: E402

CHANGES = 500
IMPORTED = 65_536
IDLE_PEERS = 10_000
RESTART_LEAVES = 10_000_000
CERTIFICATES, REVOKED = 100_000, 10_000
IDLE_SECONDS = 65  # more than six polls at the default of 10 s
TICKS = os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, binaries, directory, vm=False, kernel="6.1", peers=65_536):
        self.binaries = binaries
        self.directory = directory
        self.vm, self.kernel, self.peers = vm, kernel, peers
        self.ratios = {}  # of this run, for programs

    # ---- one gateway ----

    @contextlib.contextmanager
    def gateway(self):
        """A daemon of its own in its own namespace, as `sanad init` sets it up."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        lab = Lab(self.binaries, place)
        try:
            lab.gateway.init(network="10.64.0.0/12, fd66::/64")
            lab.gateway.start()
            yield lab.gateway
        finally:
            lab.close()
            shutil.rmtree(place, ignore_errors=True)

    def ledger(self, part):
        program = self.binaries / "bench" / "ledger_bench"
        done = subprocess.run([program, self.directory, "--only", part, "--json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    # ---- what is measured ----

    def admin(self):
        direct = self.ledger("admin")["admin_on_empty"]
        figures = [*against_disk("ledger", direct["change_p50_us"], direct["change_p99_us"], direct["fdatasync_p50_us"],
                                 direct["fdatasync_p99_us"])]
        with self.gateway() as gateway, DiskProbe(self.directory) as disk, KeepAlive(gateway.admin.path) as admin:
            changes, syncs = [], []
            for number in range(CHANGES + 50):
                # The change itself; writing and signing a profile for the answer is measured apart.
                body = json.dumps({**new_peer(number), "profile": False}).encode()
                sync = disk.sync()
                began = time.perf_counter()
                status, answer = admin.post("/v1/peers", body)
                took = time.perf_counter() - began
                if status not in (200, 201):
                    raise SystemExit(f"POST /v1/peers answered {status}: {answer[:300]!r}")
                if number >= 50:  # caches, statements and the disk's own queue are warm by then
                    changes.append(took * 1e6)
                    syncs.append(sync * 1e6)
            profiles = []
            for number in range(CHANGES + 50, CHANGES + 250):
                body = json.dumps(new_peer(number)).encode()
                began = time.perf_counter()
                admin.post("/v1/peers", body)
                profiles.append((time.perf_counter() - began) * 1e6)
            reads = []
            for _ in range(200):
                began = time.perf_counter()
                admin.get("/v1/status")
                reads.append((time.perf_counter() - began) * 1e6)
        figures += against_disk("admin socket", percentile(changes, 0.5), percentile(changes, 0.99), percentile(syncs, 0.5),
                                percentile(syncs, 0.99))
        figures.append(Figure("admin socket: the same with a signed profile p50", percentile(profiles, 0.5), "us"))
        figures.append(Figure("admin socket: GET /v1/status p50", percentile(reads, 0.5), "us", note="a request that changes nothing"))
        return figures

    def append(self):
        found = self.ledger("append")["append"]
        return [Figure("session events made durable", found["events_per_s"], "events/s", note="1,024 waiting at a time"),
                Figure("the same by processor time", found["events_per_cpu_s"], "events/CPU s"),
                Figure("answer p99", found["ack_p99_us"] / 1000, "ms")]

    def log(self):
        program = self.binaries / "bench" / "log_bench"
        done = subprocess.run([program, self.directory, "--seconds", "15", "--restart", str(RESTART_LEAVES)], capture_output=True,
                              text=True, check=True)
        found = json.loads(done.stdout)
        probe, append = found["probe_events_per_s"], found["append_events_per_s"]
        figures = [
            Figure("ceiling: append, hash, fdatasync, signature", probe, "events/s", note="one file, 1,024 a batch, 500 bytes each"),
            Figure("SQLite alone", found["sqlite_events_per_s"], "events/s", note="one table, the same events, 1,024 a commit"),
            Figure("records alone while published", found["records_alone_per_s"], "events/s",
                   note=f"leaf and disclosures; answer p99 {found['records_alone_ack_p99_ms']:.1f} ms"),
            Figure("append while published", append, "events/s", least=50_000, note="session row, leaf, disclosures; 1,024 waiting"),
            Figure("readings of 4,096 sessions that open", found["readings_events_per_s"], "events/s",
                   note="the daemon's own way, all on the storage thread"),
            Figure("append: processor time of all threads", found["append_cpu_us"], "us an event"),
            Figure("append: of the ceiling", 100 * append / probe, "%", least=20),
            Figure("append: answer p50", found["ack_p50_ms"], "ms"),
            Figure("append: answer p99", found["ack_p99_ms"], "ms", most=20),
            Figure("checkpoint over an answered event, p99", found["covered_p99_ms"], "ms", most=1000),
            Figure("verify, one core", found["verify_one_core_per_s"], "leaves/s", least=500_000, note=f"of {found['leaves']:,}"),
            Figure("verify, two cores", 100 * (found["verify_two_cores_per_s"] / found["verify_one_core_per_s"] - 1), "% more", least=80),
            Figure("inclusion proof made, p99", found["proof_made_p99_ms"], "ms", most=5),
            Figure("inclusion proof checked, p99", found["proof_checked_p99_ms"], "ms", most=1),
            Figure("inclusion proof", found["proof_bytes"], "bytes", most=2048),
            Figure("tiles beside the records", found["merkle_bytes_a_leaf"], "bytes a leaf", most=33),
            Figure(f"restart with {found['restart_leaves']:,} leaves", found["restart_s"], "s", most=1),
        ]
        with Rivals(ROOT / "build" / "bench-tools", self.directory) as rivals:
            slog, journal = rivals.slog(), rivals.journal()
        return figures + [
            Figure("syslog-ng with slog", slog, "events/s", note="every 1,000 lines fsynced"),
            Figure("ahead of slog", append / slog, "x", least=2),
            Figure("systemd-journal-remote, sealed", journal, "events/s", note="not synced before the end, one process"),
            Figure("ahead of the journal", append / journal, "x", least=2),
        ]

    def import_(self):
        figures = []
        for name, query in (("line by line", ""), ("all or nothing", "?atomic=true")):
            body = b"".join(json.dumps(new_peer(number)).encode() + b"\n" for number in range(IMPORTED))
            with self.gateway() as gateway:
                used = processor_seconds(gateway.process.pid)
                began = time.perf_counter()
                answer = gateway.admin.ask("POST", "/v1/peers/import" + query, body, {"Content-Type": "application/x-ndjson"}, timeout=300)
                answered = time.perf_counter()
                lines = answer.body.splitlines()
                summary = json.loads(lines[-1]).get("summary", {}) if lines else {}
                if answer.status != 200 or summary.get("added") != IMPORTED:
                    raise SystemExit(f"the import answered {answer.status}: {answer.body[-500:]!r}")
                used = processor_seconds(gateway.process.pid) - used
                until(lambda: len(gateway.host.run("wg", "show", gateway.interface, "peers", timeout=120).stdout.splitlines()) == IMPORTED,
                      600, "all imported peers on the device", every=0.5)
                in_force = time.perf_counter()
            figures += [Figure(f"{name}: database part", summary["database_ms"], "ms", most=5000, note="as the answer's summary says"),
                        Figure(f"{name}: whole request", (answered - began) * 1000, "ms", note="with reading 11 MB of JSON and answering"),
                        Figure(f"{name}: sanadd's processor time", used * 1000, "ms", note="until the answer"),
                        Figure(f"{name}: backend after the answer", (in_force - answered) * 1000, "ms",
                               note="wireguard-go, until it has every peer")]
        disk = self.ledger("import")["import"]
        figures.append(Figure("ledger alone, one job: wall", disk["ms"], "ms", note="the same rows and leaves without the daemon"))
        figures.append(Figure("ledger alone, one job: processor", disk["cpu_ms"], "ms"))
        return figures

    def idle(self):
        body = b"".join(json.dumps(new_peer(number)).encode() + b"\n" for number in range(IDLE_PEERS))
        with self.gateway() as gateway:
            fresh = resident_mib(gateway.process.pid)
            answer = gateway.admin.ask("POST", "/v1/peers/import", body, {"Content-Type": "application/x-ndjson"}, timeout=300)
            if answer.status != 200:
                raise SystemExit(f"the import answered {answer.status}: {answer.body[-500:]!r}")
            until(lambda: len(gateway.dump()) == IDLE_PEERS, 120, "all imported peers on the device", every=0.5)
            gateway.after_polls(2, seconds=60)
            backend = gateway.backend_pid()
            daemon_used, backend_used = processor_seconds(gateway.process.pid), processor_seconds(backend)
            polls, began = gateway.polls(), time.monotonic()
            time.sleep(IDLE_SECONDS)  # the span that is measured, not a wait for something
            seconds = time.monotonic() - began
            daemon_used = processor_seconds(gateway.process.pid) - daemon_used
            backend_used = processor_seconds(backend) - backend_used
            polls = gateway.polls() - polls
            resident = resident_mib(gateway.process.pid)
            backend_resident = resident_mib(backend)
        if polls < 3:
            raise SystemExit(f"only {polls} polls in {seconds:.0f} s: nothing was measured")
        return [Figure("sanadd: one core", 100 * daemon_used / seconds, "%", most=1,
                       note=f"{IDLE_PEERS:,} idle peers, {polls} polls in {seconds:.0f} s"),
                Figure("sanadd: resident", resident, "MiB", most=64, note="after the import"),
                Figure("sanadd: resident before the first peer", fresh, "MiB"),
                Figure("wireguard-go: one core", 100 * backend_used / seconds, "%", note="the backend itself, not counted above"),
                Figure("wireguard-go: resident", backend_resident, "MiB")]

    def registrar(self):
        place = self.directory / "registrar"
        began = time.perf_counter()
        subprocess.run([self.binaries / "bench" / "registrar_fill", place, str(CERTIFICATES), str(REVOKED)], check=True)
        filled = time.perf_counter() - began

        def timed(*arguments):
            began = time.perf_counter()
            subprocess.run([self.binaries / "sanad", *arguments], check=True, capture_output=True)
            return (time.perf_counter() - began) * 1000

        issues = [timed("registrar", "issue", "--dir", place, place / f"more-{i}.csr", "--out", place / "one.pem") for i in range(20)]
        lists = [timed("registrar", "crl", "--dir", place) for _ in range(3)]
        dues = [timed("registrar", "list", "--dir", place, "--due", "30d") for _ in range(5)]
        checks = [timed("profile", "verify", place / "profile.conf", "--trust", place / "ca.pem") for _ in range(50)]
        starts = [timed("--version") for _ in range(20)]
        with DiskProbe(self.directory) as disk:
            syncs = [disk.sync() * 1000 for _ in range(50)]
        note = f"{CERTIFICATES:,} issued; the whole command, log and files durable"
        return [Figure("registrar issue p50", percentile(issues, 0.5), "ms", most=50, note=note),
                Figure("registrar issue p95", percentile(issues, 0.95), "ms"),
                Figure("registrar crl p50", percentile(lists, 0.5), "ms", most=2000, note=f"{REVOKED:,} revoked"),
                Figure("registrar list --due 30d p50", percentile(dues, 0.5), "ms", most=1000),
                Figure("profile verify p50", percentile(checks, 0.5), "ms", most=20, note="a whole process, one file"),
                Figure("sanad --version p50", percentile(starts, 0.5), "ms", note="what starting any command costs"),
                Figure("fdatasync p50", percentile(syncs, 0.5), "ms", note="the same disk, just after"),
                Figure("filling it", filled, "s", note="keys, requests and all")]

    def tracker(self):
        program = self.binaries / "tests" / "test_tracker_simulation"
        done = subprocess.run([program], capture_output=True, text=True)
        found = re.search(r"(\d+) sessions, seed (\d+), ([\d.]+) s, lost (\d+), merged (\d+), invented (\d+), bytes in truth (\d+) "
                          r"(!?=) bytes recorded (\d+)", done.stdout)
        if found is None:
            raise SystemExit(f"test_tracker_simulation said:\n{done.stdout[-2000:]}{done.stderr[-500:]}")
        sessions, seed, seconds, lost, merged, invented, truth, _, recorded = found.groups()
        return [Figure("sessions", int(sessions), "", least=900_000, note=f"simulated; SANAD_SEED={seed} repeats this run"),
                Figure("lost", int(lost), "", most=0), Figure("merged", int(merged), "", most=0),
                Figure("invented", int(invented), "", most=0),
                Figure("bytes wrong", abs(int(truth) - int(recorded)), "", most=0, note=f"of {int(truth):,}"),
                Figure("checks failed", done.returncode, "", most=0, note="times, roams, attempts, gaps, sums"),
                Figure("seconds", float(seconds), "s", most=60)]


    # ---- one device ----

    def in_machine(self, what):
        """What tests/bench/device.py, or daemon.py, measures in an emulated machine with its own kernel."""
        kib_a_peer = {"snapshot": 3, "scale": 6, "daemon": 4}[what]
        megabytes = (1280 if what == "daemon" else 768) + self.peers * kib_a_peer // 1024
        program = ["daemon.py", str(self.peers)] if what == "daemon" else ["device.py", what, str(self.peers)]
        machine = subprocess.Popen(
            [ROOT / "scripts" / "vm", "--kernel", self.kernel, "--memory", str(megabytes), "--cpus", "2", "--seconds", "7200",
             "--bin", self.binaries, "--add", self.binaries / "bench" / "device_bench", "--env", "SANAD_LAB_CLIENT=kernel", "--",
             "python3", "-B", f"tests/bench/{program[0]}", *program[1:]],
            stdout=subprocess.PIPE, text=True)
        found = ""
        for line in machine.stdout:  # as it comes: with many peers it takes long
            if line.startswith("{"):
                found = line
            else:
                print(line.rstrip(), file=sys.stderr, flush=True)
        if machine.wait() != 0 or not found:
            raise SystemExit(f"the machine ended with status {machine.returncode} and without figures")
        return json.loads(found)

    def in_namespace(self):
        """The same reading against a wireguard-go in a namespace of its own."""
        program = self.binaries / "bench" / "device_bench"
        lab = Lab(self.binaries, pathlib.Path(tempfile.mkdtemp(dir=self.directory)))
        try:
            host, name = lab.gateway.host, lab.gateway.interface
            backend = host.start("wireguard-go", "-f", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env={"PATH": os.environ["PATH"], "LOG_LEVEL": "silent"})
            until(lambda: host.run("wg", "show", name, check=False).returncode == 0, 20, "wireguard-go to answer")
            fill = json.loads(host.run(program, "fill-uapi", name, self.peers, timeout=600).stdout)
            read = json.loads(host.run(program, "read-uapi", name, 41, timeout=600).stdout)
            backend.kill()
            backend.wait()
            return {"fill": fill, "read": read}
        finally:
            lab.close()

    def snapshot(self):
        found = self.in_machine("snapshot") if self.vm else self.in_namespace()
        return self.reading(found["read"], exact=self.vm)

    def reading(self, read, exact):
        bare, ours, flow, wg = (read[name]["median_ms"] for name in ("bare_read", "snapshot", "snapshot_diff_tracker", "wg_show_dump"))
        self.ratios = {"ratio_to_bare_read": ours / bare, "ratio_to_wg_show_dump": ours / wg, "flow_ratio_to_bare_read": flow / bare}
        where = f"Linux {self.kernel}, emulated" if self.vm else "wireguard-go"
        figures = [Figure("bare read", bare, "ms", note=f"{read['peers']:,} peers, {read['bytes'] / 1e6:.1f} MB, {where}; median of {read['rounds']}"),
                   Figure("our snapshot", ours, "ms"),
                   Figure("snapshot, diff and tracker", flow, "ms"),
                   Figure("wg show dump", wg, "ms", note="to /dev/null"),
                   Figure("our snapshot / bare read", ours / bare, "", most=1.3 if exact else 1.1, note="the bare read is the limit"),
                   Figure("snapshot, diff and tracker / bare read", flow / bare, "", most=1.5 if exact else None),
                   Figure("tracker and reconciler", read["bytes_a_peer"], "bytes a peer", most=200, note="counted in their tables; idle peers")]
        if exact:
            figures.append(Figure("our snapshot / wg show dump", ours / wg, "", most=0.5))
        return figures

    def scale(self):
        if not self.vm:
            raise SystemExit("bench: scale measures the kernel backend: --vm")
        found = self.in_machine("scale")
        waits = found["other_users"]
        # What one RTM_GETLINK costs here while nothing happens, against 20 us on a machine that is not emulated.
        factor = max(1.0, waits["nothing"]["p50_ms"] / 0.020)
        figures = self.reading(found["read"], exact=True)
        fill, bare = found["fill"]["ms"], found["fill"]["bare_ms"]
        figures += [Figure("load: the kernel alone", bare, "ms", note="the same messages, encoded beforehand, in a bare loop"),
                    Figure("load: our client", fill, "ms"),
                    Figure("load: our client / the kernel alone", fill / bare, "", most=1.05),
                    Figure("one revocation: first phase", found["change"]["quiesce"]["median_ms"], "ms"),
                    Figure("one peer added", found["change"]["add"]["median_ms"], "ms"),
                    Figure("one peer removed", found["change"]["remove"]["median_ms"], "ms"),
                    Figure(f"{found['remove']['peers']:,} peers removed", found["remove"]["ms"], "ms"),
                    Figure("memory of snapshot, diff and tracker", found["read"]["peak_mib"], "MiB", note="peak of a process that does only that"),
                    Figure("emulation factor", factor, "", note="an idle RTM_GETLINK here, against 20 us")]
        if full := found.get("overfill"):
            figures += [Figure("ten peers for a device with room for three: there", full["there"], "", least=3, note=f"of {full['peers']:,} peers in all"),
                        Figure("the first three, and the others refused as too many", int(full["in_order"] and full["refused_as_full"]), "", least=1)]
        return figures + others_wait(waits, factor)

    def daemon(self):
        """The whole sanadd, with so many peers in its state, on a kernel of its own."""
        if not self.vm:
            raise SystemExit("bench: daemon measures the kernel backend: --vm")
        found = self.in_machine("daemon")
        factor = max(1.0, found["other_users"]["nothing"]["p50_ms"] / 0.020)
        figures = [Figure("start until it answers", found["start_s"], "s", note=f"{found['peers']:,} peers read from its state"),
                   Figure("load: all on the device", found["load_s"], "s", note="in pieces; other changes get in between"),
                   Figure("snapshot, diff and tracker, in the daemon", found["snapshot_ms"], "ms"),
                   Figure("restart with adoption until it answers", found["restart_s"], "s"),
                   Figure("sessions that went on over the restart", int(found["session_went_on"]), "", least=1),
                   Figure("stop", found["stop_s"], "s"),
                   Figure("emulation factor", factor, "", note="an idle RTM_GETLINK here, against 20 us")]
        for when in ("loaded", "polling", "restarted"):
            memory = found[f"memory_{when}"]
            figures += [Figure(f"resident, {when}", memory["resident"], "MiB", most=400 * 1e6 / 2**20),
                        Figure(f"most resident since its start, {when}", memory["peak"], "MiB", most=400 * 1e6 / 2**20)]
        cut = found["revocation"]
        figures += [Figure("revocation: the call", cut["call_ms"], "ms"),
                    Figure("revocation: last packet after the answer", max(0.0, cut["after_answer_ms"]), "ms", most=10 * factor,
                           note=f"of a flood of {cut['packets']:,}; bar 10 ms x emulation factor; a negative time is none")]
        many = found["revoked_many"]
        figures += [Figure(f"{many['peers']:,} peers revoked: each call", many["p50_ms"], "ms", note=f"p99 {many['p99_ms']:.0f} ms; one after the other"),
                    Figure(f"{many['peers']:,} peers revoked: gone from the device", many["gone_s"], "s", note="after the next readings, for their last bytes")]
        told = found["told"]
        figures.append(Figure("messages with REPLACE_PEERS", told["replace_peers"], "", most=0,
                              note=f"of {told['sets']:,} seen by nlmon; the most peers in one: {told['most_peers']}"))
        return figures + others_wait(found["other_users"], factor)


def others_wait(waits, factor):
    return [Figure(f"RTM_GETLINK p99 during {name}", wait["p99_ms"], "ms", most=20 * factor if name != "nothing" else None,
                   note=f"p50 {wait['p50_ms']:.2f}, max {wait['max_ms']:.0f} ms of {wait['asked']:,}") for name, wait in waits.items()]


def against_disk(name, p50, p99, sync_p50, sync_p99):
    return [Figure(f"{name}: change p50", p50, "us", most=2 * sync_p50, note="bar: 2 x fdatasync p50 of this run"),
            Figure(f"{name}: change p99", p99, "us", most=5 * sync_p99, note="bar: 5 x fdatasync p99 of this run"),
            Figure(f"{name}: fdatasync p50", sync_p50, "us", note="4 KiB into blocks that exist, between the changes"),
            Figure(f"{name}: fdatasync p99", sync_p99, "us")]


def new_peer(number):
    # Distinct, and any 32 bytes are a public key.
    key = base64.b64encode(os.urandom(32)).decode()
    return {"owner": {"name": f"Employee {number}", "email": f"employee{number}@example.com"}, "device": "laptop", "public_key": key}


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


class DiskProbe:
    """The least that something durable can cost on this disk: 4 KiB written over blocks the file has, and one fdatasync."""

    BLOCKS = 256

    def __init__(self, directory):
        self._path = pathlib.Path(directory) / "probe"
        self._block = b"x" * 4096
        self._next = 0

    def __enter__(self):
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._fd, self._block * self.BLOCKS, 0)
        os.fsync(self._fd)
        return self

    def __exit__(self, *_):
        os.close(self._fd)
        self._path.unlink()

    def sync(self):
        began = time.perf_counter()
        os.pwrite(self._fd, self._block, self._next % self.BLOCKS * 4096)
        os.fdatasync(self._fd)
        self._next += 1
        return time.perf_counter() - began


class KeepAlive:
    """One connection for all requests, with as little of its own as a client can have: its time is not the daemon's."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        self._socket.connect(self._path)
        return self

    def __exit__(self, *_):
        self._socket.close()

    def post(self, target, body):
        return self._ask(f"POST {target} HTTP/1.1\r\nHost: sanad\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def get(self, target):
        return self._ask(f"GET {target} HTTP/1.1\r\nHost: sanad\r\n\r\n".encode())

    def _ask(self, request):
        self._socket.sendall(request)
        held = b""
        while b"\r\n\r\n" not in held:
            held += self._more()
        head, _, body = held.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head).group(1))
        while len(body) < length:
            body += self._more()
        return int(head.split(b" ", 2)[1]), body

    def _more(self):
        data = self._socket.recv(65536)
        if not data:
            raise SystemExit("sanadd closed the connection")
        return data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--vm", action="store_true")
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--peers", type=int, default=65_536)
    parser.add_argument("what", nargs="+")
    arguments = parser.parse_args()
    # Ctrl-C and a polite kill both run every `finally` on the way out: namespaces and programs go away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = {"admin": Bench.admin, "append": Bench.append, "import": Bench.import_, "idle": Bench.idle, "log": Bench.log,
             "registrar": Bench.registrar, "tracker": Bench.tracker, "snapshot": Bench.snapshot, "scale": Bench.scale,
             "daemon": Bench.daemon}
    wanted = [name for name in known if name not in ("scale", "daemon")] if "all" in arguments.what else arguments.what
    if set(wanted) & {"admin", "import", "idle", *([] if arguments.vm else ["snapshot"])} and (missing := check_requirements()):
        raise SystemExit("bench: missing: " + "; ".join(missing))
    # On the disk of the repository: in a temporary directory it might be memory, where a sync costs nothing.
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    parts = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as directory:
        os.chmod(directory, 0o755)
        bench = Bench(arguments.bin.resolve(), pathlib.Path(directory), arguments.vm, arguments.kernel, arguments.peers)
        for name in wanted:
            parts[name] = known[name](bench)
            if not arguments.json:
                print_table(name, parts[name])
    if arguments.json:
        print_json(parts, bench.ratios)
    return 1 if any(figure.met is False for figures in parts.values() for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
