"""Other tamper-evident logs on the same disk in the same run: fetched from Debian, run from where they were unpacked."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from lab.waiting import until  # noqa: E402  (the path comes first)

PACKAGES = ("syslog-ng-core", "syslog-ng-mod-slog", "libivykis0", "libnet1", "libwrap0", "systemd-journal-remote", "libmicrohttpd12")
EVENT_BYTES = 500
SLOG_EVENTS = 20_000
JOURNAL_EVENTS = 100_000

SLOG = """\
@version: 3.38
@module secure-logging
options {{ stats-freq(0); }};
source in {{ unix-stream("{place}/in.sock" flags(no-parse) max-connections(2)); }};
template sealed {{ template("$(slog -k {place}/host.key -m {place}/mac.dat $MSG)\\n"); }};
destination out {{ file("{place}/out.slog" template(sealed) fsync(yes) flush-lines(1000)); }};
log {{ source(in); destination(out); flags(flow-control); }};
"""


# Sealing keys live in /var/log/journal/<machine id>/fss: in a mount namespace of its own, so that the host's are left alone.
SEALED = """\
set -e
mount -t tmpfs tmpfs /var/log
[ -s /etc/machine-id ] || { echo 0123456789abcdef0123456789abcdef > "$1/machine-id"; mount --bind "$1/machine-id" /etc/machine-id; }
mkdir -p /var/log/journal/$(cat /etc/machine-id)
journalctl --setup-keys --quiet > "$1/verification-key"
exec "$2" --split-mode=none --seal=yes -o "$1/out.journal" "$1/in.export"
"""


class Rivals:
    def __init__(self, tools, directory):
        self._tools = pathlib.Path(tools)
        self._place = pathlib.Path(directory) / "rivals"

    def __enter__(self):
        self._fetch()
        self._place.mkdir()
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._place, ignore_errors=True)

    def _fetch(self):
        root = self._tools / "root"
        if not (root / "usr" / "sbin" / "syslog-ng").exists() or not (root / "lib" / "systemd" / "systemd-journal-remote").exists():
            self._tools.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["apt-get", "download", *PACKAGES], cwd=self._tools, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"bench: couldn't fetch {', '.join(PACKAGES)}: {done.stderr.strip()}; apt-get update first")
            for package in self._tools.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, root], check=True)
        libraries = [root / "usr/lib/syslog-ng", root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu",
                     "/usr/lib/x86_64-linux-gnu/systemd"]
        self._root = root
        self._environment = dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, libraries)))

    def _run(self, *command):
        return subprocess.run([str(part) for part in command], env=self._environment, check=True, capture_output=True, text=True)

    def slog(self):
        """Events a second from a socket to a synced file of encrypted, chained lines."""
        place = self._place / "slog"
        place.mkdir()
        slogkey = self._root / "usr/bin/slogkey"
        self._run(slogkey, "-m", place / "master.key")
        self._run(slogkey, "-d", place / "master.key", "02:00:00:00:00:01", "bench", place / "host.key")
        (place / "slog.conf").write_text(SLOG.format(place=place))
        modules = self._root / "usr/lib/syslog-ng/3.38"
        process = subprocess.Popen(
            [self._root / "usr/sbin/syslog-ng", "-F", f"--module-path={modules}", "-f", place / "slog.conf", "-R", place / "persist",
             "-p", place / "pid", "-c", place / "control"], env=self._environment, stderr=subprocess.DEVNULL)
        try:
            until((place / "in.sock").exists, 20, "syslog-ng to listen")
            line = b"x" * (EVENT_BYTES - 1) + b"\n"
            began = time.perf_counter()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
                out.connect(str(place / "in.sock"))
                for _ in range(SLOG_EVENTS // 100):
                    out.sendall(line * 100)
                until(lambda: lines_of(place / "out.slog") >= SLOG_EVENTS, 120, "syslog-ng to write them", every=0.05)
            return SLOG_EVENTS / (time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)

    def journal(self):
        """Events a second from a file in the export format into a sealed journal file."""
        place = self._place / "journal"
        place.mkdir()
        stamp = time.time_ns() // 1000
        with (place / "in.export").open("wb") as out:
            for number in range(JOURNAL_EVENTS):
                # As much of it random as salts and digests are of a record: the journal compresses.
                text = (b"%012d" % number + os.urandom(88).hex().encode()).ljust(EVENT_BYTES, b"x")
                out.write(b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\nMESSAGE=%s\n\n"
                          % (stamp + number, number + 1, 1, text))
        remote = self._root / "lib/systemd/systemd-journal-remote"
        began = time.perf_counter()
        self._run("unshare", "--mount", "--propagation", "private", "sh", "-c", SEALED, "sh", place, remote)
        fd = os.open(place / "out.journal", os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        rate = JOURNAL_EVENTS / (time.perf_counter() - began)
        if "SEALED" not in self._run("journalctl", "--header", "--file", place / "out.journal").stdout:
            raise SystemExit("bench: the journal was not sealed")
        return rate


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0
