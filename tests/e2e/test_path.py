"""The way of a mail: SMTP in, aliases, spam filter, Sieve, maildir, IMAP, and out through a relay."""

import pathlib
import smtplib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, Spamd, message, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class MailPath(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spamd = Spamd().start()
        cls.addClassCleanup(cls.spamd.stop)
        cls.smarthost = cls.enterClassContext(Smarthost.with_tls())
        cls.server = Server(spamd=cls.spamd.address, settings=cls.smarthost.settings(**{"queue.retry_first": '"1s"'}))
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} apikey:secret\n")
        cls.server.append_map("aliases", "team@example.org alice@example.org, bob@example.org\n"
                                         "sales@example.org team@example.org\n")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def test_a_stranger_to_bob_is_scanned_and_filed(self):
        self.server.send(message("First light", "Hello Bob, marker one.\r\n"))
        raw = self.server.wait_for("marker one")
        self.assertIn(b"X-Spam-Status: No", raw)
        self.assertIn(b"\r\nReceived: from client.test", b"\r\n" + raw)
        self.assertIn(b"Subject: First light\r\n", raw)
        self.assertTrue(raw.endswith(b"Hello Bob, marker one.\r\n"))

    def test_spam_goes_to_junk(self):
        self.server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"))
        raw = self.server.wait_for("marker gtube", folder="Junk")
        self.assertIn(b"X-Spam-Flag: YES", raw)

    def test_alias_of_alias_reaches_both(self):
        self.server.send(message("To the team", "marker team\r\n"), to=["sales@example.org"])
        self.server.wait_for("marker team", "alice")
        self.server.wait_for("marker team", "bob")

    def test_tag_goes_to_its_folder_or_inbox(self):
        client = self.server.imap("bob")
        self.assertEqual(client.create("Work")[0], "OK")
        client.logout()
        self.server.send(message("Tagged", "marker tagged\r\n"), to=["bob+work@example.org"])
        self.server.wait_for("marker tagged", folder="Work")
        self.server.send(message("Tagged", "marker untagged\r\n"), to=["bob+nothing@example.org"])
        self.server.wait_for("marker untagged", folder="INBOX")

    def test_refusals_at_rcpt(self):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("friend@elsewhere.test")
            code, text = client.rcpt("nobody@example.org")
            self.assertEqual((code, text[:5]), (550, b"5.1.1"))
            code, text = client.rcpt("victim@elsewhere.test")
            self.assertEqual((code, text[:5]), (554, b"5.7.1"))
            self.assertEqual(client.rcpt("bob@example.org")[0], 250)
            self.assertEqual(client.rcpt("postmaster")[0], 250)

    def test_alice_sends_to_the_world_through_the_smarthost(self):
        before = len(self.server.log())
        self.server.submit("alice", message("Out", "marker outward\r\n", to="friend@elsewhere.test"), ["friend@elsewhere.test"])
        sender, to, raw, was_tls, account = self.smarthost.wait_for("marker outward")
        self.assertEqual((sender, to, was_tls, account), ("alice@example.org", ["friend@elsewhere.test"], True, "apikey"))
        self.assertNotIn(b"X-Spam-", raw)
        log = wait_until(lambda: "queue.delivered" in self.server.log()[before:] and self.server.log()[before:])
        self.assertNotIn("pw-alice", log)

    def test_one_session_and_one_queue_id_follow_a_mail(self):
        self.server.send(message("Traced", "marker traced\r\n"))
        self.server.wait_for("marker traced")
        accepted = [line for line in self.server.log().splitlines() if "event=smtp.accepted" in line][-1]
        words = dict(word.split("=", 1) for word in accepted.split() if "=" in word)
        self.assertNotEqual(words["s"], "-")
        self.assertNotEqual(words["q"], "-")
        events = wait_until(lambda: {line.split("event=")[1].split()[0] for line in self.server.log().splitlines()
                                     if f"q={words['q']}" in line} >= {"queue.delivered"}
                            and {line.split("event=")[1].split()[0] for line in self.server.log().splitlines()
                                 if f"q={words['q']}" in line or f"s={words['s']}" in line})
        self.assertIn("smtp.accepted", events)
        self.assertIn("queue.delivered", events)

    def test_a_queue_id_leads_from_smtp_to_the_maildir(self):
        self.server.send(message("By its id", "marker by id\r\n"), to=["team@example.org"])
        self.server.wait_for("marker by id", "alice")
        self.server.wait_for("marker by id", "bob")
        accepted = [line for line in self.server.log().splitlines() if "event=smtp.accepted" in line][-1]
        words = dict(word.split("=", 1) for word in accepted.split() if "=" in word)

        def filed():
            lines = [line for line in self.server.log().splitlines() if f" q={words['q']} " in line]
            return [line for line in lines if "event=store.delivered" in line]

        lines = wait_until(lambda: len(filed()) == 2 and filed())
        self.assertTrue(all(f" s={words['s']} " in line for line in lines), lines)
        for line, user in zip(sorted(lines, key=lambda line: "to=bob" in line), ("alice", "bob")):
            self.assertRegex(line, f" to={user}@example.org .*mailbox=INBOX ")

    def test_sender_must_be_ones_own(self):
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust()) as client:
            client.login("alice@example.org", "pw-alice")
            code, text = client.mail("bob@example.org")
            if code == 250:
                code, text = client.rcpt("bob@example.org")
            self.assertEqual((code, text[:5]), (553, b"5.7.1"))
            client.rset()
            for own in ("alice@example.org", "alice+x@example.org", "team@example.org", "sales@example.org"):
                self.assertEqual(client.mail(own)[0], 250, own)
                self.assertEqual(client.rcpt("bob@example.org")[0], 250, own)
                client.rset()

    def test_submission_wants_tls_then_a_login(self):
        with smtplib.SMTP("localhost", self.server.port("submission"), timeout=30) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)
            self.assertEqual(client.mail("alice@example.org")[0], 530)
            client.starttls(context=self.server.trust())
            client.ehlo()
            self.assertIn("auth", client.esmtp_features)
            self.assertEqual(client.mail("alice@example.org")[0], 530)
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                client.login("alice@example.org", "wrong")
            client.login("alice", "pw-alice")  # the bare name: there is one domain
            self.assertEqual(client.mail("alice@example.org")[0], 250)

    def test_date_and_message_id_are_added_for_users(self):
        self.server.submit("alice", b"From: <alice@example.org>\r\nSubject: bare\r\n\r\nmarker bare\r\n", ["bob@example.org"])
        raw = self.server.wait_for("marker bare")
        self.assertIn(b"\r\nDate: ", raw)
        self.assertIn(b"\r\nMessage-ID: <", raw)

    def test_smuggling_makes_one_message(self):
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\r\n", b"\r.\r"):
            with self.subTest(end=end), socket.create_connection(("127.0.0.1", self.server.port("smtp")), 30) as raw:
                lines = raw.makefile("rb")
                lines.readline()
                for command in (b"EHLO x\r\n", b"MAIL FROM:<a@elsewhere.test>\r\n", b"RCPT TO:<bob@example.org>\r\n", b"DATA\r\n"):
                    raw.sendall(command)
                    while lines.readline()[3:4] == b"-":
                        pass
                raw.sendall(b"Subject: s\r\n\r\nb" + end + b"MAIL FROM:<evil@elsewhere.test>\r\nsmuggled\r\n.\r\n")
                reply = lines.readline()
                self.assertTrue(reply.startswith(b"250 2.0.0 Ok: queued"), (end, reply))
                raw.sendall(b"NOOP\r\n")
                self.assertEqual(lines.readline(), b"250 2.0.0 Ok\r\n", end)

    def test_plaintext_imap_login_is_refused(self):
        import imaplib
        client = imaplib.IMAP4("localhost", self.server.port("imap"), timeout=30)
        self.assertIn("LOGINDISABLED", client.capabilities)
        with self.assertRaises(imaplib.IMAP4.error):
            client.login("bob@example.org", "pw-bob")
        client.starttls(self.server.trust())
        self.assertNotIn("LOGINDISABLED", client.capabilities)
        client.login("bob@example.org", "pw-bob")
        client.logout()


class Tables(unittest.TestCase):
    def test_an_edit_goes_live_and_a_fault_keeps_the_old(self):
        with Server() as server:
            server.append_map("aliases", "new@example.org bob@example.org\n")
            time.sleep(2)
            server.send(message("Alias", "marker new alias\r\n"), to=["new@example.org"])
            server.wait_for("marker new alias")

            good = (server.root / "maps/aliases").read_text()
            server.write_map("aliases", good + "broken-without-target\n")
            refused = server.run("reload", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertRegex(refused.stderr, r"maps/aliases:\d+: ")
            wait_until(lambda: "maps/aliases:" in server.log())
            server.send(message("Alias", "marker still there\r\n"), to=["new@example.org"])
            server.wait_for("marker still there")
            self.assertNotEqual(server.run("check", check=False).returncode, 0)

            server.write_map("aliases", good)
            self.assertEqual(server.run("reload").returncode, 0)

    def test_no_session_sees_a_missing_user_during_reloads(self):
        with Server() as server, server.smtp() as client:
            client.ehlo()
            for i in range(60):
                if i % 3 == 0:
                    server.run("reload")
                client.mail("x@elsewhere.test")
                self.assertEqual(client.rcpt("bob@example.org")[0], 250)
                client.rset()


if __name__ == "__main__":
    unittest.main()
