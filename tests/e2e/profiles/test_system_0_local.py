"""System 0, the local mail agent: one host whose name is the mail domain, its users, SMTP with or without TLS and login."""

import base64
import imaplib
import re
import smtplib
import unittest

from dialogs import Dialog, OpenSsl
from support import Server, wait_until


class LocalMailAgent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("pouet.com",), users=(), mx="pouet.com", profile="local",
                            env={"POSTHORN_PATHS_MAIL": "{folder}/mail"})
        cls.addClassCleanup(cls.server.close)
        for user in ("toto", "tutu"):
            cls.server.add_user(user, user)  # bare local names
        cls.server.start()
        cls.ca = cls.server.root / "tls/cert.pem"

    def smtp(self):
        return Dialog("127.0.0.1", self.server.port("smtp"))

    def mail_of(self, user, marker):
        def look():
            folder = self.server.folder / "mail" / user
            files = [*folder.glob("new/*"), *folder.glob("cur/*")]
            return next((text for text in (file.read_text() for file in files) if marker in text), None)
        return wait_until(look)

    def deliver(self, dialog, marker, sender="MAIL FROM: <toto@pouet.com>", to="RCPT TO: <tutu@pouet.com>"):
        self.assertRegex(dialog.say(sender), r"^250 ")
        self.assertRegex(dialog.say(to), r"^250 ")
        self.assertRegex(dialog.say("DATA"), r"^354 .*\.")
        for line in ("From: toto@pouet.com", "To: tutu@pouet.com", f"Subject: {marker}", "", f"body {marker}"):
            dialog.send(line)
        self.assertRegex(dialog.say("."), r"^250 ")

    def test_the_host_name_is_the_mail_domain(self):
        with self.smtp() as dialog:
            self.assertRegex(dialog.read(), r"^220 pouet\.com ESMTP ")
            self.assertRegex(dialog.say("EHLO client"), r"^250-pouet\.com\b")

    def test_open_local_submission_with_a_space_behind_the_colon(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-open")
            self.assertRegex(dialog.say("QUIT"), r"^221 ")
        self.assertIn("body marker-open", self.mail_of("tutu", "marker-open"))

    def test_a_header_that_runs_into_the_body(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("HELO client")
            dialog.say("MAIL FROM: <toto@pouet.com>")
            dialog.say("RCPT TO: <tutu@pouet.com>")
            dialog.say("DATA")
            for line in ("From: toto@pouet.com", "To: tutu@pouet.com", "Subject: marker-run", "Hello tutu,", "this is marker-run."):
                dialog.send(line)
            self.assertRegex(dialog.say("."), r"^250 ")
        self.assertIn("this is marker-run.", self.mail_of("tutu", "marker-run"))

    def test_bare_local_names_as_recipients(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-bare", to="RCPT TO:<tutu>")
            dialog.say("MAIL FROM:<toto@pouet.com>")
            self.assertRegex(dialog.say("RCPT TO:<nobody>"), r"^550 5\.1\.1 ")

    def test_smtp_login_in_the_clear_by_bare_name(self):
        with self.smtp() as dialog:
            dialog.read()
            self.assertIn("AUTH PLAIN LOGIN", dialog.say("EHLO client"))
            wrong = base64.b64encode(b"\0toto\0titi").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {wrong}"), r"^535 ")
            right = base64.b64encode(b"\0toto\0toto").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {right}"), r"^235 ")
            self.deliver(dialog, "marker-login")
        self.mail_of("tutu", "marker-login")

    def test_openssl_session_on_465_with_and_without_a_login(self):
        with OpenSsl(self.server.port("submissions"), self.ca) as dialog:
            self.assertRegex(dialog.read(), r"^220 pouet\.com ESMTP ")
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-tls")
        self.mail_of("tutu", "marker-tls")
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login("tutu", "tutu")
            client.sendmail("tutu@pouet.com", ["toto@pouet.com"], "Subject: marker-465\r\n\r\nx\r\n")
        self.mail_of("toto", "marker-465")

    def test_starttls_on_25(self):
        with OpenSsl(self.server.port("smtp"), self.ca, starttls="smtp") as dialog:
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-starttls")
        self.mail_of("tutu", "marker-starttls")

    def test_nothing_leaves_the_host_without_a_login(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            dialog.say("MAIL FROM:<toto@pouet.com>")
            self.assertRegex(dialog.say("RCPT TO:<friend@elsewhere.test>"), r"^554 5\.7\.1 ")

    def test_a_maildir_of_each_user_below_the_mail_folder(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-place")
        self.mail_of("tutu", "marker-place")
        self.assertTrue((self.server.folder / "mail/tutu/cur").is_dir())

    def pop3_session(self, dialog, user):
        self.assertRegex(dialog.read(), r"^\+OK ")
        self.assertRegex(dialog.say(f"USER {user}"), r"^\+OK")
        self.assertRegex(dialog.say(f"PASS {user}"), r"^\+OK")
        count, size = map(int, re.fullmatch(r"\+OK (\d+) (\d+)", dialog.say("STAT")).groups())
        self.assertRegex(dialog.say("LIST"), r"^\+OK")
        sizes = [int(line.split()[1]) for line in dialog.read_block()]
        self.assertEqual((len(sizes), sum(sizes)), (count, size))
        texts = []
        for number, expected in enumerate(sizes, 1):
            self.assertRegex(dialog.say(f"RETR {number}"), r"^\+OK")
            lines = dialog.read_block()
            self.assertEqual(sum(len(line.encode()) + 2 - (line.startswith(".")) for line in lines), expected)
            texts.append("\n".join(lines))
        self.assertRegex(dialog.say("QUIT"), r"^\+OK")
        return texts

    def test_pop3_dialog_by_bare_name_sees_what_smtp_delivered(self):
        self.server.add_user("titi", "titi")
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-pop3", to="RCPT TO: <titi@pouet.com>")
        self.mail_of("titi", "marker-pop3")
        with Dialog("127.0.0.1", self.server.port("pop3")) as dialog:
            texts = self.pop3_session(dialog, "titi")
        self.assertEqual(len(texts), 1)
        self.assertIn("body marker-pop3", texts[0])

    def test_openssl_session_on_995(self):
        self.server.add_user("tata", "tata")
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-995", to="RCPT TO: <tata@pouet.com>")
        self.mail_of("tata", "marker-995")
        with OpenSsl(self.server.port("pop3s"), self.ca) as dialog:
            self.assertIn("body marker-995", self.pop3_session(dialog, "tata")[0])

    def test_readers_log_in_in_the_clear_by_bare_name(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.assertEqual(client.login("tutu", "tutu")[0], "OK")
        client.logout()


if __name__ == "__main__":
    unittest.main()
