"""`posthorn explain`: what it says is what SMTP says, and it names the lines; with a server, without one, for programs and for people."""

import json
import pathlib
import smtplib
import unittest

from support import Server, assert_fits, wait_until


def deed(server, sender, recipient, login=None):
    """The reply to RCPT, or to MAIL if that is refused: "250 2.1.5 Ok". Of a stranger, or of who is logged in."""
    connection = smtplib.SMTP_SSL("localhost", server.port("submissions"), context=server.trust(), timeout=20) if login else server.smtp()
    with connection as client:
        client.ehlo("client.test")
        if login:
            client.login(login, server.password(login))
        code, text = client.docmd("MAIL", f"FROM:<{sender}>")
        if code == 250:
            code, text = client.docmd("RCPT", f"TO:<{recipient}>")
        return f"{code} {text.decode()}"


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("example.org", "second.test"), settings={"relay.relayhost": '"[127.0.0.1]:9"', "log.level": '"debug"'})
        maps = pathlib.Path(cls.server.root) / "maps"
        cls.aliases = maps / "aliases"
        cls.aliases.write_text("# ours\nteam@example.org alice@example.org, friend@remote.example\n"
                               "full@example.org bob@example.org\n@second.test @example.org\n")
        (maps / "senders").write_text("news@remote.example alice@example.org\n")
        cls.transport = maps / "transport"
        cls.transport.write_text("later.test error:4.7.1 Not now\n")
        (maps / "relay-sasl").write_text("[127.0.0.1]:9 poster:s3cretword\n")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def explain(self, *words, status=0):
        done = self.server.run("explain", *words, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn("s3cretword", done.stdout + done.stderr)
        return done.stdout

    def test_a_stranger_gets_the_reply_that_is_told(self):
        for recipient, status in (("team@example.org", 0), ("Team+Tag@Second.test", 0), ("alice@example.org", 0),
                                  ("nobody@example.org", 1), ("x@remote.example", 1), ("postmaster", 0)):
            told = self.explain("rcpt", recipient, "--from", "s@remote.example", status=status).splitlines()[-1]
            reply = deed(self.server, "s@remote.example", recipient)
            self.assertEqual(told, ("Taken: " if status == 0 else "Refused: ") + reply)

    def test_words_are_read_as_the_server_reads_them(self):
        for sender, recipient, status in (("s@remote.example", '"alice"@example.org', 0), ("s@remote.example", "alice@example.org.", 0),
                                          ("s@remote.example", "@hop.test:alice@example.org", 0), ("s@remote.example", "ali ce@example.org", 1),
                                          ("bad from@@x", "alice@example.org", 1), ("s@remote.example.", "team@example.org", 0)):
            told = self.explain("rcpt", recipient, "--from", sender, status=status).splitlines()[-1]
            reply = deed(self.server, sender, recipient)
            self.assertEqual(told, ("Taken: " if status == 0 else "Refused: ") + reply)
        self.assertEqual(self.explain("rcpt", "x@müller.test", status=1).splitlines()[-1],
                         "Refused: 554 5.7.1 <x@xn--mller-kva.test>: Relay access denied")

    def test_the_way_of_an_alias_is_that_of_whom_it_leads_to(self):
        text = self.explain("relay", "team@example.org")
        self.assertIn("for friend@remote.example: 127.0.0.1:9 as poster", text)
        self.assertEqual(text.splitlines()[-1], "It goes on")
        self.assertEqual(self.explain("relay", "nobody@example.org", status=1).splitlines()[-1],
                         "It comes back: " + deed(self.server, "s@remote.example", "nobody@example.org"))

    def test_what_a_table_puts_off_waits_by_its_word(self):
        text = self.explain("relay", "x@later.test", status=75)
        self.assertIn(f'mail for later.test goes by "error:4.7.1 Not now" [{self.transport}:1]', text)
        self.assertEqual(text.splitlines()[-1], "Put off: 450 4.7.1 Not now (the transport table says so)")
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=20) as client:
            client.login("alice@example.org", self.server.password("alice@example.org"))
            client.sendmail("alice@example.org", "x@later.test", "Subject: later\r\n\r\nx\r\n")
        wait_until(lambda: "450 4.7.1 Not now (the transport table says so)" in self.server.run("queue", "list").stdout)

    def test_lines_are_named(self):
        text = self.explain("rcpt", "team@second.test")
        self.assertIn(f"@second.test catches what nobody else in it has [{self.aliases}:4]", text)
        self.assertIn(f"team@example.org is in aliases: alice@example.org, friend@remote.example [{self.aliases}:2]", text)
        self.assertIn("for friend@remote.example: 127.0.0.1:9 as poster", text)
        self.assertIn("remote.example is not ours, and this sender may not write to other servers",
                      self.explain("rcpt", "x@remote.example", status=1))
        self.assertIn("198.51.100.7 is not among the addresses that may relay without a login [smtp.relay_from]",
                      self.explain("rcpt", "x@remote.example", "--ip", "198.51.100.7", status=1))

    def test_the_record_of_a_recipient_names_the_lines(self):
        deed(self.server, "s@remote.example", "team@second.test")
        server, mailboxes = self.server, self.aliases.parent / "mailboxes"
        wait_until(lambda: f"by={self.aliases}:4,{self.aliases}:2,{mailboxes}:" in server.log().replace('"', ""))

    def test_users_get_the_reply_that_is_told(self):
        for sender, recipient, status in (("alice@example.org", "x@remote.example", 0), ("bob@example.org", "x@remote.example", 1),
                                          ("news@remote.example", "nobody@example.org", 1), ("", "bob@example.org", 0)):
            told = self.explain("send", "alice@example.org", sender or "<>", recipient, status=status).splitlines()[-1]
            reply = deed(self.server, sender, recipient, login="alice@example.org")
            self.assertEqual(told, ("Taken: " if status == 0 else "Refused: ") + reply)
        self.assertEqual(self.explain("send", "alice@example.org", "news@remote.example").splitlines()[-1], "Taken: 250 2.1.0 Ok")

    def test_who_has_no_login_sends_nothing(self):
        text = self.explain("send", "ghost@example.org", "ghost@example.org", "bob@example.org", status=1)
        self.assertIn("ghost@example.org cannot log in: there is no login of that name", text)
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=20) as client:
            client.ehlo("client.test")
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                client.login("ghost@example.org", "x")
        self.assertEqual(text.splitlines()[-1], f"Refused: {refused.exception.smtp_code} {refused.exception.smtp_error.decode()}")

    def test_a_fault_is_told_where_its_table_was_asked(self):
        before = self.transport.read_text()
        self.addCleanup(lambda: (self.transport.write_text(before), self.server.run("reload", check=False)))
        self.transport.write_text(before + "novalue\n")
        self.server.run("reload", check=False)
        fault = f"{self.transport}:2: "
        self.assertIn(fault, self.explain("relay", "x@remote.example"))
        self.assertNotIn(fault, self.explain("rcpt", "alice@example.org"))

    def test_programs_get_json(self):
        values = [json.loads(self.explain(*words, "--json", status=status)) for words, status in (
            (("rcpt", "team@example.org", "--from", "<>", "--ip", "192.0.2.1"), 0), (("rcpt", "nobody@example.org"), 1),
            (("send", "alice@example.org", "bob@example.org"), 1), (("relay", "x@remote.example"), 0))]
        assert_fits("explain", *values)
        self.assertEqual([one["address"] for one in values[0]["recipients"]], ["alice@example.org", "friend@remote.example"])
        self.assertTrue(values[0]["recipients"][0]["by"].startswith(f"{self.aliases}:2, "))
        self.assertIn("127.0.0.1:9 as poster", values[3]["recipients"][0]["way"])

    def test_a_ban_is_told(self):
        self.server.run("ban", "add", "192.0.2.99")
        text = self.explain("rcpt", "alice@example.org", "--ip", "192.0.2.99")
        self.assertIn("192.0.2.99 may not log in now (by command", text)
        self.assertIn("192.0.2.98 is not banned", self.explain("rcpt", "alice@example.org", "--ip", "192.0.2.98"))

    def test_the_help_lists_the_exit_statuses(self):
        for words in (("rcpt",), ("send",), ("relay",), ("spam",), ("filed",), ("login",), ()):
            self.assertIn("Exit status", self.server.run("explain", *words, "--help").stdout)
        self.assertIn("Exit status: 0 it is no spam; 1 it is spam", self.server.run("spam", "explain", "--help").stdout)

    def test_an_address_that_is_none(self):
        self.assertEqual(self.server.run("explain", "rcpt", "a@example.org", "--ip", "nowhere", check=False).returncode, 2)


class WithoutAServer(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def test_the_files_are_read_here(self):
        done = self.server.run("explain", "rcpt", "alice@example.org", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("the server is not running: its files were read here", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "Taken: 250 2.1.5 Ok")

    def test_what_cannot_be_asked_is_put_off(self):
        (pathlib.Path(self.server.root) / "maps" / "aliases").unlink()
        done = self.server.run("explain", "rcpt", "alice@example.org", check=False)
        self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
        self.assertIn("there is no such file", done.stdout)
        self.assertTrue(done.stdout.splitlines()[-1].startswith("Put off: 451 4.3.0 Temporary lookup failure"))
