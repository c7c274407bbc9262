"""What strangers try: open relay, injection ahead of TLS, endless lines, forged logs, names that leave the maildir."""

import base64
import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Wire, message


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def wire(self, service):
        wire = Wire(self.server.port(service))
        self.addCleanup(wire.close)
        return wire

    def test_nobody_relays(self):
        senders = ["s@remote2.test", "", "sender@localhost", "sender@example.org", "sender@[127.0.0.1]"]
        targets = ["victim@remote.test", "victim%remote.test@example.org", '"victim@remote.test"@example.org', "remote.test!victim@example.org",
                   "@example.org:victim@remote.test", "victim@remote.test@example.org", "victim@remote.test.", "victim@[10.9.8.7]",
                   "victim@example.org.remote.test", '"remote.test!victim"@example.org', "victim%remote.test", '"victim@remote.test"',
                   '""@example.org', "../../x@example.org", "victim@remote\\@example.org"]
        for sender in senders:
            wire = self.wire("smtp")
            wire.reply()
            wire.ask("EHLO client.test")
            self.assertTrue(wire.ask(f"MAIL FROM:<{sender}>").startswith("250"), sender)
            for target in targets:
                self.assertRegex(wire.ask(f"RCPT TO:<{target}>"), "^[45]", (sender, target))
                if wire.ask("NOOP")[:3] == "421":
                    break
            wire.close()
        wire = self.wire("smtp")
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM: <a@remote2.test>")
        self.assertTrue(wire.ask("RCPT TO:<BOB@Example.ORG>").startswith("250"))
        self.assertTrue(wire.ask("RCPT TO:<postmaster>").startswith("250"))

    def test_nothing_said_before_tls_is_answered_inside(self):
        for service, greeting, starttls, injected in (("smtp", "220", "STARTTLS", "NOOP"), ("submission", "220", "STARTTLS", "NOOP"),
                                                      ("imap", "* OK", "a STARTTLS", "z NOOP")):
            with self.subTest(service=service):
                wire = self.wire(service)
                self.assertTrue(wire.line().startswith(greeting))
                if greeting == "220":
                    wire.ask("EHLO client.test")
                wire.socket.sendall(f"{starttls}\r\n{injected}\r\n".encode())
                rest = b""
                wire.socket.settimeout(5)
                try:
                    while piece := wire.socket.recv(4096):
                        rest += piece
                except (ConnectionResetError, TimeoutError):
                    pass
                self.assertNotIn(b"z OK", rest)
                self.assertLessEqual(rest.count(b"\r\n"), 1, rest)

    def test_tls_forgets_what_was_said(self):
        wire = self.wire("smtp")
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<a@remote.test>")
        self.assertTrue(wire.ask("STARTTLS").startswith("503"))
        wire.ask("RSET")
        self.assertTrue(wire.ask("STARTTLS now").startswith("501"))
        self.assertTrue(wire.ask("STARTTLS").startswith("220"))
        tls = self.server.trust().wrap_socket(wire.socket, server_hostname="localhost")
        tls.sendall(b"MAIL FROM:<a@remote.test>\r\n")
        self.assertTrue(tls.recv(1000).startswith(b"503"))
        tls.sendall(b"EHLO client.test\r\n")
        features = tls.recv(4000)
        self.assertNotIn(b"STARTTLS", features)
        tls.sendall(b"STARTTLS\r\n")
        self.assertTrue(tls.recv(1000).startswith(b"503"))
        tls.close()

    def test_long_lines_and_garbage(self):
        wire = self.wire("smtp")
        wire.reply()
        self.assertTrue(wire.ask(b"EHLO " + b"x" * 5000 + b"\r\n").startswith("500"))
        self.assertTrue(wire.ask("EHLO client.test").startswith("250"))
        self.assertTrue(wire.ask("VRFY bob@example.org").startswith("252"))
        self.assertEqual(wire.ask("VRFY nobody@example.org"), wire.ask("VRFY bob@example.org"))
        self.assertTrue(wire.ask("EXPN list").startswith("502"))
        self.assertTrue(wire.ask("DATA").startswith("503"))
        self.assertTrue(wire.ask("MAIL FROM:<a@b.test> SIZE=99999999999").startswith("552"))
        self.assertTrue(wire.ask("XFORWARD NAME=x").startswith("502"))
        self.assertTrue(wire.ask("AUTH PLAIN").startswith("503"))

        imap = self.wire("imap")
        imap.line()
        imap.socket.sendall(b"a LOGIN {99999999999}\r\n")
        self.assertTrue(imap.line().startswith("* BYE"))
        imap = self.wire("imap")
        imap.line()
        imap.socket.sendall(b"a" * 70_000)
        self.assertTrue(imap.line().startswith("* BYE"))

    def test_sasl_edges(self):
        context = self.server.trust()
        raw = socket.create_connection(("127.0.0.1", self.server.port("submissions")), 30)
        tls = context.wrap_socket(raw, server_hostname="localhost")
        lines = tls.makefile("rb")

        def ask(text):
            tls.sendall(text.encode() + b"\r\n")
            while True:
                line = lines.readline().decode()
                if line[3:4] != "-":
                    return line

        lines.readline()
        ask("EHLO client.test")
        encoded = lambda text: base64.b64encode(text).decode()
        for text, code in (("AUTH PLAIN !!!!", "501"), ("AUTH PLAIN =", "501"), (f"AUTH PLAIN {encoded(b'u')}", "501"),
                           ("AUTH SCRAM-X abc", "504"), (f"AUTH PLAIN {encoded(bytes(4))}", "501"),
                           (f"AUTH PLAIN {encoded(b'bob@example.org' + bytes(1) + b'alice@example.org' + bytes(1) + b'pw-alice')}", "535"),
                           (f"AUTH PLAIN {encoded(bytes(1) + b'nobody' + bytes(1) + b'x')}", "535")):
            self.assertEqual(ask(text)[:3], code, text)
        self.assertEqual(ask("AUTH LOGIN")[:3], "334")
        self.assertEqual(ask("*")[:3], "501")
        good = b"alice@example.org" + bytes(1) + b"alice@example.org" + bytes(1) + b"pw-alice"
        self.assertEqual(ask(f"AUTH PLAIN {encoded(good)}")[:3], "235")
        self.assertEqual(ask("AUTH PLAIN =")[:3], "503")
        tls.close()
        self.assertNotIn("pw-alice", self.server.log())
        self.assertNotIn(encoded(good), self.server.log())

    def test_log_lines_cannot_be_forged(self):
        wire = self.wire("smtp")
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<a@remote.test>")
        wire.ask(b"RCPT TO:<x\x1b[31m\x07\"level=error@example.org>\r\n")
        wire.ask(b"RCPT TO:<\"x level=error event=forged\"@example.org>\r\n")
        log = self.server.log()
        self.assertFalse([c for c in log if ord(c) < 32 and c != "\n"])
        self.assertFalse([line for line in log.splitlines() if line.startswith("level=error event=forged") or " event=forged s=" in line])

    def test_mailbox_names_stay_inside(self):
        client = self.server.imap("bob")
        for name in ("../x", "/etc/passwd", "~root", "INBOX/..", "a..b", ".", "..", ".hidden", "x" * 300, "&AAA-", "a/b"):
            self.assertEqual(client.create(f'"{name}"')[0], "NO", name)
        self.assertEqual(client.create("&Jjo-")[0], "OK")
        self.assertEqual(client.list('""', '"' + "*%" * 200 + 'x"')[0], "OK")
        client.logout()
        outside = [p for p in (self.server.root / "var" / "mail").iterdir() if p.name != "example.org"]
        self.assertEqual(outside, [])

    def test_a_message_too_large_or_looping_is_refused(self):
        loop = b"".join(b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" for _ in range(60)) + message("loop")
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("a@remote.test")
            client.rcpt("bob@example.org")
            self.assertEqual(client.data(loop)[0], 554)
            self.assertEqual(client.noop()[0], 250)


if __name__ == "__main__":
    unittest.main()
