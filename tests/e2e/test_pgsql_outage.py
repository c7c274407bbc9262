"""Outages of PostgreSQL: stopped, frozen, behind a network that stalls, out of connections. Nothing is lost, nothing bounces,
and nobody is told "no such user" or "wrong password": every protocol says in its own words that it could not be asked."""

import base64
import concurrent.futures
import contextlib
import imaplib
import pathlib
import poplib
import re
import selectors
import smtplib
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres, make_server
from support import FULL, message, wait_until
from test_web import health, metrics, value


class Gate:
    """A way to PostgreSQL over TCP that can stall: it stays open, takes new connections, and carries nothing."""

    def __init__(self, port):
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        self.pairs = {}
        self.selector = selectors.DefaultSelector()
        self.wake, self.waker = socket.socketpair()
        self.stalled = self.closed = False
        self.thread = threading.Thread(target=self._carry, daemon=True)

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} dbname=mail user=mail sslmode=disable"

    def stall(self):
        self._set(stalled=True)

    def resume(self):
        self._set(stalled=False)

    def _set(self, **state):
        for name, state_of_it in state.items():
            setattr(self, name, state_of_it)
        self.waker.send(b".")

    def __enter__(self):
        for end in (self.listener, self.wake):
            self.selector.register(end, selectors.EVENT_READ)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self._set(closed=True)
        self.thread.join(10)

    def _drop(self, end):
        other = self.pairs.pop(end, None)
        self.pairs.pop(other, None)
        for side in (end, other):
            if side is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self.selector.unregister(side)
                side.close()

    def _take(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream), 5)
        except OSError:
            client.close()
            return
        self.pairs.update({client: server, server: client})
        for end in (client, server):
            self.selector.register(end, selectors.EVENT_READ)

    def _carry(self):
        while not self.closed:
            for key, _ in self.selector.select():
                end = key.fileobj
                if end is self.wake:
                    self.wake.recv(100)
                    # What arrives meanwhile waits in the kernel, as behind a cable that was pulled.
                    for side in [self.listener, *self.pairs]:
                        with contextlib.suppress(KeyError):
                            self.selector.unregister(side)
                        if not self.stalled:
                            self.selector.register(side, selectors.EVENT_READ)
                elif self.stalled:
                    continue
                elif end is self.listener:
                    self._take()
                elif end in self.pairs:
                    try:
                        piece = end.recv(65536)
                        if piece:
                            self.pairs[end].sendall(piece)
                        else:
                            self._drop(end)
                    except OSError:
                        self._drop(end)
        for end in [*self.pairs, self.listener, self.wake, self.waker]:
            end.close()


def take_all_connections(postgres, test):
    """Holds what connections PostgreSQL has left; gives a function that lets them go."""
    taken = []

    def release():
        while taken:
            taken.pop().communicate()

    test.addCleanup(release)
    while True:  # until there is none left for anybody
        client = subprocess.Popen(["psql", "-qAtX", "-d", postgres.conninfo()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        taken.append(client)
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write("SELECT 'here';\n")
            client.stdin.flush()
        if client.stdout.readline().strip() != "here":
            return release
        test.assertLess(len(taken), 60)


class HeldFilter:
    """A spam filter that answers nobody until it is let go, so that mail waits between being taken and being planned."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.held = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.held.append(self.listener.accept()[0])

    def let_go(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for connection in self.held:
            connection.close()

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.let_go()


class Outage(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.postgres = self.stack.enter_context(Postgres())

    def serve(self, conninfo=None, more=(), **settings):
        made = make_server(self.postgres, timeout='"500ms"', retry_max='"1s"', **settings)
        for key, setting in {**({"pgsql.conninfo": f'"{conninfo}"'} if conninfo else {}), **dict(more)}.items():
            made.set(key, setting)
        self.server = self.stack.enter_context(made)

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

    @unittest.skipUnless(FULL, "POSTHORN_FULL=1 runs it; a network that stalls is nearly the same")
    def test_frozen_under_load(self):
        self.serve()
        self.outage(self.postgres.freeze, self.postgres.thaw)

    def test_a_stalled_network_under_load(self):
        gate = self.stack.enter_context(Gate(self.postgres.port))
        self.serve(gate.conninfo())
        self.outage(gate.stall, gate.resume)

    def test_mail_that_was_taken_just_before(self):
        """Taken, then PostgreSQL goes before it is known where it leads, and the server is started anew in between."""
        held = self.stack.enter_context(HeldFilter())
        self.serve(last_good='"0s"', cache='"0s"', more={"filter.spamd": f'"{held.address}"', "filter.tries_max": "1",
                                                         "queue.retry_first": '"1s"', "queue.retry_max": '"1s"'})
        subjects = [f"just-before-{number}" for number in range(8)]
        for subject in subjects:
            self.assertEqual(self.send("bob@example.org", subject), 250)
        wait_until(lambda: held.held)
        self.postgres.stop()
        held.let_go()
        wait_until(lambda: self.server.log().count("event=queue.deferred") >= len(subjects), 60)
        self.server.kill()
        self.server.start()
        listed = self.server.run("queue", "list").stdout
        self.assertEqual(listed.count("bob@example.org"), len(subjects), listed)
        self.postgres.start()
        wait_until(lambda: self.send("bob@example.org", "after") == 250, 30)
        for subject in subjects:
            self.server.wait_for(f"Subject: {subject}\r\n", seconds=60)
        self.assertEqual(len(self.server.fetch_all("bob")), len(subjects) + 1)
        self.assertNotIn("queue.bounced", self.server.log())
        self.assertNotIn("queue.failed", self.server.log())

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
        release = take_all_connections(self.postgres, self)
        self.assertEqual({self.send("bob@example.org") for _ in range(10)}, {250})
        self.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posthorn'")
        self.assertIn(self.send("new@example.org"), (451, 550))
        release()
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


class Words(unittest.TestCase):
    """What each protocol says while nothing can be asked and nothing is remembered, to users and strangers alike."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.postgres = cls.stack.enter_context(Postgres(connections=14))
        cls.gate = cls.stack.enter_context(Gate(cls.postgres.port))
        cls.server = make_server(cls.postgres, timeout='"500ms"', retry_max='"500ms"', last_good='"0s"', cache='"0s"')
        cls.server.set("pgsql.conninfo", f'"{cls.gate.conninfo()}"')
        cls.stack.enter_context(cls.server)

    LOGINS = (("bob@example.org", "pw-bob"), ("bob@example.org", "wrong"), ("nobody@example.org", "x"))

    @staticmethod
    def plain(user, password):
        return base64.b64encode(f"\0{user}\0{password}".encode()).decode()

    def pop3(self):
        client = poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)
        self.addCleanup(client.close)
        return client

    def imap(self):
        client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        self.addCleanup(client.shutdown)
        return client

    def submission(self):
        client = smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def ask(self, client, *lines):
        """POP3: the last line's answer."""
        for line in lines:
            client._putline(line.encode())
            answer = client._getline()[0].decode()
            if not answer.startswith("+"):
                break
        return answer

    def rcpt(self, address):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("friend@elsewhere.test")
            return client.rcpt(address)

    def outage(self, begin, end):
        pop, imap, smtp = self.pop3(), self.imap(), self.submission()
        begin()
        try:
            wait_until(lambda: self.rcpt("bob@example.org")[0] == 451, 30)
            for user, password in self.LOGINS:
                with self.subTest(user=user, password=password):
                    self.assertRegex(self.ask(pop, f"USER {user}", f"PASS {password}"), r"^-ERR \[SYS/TEMP\] ")
                    self.assertRegex(self.ask(pop, f"AUTH PLAIN {self.plain(user, password)}"), r"^-ERR \[SYS/TEMP\] ")
                    self.assertRegex(self.ask(pop, "AUTH PLAIN", self.plain(user, password)), r"^-ERR \[SYS/TEMP\] ")
                    with self.assertRaisesRegex(imaplib.IMAP4.error, r"\[UNAVAILABLE\]"):
                        imap.login(user, password)
                    with self.assertRaisesRegex(imaplib.IMAP4.error, r"\[UNAVAILABLE\]"):
                        imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
                    code, text = smtp.docmd("AUTH", "PLAIN " + self.plain(user, password))
                    self.assertEqual((code, text[:5]), (454, b"4.7.0"))
            for address in ("bob@example.org", "nobody@example.org", "x@elsewhere.test"):
                code, text = self.rcpt(address)
                self.assertEqual((code, text[:3]), (451, b"4.3"), address)
            status = self.server.run("status", check=False)
            self.assertEqual(status.returncode, 1)
            self.assertRegex(status.stdout, r"^red: database: .*\n +-> start PostgreSQL")
            self.assertRegex(status.stdout, r"(?m)^database +down: \S")
            wait_until(lambda: health(self.server)[0] == 503)  # it looks again after a while
            code, checks, whole = health(self.server)
            self.assertEqual((code, [name for name, state in checks.items() if state == "red"]), (503, ["database"]), whole)
            self.assertEqual(value(metrics(self.server), "posthorn_database_down"), 1)
        finally:
            end()
        wait_until(lambda: self.rcpt("bob@example.org")[0] == 250, 30)
        wait_until(lambda: re.search(r"(?m)^database +up$", self.server.run("status", check=False).stdout), 30)
        wait_until(lambda: health(self.server)[0] == 200)
        self.assertEqual(value(metrics(self.server), "posthorn_database_down"), 0)
        self.assertGreater(value(metrics(self.server), "posthorn_database_answers_total", source="failed"), 0)
        # The connections of before are as good as new ones, and strangers are refused as ever.
        self.assertRegex(self.ask(pop, "USER nobody@example.org", "PASS x"), r"^-ERR \[AUTH\]")
        self.assertEqual(self.ask(pop, "USER bob@example.org", "PASS pw-bob")[:3], "+OK")
        with self.assertRaisesRegex(imaplib.IMAP4.error, r"\[AUTHENTICATIONFAILED\]"):
            imap.login("nobody@example.org", "x")
        imap.login("bob@example.org", "pw-bob")
        self.assertEqual(smtp.docmd("AUTH", "PLAIN " + self.plain("nobody@example.org", "x"))[0], 535)
        self.assertEqual(smtp.docmd("AUTH", "PLAIN " + self.plain("bob@example.org", "pw-bob"))[0], 235)
        self.assertEqual(self.rcpt("nobody@example.org")[0], 550)
        self.assertNotIn("pw-bob", self.server.log())

    def test_stopped(self):
        self.outage(self.postgres.stop, self.postgres.start)

    def test_a_network_that_stalls(self):
        self.outage(self.gate.stall, self.gate.resume)

    def test_out_of_connections(self):
        releases = []
        ours = "FROM pg_stat_activity WHERE application_name = 'posthorn'"

        def begin():
            for _ in range(20):  # the server tries to have again what was taken from it
                self.postgres.sql(f"SELECT pg_terminate_backend(pid) {ours}")
                releases.append(take_all_connections(self.postgres, self))
                if self.postgres.sql(f"SELECT count(*) {ours}") == ["0"]:
                    return
            self.fail("the server always gets a connection")

        def end():
            for release in releases:
                release()

        self.outage(begin, end)


if __name__ == "__main__":
    unittest.main()
