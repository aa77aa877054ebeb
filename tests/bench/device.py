"""device.py snapshot|scale PEERS: reading and changing one WireGuard device of so many peers, measured by device_bench; run where the
device may be made (scripts/vm, or a network namespace with wireguard-go). The last line it prints is one JSON object."""

import contextlib
import json
import subprocess
import sys
import time

INTERFACE, SPARE = "wgbench", "wgbench2"
ROUNDS = 7
ROUNDS_OF_MANY = 3  # above 2^18 peers, where a round takes half a minute
REMOVED = 1000
MOST_PEERS = 1 << 20  # the kernel's limit


def bench(*arguments):
    done = subprocess.run(["device_bench", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"device_bench {arguments}: {done.stderr}")
    return json.loads(done.stdout)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


@contextlib.contextmanager
def other_users(found, during):
    """What another user of RTNL waits meanwhile, put into found[during]."""
    process = subprocess.Popen(["device_bench", "getlink", INTERFACE], stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        found[during] = json.loads(process.communicate()[0])


def say(text):
    print(f"{time.monotonic():8.1f} s  {text}", file=sys.stderr, flush=True)


def snapshot(peers):
    ip("link", "add", INTERFACE, "type", "wireguard")
    say(f"filling {peers} peers")
    found = {"peers": peers, "fill": bench("fill", INTERFACE, peers)}
    say("reading")
    found["read"] = bench("read", INTERFACE, ROUNDS if peers <= 1 << 18 else ROUNDS_OF_MANY)
    return found


def scale(peers):
    ip("link", "add", INTERFACE, "type", "wireguard")
    ip("link", "add", SPARE, "type", "wireguard")
    waits = {}
    found = {"peers": peers, "other_users": waits}
    with other_users(waits, "nothing"):
        time.sleep(5)  # the span that is measured, not a wait for something
    say(f"filling {peers} peers, by our client and bare, in turn")
    # SPARE stays: the kernel takes a grace period for each peer it removes, for many peers longer than all of the rest.
    with other_users(waits, "load"):
        found["fill"] = bench("fill-beside", INTERFACE, peers)
    say("reading")
    with other_users(waits, "reading"):
        found["read"] = bench("read", INTERFACE, 3)
    say("changing single peers")
    with other_users(waits, "one change"):
        found["change"] = bench("change", INTERFACE, 20)
    say(f"removing {REMOVED}")
    with other_users(waits, "removal"):
        found["remove"] = {**bench("remove", INTERFACE, REMOVED), "peers": REMOVED}
    if peers == MOST_PEERS:
        say("filling it up, and ten more")
        found["overfill"] = bench("overfill", INTERFACE, 3)
    return found


if __name__ == "__main__":
    print(json.dumps({"snapshot": snapshot, "scale": scale}[sys.argv[1]](int(sys.argv[2]))))
