"""kill -9 at random points of a thousand admin changes: what was acknowledged is there with exactly one record, and every
record has its change. The seed is printed; SANAD_SEED gives it."""

import base64
import http.client
import os
import random
import threading
import time
import unittest

from harness import LabCase
from lab.waiting import until

CHANGES = 1000
KILLS = 20
WORKERS = 4


class Worker(threading.Thread):
    """Changes peers of its own, one after another, and notes what it was told."""

    def __init__(self, admin, number, changes, seed, up):
        super().__init__(daemon=True)
        self.admin = admin
        self.number = number
        self.left = changes
        self.random = random.Random(f"{seed} {number}")
        self.up = up
        self.acknowledged = []  # (action, peer id, index)
        self.unknown = []  # (action, peer id or public key): the daemon was killed before it answered
        self.peers = {}  # id -> "active", "disabled", "revoked" or None: not known for sure
        self.failure = None

    def run(self):
        try:
            while self.left:
                self.step()
        except BaseException as error:  # told by the main thread
            self.failure = error

    def ask(self, method, target, body=None, headers=None):
        """The answer; None when the daemon was killed meanwhile. A change that was never sent is not counted."""
        while True:
            self.up.wait(60)
            try:
                return self.admin.ask(method, target, body, headers, timeout=30)
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.01)  # not even connected: nothing was asked
            except (OSError, http.client.HTTPException):
                return None

    def step(self):
        self.left -= 1
        usable = [peer for peer, state in self.peers.items() if state in ("active", "disabled")]
        if len(usable) < 5 or self.random.random() < 0.35:
            return self.create()
        peer = self.random.choice(usable)
        choice = self.random.random()
        if choice < 0.3:
            return self.change("revoke", peer, "DELETE", f"/v1/peers/{peer}", "revoked")
        if choice < 0.65:
            verb, state = ("enable", "active") if self.peers[peer] == "disabled" else ("disable", "disabled")
            return self.change(verb, peer, "POST", f"/v1/peers/{peer}/{verb}", state)
        note = f"note {self.random.randrange(10**9)}"
        return self.change("update", peer, "PATCH", f"/v1/peers/{peer}", self.peers[peer], {"note": note})

    def create(self):
        key = base64.b64encode(self.random.randbytes(32)).decode()
        body = {
            "owner": {"name": f"Worker {self.number} {key[:8]}"},
            "device": "laptop",
            "public_key": key,
            "preshared_key": "none",
            "profile": False,
        }
        retry = self.random.random() < 0.5
        headers = {"Idempotency-Key": key} if retry else {}
        answer = self.ask("POST", "/v1/peers", body, headers)
        while answer is None and retry:
            # The same request under the same key: made once, whatever happened the first time.
            answer = self.ask("POST", "/v1/peers", body, headers)
        if answer is None:
            self.unknown.append(("create", key))
            return
        if answer.status != 201:
            raise AssertionError(f"create: {answer!r}")
        peer = answer.json["peer"]["id"]
        self.peers[peer] = "active"
        self.acknowledged.append(("create", peer, answer.json["evidence"]["index"]))

    def change(self, action, peer, method, target, state, body=None):
        answer = self.ask(method, target, body)
        if answer is None:
            self.unknown.append((action, peer))
            self.peers[peer] = None
            return
        if answer.status != 200:
            raise AssertionError(f"{action} {peer}: {answer!r}")
        self.peers[peer] = state
        self.acknowledged.append((action, peer, answer.json["evidence"]["index"]))


class KillPoints(LabCase):
    def test_nothing_lost_nothing_doubled(self):
        seed = os.environ.get("SANAD_SEED") or str(random.SystemRandom().randrange(10**9))
        print(f"SANAD_SEED={seed}", flush=True)
        chance = random.Random(seed)
        up = threading.Event()
        up.set()
        workers = [Worker(self.admin, number, CHANGES // WORKERS, seed, up) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        # So many changes lie between two kills that all of them fit into the thousand.
        made = 0
        for _ in range(KILLS):
            made += chance.randint(CHANGES // KILLS // 3, CHANGES // KILLS - 2)
            until(lambda: CHANGES - sum(worker.left for worker in workers) >= made, 60, f"{made} changes", every=0.001)
            time.sleep(chance.uniform(0, 0.02))  # the random point
            self.gateway.kill()
            up.clear()
            self.gateway.start()
            up.set()
        for worker in workers:
            worker.join(300)
            self.assertFalse(worker.is_alive(), "a worker hangs")
            if worker.failure:
                raise worker.failure
        acknowledged = [entry for worker in workers for entry in worker.acknowledged]
        unknown = [entry for worker in workers for entry in worker.unknown]
        print(f"{len(acknowledged)} changes acknowledged, {len(unknown)} unanswered, {KILLS} kills", flush=True)

        leaves = self.gateway.leaves()
        self.assertEqual([leaf["index"] for leaf in leaves], list(range(len(leaves))))
        changes = {
            leaf["index"]: (leaf["sanad"]["action"], leaf["entity"]["uid"])
            for leaf in leaves
            if leaf["class_uid"] == 3004 and leaf["entity"]["type"] == "peer"
        }

        # Every acknowledged change has exactly one record, and it is the one that was named.
        told = {}
        for action, peer, index in acknowledged:
            self.assertNotIn(index, told, "two changes were told the same record")
            told[index] = (action, peer)
            self.assertIn(index, changes, f"{action} {peer} was acknowledged with record {index}, which is none")
            self.assertEqual(changes[index][1], peer)
            self.assertEqual(changes[index][0], action)

        # Every other record is of a change that was asked for and never answered, one record each at most.
        everybody = {}
        for state in ("active", "disabled", "revoked"):
            for peer in self.admin.want("GET", f"/v1/peers?state={state}")["peers"]:
                everybody[peer["id"]] = peer
        by_key = {peer["public_key"]: peer_id for peer_id, peer in everybody.items()}
        pending = [(action, by_key.get(who, who) if action == "create" else who) for action, who in unknown]
        for index, change in changes.items():
            if index in told:
                continue
            self.assertIn(change, pending, f"record {index} ({change}) is of a change that nobody asked for")
            pending.remove(change)

        # And what the records say happened is the state there is.
        said = {}
        for index in sorted(changes):
            action, peer = changes[index]
            if action == "create":
                self.assertNotIn(peer, said)
                said[peer] = "active"
            else:
                self.assertIn(peer, said)
                said[peer] = {"revoke": "revoked", "enable": "active", "disable": "disabled"}.get(action, said[peer])
        self.assertEqual(said, {peer_id: peer["state"] for peer_id, peer in everybody.items()})

        # The device has exactly who may connect.
        self.gateway.after_polls(3)
        active = {peer["public_key"] for peer in everybody.values() if peer["state"] == "active"}
        self.assertEqual(set(self.gateway.dump()), active)
        self.assertEqual(self.gateway.own_events("drift"), [], "what a kill left undone is no drift")


if __name__ == "__main__":
    unittest.main()
