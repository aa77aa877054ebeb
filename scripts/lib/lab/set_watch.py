"""set_watch.py: counts what WireGuard's netlink is told in this namespace, by whom ever, until SIGTERM; a witness that is neither
the kernel module nor any program that changes a device. Prints "ready", and at its end one JSON object: how many SET messages,
how many of them with WGDEVICE_F_REPLACE_PEERS, and the most peers in one. Needs a kernel with nlmon."""

import ctypes
import json
import signal
import socket
import struct
import subprocess
import sys

from pyroute2.netlink.generic.wireguard import WireGuard

TAP = "setwatch"
ETH_P_ALL = 0x0003
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
# linux/netlink.h: length u32, type u16, flags u16, sequence u32, port u32; linux/genetlink.h: command u8, version u8, reserved u16.
HEADER, GENERIC = struct.Struct("=IHHII"), struct.Struct("=BBH")
SET_DEVICE, DEVICE_FLAGS, DEVICE_PEERS, REPLACE_PEERS = 1, 5, 8, 1  # linux/wireguard.h
NESTED = 0x8000


def keep_sets_only(tap, family):
    """Filtered in the kernel: a dump of a million peers passes here, too."""
    def load_half(at):
        return 0x28, 0, 0, at

    def load_byte(at):
        return 0x30, 0, 0, at

    def equal_or_drop(value, left):
        return 0x15, 0, left, value

    # Loads are big-endian, netlink's numbers the host's.
    program = [load_half(4), equal_or_drop(socket.htons(family), 3), load_byte(HEADER.size), equal_or_drop(SET_DEVICE, 1),
               (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code)
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(held)))


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & ~NESTED, data[4:length]
        data = data[(length + 3) & ~3:]


def main():
    subprocess.run(["ip", "link", "add", TAP, "type", "nlmon"], check=True)
    subprocess.run(["ip", "link", "set", TAP, "up"], check=True)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)  # hears nothing before it is bound
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    keep_sets_only(tap, WireGuard().prid)
    tap.bind((TAP, ETH_P_ALL))  # bind() takes it in the host's order
    tap.settimeout(0.2)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    print("ready", flush=True)
    seen = {"sets": 0, "replace_peers": 0, "most_peers": 0}
    while True:
        try:
            message = tap.recv(0x40000)
        except socket.timeout:
            if stop:
                break
            continue
        seen["sets"] += 1
        for kind, value in attributes(message[HEADER.size + GENERIC.size:]):
            if kind == DEVICE_FLAGS and struct.unpack("=I", value)[0] & REPLACE_PEERS:
                seen["replace_peers"] += 1
            elif kind == DEVICE_PEERS:
                seen["most_peers"] = max(seen["most_peers"], sum(1 for _ in attributes(value)))
    subprocess.run(["ip", "link", "delete", TAP], check=True)
    # A witness that missed something says nothing.
    dropped = struct.unpack("=II", tap.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
    if dropped:
        sys.exit(f"{dropped} messages were not looked at in time")
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
