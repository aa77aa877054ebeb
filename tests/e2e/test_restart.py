"""The daemon ends, in good and bad ways, and comes back: no tunnel drops, no session splits, no byte is lost."""

import datetime
import signal
import time
import unittest

from harness import EXPIRY_S, POLL_S, LabCase
from lab.waiting import until
from lab.wireguard import Pings

INSIDE = "10.66.0.1"


class Restart(LabCase):
    @classmethod
    def prepare(cls):
        cls.ayesha = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.ayesha.client.ping(INSIDE)
        until(lambda: cls.admin.peer(cls.ayesha.id)["connected"], 10, "her session")

    def setUp(self):
        self.ayesha.client.ping(INSIDE)
        self.session = until(lambda: self.open_session(self.ayesha), 10, "her session")
        self.backend = self.gateway.backend_life()
        self.first = self.admin.status()["evidence"]["records"]

    def assert_went_on(self):
        """The same backend, the same session, bytes equal to the byte, nothing closed or opened."""
        now = until(lambda: self.open_session(self.ayesha), 10, "her session to be taken up again")
        self.assertEqual(now["id"], self.session["id"])
        self.assertEqual(now["started_at"], self.session["started_at"])
        self.assertEqual(self.gateway.backend_life(), self.backend)
        self.assertEqual(self.gateway.session_events(2, first=self.first), [])
        self.assertEqual(self.gateway.session_events(1, first=self.first), [])
        self.assertEqual(self.gateway.own_events("drift", self.first), [])
        dumped, sessions = self.gateway.figures_at_rest([self.ayesha.key])
        mine = [s for s in sessions if s["peer"]["id"] == self.ayesha.id]
        self.assertEqual(len(mine), 1)
        self.assertEqual((mine[0]["rx_bytes"], mine[0]["tx_bytes"]), (dumped[self.ayesha.key].rx, dumped[self.ayesha.key].tx))

    def test_1_clean_stop(self):
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.05, size=1000)
        pings.wait_for(20)
        self.assertEqual(self.gateway.stop(), 0)
        stopped_at = len(pings.replies())
        pings.wait_for(stopped_at + 40)  # 2 s and more without a daemon
        self.assertEqual(self.gateway.backend_life(), self.backend)
        self.gateway.start()
        pings.wait_for(len(pings.replies()) + 20)
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1, "the one in flight when ping was stopped")
        stop = [leaf for leaf in self.gateway.leaves(self.first) if leaf["class_uid"] == 6002 and leaf["activity_id"] == 4]
        self.assertEqual([leaf["sanad"]["reason"] for leaf in stop], ["SIGTERM"])
        start = [leaf for leaf in self.gateway.leaves(self.first) if leaf["class_uid"] == 6002 and leaf["activity_id"] == 3]
        self.assertEqual(len(start), 1)
        self.assertEqual(len(self.gateway.own_events("backend_adopted", self.first)), 1)
        self.assert_went_on()

    def test_2_killed_under_traffic(self):
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.01, size=1000)
        pings.wait_for(100)
        self.gateway.kill()
        had = len(pings.replies())
        pings.wait_for(had + 300)
        self.gateway.start()
        pings.wait_for(len(pings.replies()) + 50)
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1)
        # It was blind for longer than two polls, and says so.
        gaps = self.gateway.own_events("gap", self.first)
        self.assertEqual([leaf["sanad"]["cause"] for leaf in gaps], ["restart"])
        self.assert_went_on()

    def test_3_killed_again_and_again(self):
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.02)
        for _ in range(5):
            self.gateway.kill()
            self.gateway.start()
        pings.wait_for(10)
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1)
        self.assert_went_on()

    def test_4_shutdown_by_the_api(self):
        answer = self.admin.want("POST", "/v1/shutdown")
        self.assertIn("index", answer["evidence"])
        self.assertEqual(self.gateway.process.wait(30), 0)
        self.gateway.process = None
        self.assertIsNotNone(self.gateway.backend_life())
        self.gateway.start()
        self.assert_went_on()

    def test_5_two_daemons_never(self):
        second = self.gateway.host.run(self.gateway.binaries / "sanadd", "--config", self.gateway.config, check=False, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertTrue(second.stderr + second.stdout)
        self.assertTrue(self.admin.alive())
        self.assert_went_on()

    def test_6_stopped_for_a_while(self):
        """A daemon that gets no processor is blind for that time, and says so; nothing else comes of it."""
        pings = Pings(self.ayesha.client.host, INSIDE, every=0.1)
        pings.wait_for(5)
        self.gateway.process.send_signal(signal.SIGSTOP)
        try:
            pings.wait_for(len(pings.replies()) + 45)
        finally:
            self.gateway.process.send_signal(signal.SIGCONT)
        until(lambda: self.gateway.own_events("gap", self.first), 10, "the gap in the log")
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1)
        self.assertEqual([leaf["sanad"]["cause"] for leaf in self.gateway.own_events("gap", self.first)], ["late_poll"])
        self.assert_went_on()

    def test_7_log_is_whole(self):
        self.assert_log_is_whole_and_impersonal([self.ayesha])


class LongDowntime(LabCase):
    """The daemon is away for longer than a session lives. Who stayed has one session; who left has one that ended then."""

    @classmethod
    def prepare(cls):
        cls.stays = cls.lab.add_person("Ayesha Khan", "198.51.100.7", email="ayesha@example.com")
        cls.leaves = cls.lab.add_person("Bilal Ahmed", "198.51.100.8", email="bilal@example.com")
        for person in (cls.stays, cls.leaves):
            person.client.ping(INSIDE)
            until(lambda: cls.admin.peer(person.id)["connected"], 10, "a session")

    def test_away_for_longer_than_a_session(self):
        before = {person.id: self.open_session(person)["id"] for person in (self.stays, self.leaves)}
        # Until a checkpoint has made the figures durable, so that what is left to find out is when he left.
        self.gateway.after_polls(2)
        left_at = time.time()
        self.leaves.client.disconnect()
        self.gateway.kill()
        began = time.monotonic()
        # She works on: a packet now and then, so that her client renews its keys after 120 s.
        pings = Pings(self.stays.client.host, INSIDE, every=2)
        until(lambda: time.monotonic() - began > EXPIRY_S + 5, EXPIRY_S + 30, "the protocol's 180 s to pass", every=1)
        self.gateway.start()
        until(lambda: self.admin.peer(self.leaves.id)["connected"] is None, 20, "the session of who left to end")
        until(lambda: self.admin.peer(self.stays.id)["connected"], 20, "the session of who stayed to go on")
        sent, received = pings.stop()
        self.assertLessEqual(sent - received, 1)
        hers = self.sessions_of(self.stays)
        self.assertEqual([(s["id"], s["state"]) for s in hers], [(before[self.stays.id], "connected")])
        his = self.sessions_of(self.leaves)
        self.assertEqual([(s["id"], s["state"], s["reason"]) for s in his], [(before[self.leaves.id], "closed", "expired")])
        bounds = his[0]["ended_bounds"]
        self.assertLessEqual(self.when(bounds["not_before"]), left_at + POLL_S)
        self.assertGreaterEqual(self.when(bounds["not_after"]), left_at - 3 * POLL_S - 1)  # his last packet came before the two polls above
        self.assertTrue(self.gateway.own_events("gap"))
        dumped, sessions = self.gateway.figures_at_rest([self.stays.key])
        mine = next(s for s in sessions if s["peer"]["id"] == self.stays.id)
        self.assertEqual((mine["rx_bytes"], mine["tx_bytes"]), (dumped[self.stays.key].rx, dumped[self.stays.key].tx))

    @staticmethod
    def when(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    unittest.main()
