"""One preparation for check, start and reload: a start never does worse than yesterday, a reload is taken by all roles or by
none, what has a fault keeps its last good form, and each says what it did."""

import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import unittest
import urllib.error
import urllib.request

from support import POSTHORN, Server, message, wait_until


def rcpt(server, address, sender="friend@elsewhere.test"):
    with server.smtp() as client:
        client.ehlo()
        client.mail(sender)
        return client.rcpt(address)[0]


def health(server):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port('http')}/health", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as answer:
        return json.load(answer)


def red(server):
    return {name for name, check in health(server)["checks"].items() if check["state"] == "red"}


class Yesterday(unittest.TestCase):
    """A server that served; then something happens to its files, and it is started again."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob"))
        cls.server.append_map("aliases", "info@example.org alice@example.org\n")
        script = cls.server.root / "sieve" / "users" / "bob@example.org.sieve"
        script.parent.mkdir()
        script.write_text('require "fileinto";\nif header :contains "Subject" "Marked" { fileinto "Junk"; stop; }\n')
        cls.server.start()
        cls.state = cls.server.root / "var" / "state"
        wait_until(lambda: any("users" in p.name for p in (cls.state / "lookup").iterdir())
                   and any("aliases" in p.name for p in (cls.state / "lookup").iterdir())
                   and any("bob@" in p.name for p in (cls.state / "store").iterdir()))
        cls.server.stop()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def with_file(self, name, text):
        """Puts text in place of the file (None: removes it), and back again at the end."""
        path = self.server.root / name
        good, info = path.read_bytes(), path.stat()
        path.unlink()
        if text is not None:
            path.write_text(text)
            path.chmod(info.st_mode & 0o7777)
            os.chown(path, info.st_uid, info.st_gid)

        def back():
            new = path.with_suffix(".back")
            new.write_bytes(good + b"\n")
            new.chmod(info.st_mode & 0o7777)
            os.chown(new, info.st_uid, info.st_gid)
            new.rename(path)
        return back

    def test_each_file(self):
        rows = [("maps/aliases", "info@example.org alice@example.org\nbroken\n", "tables"), ("maps/aliases", None, "tables"),
                ("maps/aliases", "", "tables"), ("maps/domains", "other.test ok\n", "tables", "maps/mailboxes:"), ("maps/mailboxes", "\x00\n", "tables"),
                ("conf/users", "alice@example.org\n", "tables"), ("conf/users", None, "tables"),
                ("sieve/users/bob@example.org.sieve", "nonsense \"", "scripts")]
        for name, text, check, *more in rows:
            with self.subTest(name=name, text=text):
                says = more[0] if more else ""  # good by itself, it makes others faulty
                back = self.with_file(name, text)
                start = self.server.log_path.stat().st_size
                self.server.start()
                try:
                    log = self.server.log(start)
                    self.assertIn("event=files.stale", log)
                    self.assertIn(says or f"{name}:", log)
                    self.assertEqual(rcpt(self.server, "info@example.org"), 250)
                    self.assertEqual(rcpt(self.server, "nobody@example.org"), 550)
                    self.server.imap("alice").logout()
                    self.assertEqual(red(self.server), {check})
                    done = self.server.run("check", check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(says or f"{name}:", done.stderr)
                finally:
                    back()
                    wait_until(lambda: not red(self.server))
                    self.assertEqual(rcpt(self.server, "info@example.org"), 250)
                    self.server.stop()

    def test_the_copies_are_no_more_open_than_their_sources(self):
        self.assertEqual((self.state / "lookup").stat().st_mode & 0o777, 0o700)
        for copy in (self.state / "lookup").iterdir():
            source = pathlib.Path(copy.name.replace("%", "/"))
            self.assertEqual(copy.stat().st_mode & 0o777 & ~source.stat().st_mode, 0, copy)
        everything = b"".join(path.read_bytes() for path in self.state.rglob("*") if path.is_file())
        self.assertNotIn(b"PRIVATE KEY", everything)
        for line in (self.server.root / "maps" / "relay-sasl").read_text().splitlines():
            self.assertNotIn("PRIVATE", line)


class FirstStart(unittest.TestCase):
    """Without a form of before: the names on faulty lines wait, a missing table decides nothing, all else is served."""

    def started(self, spoil, **options):
        server = Server(users=("alice", "bob"), **options)
        self.addCleanup(server.close)
        server.append_map("aliases", "info@example.org alice@example.org\n")
        spoil(server)
        return server.start()

    def test_a_faulty_line_of_aliases(self):
        server = self.started(lambda s: s.append_map("aliases", "sales@example.org\na@example.org b@example.org\nb@example.org a@example.org\n"))
        self.assertEqual(rcpt(server, "info@example.org"), 250)
        self.assertEqual(rcpt(server, "alice@example.org"), 250)
        self.assertEqual(rcpt(server, "sales@example.org"), 451)
        self.assertEqual(rcpt(server, "nobody@example.org"), 550)
        self.assertIn("tables", red(server))
        self.assertRegex(server.log(), r"maps/aliases:\d+: ")

    def test_a_missing_table_of_aliases(self):
        server = self.started(lambda s: (s.root / "maps" / "aliases").unlink())
        self.assertEqual(rcpt(server, "info@example.org"), 451)
        self.assertIn("aliases:1: there is no such file; put it back; if it is to be empty: touch ", server.log())
        server.write_map("aliases", "info@example.org alice@example.org\n")
        wait_until(lambda: rcpt(server, "info@example.org") == 250)
        self.assertFalse(red(server))

    def test_a_faulty_line_of_users(self):
        def spoil(server):
            with open(server.root / "conf" / "users", "a") as users:
                users.write("carol@example.org\n")
        server = self.started(spoil)
        server.imap("alice").logout()
        with self.assertRaisesRegex(Exception, "UNAVAILABLE"):
            server.imap("carol", "whatever")

    def test_a_script_with_a_fault_keeps_the_mail(self):
        server = self.started(lambda s: (s.root / "sieve" / "default.sieve").write_text("nonsense \""))
        server.send(message("Kept-1"), to=["bob@example.org"])
        server.wait_for("Kept-1")
        self.assertEqual(red(server), {"scripts"})

    def test_a_certificate_with_a_fault(self):
        server = self.started(lambda s: (s.root / "tls" / "cert.pem").write_text("nonsense\n"))
        # Mail between servers goes on, with a certificate that proves nothing.
        with server.smtp() as client:
            client.starttls(context=ssl._create_unverified_context())
            client.ehlo()
            self.assertEqual(client.mail("friend@elsewhere.test")[0], 250)
            self.assertEqual(client.rcpt("bob@example.org")[0], 250)
        self.assertIn("certificates", red(server))

    def test_one_process_too(self):
        server = self.started(lambda s: s.append_map("aliases", "sales@example.org\n"), one_process=True)
        self.assertEqual(rcpt(server, "sales@example.org"), 451)
        self.assertEqual(rcpt(server, "info@example.org"), 250)


class Reload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Nothing is noticed by itself: what happens is the command's doing.
        cls.server = Server(settings={"maps.poll_interval": '"1h"', "tls.reload_interval": '"1h"'}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def tell(self, *args):
        done = self.server.run(*args, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_a_faulty_table_keeps_its_form_and_the_others_are_taken(self):
        server = self.server
        aliases = (server.root / "maps" / "aliases").read_text()
        server.append_map("mailboxes", "dora@example.org ok\n")
        server.append_map("aliases", "broken\n")
        code, out, err = self.tell("reload")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"maps/aliases:\d+: ")
        self.assertIn("its last good form stays in use; all else is in use", err)
        self.assertEqual(rcpt(server, "dora@example.org"), 250)
        server.write_map("aliases", aliases)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_what_does_not_fit_together_is_taken_by_none(self):
        server = self.server
        domains = (server.root / "maps" / "domains").read_text()
        script = server.root / "sieve" / "default.sieve"
        good = script.read_text()
        server.write_map("domains", "elsewhere.example ok\n")
        script.write_text('require "fileinto";\nfileinto "Elsewhere";\n')
        start = server.log_path.stat().st_size
        code, _, err = self.tell("reload")
        self.assertEqual(code, 1)
        self.assertIn("nothing was changed: what was in use before stays in use", err)
        self.assertEqual(rcpt(server, "bob@example.org"), 250)
        server.send(message("Whole-1"))
        server.wait_for("Whole-1")  # in INBOX: the store has dropped what it had prepared
        self.assertEqual(server.log(start).count("event=generation.committed"), 0)
        self.assertIn("event=generation.refused", server.log(start))
        server.write_map("domains", domains)
        script.write_text(good)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_a_certificate_of_another_key(self):
        server = self.server
        key = server.root / "tls" / "key.pem"
        good, info = key.read_bytes(), key.stat()
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)], check=True, capture_output=True)
        os.chown(key, info.st_uid, info.st_gid)
        key.chmod(0o640)
        for command in ("reload", "check"):
            code, _, err = self.tell(command)
            self.assertEqual(code, 1)
            self.assertIn("key.pem:1: the key is not the one of", err)
        server.imap("alice").logout()  # by the pair of before
        key.write_bytes(good)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_a_signal_is_the_same(self):
        server = self.server
        server.append_map("mailboxes", "erna@example.org ok\n")
        start = server.log_path.stat().st_size
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: rcpt(server, "erna@example.org") == 250)
        wait_until(lambda: server.log(start).count("event=generation.committed") == 5)
        # Once in each role.
        self.assertEqual(server.log(start).count("event=maps.loaded"), 1)

    def test_a_role_that_does_not_answer(self):
        server = self.server
        pid = server.roles()["queue"]
        os.kill(pid, signal.SIGSTOP)
        try:
            server.append_map("mailboxes", "fritz@example.org ok\n")
            done = subprocess.Popen([POSTHORN, "reload", "-c", str(server.conf)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with self.assertRaises(subprocess.TimeoutExpired):
                done.wait(1)
            self.assertEqual(rcpt(server, "fritz@example.org"), 550)  # prepared, and not in use
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(done.wait(60), 0)
        done.stdout.close()
        done.stderr.close()
        self.assertEqual(rcpt(server, "fritz@example.org"), 250)


class Restart(unittest.TestCase):
    def check(self, one_process):
        server = Server(one_process=one_process).start()
        self.addCleanup(server.close)
        self.assertNotIn("config.changed", server.run("status").stdout)
        server.set("smtp.banner", '"Fresh words"')
        server.set("smtp.recipients_max", "177")
        for done in (server.run("reload"), server.run("status")):
            self.assertIn("smtp.banner smtp.recipients_max", done.stdout + done.stderr)
        self.assertNotIn("Fresh words", self.banner(server))
        server.set("smtp.banner", '"Fresh words')  # no TOML
        done = server.run("restart", check=False)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"posthorn\.toml:\d+: ")
        server.set("smtp.banner", '"Fresh words"')
        pid = server.process.pid
        self.assertEqual(server.run("restart").stdout, f"restarted, pid {pid}\n")
        self.assertIsNone(server.process.poll())
        self.assertIn("Fresh words", self.banner(server))
        self.assertNotIn("config.changed", server.run("status").stdout)

    @staticmethod
    def banner(server):
        with socket.create_connection(("127.0.0.1", server.port("smtp")), 30) as plain:
            return plain.recv(500).decode()

    def test_of_roles(self):
        self.check(False)

    def test_of_one_process(self):
        self.check(True)


if __name__ == "__main__":
    unittest.main()
