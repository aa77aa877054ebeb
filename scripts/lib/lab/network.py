"""The internet: one namespace with a bridge, every host in a namespace of its own, routing between the networks.

Addresses are those set aside for documentation (RFC 5737).
"""

import os
import signal
import subprocess

from .shell import run
from .waiting import TimedOut, until

ROUTERS = {"198.51.100": "198.51.100.1", "203.0.113": "203.0.113.1"}


def network_of(address):
    return address.rsplit(".", 1)[0]


class Host:
    """One namespace. `name` is what people see, `namespace` what `ip netns` knows it by."""

    def __init__(self, name, namespace):
        self.name = name
        self.namespace = namespace
        self.uplinks = 0
        self.addresses = []  # it ever had on the internet

    def command(self, *command):
        return ["ip", "netns", "exec", self.namespace, *[str(part) for part in command]]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def ip(self, *arguments):
        return run("ip", "-n", self.namespace, *arguments)

    def start(self, *command, **options):
        """A program of this host; a session of its own, so that Ctrl-C reaches only us and we end it in order."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(*command), start_new_session=True, **options)

    def pids(self):
        listed = run("ip", "netns", "pids", self.namespace, check=False)
        return [int(pid) for pid in listed.stdout.split()]


class Internet:
    def __init__(self, mark):
        self._mark = mark
        self.hosts = []
        self.backbone = None

    def build(self):
        """Apart from the constructor, so that close() finds what was made when this is interrupted half way."""
        self.backbone = self._add("net")
        # An address of its own: a bridge otherwise takes the lowest of its ports', and changes it under everybody's ARP cache.
        self.backbone.ip("link", "add", "br0", "address", "02:00:00:00:00:01", "type", "bridge")
        for network, router in ROUTERS.items():
            self.backbone.ip("addr", "add", f"{router}/24", "dev", "br0")
        self.backbone.ip("link", "set", "br0", "up")
        self.backbone.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def _add(self, name):
        host = Host(name, f"sanad-{self._mark}-{name}")
        self.hosts.append(host)
        run("ip", "netns", "add", host.namespace)
        host.ip("link", "set", "lo", "up")
        return host

    def add_host(self, name, address):
        """A host on the internet, `address` on its uplink."""
        host = self._add(name)
        self._plug(host, address)
        return host

    def _plug(self, host, address):
        host.uplinks += 1
        host.addresses.append(address)
        here, there = f"to-{host.name}-{host.uplinks}", f"eth{host.uplinks - 1}"
        self.backbone.ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", host.namespace)
        self.backbone.ip("link", "set", here, "master", "br0", "up")
        host.ip("addr", "add", f"{address}/24", "dev", there)
        host.ip("link", "set", there, "up")
        host.ip("route", "replace", "default", "via", ROUTERS[network_of(address)])

    def move(self, host, address):
        """Off one network and onto another, as a laptop that leaves the office for a café."""
        host.ip("link", "delete", f"eth{host.uplinks - 1}")
        self._plug(host, address)

    def add_behind(self, gateway, name, gateway_address, address):
        """A host that only `gateway` reaches, in a /24 of their own; it knows no way anywhere else."""
        host = self._add(name)
        gateway.ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        gateway.ip("addr", "add", f"{gateway_address}/24", "dev", f"to-{name}")
        gateway.ip("link", "set", f"to-{name}", "up")
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("link", "set", "eth0", "up")
        return host

    def close(self):
        """Ends what still runs in the namespaces, by process id, and removes them. Says nothing, fails on nothing."""
        for send in (signal.SIGTERM, signal.SIGKILL):
            for host in self.hosts:
                for pid in host.pids():
                    try:
                        os.kill(pid, send)
                    except ProcessLookupError:
                        pass
            try:
                until(lambda: not any(host.pids() for host in self.hosts), 5, "the programs in the namespaces to end")
                break
            except TimedOut:
                continue
        for host in reversed(self.hosts):
            run("ip", "netns", "delete", host.namespace, check=False)
        self.hosts.clear()
