"""posthorn tap: the live dialogs of sessions that begin and of those that are open, without their secrets.

The watcher is the real command; the sessions are smtplib's and imaplib's.
"""

import base64
import contextlib
import pathlib
import poplib
import re
import smtplib
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, Smarthost, message, wait_until


class Tap:
    """The command, with what it has printed."""

    def __init__(self, server, *args):
        self.process = subprocess.Popen([POSTHORN, "tap", *args, "-c", str(server.conf)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.wait("-- watching")

    def _read(self):
        for line in self.process.stdout:
            self.text += line.decode()

    def wait(self, what):
        try:
            return wait_until(lambda: what in self.text, 20)
        except AssertionError:
            raise AssertionError(f"{what!r} was not shown:\n{self.text}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        self.thread.join(20)
        self.process.stdout.close()


class Taps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def assertNoSecret(self, text):
        for user in ("alice", "bob"):
            password = self.server.password(f"{user}@example.org")
            self.assertNotIn(password, text)
            self.assertNotIn(base64.b64encode(password.encode()).decode().rstrip("="), text)
            self.assertNotIn(base64.b64encode(f"\0{user}@example.org\0{password}".encode()).decode(), text)

    def test_everything(self):
        with Tap(self.server, "--all") as tap:
            self.server.submit("alice", message(subject="seen by the tap", body="the body of it\r\n"), ["bob@example.org"])
            self.server.wait_for("the body of it")
            for text in (" submissions C: ", "-- TLSv1.3", "AUTH PLAIN [hidden]", "submissions alice@example.org C: mail FROM:<alice@example.org>", "submissions alice@example.org C: rcpt TO:<bob@example.org>",
                         "submissions alice@example.org S: 354 ", " queue alice@example.org C: LHLO", "imaps C: ", "LOGIN [hidden]", "imaps bob@example.org S: ", "-- closed"):
                tap.wait(text)
            tap.wait("BODY.PEEK[]")
            wait_until(lambda: re.search(r"(?m)^\d\d:\d\d:\d\d\.\d{3} [0-9A-Z]{8} imaps bob@example\.org S: \[\d+ bytes\]$", tap.text))
        self.assertNotIn("the body of it", tap.text)
        self.assertNoSecret(tap.text)

    def test_pop3(self):
        with Tap(self.server, "--user", "bob") as tap:
            self.server.send(message(body="by POP3\r\n"))
            self.server.wait_for("by POP3")
            client = poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)
            client.user("bob@example.org")
            client.pass_(self.server.password("bob@example.org"))
            client.retr(1)
            client.quit()
            for text in ("PASS [hidden]", "pop3s bob@example.org C: RETR 1", "pop3s bob@example.org S: +OK", "pop3s bob@example.org C: QUIT"):
                tap.wait(text)
            self.assertRegex(tap.text, r"pop3s bob@example\.org S: \[\d+ bytes\]")
        self.assertNotIn("by POP3", tap.text)
        self.assertNoSecret(tap.text)

    def test_what_the_queue_says(self):
        """The dialogs with the smarthost and with the store, by queue id, by sender and all."""
        relay = self.enterContext(Smarthost.with_tls(password="relay-secret-word"))
        server = Server(settings=relay.settings())
        self.addCleanup(server.close)
        server.write_map("relay-sasl", f"[localhost]:{relay.port} apikey:relay-secret-word\n")
        server.start()
        with Tap(server, "--all") as everything, Tap(server, "--user", "alice") as alice, Tap(server, "--user", "bob") as bob:
            server.submit("alice", message(subject="out", body="the body of it\r\n", to="friend@far.test"), ["friend@far.test", "bob@example.org"])
            server.wait_for("the body of it")
            wait_until(lambda: relay.received)
            for tap in (everything, alice):
                for text in (" relay alice@example.org -- connected to 127.0.0.1 port ", " relay alice@example.org C: EHLO mx.example.org", " relay alice@example.org C: STARTTLS", " relay alice@example.org -- TLSv1.3",
                             " relay alice@example.org C: AUTH PLAIN [hidden]", " relay alice@example.org S: 235", " relay alice@example.org C: RCPT TO:<friend@far.test>", " relay alice@example.org S: 354",
                             " relay alice@example.org C: QUIT", " relay alice@example.org -- closed", " lmtp alice@example.org C: LHLO", " lmtp alice@example.org C: RCPT TO:<bob@example.org>",
                             " lmtp alice@example.org S: 250 2.0.0 Ok: saved in INBOX"):
                    tap.wait(text)
                self.assertNotIn("relay-secret-word", tap.text)
                self.assertNotIn(base64.b64encode(b"\0apikey\0relay-secret-word").decode(), tap.text)
                self.assertNotIn("the body of it", tap.text)
            self.assertNotIn(" relay ", bob.text)
        # One message, by its id: it waits for a smarthost that says no.
        relay.script["MAIL"] = "451 4.3.0 later"
        server.submit("alice", message(subject="waits", to="friend@far.test"), ["friend@far.test"])
        queue_id = wait_until(lambda: re.search(r"event=queue\.deferred s=\S+ q=(\S+)", server.log()))[1]
        with Tap(server, queue_id) as one:
            relay.script.pop("MAIL")
            server.submit("alice", message(subject="another", to="other@far.test"), ["other@far.test"])
            server.run("queue", "retry", queue_id)
            one.wait(f" {queue_id} relay alice@example.org C: RCPT TO:<friend@far.test>")
            one.wait("-- closed")
            self.assertNotIn("other@far.test", one.text)
            wait_until(lambda: len(relay.received) == 3)

    def test_bodies(self):
        with Tap(self.server, "--all", "--bodies") as tap:
            self.server.send(message(body="a body with \x1b[2J in it\r\n"))
            tap.wait("smtp C: a body with \\x1B[2J in it")

    def test_one_user(self):
        with Tap(self.server, "--user", "bob") as tap:
            self.server.imap("alice").logout()
            client = self.server.imap("bob")
            client.select()
            client.logout()
            tap.wait("imaps bob@example.org C: ")
            tap.wait(" SELECT ")
            tap.wait("LOGIN [hidden]")  # also what came before the name was known
        self.assertNotIn("alice", tap.text)
        self.assertNoSecret(tap.text)

    def test_sessions_that_are_open(self):
        client = self.server.imap("bob")
        client.select()
        smtp = self.server.smtp()
        smtp.ehlo()
        session = wait_until(lambda: self.server.log().rsplit("event=imap.connected s=", 1)[-1][:8])
        with Tap(self.server, session) as tap, Tap(self.server, "--all") as everything:
            client.noop()
            client.noop()
            tap.wait(" NOOP")
            smtp.noop()
            smtp.mail("friend@elsewhere.test")
            everything.wait("smtp C: mail FROM:<friend@elsewhere.test>")
            self.assertNotIn("mail FROM", tap.text)
            smtp.quit()
            client.logout()
            tap.wait("-- closed")

    def test_a_password_in_the_middle(self):
        """Who begins to watch between a challenge and its answer does not see the answer."""
        secret = base64.b64encode(b"\0alice@example.org\0pw-alice").decode()
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.ehlo()
            self.assertEqual(client.docmd("AUTH PLAIN")[0], 334)
            with Tap(self.server, "--all") as tap:
                self.assertEqual(client.docmd(secret)[0], 235)
                client.docmd("NOOP")
                tap.wait("alice@example.org C: NOOP")
                self.assertNotIn(secret, tap.text)
                self.assertNoSecret(tap.text)

    def test_a_slow_watcher_loses_lines_and_slows_nothing(self):
        path = self.server.root / "var/run/tap-0.sock"
        with socket.socket(socket.AF_UNIX) as watcher:
            watcher.connect(str(path))
            watcher.sendall(b"1\twatch\tbodies=1\n")
            watcher.settimeout(20)
            self.assertIn(b"-- watching", watcher.recv(100))
            body = ("x" * 70 + "\r\n") * 60_000
            self.server.submit("alice", message(body=body + "all of it\r\n"), ["bob@example.org"])
            self.server.wait_for("all of it")
            got = b""
            with contextlib.suppress(TimeoutError):
                while b"lines lost" not in got:
                    got = got[-1000:] + watcher.recv(1 << 20)
            self.assertRegex(got.decode(), r"-- \d+ lines lost: they came faster than they were read\n")

    def test_what_is_no_watch(self):
        self.assertEqual(self.server.run("tap", check=False).returncode, 1)
        self.assertEqual(self.server.run("tap", "--all", "--user", "x", check=False).returncode, 1)
        path = self.server.root / "var/run/tap-0.sock"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as watcher:
            watcher.connect(str(path))
            watcher.sendall(b"GET / HTTP/1.0\n")
            watcher.settimeout(20)
            self.assertEqual(watcher.recv(100), b"-- refused\n")

    def test_it_ends_with_the_server(self):
        server = Server().start()
        with Tap(server, "--all") as tap:
            server.close()
            self.assertEqual(tap.process.wait(20), 1)
        self.assertEqual(Server.run(server, "tap", "--all", config=False, check=False).returncode != 0, True)


if __name__ == "__main__":
    unittest.main()
