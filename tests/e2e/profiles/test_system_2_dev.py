"""System 2, the development server: any address of any domain, password = local part, bad domains that come back later."""

import email
import imaplib
import poplib
import smtplib
import subprocess
import time
import unittest

from dialogs import Dialog
from support import Server, message, wait_until


class DevServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("mail.localhost",), users=(), mx="mail.localhost", profile="dev",
                            env={"POSTHORN_QUEUE_ERROR_DELAY": "2s"})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def login(self, address, password=None, tls=True):
        if tls:
            client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        # A quoted string, as a mail program sends it: an address may hold what an atom may not.
        user = '"' + address.replace("\\", "\\\\").replace('"', '\\"') + '"'
        client.login(user, address.rsplit("@", 1)[0] if password is None else password)
        return client

    def inbox(self, address):
        client = self.login(address)
        try:
            self.assertEqual(client.select("INBOX", readonly=True)[0], "OK")
            numbers = client.search(None, "ALL")[1][0].split()
            return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]
        finally:
            client.logout()

    def wait_for(self, address, marker, seconds=20):
        return wait_until(lambda: next((raw for raw in self.inbox(address) if marker.encode() in raw), None), seconds, 0.3)

    def send(self, sender, to, marker, port="smtp", starttls=False):
        with smtplib.SMTP("localhost", self.server.port(port), timeout=30) as client:
            if starttls:
                client.starttls(context=self.server.trust())
            client.login(sender, sender.rsplit("@", 1)[0])
            return client.sendmail(sender, [to], message(marker, marker + "\r\n", sender, to))

    def test_any_address_receives_and_its_mailbox_opens_at_once(self):
        for to in ("ivan@example.com", "petra.k+news@sub.domain.example", "o'brien@x.test", "a/b=c@y.test", ".$x@z.test"[1:]):
            with self.subTest(to=to):
                self.send("app@service.test", to, f"marker for {to}")
                self.wait_for(to, f"marker for {to}")

    def test_a_mailbox_is_made_by_its_first_login(self):
        self.assertEqual(self.inbox("never.seen@new-domain.test"), [])

    def test_the_password_is_the_part_before_the_at(self):
        for user, password in (("who@some.test", "somebody"), ("who@some.test", ""), ("who@some.test", "who@some.test")):
            with self.subTest(password=password), self.assertRaises(imaplib.IMAP4.error):
                self.login(user, password or '""')
        self.login("Who@Some.Test", "who").logout()  # case does not count

    def test_sending_to_other_domains_needs_a_login(self):
        with Dialog("127.0.0.1", self.server.port("smtp")) as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.assertRegex(dialog.say("MAIL FROM:<a@b.test>"), r"^250 ")
            self.assertRegex(dialog.say("RCPT TO:<c@d.test>"), r"^554 5\.7\.1 <c@d\.test>: Relay access denied")
            self.assertRegex(dialog.say("RCPT TO:<c@bad-domain.com>"), r"^554 5\.7\.1 ")
            self.assertRegex(dialog.say("RCPT TO:<c@mail.localhost>"), r"^250 ")

    def test_with_and_without_tls(self):
        self.send("one@a.test", "two@b.test", "marker plain")
        self.send("one@a.test", "two@b.test", "marker starttls", starttls=True)
        self.send("one@a.test", "two@b.test", "marker 587", port="submission", starttls=True)
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login("one@a.test", "one")
            client.sendmail("one@a.test", ["two@b.test"], message("marker 465", "marker 465\r\n"))
        for marker in ("marker plain", "marker starttls", "marker 587", "marker 465"):
            self.wait_for("two@b.test", marker)
        self.login("two@b.test", tls=False).logout()

    def test_pop3_for_any_address_with_and_without_tls(self):
        self.send("one@a.test", "pop@b.test", "marker pop")
        self.wait_for("pop@b.test", "marker pop")
        for client in (poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=30),
                       poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)):
            client.user("pop@b.test")
            client.pass_("pop")
            self.assertIn(b"marker pop", b"\n".join(client.retr(1)[1]))
            client.quit()

    def test_any_sender(self):
        with smtplib.SMTP("localhost", self.server.port("smtp"), timeout=30) as client:
            client.login("app@a.test", "app")
            client.sendmail("somebody.else@b.test", ["reader@c.test"], message("marker other", "marker other\r\n"))
        self.assertIn(b"Return-Path: <somebody.else@b.test>", self.wait_for("reader@c.test", "marker other"))

    def test_a_bad_domain_comes_back_after_some_time(self):
        begun = time.monotonic()
        self.assertEqual(self.send("writer@dev.test", "whoever@bad-domain.com", "marker bad"), {})
        self.assertEqual(self.inbox("writer@dev.test"), [])
        raw = self.wait_for("writer@dev.test", "bad-domain.com")
        self.assertGreaterEqual(time.monotonic() - begun, 2)
        report = email.message_from_bytes(raw)
        self.assertEqual(report.get_content_type(), "multipart/report")
        status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
        self.assertRegex(str(status), r"(?i)Final-Recipient: rfc822; ?whoever@bad-domain\.com")
        self.assertRegex(str(status), r"(?i)Status: 5\.1\.1")

    def test_the_delay_of_the_profile_is_ten_seconds(self):
        self.assertIn('error_delay = "10s"', self.server.conf.read_text())

    def test_another_bad_domain_by_the_table(self):
        self.server.append_map("transport", "gone.test error:5.7.1 Gone\n")
        self.server.run("reload")
        self.send("writer2@dev.test", "x@gone.test", "marker gone")
        self.assertIn(b"5.7.1", self.wait_for("writer2@dev.test", "gone.test"))

    def test_swaks_logs_in_and_sends(self):
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{self.server.port('smtp')}", "--to", "s@waks.test", "--from", "me@dev.test",
                               "--auth", "PLAIN", "--auth-user", "me@dev.test", "--auth-password", "me", "--body", "marker swaks"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.wait_for("s@waks.test", "marker swaks")

    def test_the_mailboxes_survive_a_restart(self):
        self.send("k@keep.test", "kept@keep.test", "marker kept")
        self.wait_for("kept@keep.test", "marker kept")
        self.server.stop()
        self.server.start()
        self.wait_for("kept@keep.test", "marker kept")


if __name__ == "__main__":
    unittest.main()
