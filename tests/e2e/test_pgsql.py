"""Tables and logins from a real PostgreSQL: the whole way of a mail, a changed row that is live at once, and outages in
which nothing is lost, nothing bounces and nobody is told "no such user"."""

import concurrent.futures
import contextlib
import imaplib
import os
import pathlib
import re
import smtplib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres
from support import Server, Smarthost, message, server_tls, wait_until

TABLES = ("domains", "mailboxes", "aliases", "senders", "transport")


def use_pgsql(server, conninfo, **settings):
    server.set("pgsql.conninfo", f'"{conninfo}"')
    for table in TABLES:
        server.set(f"maps.{table}", '["pgsql:"]')
    server.set("maps.relay_sasl", '"pgsql:"')
    server.set("auth.users", '"pgsql"')
    for key, value in settings.items():
        server.set(f"pgsql.{key}", value)


def make_server(postgres, **settings):
    """A server whose only tables are PostgreSQL's; alice and bob are added by its own commands."""
    server = Server(users=())
    use_pgsql(server, postgres.conninfo(), **settings)
    server.run("migrate")
    server.run("domain", "add", "example.org")
    for user in ("alice", "bob"):
        server.add_user(f"{user}@example.org")
    for name in (*TABLES, "relay-sasl"):
        (server.root / "maps" / name).unlink()
    (server.root / "conf" / "users").unlink()
    return server


class Path(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.postgres = cls.stack.enter_context(Postgres())
        cls.server = make_server(cls.postgres)
        cls.hub_tls, trust = server_tls(cls.server.folder)
        cls.server.set("relay.trust_file", f'"{trust}"')
        cls.stack.enter_context(cls.server)

    def rcpt(self, address, sender="friend@elsewhere.test"):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt(address)[0]

    def test_a_mail_and_a_login(self):
        self.server.submit("alice", message("by rows", body="through PostgreSQL\r\n"), ["bob@example.org"])
        self.assertIn(b"through PostgreSQL", self.server.wait_for("through PostgreSQL"))
        self.assertEqual(self.rcpt("nobody@example.org"), 550)
        self.assertEqual(self.rcpt("x@elsewhere.test"), 554)
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("bob", "wrong")
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.server.submit("alice", message(), ["bob@example.org"], sender="bob@example.org")

    def test_a_row_is_live_at_once(self):
        sql = self.postgres.sql
        for address in ("fresh@example.org", "sales@example.org"):
            self.assertEqual(self.rcpt(address), 550)  # and that is kept as an answer
        sql("INSERT INTO posthorn.mailboxes (address) VALUES ('fresh@example.org');"
            "INSERT INTO posthorn.aliases (address, targets) VALUES ('sales@example.org', 'bob@example.org, alice@example.org')")
        begun = time.monotonic()
        wait_until(lambda: self.rcpt("fresh@example.org") == 250, 2)
        self.assertEqual(self.rcpt("sales@example.org"), 250)
        self.assertLess(time.monotonic() - begun, 2)
        self.server.send(message("to all"), to=("sales+x@example.org",))
        for user in ("alice", "bob"):
            self.server.wait_for("Subject: to all", user)
        sql("DELETE FROM posthorn.mailboxes WHERE address = 'fresh@example.org'")
        wait_until(lambda: self.rcpt("fresh@example.org") == 550, 2)
        sql("INSERT INTO posthorn.domains (name) VALUES ('second.test');"
            "INSERT INTO posthorn.aliases (address, targets) VALUES ('@second.test', 'bob@example.org')")
        wait_until(lambda: self.rcpt("any@second.test") == 250, 2)
        sql("DELETE FROM posthorn.aliases WHERE address = '@second.test'; DELETE FROM posthorn.domains WHERE name = 'second.test'")
        wait_until(lambda: self.rcpt("any@second.test") == 554, 2)

    def test_a_password_is_live_at_once(self):
        self.server.add_user("carol@example.org", "one")
        self.server.imap("carol", "one").logout()
        self.server.run("user", "passwd", "carol@example.org", "--password-stdin", input="two\n")
        self.server.imap("carol", "two").logout()
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("carol", "one")
        self.server.run("user", "remove", "carol@example.org")
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("carol", "two")
        self.assertEqual(self.rcpt("carol@example.org"), 550)

    def test_nothing_becomes_sql(self):
        before = self.postgres.sql("SELECT count(*) FROM posthorn.users")
        for name in ("'; DROP TABLE posthorn.users;--", "\\", "\\'", "a' OR '1'='1", "%", "_____@example.org", "%d", "$1",
                     "' UNION SELECT hash FROM posthorn.users--", "é" * 900):
            with self.subTest(name=name):
                client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
                with self.assertRaises(imaplib.IMAP4.error) as refused:
                    client.authenticate("PLAIN", lambda _: ("\0" + name + "\0x").encode())
                self.assertIn("AUTHENTICATIONFAILED", str(refused.exception))
                client.logout()
        for local in ('"\'; DROP TABLE posthorn.mailboxes;--"', '"\\\\"', "o'hara", '"a\\"b"', "%", "$1"):
            self.assertIn(self.rcpt(f"{local}@example.org"), (550, 553), local)
        self.postgres.sql("INSERT INTO posthorn.aliases (address, targets) VALUES ('o''brien@example.org', 'bob@example.org')")
        wait_until(lambda: self.rcpt("o'brien@example.org") == 250, 2)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM posthorn.users"), before)
        self.assertNotIn("pw-", self.server.log())

    def test_relay_and_transport(self):
        with Smarthost(tls=self.hub_tls) as hub:
            self.postgres.sql(
                f"INSERT INTO posthorn.transport (pattern, nexthop) VALUES ('far.test', 'smtp:[localhost]:{hub.port}'),"
                f" ('bad.test', 'error:not here');"
                f"INSERT INTO posthorn.relay_sasl (nexthop, login) VALUES ('[localhost]:{hub.port}', 'apikey:secret')")
            self.postgres.sql("INSERT INTO posthorn.senders (address, accounts) VALUES ('@team.test', 'alice@example.org')")
            self.server.submit("alice", message("leaves"), ["you@far.test"], sender="me@team.test")
            self.assertEqual(hub.wait_for("Subject: leaves")[4], "apikey")


class Outage(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.postgres = self.stack.enter_context(Postgres())

    def serve(self, **settings):
        self.server = self.stack.enter_context(make_server(self.postgres, timeout='"500ms"', retry_max='"1s"', **settings))

    def send(self, to, subject="x"):
        """The reply's code, whichever command it answers."""
        try:
            with self.server.smtp() as client:
                client.sendmail("friend@elsewhere.test", [to], message(subject, to=to))
                return 250
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[to][0]
        except (smtplib.SMTPResponseException,) as refused:
            return refused.smtp_code

    def outage(self, begin, end):
        """Load over an outage: only 250 and 451 are ever said, each 250 arrives, and it works again by itself."""
        self.assertEqual(self.send("bob@example.org", "before"), 250)
        self.server.imap("bob").logout()
        codes, stop = [], threading.Event()

        def load(number):
            count = 0
            while not stop.is_set():
                count += 1
                # One address that was asked for before, others that never were, and one that is not there.
                to = ("bob@example.org", f"new{number}-{count}@example.org", "alice+t@example.org")[count % 3]
                subject = f"load-{number}-{count}"
                codes.append((self.send(to, subject), to, subject))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            loads = [pool.submit(load, number) for number in range(4)]
            try:
                wait_until(lambda: len(codes) > 20)
                begin()
                mark = len(codes)
                wait_until(lambda: len(codes) > mark + 20, 60)
                during = len(codes)
                wait_until(lambda: len(codes) > during + 20, 60)
                self.assertEqual(self.send("bob@example.org", "last good"), 250)
                self.assertEqual(self.send("never-asked@example.org"), 451)
                self.server.imap("bob").logout()
                with self.assertRaises(imaplib.IMAP4.error) as refused:
                    self.server.imap("stranger", "x")
                self.assertIn("UNAVAILABLE", str(refused.exception))
                down = codes[during:]
            finally:
                end()
            wait_until(lambda: self.send("never-asked@example.org") == 550, 30)
            stop.set()
            for done in loads:
                done.result(60)
        self.assertFalse([c for c in codes if c[0] not in (250, 451, 550)], "codes")
        self.assertFalse([c for c in codes if c[0] == 550 and not c[1].startswith("new")], "a known user was refused")
        self.assertFalse([c for c in down if c[0] == 550], "a user was called unknown while nothing could be asked")
        taken = {subject for code, to, subject in codes if code == 250 and to == "bob@example.org"}
        self.assertTrue(taken)

        def all_there():
            text = b"".join(self.server.fetch_all("bob"))
            return all(f"Subject: {subject}\r\n".encode() in text for subject in taken)

        wait_until(all_there, 60, 0.5)
        self.assertNotIn("queue.bounced", self.server.log())
        self.assertNotIn("queue.failed", self.server.log())
        self.assertIn("maps.database.down", self.server.log())

    def test_stopped_under_load(self):
        self.serve()
        self.outage(self.postgres.stop, self.postgres.start)

    def test_frozen_under_load(self):
        self.serve()
        self.outage(self.postgres.freeze, self.postgres.thaw)

    def test_started_before_the_database(self):
        self.serve()
        self.server.stop()
        self.postgres.stop()
        self.server.start()
        self.assertEqual(self.send("bob@example.org"), 451)
        with self.assertRaises(imaplib.IMAP4.error) as refused:
            self.server.imap("bob")
        self.assertIn("UNAVAILABLE", str(refused.exception))
        self.postgres.start()
        wait_until(lambda: self.send("bob@example.org") == 250, 30)
        self.server.imap("bob").logout()

    def test_without_last_good_answers(self):
        self.serve(last_good='"0s"')
        self.assertEqual(self.send("bob@example.org"), 250)
        self.postgres.stop()
        wait_until(lambda: self.send("bob@example.org") == 451)

    def test_out_of_connections(self):
        self.serve(cache='"0s"')
        self.assertEqual(self.send("bob@example.org"), 250)
        taken = []
        try:
            while True:  # until PostgreSQL has none left for anybody
                client = subprocess.Popen(["psql", "-qAtX", "-d", self.postgres.conninfo()], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                taken.append(client)
                client.stdin.write("SELECT 'here';\n")
                client.stdin.flush()
                if client.stdout.readline().strip() != "here":
                    break
                self.assertLess(len(taken), 60)
            self.assertEqual({self.send("bob@example.org") for _ in range(10)}, {250})
            self.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posthorn'")
            self.assertIn(self.send("new@example.org"), (451, 550))
        finally:
            for client in taken:
                client.communicate()
        wait_until(lambda: self.send("bob@example.org") == 250, 30)

    def test_a_schema_that_goes(self):
        self.serve(cache='"0s"')
        self.assertEqual(self.send("bob@example.org"), 250)
        self.postgres.sql("ALTER SCHEMA posthorn RENAME TO gone")
        self.assertEqual(self.send("never@example.org"), 451)
        self.assertEqual(self.send("bob@example.org"), 250)
        self.postgres.sql("ALTER SCHEMA gone RENAME TO posthorn")
        wait_until(lambda: self.send("never@example.org") == 550, 30)

    def test_a_million_rows(self):
        self.serve(cache='"0s"')
        self.postgres.sql(
            "ALTER TABLE posthorn.aliases RENAME TO old;"
            "CREATE VIEW posthorn.aliases AS SELECT 'many@example.org' AS address, 'bob@example.org' AS targets FROM generate_series(1, 1000000)"
            " UNION ALL SELECT 'long@example.org', repeat('x', 5000000);"
            "GRANT SELECT ON posthorn.aliases TO mail")
        lookup = self.server.roles()["lookup"]

        def memory():
            return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{lookup}/status").read_text())[1])

        before = memory()
        self.assertEqual(self.send("many@example.org"), 250)
        self.assertEqual(self.send("long@example.org"), 451)
        self.assertEqual(self.server.roles()["lookup"], lookup)
        self.assertLess(memory() - before, 100_000)


if __name__ == "__main__":
    unittest.main()
