"""Mail as old devices, PHP programs and lists send it, taken as Postfix takes it and delivered whole; and what a login may
leave out. The tables of every kind are in tests/transcripts/smtp; here each goes its whole way once."""

import base64
import imaplib
import pathlib
import smtplib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Wire, wait_until

VERP = "bounces+1234567-8f3a-bob=example.org-0123456789abcdef0123456789abcdefgh@em.sender.test"


class Reception(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.append_map("domains", "m\u00fcller.test ok\n")
        cls.server.append_map("mailboxes", "karl@m\u00fcller.test ok\n")
        cls.server.append_map("aliases", "info@m\u00fcller.test bob@example.org, karl@m\u00fcller.test\n")
        cls.server.append_map("senders", "sales@m\u00fcller.test karl@m\u00fcller.test\n")
        with open(cls.server.root / "conf" / "users", "a") as users:
            users.write("karl@m\u00fcller.test:{PLAIN}pw-karl\n")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def send(self, text, sender="<smith@client.test>", to="<bob@example.org>", hello="EHLO client.test", more=""):
        wire = Wire(self.server.port("smtp"))
        self.addCleanup(wire.close)
        wire.reply()
        for command in (hello, f"MAIL FROM:{sender}{more}", f"RCPT TO:{to}", "DATA"):
            self.assertRegex(wire.ask(command), "^(250|354) ", command)
        wire.socket.sendall(text + b".\r\n")
        self.assertRegex(wire.reply(), "^250 ")

    def swaks(self, *args, data):
        return subprocess.run(["swaks", "--server", "localhost", "--port", str(self.server.port("submissions")), "--tls-on-connect", "--auth", "PLAIN",
                               "--auth-user", "alice@example.org", "--auth-password", "pw-alice", "--to", "bob@example.org", *args, "--data", data],
                              capture_output=True, timeout=60, check=False)

    def test_a_device_with_bare_line_feeds(self):
        self.send(b"Subject: scan\nBcc: hidden@example.org\n\nmarker device\n.\nend\rof\0it\n\r\n", sender="scanner@office.test", to=" bob@example.org.",
                  hello="HELO office pc")
        raw = self.server.wait_for("marker device")
        self.assertIn(b"\r\nmarker device\r\n.\r\nend of", raw)
        self.assertIn(b"Received: from office?pc (", raw)
        self.assertNotIn(b"hidden", raw)

    def test_long_and_odd_senders(self):
        for number, sender in enumerate((VERP, "foo..bar@docomo.test", "foo.@docomo.test", ".foo@docomo.test", "@relay.test:a@b.test")):
            self.send(b"Subject: odd\r\n\r\nmarker odd%d\r\n" % number, sender=f"<{sender}>")
            raw = self.server.wait_for(f"marker odd{number}")
            self.assertIn(sender.rpartition(":")[2].encode(), raw)

    def test_a_domain_in_utf8_is_its_a_label(self):
        self.send(b"Subject: a\r\n\r\nmarker alabel\r\n", to="<info@xn--mller-kva.test>")
        self.server.wait_for("marker alabel")
        self.send(b"Subject: u\r\n\r\nmarker ulabel\r\n", to="<info@m\u00fcller.test>", more=" SMTPUTF8")
        self.server.wait_for("marker ulabel")
        for name in ("karl@m\u00fcller.test", "karl@xn--mller-kva.test"):
            with imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30) as client:
                client.authenticate("PLAIN", lambda _, name=name: f"\0{name}\0pw-karl".encode())
                client.select()
                wait_until(lambda client=client: client.noop() and len(client.search(None, "ALL")[1][0].split()) == 2)
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.ehlo("client.test")
            self.assertEqual(client.docmd("AUTH", "PLAIN " + base64.b64encode("\0karl@m\u00fcller.test\0pw-karl".encode()).decode())[0], 235)
            for sender in ("karl@m\u00fcller.test", "sales@m\u00fcller.test", "karl@xn--mller-kva.test"):
                client.send(f"MAIL FROM:<{sender}> SMTPUTF8\r\n".encode())
                self.assertEqual(client.getreply()[0], 250, sender)
                client.rset()
            self.assertEqual(client.docmd("MAIL FROM:<alice@example.org>")[0], 553)

    def test_a_header_that_is_none(self):
        self.send(b"From smith Mon Jan  1\r\nSubject: mbox\r\nno field\r\nX: marker mbox\r\n")
        raw = self.server.wait_for("marker mbox")
        self.assertIn(b"\r\nX-Mailbox-Line: From smith Mon Jan  1\r\nSubject: mbox\r\n\r\nno field\r\nX: marker mbox\r\n", raw)

    def test_a_read_receipt_and_what_a_program_left_out(self):
        done = self.swaks("--from", "<>", data="From: alice\\nTo: bob\\nSubject: Read\\nReturn-Path: <x@y.test>\\n\\nmarker receipt\\n")
        self.assertEqual(done.returncode, 0, done.stdout)
        raw = self.server.wait_for("marker receipt")
        self.assertIn(b"\r\nFrom: alice@example.org\r\nTo: bob@example.org\r\n", raw)
        self.assertNotIn(b"x@y.test", raw)
        self.assertRegex(raw, rb"\r\nMessage-ID: <")
        done = self.swaks("--from", "alice@example.org", data="Subject: none\\nBcc: carol@example.org,\\n dave@example.org\\n\\nmarker none\\n")
        self.assertEqual(done.returncode, 0, done.stdout)
        raw = self.server.wait_for("marker none")
        self.assertIn(b"\r\nFrom: <alice@example.org>\r\n", raw)
        self.assertNotIn(b"carol", raw)
        self.assertNotIn(b"dave", raw)


if __name__ == "__main__":
    unittest.main()
