"""WireGuard as `wg` shows it, and a client set up from the profile the gateway wrote: wireguard-go, or the kernel's own where
SANAD_LAB_CLIENT=kernel says so (in scripts/vm; most hosts that run the lab have no kernel module to load)."""

import json
import os
import pathlib
import re
import signal
import subprocess

from .shell import run
from .waiting import until


class DumpedPeer:
    def __init__(self, line):
        (self.public_key, self.preshared_key, self.endpoint, allowed_ips, handshake, rx, tx, self.keepalive) = line.split("\t")
        self.allowed_ips = set() if allowed_ips == "(none)" else set(allowed_ips.split(","))
        self.handshake = int(handshake)
        self.rx = int(rx)
        self.tx = int(tx)


def dump(host, interface):
    """{public key: DumpedPeer}, as `wg show INTERFACE dump` says it."""
    lines = host.run("wg", "show", interface, "dump").stdout.splitlines()
    peers = [DumpedPeer(line) for line in lines[1:]]
    return {peer.public_key: peer for peer in peers}


def new_private_key():
    return run("wg", "genkey").stdout.strip()


def public_key_of(private_key):
    return run("wg", "pubkey", text_in=private_key + "\n").stdout.strip()


class Profile:
    """A wg-quick file: what `wg setconf` takes, and what wg-quick itself would do with ip."""

    def __init__(self, text):
        self.text = text
        stripped = []
        self.addresses = []
        self.routes = []
        self.mtu = None
        for line in text.splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            if key == "Address":
                self.addresses += [part.strip() for part in value.split(",")]
            elif key == "MTU":
                self.mtu = int(value)
            elif key in ("DNS", "Table", "PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig"):
                continue
            else:
                if key == "AllowedIPs":
                    self.routes += [part.strip() for part in value.split(",") if part.strip()]
                stripped.append(line)
        self.stripped = "\n".join(stripped) + "\n"

    def with_line(self, key, value):
        """The same with another value of one key."""
        text, count = re.subn(rf"(?m)^{key} *=.*$", lambda _: f"{key} = {value}", self.text)
        if count != 1:
            raise ValueError(f"the profile has {count} lines with {key}")
        return Profile(text)

    def without_line(self, key):
        return Profile(re.sub(rf"(?m)^{key} *=.*\n", "", self.text))


def uses_kernel():
    return os.environ.get("SANAD_LAB_CLIENT") == "kernel"


class Client:
    """WireGuard in `host`, on `interface`."""

    def __init__(self, host, interface):
        self.host = host
        self.interface = interface
        self._process = None
        self._link = False

    def connect(self, profile):
        if uses_kernel():
            self.host.ip("link", "add", self.interface, "type", "wireguard")
            self._link = True
        else:
            self._start_userspace()
        self.host.run("wg", "setconf", self.interface, "/dev/stdin", text_in=profile.stripped)
        for address in profile.addresses:
            self.host.ip("addr", "add", address, "dev", self.interface, *(["nodad"] if ":" in address else []))
        self.host.ip("link", "set", self.interface, "mtu", str(profile.mtu or 1420), "up")
        for route in profile.routes:
            # An outer address inside a full tunnel would need wg-quick's rules; the labs use split tunnels only.
            self.host.ip("route", "replace", route, "dev", self.interface)

    def _start_userspace(self):
        # The tun device of a client that has just been killed may still be on its way out: then wireguard-go ends at once.
        until(self._started_userspace, 30, f"wireguard-go of {self.host.name} to answer")

    def _started_userspace(self):
        if self._process is None or self._process.poll() is not None:
            self._process = self.host.start(
                "wireguard-go",
                "-f",
                self.interface,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "LOG_LEVEL": "silent"},
            )
        return self.host.run("wg", "show", self.interface, check=False).returncode == 0

    def server(self):
        """The gateway as this client sees it."""
        return next(iter(dump(self.host, self.interface).values()))

    def ping(self, address, seconds=20):
        """Waits until one ping is answered: with it, a handshake has certainly happened."""
        until(
            lambda: self.host.run("ping", "-n", "-c", "1", "-W", "1", address, check=False).returncode == 0,
            seconds,
            f"an answer from {address} to {self.host.name}",
            every=0.1,
        )

    def reaches(self, address, tries=3):
        return self.host.run("ping", "-n", "-c", str(tries), "-i", "0.2", "-W", "1", address, check=False).returncode == 0

    def move(self, internet, address):
        """To another network, and what the WireGuard apps do when the phone says that it has changed: the endpoint is set
        anew. wireguard-go by itself holds on to its old source address until a handshake fails, 15 s later."""
        internet.move(self.host, address)
        server = self.server()
        self.host.run("wg", "set", self.interface, "peer", server.public_key, "endpoint", server.endpoint)

    def disconnect(self):
        """Off without a word, as a laptop whose lid is shut."""
        if self._link:
            self._link = False
            # Its namespace may be gone, and the link with it.
            run("ip", "-n", self.host.namespace, "link", "delete", self.interface, check=False)
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        # The kernel takes the interface away a moment later; whoever connects again at once would find it busy. (The namespace
        # may be gone as well.)
        there = ("ip", "-n", self.host.namespace, "link", "show", self.interface)
        until(lambda: run(*there, check=False).returncode != 0, 10, f"{self.interface} to go away")


class SetWatch:
    """Counts what the WireGuard of a host's namespace is told, with a real kernel only: see set_watch.py."""

    def __init__(self, host):
        program = pathlib.Path(__file__).with_name("set_watch.py")
        self._process = host.start("python3", "-B", program, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"set_watch.py ended with status {self._process.wait()}")

    def stop(self):
        """{"sets": messages, "replace_peers": of those, "most_peers": in one}"""
        self._process.terminate()
        said = self._process.communicate()[0]
        if self._process.returncode != 0:
            raise RuntimeError(f"set_watch.py ended with status {self._process.returncode}")
        return json.loads(said)


class Pings:
    """A ping that runs until it is stopped; every reply with the kernel's time of its arrival."""

    def __init__(self, host, address, every=0.2, size=56):
        self._process = host.start(
            "ping",
            "-n",
            "-D",
            "-i",
            str(every),
            "-s",
            str(size),
            address,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        os.set_blocking(self._process.stdout.fileno(), False)
        self._text = ""

    def _read(self):
        try:
            part = self._process.stdout.read()
        except (BlockingIOError, TypeError):
            part = None
        self._text += part or ""

    def replies(self):
        """[(arrival in Unix seconds, sequence number)]"""
        if not self._process.stdout.closed:
            self._read()
        return [
            (float(at), int(number))
            for at, number in re.findall(r"\[(\d+\.\d+)\] \d+ bytes from [^\n]*icmp_seq=(\d+)[^\n]*time=", self._text)
        ]

    def wait_for(self, count, seconds=20):
        until(lambda: len(self.replies()) >= count, seconds, f"{count} ping replies")

    def stop(self):
        """(sent, received), as ping itself counted."""
        self._process.send_signal(signal.SIGINT)
        os.set_blocking(self._process.stdout.fileno(), True)
        with self._process.stdout as out:
            self._text += out.read() or ""
        self._process.wait()
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) received", self._text).groups()
        return int(sent), int(received)


def transfer(client_host, server_host, address, seconds=None, megabytes=None, port=5201, reverse=False):
    """iperf3 from client to server; what its own report says, as a dict."""
    server = server_host.start(
        "iperf3",
        "--server",
        "--one-off",
        "--bind",
        address,
        "--port",
        str(port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        amount = ["--bytes", f"{megabytes}M"] if megabytes else ["--time", str(seconds or 2)]

        def attempt():
            done = client_host.run(
                "iperf3",
                "--client",
                address,
                "--port",
                str(port),
                "--json",
                *amount,
                *(["--reverse"] if reverse else []),
                check=False,
                timeout=120,
            )
            report = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
            return report if "error" not in report else None

        return until(attempt, 30, f"iperf3 from {client_host.name} to {address}", every=0.2)
    finally:
        if server.poll() is None:
            server.terminate()
        server.wait()


def pid_of_backend(host, interface):
    """The wireguard-go that serves `interface` in `host`, found by its command line."""
    for pid in host.pids():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as source:
                words = source.read().split(b"\0")
        except OSError:
            continue
        if words and words[0].endswith(b"wireguard-go") and interface.encode() in words:
            return pid
    return None
