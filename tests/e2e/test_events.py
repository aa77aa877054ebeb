"""The stream of events, and the metrics."""

import re
import unittest

from harness import LabCase
from lab.waiting import until
from sse import Stream

INSIDE = "10.66.0.1"


class Events(LabCase):
    def records(self):
        return self.admin.status()["evidence"]["records"]

    def add(self, name):
        return self.admin.add_peer(owner={"name": name}, device="laptop", make_key=True)

    def test_everything_from_the_first_record_and_what_comes(self):
        stream = Stream(self.admin.path, "?from=0")
        self.addCleanup(stream.close)
        self.assertEqual((stream.status, stream.type), (200, "text/event-stream"))
        added = self.add("Ayesha Khan")
        until(lambda: added["evidence"]["index"] in stream.ids(), 10, "the event of what was just added")
        self.assertEqual(stream.ids(), list(range(len(stream.ids()))))
        event = stream.events[added["evidence"]["index"]]
        self.assertEqual(event["event"], "Entity Management")
        self.assertIn(added["peer"]["id"], event["data"])
        self.assertNotIn("Ayesha", "".join(e["data"] for e in stream.events))

    def test_resumed_where_it_broke_off(self):
        stream = Stream(self.admin.path, f"?from={self.records()}")
        first = self.add("Bilal Ahmed")["evidence"]["index"]
        until(lambda: first in stream.ids(), 10, "the first event")
        last = stream.ids()[-1]
        stream.close()
        missed = [self.add(f"Person {n}")["evidence"]["index"] for n in range(5)]
        again = Stream(self.admin.path, headers={"Last-Event-ID": str(last)})
        self.addCleanup(again.close)
        until(lambda: missed[-1] in again.ids(), 10, "what was missed")
        self.assertEqual(again.ids()[0], last + 1)
        self.assertEqual(again.ids(), list(range(last + 1, last + 1 + len(again.ids()))))
        self.assertTrue(set(missed) <= set(again.ids()))

    def test_resumed_across_a_restart(self):
        stream = Stream(self.admin.path, f"?from={self.records()}")
        first = self.add("Chandni Rao")["evidence"]["index"]
        until(lambda: first in stream.ids(), 10, "the first event")
        last = stream.ids()[-1]
        self.gateway.kill()
        stream.close()
        self.gateway.start()
        again = Stream(self.admin.path, headers={"Last-Event-ID": str(last)})
        self.addCleanup(again.close)
        added = self.add("Daud Malik")["evidence"]["index"]
        until(lambda: added in again.ids(), 10, "the events after the restart")
        self.assertEqual(again.ids(), list(range(last + 1, again.ids()[-1] + 1)))

    def test_a_stream_does_not_hold_up_a_stop(self):
        stream = Stream(self.admin.path, "?from=0")
        self.addCleanup(stream.close)
        until(lambda: stream.events, 10, "the first event")
        self.assertEqual(self.gateway.stop(seconds=10), 0)
        self.gateway.start()

    def test_wrong_questions(self):
        for query, headers in (("?from=-1", {}), ("?from=x", {}), ("", {"Last-Event-ID": "x"}), ("?colour=red", {})):
            answer = self.admin.ask("GET", f"/v1/events{query}", headers=headers)
            self.assertEqual(answer.status, 400, f"{query} {headers}: {answer!r}")

    def test_metrics(self):
        person = self.lab.add_person("Erum Shah", "198.51.100.11")
        person.client.ping(INSIDE)
        until(lambda: self.admin.peer(person.id)["connected"], 10, "the session")
        answer = self.admin.ask("GET", "/v1/metrics")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers)
        text = answer.body.decode()
        seen, types = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                self.assertNotIn(name, types)
                types[name] = kind
            elif not line.startswith("#"):
                match = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)', line)
                self.assertIsNotNone(match, line)
                self.assertIn(match.group(1), types, line)
                seen[match.group(1) + (match.group(2) or "")] = float(match.group(3))
        interface = f'{{interface="{self.gateway.interface}"}}'
        status = self.admin.status()
        self.assertEqual(seen["sanad_peers"], status["peers"]["total"])
        self.assertEqual(seen["sanad_sessions_open"], 1)
        self.assertEqual(seen["sanad_peers_connected" + interface], 1)
        self.assertEqual(seen["sanad_backend_up" + interface], 1)
        self.assertEqual(seen['sanad_registration_standing{standing="in_force"}'], 1)
        self.assertLessEqual(seen["sanad_records_total"], status["evidence"]["records"])
        for word in ("Erum", "erum", person.id, person.key, "198.51.100."):
            self.assertNotIn(word, text)


if __name__ == "__main__":
    unittest.main()
