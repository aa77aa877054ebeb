"""Three readers of one kernel device that share no code: `wg show`, pyroute2, and our own client
(kernel_backend_check show)."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from lab.waiting import until  # noqa: E402  (the path comes first)


def from_wg(text):
    """{key: fields} of `wg show IFNAME dump`, which our own reader prints too; the device itself under ""."""
    lines = text.splitlines()
    device = lines[0].split("\t")[-3:]
    # Ours spells a device without a key by its zeros.
    key = "(none)" if set(device[0]) == set("A=") else device[0]
    out = {"": {"public_key": key, "listen_port": int(device[1]), "fwmark": 0 if device[2] == "off" else int(device[2], 16)}}
    for line in lines[1:]:
        key, preshared, endpoint, allowed_ips, handshake, rx, tx, keepalive = line.split("\t")
        if key in out:
            raise AssertionError(f"peer {key} came twice")
        out[key] = {
            "preshared_key": "" if preshared == "(none)" else preshared,
            "endpoint": "" if endpoint == "(none)" else endpoint,
            "allowed_ips": [] if allowed_ips == "(none)" else sorted(allowed_ips.split(",")),
            "handshake": int(handshake),
            "rx": int(rx),
            "tx": int(tx),
            "keepalive": 0 if keepalive == "off" else int(keepalive),
        }
    return out


# One a namespace, started when it is first asked and ended with the lab: an emulated processor takes seconds to load pyroute2.
_third_readers = {}


def by_pyroute2(host, interface):
    reader = _third_readers.get(host.namespace)
    if reader is None:
        reader = host.start("python3", "-B", __file__, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _third_readers[host.namespace] = reader
    reader.stdin.write(interface + "\n")
    reader.stdin.flush()
    answer = reader.stdout.readline()
    if not answer:
        raise AssertionError(f"pyroute2's reader of {host.name} has ended")
    return json.loads(answer)


def read_all(host, interface):
    """The readings, one after the other."""
    ours = from_wg(host.run("kernel_backend_check", "show", interface).stdout)
    return {"pyroute2": by_pyroute2(host, interface), "ours": ours}


FIXED = ("preshared_key", "allowed_ips", "keepalive")


def difference(reading, before, after):
    """In words, or nothing: `reading` was taken between the other two. Traffic goes on meanwhile, so counters lie in between, and a
    handshake or an endpoint is the one or the other."""
    if reading[""] != before[""]:
        return f"the device: {reading['']} instead of {before['']}"
    if reading.keys() != before.keys():
        return f"peers: {sorted(reading.keys() ^ before.keys())[:5]} in one of them only"
    for key, peer in reading.items():
        if not key:
            continue
        first, last = before[key], after[key]
        for field in FIXED:
            if peer[field] != first[field]:
                return f"peer {key}: {field} {str(peer[field])[:200]} instead of {str(first[field])[:200]}"
        for field in ("rx", "tx", "handshake"):
            if not first[field] <= peer[field] <= last[field]:
                return f"peer {key}: {field} {peer[field]}, which is not between {first[field]} and {last[field]}"
        if peer["endpoint"] not in (first["endpoint"], last["endpoint"]):
            return f"peer {key}: endpoint {peer['endpoint']}"
    return None


def settings(reading):
    return {key: [peer[field] for field in FIXED] if key else peer for key, peer in reading.items()}


def agree(host, interface, seconds=60):
    """Waits for a moment in which nobody changes the device: then all three must read the same. Returns it."""

    def attempt():
        before = from_wg(host.run("wg", "show", interface, "dump").stdout)
        readings = read_all(host, interface)
        after = from_wg(host.run("wg", "show", interface, "dump").stdout)
        if settings(before) != settings(after):
            return None
        for name, reading in readings.items():
            if (said := difference(reading, before, after)) is not None:
                raise AssertionError(f"{name} reads {interface} otherwise than wg: {said}")
        return after

    return until(attempt, seconds, f"a moment in which nobody changes {interface}", every=0.2)


def pyroute2_reading(interface):
    from pyroute2.netlink.generic.wireguard import WireGuard

    out = {}
    socket = WireGuard()
    try:
        for message in socket.info(interface):
            if message.get_attr("WGDEVICE_A_IFNAME"):
                out[""] = {
                    "public_key": (message.get_attr("WGDEVICE_A_PUBLIC_KEY") or b"(none)").decode(),
                    "listen_port": message.get_attr("WGDEVICE_A_LISTEN_PORT"),
                    "fwmark": message.get_attr("WGDEVICE_A_FWMARK"),
                }
            for peer in message.get_attr("WGDEVICE_A_PEERS") or []:
                key = peer.get_attr("WGPEER_A_PUBLIC_KEY").decode()
                allowed_ips = [entry["addr"] for entry in peer.get_attr("WGPEER_A_ALLOWEDIPS") or []]
                if peer.get_attr("WGPEER_A_RX_BYTES") is None:
                    out[key]["allowed_ips"] += allowed_ips  # pyroute2 leaves putting split peers together to its user
                    continue
                endpoint = peer.get_attr("WGPEER_A_ENDPOINT")
                preshared = peer.get_attr("WGPEER_A_PRESHARED_KEY").decode()
                out[key] = {
                    "preshared_key": "" if set(preshared) == set("A=") else preshared,
                    "endpoint": spell(endpoint) if endpoint and endpoint["port"] else "",
                    "allowed_ips": allowed_ips,
                    "handshake": peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME")["tv_sec"],
                    "rx": peer.get_attr("WGPEER_A_RX_BYTES"),
                    "tx": peer.get_attr("WGPEER_A_TX_BYTES"),
                    "keepalive": peer.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"),
                }
    finally:
        socket.close()
    for key, peer in out.items():
        if key:
            peer["allowed_ips"].sort()
    return out


def spell(endpoint):
    address = endpoint["addr"]
    return f"[{address}]:{endpoint['port']}" if ":" in address else f"{address}:{endpoint['port']}"


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(pyroute2_reading(line.strip())), flush=True)
