"""Debian's Thunderbird with a server as `posthorn init` makes it: it finds its settings by autoconfiguration, believes the server
once it has the server's own authority and not before, and reads, writes, marks, moves and finds mail."""

import email
import email.policy
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, message, wait_until
from thunderbird import MISSING, Thunderbird

ALICE, BOB = "alice@example.org", "bob@example.org"


LEFT_OUT = f"{', '.join(MISSING)}: scripts/setup --full installs it" if MISSING else "" if FULL else "POSTHORN_FULL=1 runs it"


def started(test, server, **options):
    client = Thunderbird(server, **options)
    test.addClassCleanup(client.close)
    return client.start()


@unittest.skipIf(LEFT_OUT, LEFT_OUT)
class Trusting(unittest.TestCase):
    """alice's account on the ports that begin with TLS, bob's on those with STARTTLS."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)
        cls.client = started(cls, cls.server, authority=cls.server.root / "authority/cert.pem")
        for address, starttls in ((ALICE, False), (BOB, True)):
            said = cls.client.add_account(address, cls.server.password(address), starttls)
            assert said == "", f"{address}: {said}"

    @classmethod
    def tearDownClass(cls):
        assert cls.client.refusals() == [], "\n".join(cls.client.refusals())

    def deliver(self, subject, text, to=ALICE):
        self.server.send(message(subject, text, "friend@elsewhere.test", to, Content_Type="text/plain; charset=utf-8"), to=[to])
        return self.server.wait_for(text.split()[0], to)

    def flags(self, subject, folder="INBOX", user=ALICE):
        """What the server has of the mail: its flags, or nothing where it is not."""
        client = self.server.imap(user)
        try:
            client.select(f'"{folder}"', readonly=True)
            found = client.search(None, "SUBJECT", f'"{subject}"')[1][0]
            return found and client.fetch(found.split()[0], "(FLAGS)")[1][0].decode().split("FLAGS (")[1].strip(")").split()
        finally:
            client.logout()

    def test_it_lists_folders_and_shows_a_mail(self):
        raw = self.deliver("A mail to read", "reading Grüße, Straße\r\n")
        for address in (ALICE, BOB):
            self.assertEqual(self.client.folders(address), {"INBOX": "Inbox", "Archive": "Archives", "Drafts": "Drafts", "Junk": "Spam",
                                                            "Sent": "Sent", "Trash": "Trash"})
        self.assertNotIn("\\Seen", self.flags("A mail to read"))
        self.assertIn("reading Grüße, Straße", self.client.read(ALICE, "INBOX", "A mail to read"))
        wait_until(lambda: "\\Seen" in self.flags("A mail to read"))
        stored = self.client.stored(ALICE, "INBOX", "A mail to read")
        self.assertEqual(re.sub(rb"^(X-Mozilla-[^\n]*\n)+", b"", stored), raw)

    def test_it_sends_on_both_ports_and_keeps_a_copy(self):
        content = os.urandom(200_000)
        attachment = self.client.folder / "Überblick.bin"
        attachment.write_bytes(content)
        for sender, to in ((ALICE, BOB), (BOB, ALICE)):
            with self.subTest(sender):
                text = f"written by {sender}: Ä\n.a dot\n\n..\n"
                self.client.send(sender, to, f"From {sender}: Grüße", text, attachment)
                raw = self.server.wait_for(f"written by {sender}", to)
                got = email.message_from_bytes(raw, policy=email.policy.default)
                self.assertEqual(got["Subject"], f"From {sender}: Grüße")
                self.assertIn("with ESMTPSA", got["Received"])
                body, part = got.iter_parts()
                self.assertEqual(body.get_content().replace("\r\n", "\n").strip(), text.strip())
                self.assertEqual((part.get_filename(), part.get_content()), ("Überblick.bin", content))
                kept = self.server.wait_for(f"written by {sender}", sender, "Sent")
                self.assertTrue(raw.endswith(kept.partition(b"\r\n\r\n")[2]))
                self.assertIn("\\Seen", self.flags(f"From {sender}", "Sent", sender))
                self.assertIn(f"written by {sender}: Ä", self.client.read(to, "INBOX", f"From {sender}: Grüße"))

    def test_the_server_has_what_it_marks_moves_and_deletes(self):
        for number in range(3):
            self.deliver(f"Moved {number}", f"moving{number} on\r\n")
        self.client.create(ALICE, "Entwürfe & Größe")
        self.client.create(ALICE, "Entwürfe & Größe/日本語")
        self.client.mark(ALICE, "INBOX", "Moved 1", True, "$label1 own_tag")
        wait_until(lambda: {"\\Flagged", "$label1", "own_tag"} <= set(self.flags("Moved 1")))
        self.client.move(ALICE, "INBOX", "Moved 1", "Entwürfe & Größe/日本語")
        there = "Entw&APw-rfe &- Gr&APYA3w-e.&ZeVnLIqe-"
        wait_until(lambda: {"\\Flagged", "$label1", "own_tag"} <= set(self.flags("Moved 1", there)))
        self.assertFalse(self.flags("Moved 1"))
        self.assertIn("moving1", self.client.read(ALICE, "Entwürfe & Größe/日本語", "Moved 1"))
        self.client.move(ALICE, "INBOX", "Moved 2", "")
        self.server.wait_for("moving2", ALICE, "Trash")
        self.assertFalse(self.flags("Moved 2"))
        self.client.wait_for(ALICE, "Trash", "Moved 2")

    def test_a_mail_appears_unasked(self):
        wait_until(lambda: self.client.is_idle(BOB))
        self.deliver("Pushed", "pushing it\r\n", BOB)
        self.client.wait_for(BOB, "INBOX", "Pushed", ask=False)

    def test_the_server_searches(self):
        for subject, text in (("Found", "finding eine Straße in Köln\r\n"), ("Not found", "hiding nothing\r\n")):
            self.deliver(subject, text)
            self.client.wait_for(ALICE, "INBOX", subject)
        self.assertEqual(self.client.search(ALICE, "INBOX", "STRASSE IN KÖLN"), ["Found"])


@unittest.skipIf(LEFT_OUT, LEFT_OUT)
class Doubting(unittest.TestCase):
    """The server is told by an alert why the client goes, and was told no password before."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)
        cls.client = started(cls, cls.server, names=("mx.example.org", "autoconfig.example.org", "other.example.org"))

    def refuses(self, alert, what):
        start = self.server.log_path.stat().st_size
        said = what()
        line = wait_until(lambda: next((line for line in self.server.log(start).splitlines() if "event=tls.failed" in line), None))
        self.assertIn(alert, line)
        self.assertNotIn("event=auth.", self.server.log(start))
        return said

    def test_it_believes_only_the_authority_and_only_its_names(self):
        add = lambda **how: self.client.add_account(ALICE, self.server.password(ALICE), **how)
        for starttls in (False, True):
            with self.subTest(starttls=starttls):
                said = self.refuses("tlsv1 alert unknown ca", lambda: add(starttls=starttls))
                self.assertIn("exceptionDialog.xhtml SEC_ERROR_UNKNOWN_ISSUER", said)
                port = self.server.port("submission" if starttls else "submissions")
                said = self.refuses("tlsv1 alert unknown ca", lambda: self.client.login_fault(port, starttls))
                self.assertEqual(said, "SEC_ERROR_UNKNOWN_ISSUER")
        self.assertEqual(self.client.import_authority(), "Authority of mx.example.org")
        said = self.refuses("alert bad certificate", lambda: add(host="other.example.org"))
        self.assertIn("exceptionDialog.xhtml SSL_ERROR_BAD_CERT_DOMAIN", said)
        self.assertEqual(add(), "")
        self.assertIn("Sent", self.client.folders(ALICE))


if __name__ == "__main__":
    unittest.main()
