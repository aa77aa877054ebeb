#!/usr/bin/env python3
"""Reads every #include of gateway/, config/ and control/ and fails, with the reason, when one goes against the architecture.

Rooms (architecture.md): a lower room never includes a higher one, siblings never include each other, and a library stays
in the room that knows it.
"""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')

BASE = {"gateway/base"}
WG = BASE | {"gateway/wg"}
NETLINK = {"gateway/wg/kernel/netlink"}
BACKENDS = {"gateway/wg/kernel", "gateway/wg/userspace"}
GATEWAY = WG | {"gateway/hints", "gateway/link", "gateway/firewall", "gateway/reconcile", "gateway/sessions"}
CONTROL_LOW = {"control/access", "control/audit", "control/ledger", "control/registration"}

# room -> (rooms it may include beside itself, why not more)
RULES = {
    "gateway/base": (set(), "everything stands on base: what base includes, everything includes"),
    "gateway/wg": (BASE, "wg is the interface both backends fulfil: it knows neither of them, nor what is done with it"),
    "gateway/wg/kernel/netlink": (BASE, "netlink carries any message: it knows none of those that WireGuard or links are made of"),
    "gateway/wg/kernel": (WG | NETLINK, "a backend knows the interface it fulfils, not the other backend"),
    "gateway/wg/userspace": (WG, "a backend knows the interface it fulfils, not the other backend"),
    "gateway/link": (WG | NETLINK, "gateway's rooms are siblings: control/service brings them together"),
    "gateway/hints": (WG | NETLINK, "gateway's rooms are siblings: control/service brings them together"),
    "gateway/firewall": (WG, "gateway's rooms are siblings: control/service brings them together"),
    "gateway/reconcile": (WG, "the plan is pure and made of wg's values: whoever applies it comes from above"),
    "gateway/sessions": (WG, "the tracker is pure and made of wg's values: it must run a million sessions without a host"),
    "config": (WG, "a configuration is values of base and wg: who uses them is not its business"),
    "control/access": (GATEWAY | {"config"}, "who may do what is decided without knowing what it is"),
    "control/audit": (GATEWAY | {"config"}, "evidence is bytes and hashes: an auditor's copy has no database and no daemon"),
    "control/witness": (BASE | {"control/audit"}, "a witness is nobody's gateway: it knows notes and HTTP, and runs on another machine"),
    "control/ledger": (GATEWAY | {"config", "control/audit"},
                       "the ledger commits leaves (audit) and states; it does not decide, authorise or answer"),
    "control/registration": (GATEWAY | {"config"}, "the standing is pure: certificate and facts in, standing out"),
    "control/registrar": (GATEWAY | {"config", "control/audit", "control/registration"},
                          "a registrar is no gateway: its folder knows neither the ledger nor the daemon"),
    "control/service": (GATEWAY | BACKENDS | CONTROL_LOW | {"config"}, "use cases know nothing of HTTP or of the program around them"),
    "control/api": (GATEWAY | CONTROL_LOW | {"config", "control/service"}, "the API is served by the daemon and does not know it"),
    "control/daemon": (GATEWAY | BACKENDS | CONTROL_LOW | {"config", "control/service", "control/api", "control/witness"},
                       "the daemon and the command line share no code but what is below both"),
    "control/cli": (BASE | {"gateway/wg", "config", "control/api", "control/audit", "control/registration", "control/registrar",
                     "control/witness"},
                    "the command line speaks to the daemon through the socket only: what needs state belongs behind it"),
}

# library (first part of <...>) -> (rooms that may include it, why)
LIBRARIES = {
    "boost/beast": ({"control/api", "control/cli", "control/witness"}, "HTTP is spoken in the API, by the command line and with witnesses"),
    "boost/asio/ssl": ({"control/witness"}, "the admin socket has no TLS: who connects is known from the kernel"),
    "boost/json": ({"control/api", "control/cli", "control/audit", "control/ledger", "control/service", "control/registration", "control/registrar"},
                   "gateway/ and config/ know no JSON"),
    "SQLiteCpp": ({"control/ledger", "control/registrar"}, "the ledger is the only writer of a gateway's state, the registrar of its own"),
    "sqlite3.h": ({"control/ledger", "control/registrar"}, "the ledger is the only writer of a gateway's state, the registrar of its own"),
    "openssl/x509": ({"control/registration"}, "certificates are understood in one place"),
    "openssl/x509v3": ({"control/registration"}, "certificates are understood in one place"),
    "curl": ({"control/service"}, "the gateway fetches one thing, revocation lists, and one file does it"),
    "archive.h": ({"control/registration"}, "the dossier is the only archive"),
    "archive_entry.h": ({"control/registration"}, "the dossier is the only archive"),
    "yaml-cpp": ({"config"}, "what YAML says is known in one place"),
    "CLI": ({"control/cli", "control/daemon"}, "arguments are read by programs, not by rooms"),
    "libmnl": ({"gateway/wg/kernel", "gateway/wg/kernel/netlink", "gateway/link"}, "netlink is spoken by those who know its messages"),
    "bpf": ({"gateway/hints"}, "what the kernel tells of handshakes is heard in one place"),
    "nftables": ({"gateway/firewall"}, "one table, one writer"),
    "qrencode.h": ({"control/cli"}, "pictures are for people"),
}


def room_of(path):
    """The most particular room a file lies in; None outside all of them."""
    best = None
    for room in RULES:
        if path.startswith(room + "/") and (best is None or len(room) > len(best)):
            best = room
    return best


def library_of(header):
    stem = header[:-2] if header.startswith("openssl/") and header.endswith(".h") else header
    for library in sorted(LIBRARIES, key=len, reverse=True):
        if stem == library or header.startswith(library + "/") or header == library + ".hpp":
            return library
    return None


def violation(path, included, quoted):
    """Why `path` may not include this, or None."""
    room = room_of(path)
    if room is None:
        return f"{path} lies in no room of the architecture: add the room to RULES, with its reason"
    if not quoted:
        library = library_of(included)
        if library and room not in LIBRARIES[library][0]:
            return f"{room} may not include <{included}>: {LIBRARIES[library][1]}"
        return None
    target = room_of(included)
    if target is None:
        return f'"{included}" is not a path from the root into a room (write "gateway/wg/types.hpp", no relative ones)'
    allowed, reason = RULES[room]
    if target == room or target in allowed:
        return None
    return f"{room} may not include {target}: {reason}"


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def sources():
    for top in ("gateway", "config", "control"):
        yield from sorted(p for p in (ROOT / top).rglob("*") if p.suffix in (".cpp", ".hpp", ".h", ".ipp", ".inc"))


class IncludeDirection(unittest.TestCase):
    def test_every_include(self):
        files = list(sources())
        self.assertGreater(len(files), 20, "the sources were not found")
        wrong = []
        for file in files:
            path = file.relative_to(ROOT).as_posix()
            for line, included, quoted in includes(file.read_text(encoding="utf-8")):
                why = violation(path, included, quoted)
                if why:
                    wrong.append(f"{path}:{line}: {why}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_the_rules_have_no_circle(self):
        def reach(room, seen=()):
            self.assertNotIn(room, seen, "rooms that include each other: " + " -> ".join(seen + (room,)))
            for below in RULES[room][0]:
                reach(below, seen + (room,))
        for room in RULES:
            reach(room)

    def test_what_must_be_caught(self):
        for path, included, quoted in [
            ("gateway/base/ip.hpp", "gateway/wg/key.hpp", True),
            ("gateway/wg/types.hpp", "gateway/wg/kernel/codec.hpp", True),
            ("gateway/wg/kernel/client.cpp", "gateway/wg/userspace/client.hpp", True),
            ("control/api/status.cpp", "gateway/wg/kernel/client.hpp", True),
            ("gateway/link/link.cpp", "gateway/wg/kernel/client.hpp", True),
            ("gateway/sessions/tracker.cpp", "gateway/reconcile/plan.hpp", True),
            ("gateway/link/link.cpp", "config/config.hpp", True),
            ("config/reader.cpp", "gateway/sessions/tracker.hpp", True),
            ("control/audit/leaf.cpp", "control/ledger/ledger.hpp", True),
            ("control/access/role.cpp", "control/registration/standing.hpp", True),
            ("control/service/peers.cpp", "control/api/problem.hpp", True),
            ("control/cli/peer.cpp", "control/ledger/ledger.hpp", True),
            ("control/cli/peer.cpp", "control/service/peers.hpp", True),
            ("control/api/routes.cpp", "control/daemon/settings.hpp", True),
            ("control/witness/server.cpp", "control/ledger/ledger.hpp", True),
            ("control/service/witnesses.cpp", "control/witness/http_client.hpp", True),
            ("control/api/session.cpp", "boost/asio/ssl/context.hpp", False),
            ("control/api/routes.cpp", "routes.hpp", True),
            ("control/new_room/x.cpp", "gateway/base/ip.hpp", True),
            ("gateway/wg/types.hpp", "tests/fakes/device.hpp", True),
            ("gateway/link/link.cpp", "boost/json.hpp", False),
            ("gateway/link/link.cpp", "boost/beast/http.hpp", False),
            ("control/service/peers.cpp", "SQLiteCpp/SQLiteCpp.h", False),
            ("control/daemon/main.cpp", "yaml-cpp/yaml.h", False),
            ("control/cli/status.cpp", "openssl/x509.h", False),
        ]:
            self.assertIsNotNone(violation(path, included, quoted), f"{path} -> {included}")

    def test_what_must_pass(self):
        for path, included, quoted in [
            ("gateway/wg/kernel/client.cpp", "gateway/wg/device_client.hpp", True),
            ("gateway/link/link.cpp", "gateway/wg/kernel/netlink/socket.hpp", True),
            ("control/ledger/ledger.cpp", "control/audit/leaf.hpp", True),
            ("control/service/peers.cpp", "control/ledger/ledger.hpp", True),
            ("control/api/routes.cpp", "boost/beast/http.hpp", False),
            ("gateway/wg/key.cpp", "openssl/evp.h", False),
            ("gateway/base/ip.hpp", "string", False),
        ]:
            self.assertIsNone(violation(path, included, quoted), f"{path} -> {included}")


if __name__ == "__main__":
    sys.exit(unittest.main())
