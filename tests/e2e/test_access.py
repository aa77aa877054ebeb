"""Who may do what, proven on every route that the daemon's own OpenAPI document names."""

import http.client
import re
import unittest

from harness import LabCase
from lab.admin import Admin, as_user

NOBODY = 65534
USERS_GROUP = 100
ROLES = {"monitor": 4101, "auditor": 4102, "operator": 4103, "admin": 4104}
STRANGER = 4199  # may connect (it is in the socket's group), has no role


def routes_of(document):
    """[(method, path, permission)] and {permission: roles}, from the lines of the document; it is YAML, but ours and regular."""
    routes, roles = [], {}
    path = method = None
    for line in document.splitlines():
        if match := re.match(r"^  (\w+): \{description: .*roles: \[([^\]]*)\]", line):
            roles[match.group(1)] = {role.strip() for role in match.group(2).split(",")}
        elif match := re.match(r"^  (/v1\S*):$", line):
            path = match.group(1)
        elif match := re.match(r"^    (get|post|put|patch|delete):$", line):
            method = match.group(1).upper()
        elif match := re.match(r"^      x-permission: (\w+)$", line):
            routes.append((method, path, match.group(1)))
    return routes, roles


class Access(LabCase):
    @classmethod
    def prepare(cls):
        cls.peer = cls.admin.add_peer(
            owner={"name": "Ayesha Khan", "email": "ayesha@example.com"}, device="laptop", make_key=True, note="salary 100"
        )["peer"]
        cls.document = cls.admin.ask("GET", "/v1/openapi.yaml").body.decode()
        cls.routes, cls.roles = routes_of(cls.document)
        # What a request needs to get as far as the permission, and no further than a harmless refusal.
        cls.path_ids = {"/v1/sessions/{id}": "0" * 32}

    def ask_as(self, uid, method, target, groups=(USERS_GROUP,), body=None, headers=None):
        path = self.admin.path
        return as_user(uid, uid, list(groups), lambda: Admin(path).ask(method, target, body, headers, timeout=20))

    def target(self, path):
        return path.replace("{id}", self.path_ids.get(path, "p-0000000000000"))

    def test_the_document_names_what_there_is(self):
        self.assertGreaterEqual(len(self.routes), 22)
        for _, _, permission in self.routes:
            self.assertIn(permission, self.roles)

    def test_who_is_outside_the_group_cannot_connect(self):
        for method, path, _ in self.routes:
            with self.assertRaises(PermissionError, msg=f"{method} {path}"):
                self.ask_as(NOBODY, method, self.target(path), groups=())

    def test_who_has_no_role_is_refused_everything(self):
        for method, path, _ in self.routes + [("GET", "/v1/nonsense", ""), ("BREW", "/v1/peers", ""), ("GET", "/", "")]:
            answer = self.ask_as(STRANGER, method, self.target(path))
            self.assertEqual(answer.status, 403, f"{method} {path}: {answer!r}")
            for word in ("Ayesha", "ayesha", "salary", self.peer["id"], self.peer["public_key"], "10.66.0."):
                self.assertNotIn(word, answer.body.decode(), f"{method} {path}")

    def test_each_role_on_each_route(self):
        """A route is open to exactly the roles that the document says. What lies behind may refuse for a reason of its own,
        but never with 403."""
        for method, path, permission in self.routes:
            for role, uid in ROLES.items():
                if path in ("/v1/shutdown", "/v1/events", "/v1/reload") and role in self.roles[permission]:
                    continue  # tried on their own: one ends the daemon, one never ends
                answer = self.ask_as(uid, method, self.target(path))
                if role in self.roles[permission]:
                    self.assertNotEqual(answer.status, 403, f"{role}: {method} {path}: {answer!r}")
                else:
                    self.assertEqual(answer.status, 403, f"{role}: {method} {path}: {answer!r}")
                    self.assertNotIn("Ayesha", answer.body.decode())

    def test_refusals_are_on_record(self):
        first = self.admin.status()["evidence"]["records"]
        self.ask_as(4101, "POST", "/v1/peers", body={})
        self.ask_as(4197, "DELETE", f"/v1/peers/{self.peer['id']}")
        refused = [leaf for leaf in self.gateway.leaves(first) if leaf["class_uid"] == 6003 and leaf["status_code"] == "refused"]
        seen = {(leaf["actor"]["user"]["uid"], leaf["api"]["operation"]) for leaf in refused}
        self.assertIn(("4197", "DELETE /v1/peers/{id}"), seen)
        self.assertEqual(self.admin.peer(self.peer["id"])["state"], "active")

    def test_a_flood_of_refusals_does_not_flood_the_log(self):
        first = self.admin.status()["evidence"]["records"]
        path = self.admin.path

        def flood():
            admin = Admin(path)
            return [admin.ask("GET", "/v1/peers").status for _ in range(300)]

        self.assertEqual(set(as_user(4196, 4196, [USERS_GROUP], flood)), {403})
        self.assertLess(self.admin.status()["evidence"]["records"] - first, 100)

    def test_operator_works_and_sees_no_evidence(self):
        answer = self.ask_as(
            4103, "POST", "/v1/peers", body={"owner": {"name": "By Operator"}, "device": "laptop", "make_key": True}
        )
        self.assertEqual(answer.status, 201, answer)
        created = self.gateway.entity_events("create", answer.json["peer"]["id"])[0]
        self.assertEqual((created["actor"]["user"]["uid"], created["sanad"]["role"]), ("4103", "operator"))
        self.assertEqual(self.ask_as(4103, "GET", "/v1/sessions").status, 403)

    def test_auditor_reads_and_changes_nothing(self):
        first = self.admin.status()["evidence"]["records"]
        self.assertEqual(self.ask_as(4102, "GET", "/v1/sessions").status, 200)
        # That they read is on record itself.
        reads = [
            leaf for leaf in self.gateway.leaves(first) if leaf["class_uid"] == 6003 and leaf["actor"]["user"]["uid"] == "4102"
        ]
        self.assertEqual([leaf["api"]["operation"] for leaf in reads], ["GET /v1/sessions"])
        self.assertEqual(self.ask_as(4102, "POST", f"/v1/peers/{self.peer['id']}/disable").status, 403)
        self.assertEqual(self.admin.peer(self.peer["id"])["state"], "active")

    def test_no_web_page_gets_in(self):
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Host": "127.0.0.1"}, 421),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
        ):
            answer = self.admin.ask("GET", "/v1/peers", headers=headers)
            self.assertEqual(answer.status, status, f"{headers}: {answer!r}")
            self.assertNotIn("Ayesha", answer.body.decode())
        self.assertEqual(self.admin.ask("GET", "/v1/status", headers={"Host": "localhost"}).status, 200)
        self.assertEqual(self.admin.ask("GET", "/v1/status", headers={"Host": "SANAD"}).status, 200)

    def test_tricks_with_the_path(self):
        for path in (
            "/v1/peers/",
            "//v1/peers",
            "/v1//peers",
            "/v1/./peers",
            "/v1/status/../peers",
            "/v1/%70eers",
            "/v1/peers%2f",
            "/V1/peers",
            "/v1/peers/../peers",
            "http://sanad/v1/peers",
            "*",
            "/v1/peers/import/../status",
        ):
            answer = self.ask_as(STRANGER, "GET", path)
            self.assertIn(answer.status, (400, 403, 404), f"{path}: {answer!r}")
            self.assertNotIn("Ayesha", answer.body.decode())
            monitor = self.ask_as(4101, "GET", path)
            self.assertNotIn("Ayesha", monitor.body.decode(), path)

    def test_connections_of_one_user_leave_room_for_root(self):
        path = self.admin.path

        def hog():
            import socket

            held = []
            for _ in range(100):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                one.settimeout(5)
                one.connect(path)
                held.append(one)
            statuses = []
            for _ in range(3):
                try:
                    statuses.append(Admin(path).ask("GET", "/v1/status", timeout=10).status)
                except (http.client.HTTPException, OSError) as error:
                    statuses.append(type(error).__name__)
            for one in held:
                one.close()
            return statuses

        statuses = as_user(STRANGER, STRANGER, [USERS_GROUP], hog)
        self.assertNotIn(200, statuses)
        self.assertTrue(self.admin.alive())

    def test_zz_keys_are_nowhere(self):
        """No answer to anyone holds the gateway's private key or a pre-shared key."""
        secret = (self.gateway.state / "keys" / f"{self.gateway.interface}.key").read_text().strip()
        preshared = [peer.preshared_key for peer in self.gateway.dump().values()]
        self.assertTrue(preshared)
        for method, path, _ in self.routes:
            if method != "GET" or path == "/v1/events":
                continue
            body = self.admin.ask(method, path.replace("{id}", self.peer["id"])).body.decode()
            for key in [secret, *preshared]:
                self.assertNotIn(key, body, f"{method} {path}")
        log = self.gateway.log.read_text()
        for key in [secret, *preshared]:
            self.assertNotIn(key, log)
        for place, mode in (
            (self.gateway.state, 0o700),
            (self.gateway.state / "keys", 0o700),
            (self.gateway.state / "state.db", 0o600),
        ):
            self.assertEqual(place.stat().st_mode & 0o777 & ~mode, 0, f"{place} is open to others")


if __name__ == "__main__":
    unittest.main()
