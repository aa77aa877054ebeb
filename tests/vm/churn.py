"""churn.py IFNAME RATE < CHANGES: another program that changes the device, RATE times a second, in turn, until SIGTERM; then
prints how many changes it made. Before the first it prints "ready". CHANGES: a JSON list of {"public_key", "remove" or "allowed_ips"}."""

import json
import signal
import sys
import time

from pyroute2.netlink.generic.wireguard import WireGuard


def stop(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, stop)
interface, rate = sys.argv[1], float(sys.argv[2])
changes = json.load(sys.stdin)
socket = WireGuard()
print("ready", flush=True)
made = 0
began = time.monotonic()
try:
    while True:
        for change in changes:
            socket.set(interface, peer=change)
            made += 1
            time.sleep(max(0.0, began + made / rate - time.monotonic()))
except KeyboardInterrupt:
    print(made)
