"""A lab: the internet, one gateway, the clients; and its end."""

import atexit
import os
import pathlib
import secrets
import shutil
import tempfile

from .gateway import Gateway
from .network import Internet
from .shell import run
from .wireguard import Client, Profile, uses_kernel

GATEWAY_ADDRESS = "203.0.113.10"
GATEWAY_INSIDE = "10.66.0.1"
OFFICE_GATEWAY, OFFICE_SERVER = "10.20.0.1", "10.20.0.10"


class Person:
    """Somebody with a profile, on a host of their own."""

    def __init__(self, peer, profile, client):
        self.peer = peer
        self.profile = profile
        self.client = client

    @property
    def id(self):
        return self.peer["id"]

    @property
    def key(self):
        return self.peer["public_key"]

    @property
    def inside(self):
        return self.peer["allowed_ips"][0].split("/")[0]


class Lab:
    def __init__(self, binaries, directory=None):
        self.mark = secrets.token_hex(3)
        # Others must be able to reach the admin socket as far as its own mode lets them: 0755, not mkdtemp's 0700.
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix=f"sanad-{self.mark}-"))
        self.directory.chmod(0o755)
        self.internet = Internet(self.mark)
        self.clients = []
        # Called once by close(), when the programs have ended and their files are still there. What it raises goes to close()'s caller.
        self.before_removal = None
        # Also when a Ctrl-C goes past everybody who would have called close().
        atexit.register(self.close)
        try:
            self.internet.build()
            host = self.internet.add_host("gw", GATEWAY_ADDRESS)
            self.gateway = Gateway(host, self.directory, binaries, f"sg{self.mark}", GATEWAY_ADDRESS)
        except BaseException:
            self.close()
            raise

    def add_office(self):
        """A server behind the gateway that knows no way back to the tunnel's addresses: only masquerading reaches it."""
        return self.internet.add_behind(self.gateway.host, "office", OFFICE_GATEWAY, OFFICE_SERVER)

    def add_client_host(self, address):
        number = len(self.clients) + 1
        client = Client(self.internet.add_host(f"c{number}", address), f"c{number}x{self.mark}")
        self.clients.append(client)
        return client

    def add_person(self, name, address, email=None, device="laptop", connect=True, **fields):
        """A peer whose key the gateway made, and a host with that profile."""
        owner = {"name": name}
        if email:
            owner["email"] = email
        added = self.gateway.admin.add_peer(owner=owner, device=device, make_key=True, **fields)
        person = Person(added["peer"], Profile(added["profile"]), self.add_client_host(address))
        if connect:
            person.client.connect(person.profile)
        return person

    def close(self):
        """Twice does no harm."""
        atexit.unregister(self.close)
        # In order: sanadd first, or it would see its backend die and start another.
        gateway = getattr(self, "gateway", None)
        if gateway is not None and gateway.process is not None and gateway.process.poll() is None:
            gateway.kill()
        self.internet.close()
        for client in self.clients:
            client.disconnect()
        last_look, self.before_removal = self.before_removal, None
        try:
            if last_look is not None:
                last_look()
        finally:
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)


def check_requirements():
    """What is missing on this host, in words; empty when nothing is."""
    missing = []
    if os.geteuid() != 0:
        missing.append("root: network namespaces are made")
    for program in ("ip", "wg", "ping", "iperf3", "nft", *([] if uses_kernel() else ["wireguard-go"])):
        if shutil.which(program) is None:
            missing.append(f"{program} (scripts/setup installs it)")
    if not uses_kernel() and not pathlib.Path("/dev/net/tun").exists():
        missing.append("/dev/net/tun (modprobe tun; in a container: --device /dev/net/tun)")
    if not missing:
        probe = f"sanad-{secrets.token_hex(3)}-probe"
        if run("ip", "netns", "add", probe, check=False).returncode != 0:
            missing.append("the right to make network namespaces (CAP_SYS_ADMIN)")
        else:
            run("ip", "netns", "delete", probe, check=False)
    return missing
