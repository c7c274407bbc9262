"""SMTP from strangers who mean harm: smuggling, relaying, logins, endless input, and too many of them at once.

The tables follow what broke other servers. Each row goes over a real connection, and each test looks afterwards whether
the next legal command still works, or whether the connection was closed with a reason.
"""

import base64
import concurrent.futures
import contextlib
import os
import pathlib
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, POSTHORN, Server, Wire, message, wait_until


class Client(Wire):
    def begin(self, *to, sender="friend@elsewhere.test", data=True):
        assert self.ask("EHLO client.test").startswith("250"), "EHLO"
        assert self.ask(f"MAIL FROM:<{sender}>").startswith("250"), "MAIL"
        for address in to or ("bob@example.org",):
            assert self.ask(f"RCPT TO:<{address}>").startswith("250"), address
        if data:
            assert self.ask("DATA").startswith("354"), "DATA"


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What a role may grow by. A sanitizer keeps freed memory aside to find late uses of it, 256 MB of it.
SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()
ROOM = (400 if SANITIZED else 64) << 20


class WithServer(unittest.TestCase):
    SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings=cls.SETTINGS).start()
        cls.addClassCleanup(cls.server.close)

    def wire(self, service="smtp", greeted=True, **more):
        wire = Client(self.server.port(service), **more)
        self.addCleanup(wire.close)
        if greeted:
            self.assertRegex(wire.reply(), "^220 ")
        return wire

    def queue_is_empty(self):
        wait_until(lambda: not self.server.run("queue", "list", "--json").stdout.strip())


class Smuggling(WithServer):
    """One DATA, an end-of-data that is none, and a second mail behind it: never two messages."""

    SETTINGS = {"smtp.bare_line_feed": '"reject"', "smtp.messages_max": "100000", "smtp.errors_max": "10000", "smtp.junk_commands_max": "1000000"}
    # None: no fault, the text goes on or ends as it should.
    VARIANTS = [(b"\n.\n", "550 5.5.2"), (b"\n.\r\n", "550 5.5.2"), (b"\r\n.\n", "550 5.5.2"), (b"\r\n.\r\r\n", "550 5.5.2"), (b"\r.\r", "550 5.5.2"),
                (b"\r.\r\n", "550 5.5.2"), (b"\r\n.\r", "550 5.5.2"), (b"\n.\r", "550 5.5.2"), (b"\r.\n", "550 5.5.2"), (b"\r\r\n.\n", "550 5.5.2"),
                (b"\n\n.\r\n", "550 5.5.2"), (b"\r\n\0.\r\n", None), (b"\r\n.\0\r\n", None), (b"\r\n.\0\n", "550 5.5.2"),
                (b"\r\n. \r\n", None), (b"\r\n..\r\n", None), (b"\n..\r\n", "550 5.5.2"), (b"\r\n.\t\r\n", None), (b"\r\n .\r\n", None), (b"\r\n.x\r\n", None)]
    BARE = "550"

    def body(self, variant, marker):
        return (b"Subject: one " + marker + b"\r\n\r\nbody1" + variant + b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
                b"Subject: smuggled " + marker + b"\r\n\r\nx")

    def test_each_variant_whole(self):
        for number, (variant, expected) in enumerate(self.VARIANTS):
            with self.subTest(variant=variant):
                wire = self.wire()
                wire.begin()
                wire.socket.sendall(self.body(variant, b"v%d" % number) + b"\r\n.\r\n")
                reply = wire.reply()
                self.assertTrue(reply.startswith(expected or "250 "), reply)
                self.assertEqual(wire.ask("NOOP"), "250 2.0.0 Ok")  # one reply, and in step
                wire.close()
        self.queue_is_empty()
        good = sum(1 for _, expected in self.VARIANTS if expected is None)
        wait_until(lambda: len(self.server.fetch_all("bob")) >= good)
        subjects = [raw.split(b"\r\nSubject: ")[1].split(b"\r\n")[0] for raw in self.server.fetch_all("bob")]
        self.assertFalse([s for s in subjects if b"smuggled" in s])
        self.assertEqual(len([s for s in subjects if s.startswith(b"one v")]), good)

    def test_dots_are_unstuffed_after_crlf_only(self):
        wire = self.wire()
        wire.begin()
        wire.socket.sendall(b"Subject: dots\r\n\r\n..\r\n...\r\n..a\r\n .b\r\n.c\r\nmarker dots\r\n.\r\n")
        self.assertRegex(wire.reply(), "^250 ")
        raw = self.server.wait_for("marker dots")
        self.assertTrue(raw.endswith(b"\r\n\r\n.\r\n..\r\n.a\r\n .b\r\nc\r\nmarker dots\r\n"), raw)

    def test_each_cut_gives_the_same(self):
        for variant, expected in self.VARIANTS:
            text = b"Subject: c\r\n\r\nb" + variant + b"z\r\n.\r\n"
            wire = self.wire()
            for cut in [*range(1, len(text)), "bytes"]:
                wire.begin()
                for piece in [bytes([byte]) for byte in text] if cut == "bytes" else [text[:cut], text[cut:]]:
                    wire.socket.sendall(piece)
                reply = wire.reply()
                self.assertTrue(reply.startswith(expected or "250 "), (variant, cut, reply))
                self.assertEqual(wire.ask("RSET"), "250 2.0.0 Ok", (variant, cut))
            wire.close()

    def test_around_the_sizes_of_buffers(self):
        wire = self.wire()
        for size in (4096, 8192, 16384, 65536):
            for variant in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r\n.\r\r\n", b"\r\n..\r\n", b"\r\n.\r\n"):
                expected = dict(self.VARIANTS).get(variant)
                for off in range(-6, 3):
                    wire.begin()
                    head = b"Subject: s\r\n\r\n"
                    filling = b""
                    while len(head) + len(filling) < size + off:
                        filling += b"x" * min(size + off - len(head) - len(filling), 70) + b"\r\n"
                    filling = filling[:size + off - len(head)]
                    if filling.endswith(b"\r"):
                        filling = filling[:-1] + b"x"
                    text = head + filling + variant
                    if variant != b"\r\n.\r\n":
                        text += b"tail\r\n.\r\n"
                    wire.socket.sendall(text)
                    reply = wire.reply()
                    self.assertTrue(reply.startswith(expected or "250 "), (size, variant, off, reply))

    def test_bdat_counts_bytes_and_nothing_else(self):
        def chunk(data, last=b""):
            return b"BDAT %d%s\r\n" % (len(data), last) + data

        end = b" LAST"
        rows = [  # what follows RCPT, and the first words of each reply
            (chunk(b"Subject: a\r\n\r\nmarker bd1\r\n", end), ["250"]),
            (chunk(b"Subject: a\r\n") + chunk(b"\r\nmarker bd2\r\n") + chunk(b"", end), ["250", "250", "250"]),
            (chunk(b"Subject: a\r\n\r\n.\r\nMAIL FROM:<evil@x.test>\r\n", end), ["250"]),
            (chunk(b"Subject: a\r\n\r\nb\n.\n") + chunk(b"", end), [self.BARE, self.BARE]),
            (chunk(b"Subject: a\r") + chunk(b"\n\r\nb\r", end), ["250", self.BARE]),
            (chunk(b"Subject: a\r") + chunk(b"\n\r\nb\r\n", end), ["250", "250"]),
            (chunk(b"Subject: a\r") + chunk(b"x\r\n\r\n", end), ["250", self.BARE]),
            (chunk(b"Subject: a\r\n\r\n\0\r\n", end), ["250"]),
            (chunk(b"Subject: x", end) + b"NOOP\r\nNOOP\r\n", ["250", "250", "250"]),
            (b"BDAT 99999999999999999999\r\n", ["501"]),
            (b"BDAT -1\r\n", ["501"]),
            (b"BDAT\r\n", ["501"]),
            (b"BDAT 1 FIRST\r\n", ["501"]),
            (b"BDAT 5\r\nS: a\rDATA\r\n", ["250", "503"]),
        ]
        for data, expected in rows:
            for piecewise in (False, True):
                with self.subTest(data=data, piecewise=piecewise):
                    wire = self.wire()
                    wire.begin(data=False)
                    for piece in [bytes([byte]) for byte in data] if piecewise else [data]:
                        with contextlib.suppress(ConnectionError):
                            wire.socket.sendall(piece)
                    for code in expected:
                        self.assertRegex(wire.reply(), f"^{code} ")
                    if expected != ["501"]:
                        self.assertEqual(wire.ask("NOOP"), "250 2.0.0 Ok")
                    else:  # how much follows nobody knows
                        self.assertEqual(wire.reply(), "")
                    wire.close()

    def test_who_does_not_wait_is_shown_out(self):
        # The edge stands still while the bytes arrive, so that they are there before the greeting.
        edge = self.server.roles()["edge"]
        for words in (b"EHLO client.test\r\n", b"N", b"GET / HTTP/1.1\r\n\r\n"):
            os.kill(edge, signal.SIGSTOP)
            try:
                early = Client(self.server.port("smtp"))
                self.addCleanup(early.close)
                early.socket.sendall(words)
            finally:
                os.kill(edge, signal.SIGCONT)
            self.assertRegex(early.reply(), "^554 5.5.0 ")
            self.assertEqual(early.reply(), "")
        wire = self.wire()
        wire.begin(data=False)
        wire.socket.sendall(b"DATA\r\nSubject: too early\r\n\r\nx\r\n.\r\n")
        self.assertRegex(wire.reply(), "^554 5.5.0 ")
        self.assertEqual(wire.reply(), "")
        # Behind the final dot who said EHLO may go on (RFC 2920); who said HELO, or just had a message refused for its line
        # ends, may not.
        for greeting, text, expected in (("EHLO", b"x\r\n.\r\n", ["250 2.0.0", "250 2.1.0", "221 2.0.0"]), ("HELO", b"x\r\n.\r\n", ["250 2.0.0", "554 5.5.0"]),
                                         ("EHLO", b"x\n.\r\ny\r\n.\r\n",
                                          ["550 5.5.2", "554 5.5.0"] if self.BARE == "550" else ["250 2.0.0", "250 2.1.0", "221 2.0.0"]),
                                         ("EHLO", b"x\r\r\n.\r\n", ["550 5.5.2" if self.BARE == "550" else "250 2.0.0", "421 4.7.0"])):
            with self.subTest(greeting=greeting, text=text):
                before = self.server.log().count("event=smtp.pipelining")
                wire = self.wire()
                for command in (f"{greeting} client.test", "MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
                    self.assertRegex(wire.ask(command), "^[23]5")
                wire.socket.sendall(b"Subject: s\r\n\r\n" + text + b"MAIL FROM:<a@elsewhere.test>\r\nQUIT\r\n")
                self.assertEqual([wire.reply()[:9] for _ in expected], expected)
                self.assertEqual(wire.reply(), "")
                if expected[-1][:3] in ("554", "421"):
                    wait_until(lambda before=before: self.server.log().count("event=smtp.pipelining") > before)


class SmugglingNormalized(Smuggling):
    """The same with bare line ends mended: each is one message."""

    SETTINGS = {"smtp.messages_max": "100000", "smtp.errors_max": "10000", "smtp.junk_commands_max": "1000000"}
    VARIANTS = [(variant, None) for variant, _ in Smuggling.VARIANTS]
    BARE = "250"

    def test_each_cut_gives_the_same(self):
        self.VARIANTS = self.VARIANTS[::4]  # tests/transcripts/smtp has them all
        super().test_each_cut_gives_the_same()


class Relay(WithServer):
    SETTINGS = {"smtp.unknown_recipients_max": "100000", "smtp.errors_max": "10000"}
    LOCAL, HOST = "example.org", "mx.example.org"
    SENDERS = ["s@remote2.test", "", "sender@localhost", "sender@LOCAL", "sender@HOST", "sender@[127.0.0.1]"]
    REFUSED = ["victim@remote.test", "victim%remote.test@LOCAL", "victim%remote.test@HOST", "victim%remote.test@[127.0.0.1]", '"victim@remote.test"',
               '"victim%remote.test"', "victim@remote.test@LOCAL", '"victim@remote.test"@LOCAL', "victim@remote.test@[127.0.0.1]", "@LOCAL:victim@remote.test",
               "@[127.0.0.1]:victim@remote.test", "@LOCAL,@x.test:victim@remote.test", "remote.test!victim", "remote.test!victim@LOCAL",
               "remote.test!victim@[127.0.0.1]", "LOCAL!remote.test!victim", '"remote.test!victim"@LOCAL', "victim@remote.test.", "victim@LOCAL@remote.test",
               "victim@[10.9.8.7]", "victim@LOCAL.remote.test", "victim@remote\\@LOCAL", "victim%remote.test", "bob@HOST.", "bob@[127.0.0.1]", "bob@localhost",
               "victim@[IPv6:::1]", "bob@xn--example-org", "b\u00f6b@LOCAL", "bob@ex\u0430mple.org", "victim@remote.test\\@LOCAL"]
    MALFORMED = ['""@LOCAL', "../../x@LOCAL", '"unterminated@LOCAL', "x" * 65 + "@LOCAL", "x@" + "d" * 250 + ".test", "x@" + ".".join(["a" * 60] * 5),
                 "bob@LOCAL\t", "bob@LO\0CAL", "bob@", "@LOCAL", "bob@LOCAL bob", "<bob@LOCAL", "bob@LOCAL>"]

    def named(self, text):
        return text.replace("LOCAL", self.LOCAL).replace("HOST", self.HOST)

    def test_the_whole_matrix(self):
        for sender in self.SENDERS:
            wire = self.wire()
            wire.ask("EHLO client.test")
            self.assertRegex(wire.ask(f"MAIL FROM:<{self.named(sender)}>"), "^250 ")
            for target in self.REFUSED:
                reply = wire.ask(f"RCPT TO:<{self.named(target)}>")
                self.assertRegex(reply, r"^(550 5\.[17]\.\d|554 5\.7\.1|50[13]|553|555) ", (sender, target))
            for target in self.MALFORMED:
                self.assertRegex(wire.ask(f"RCPT TO:<{self.named(target)}>"), "^5[05]", (sender, target))
            self.assertRegex(wire.ask("DATA"), "^(503|554) ")  # nobody was accepted
            wire.close()
        self.queue_is_empty()

    def test_what_is_ours_is_taken(self):
        wire = self.wire()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<>")
        for target in ("postmaster", "Postmaster@example.org", "POSTMASTER@EXAMPLE.ORG", "bob@Example.Org", "BOB@example.org", '"bob"@example.org',
                       "@example.org,@x.test:bob@example.org", "bob+tag@example.org"):
            self.assertRegex(wire.ask(f"RCPT TO:<{target}>"), "^250 ", target)
        self.assertRegex(wire.ask("RCPT TO: <bob@example.org>"), "^(250|501) ")
        self.assertRegex(wire.ask("RCPT TO:bob@example.org"), "^(250|501) ")
        self.assertRegex(wire.ask("RCPT TO:<bob@example.org> NOTIFY=NEVER <x@remote.test>"), "^(501|555) ")
        self.assertRegex(wire.ask("RCPT TO:<bob@example.org> NONSENSE=1"), "^555 ")

    def test_smtputf8_opens_nothing(self):
        wire = self.wire()
        wire.ask("EHLO client.test")
        self.assertRegex(wire.ask("MAIL FROM:<a@elsewhere.test> SMTPUTF8"), "^250 ")
        for target in ("b\u00f6b@example.org", "bob@ex\u0430mple.org", "bob@example\u3002org", "bob@\uff45xample.org"):
            self.assertRegex(wire.ask(f"RCPT TO:<{target}>"), "^5", target)

    def test_nobody_says_who_somebody_is(self):
        wire = self.wire()
        self.assertRegex(wire.ask("PROXY TCP4 10.0.0.1 127.0.0.1 1000 25"), "^5")
        wire.ask("EHLO client.test")
        for command in ("XCLIENT ADDR=10.0.0.1", "XFORWARD ADDR=10.0.0.1", "XCLIENT LOGIN=alice@example.org"):
            self.assertRegex(wire.ask(command), "^50[0-2] ", command)
        self.assertRegex(wire.ask("MAIL FROM:<a@elsewhere.test> AUTH=alice@example.org"), "^250 ")
        self.assertRegex(wire.ask("RCPT TO:<victim@remote.test>"), "^5(50|54) 5.7.1 ")

    def test_a_login_is_bound_to_its_connection(self):
        credentials = base64.b64encode(b"\0alice@example.org\0pw-alice").decode()
        tls = self.server.trust().wrap_socket(socket.create_connection(("127.0.0.1", self.server.port("submissions"))), server_hostname="localhost")
        self.addCleanup(tls.close)
        lines = tls.makefile("rb")
        self.addCleanup(lines.close)

        def ask(text):
            tls.sendall(text.encode() + b"\r\n")
            while (line := lines.readline())[3:4] == b"-":
                pass
            return line[:3]

        lines.readline()
        ask("EHLO client.test")
        self.assertEqual(ask("MAIL FROM:<alice@example.org>"), b"530")
        self.assertEqual(ask(f"AUTH PLAIN {credentials}"), b"235")
        for command in ("RSET", "EHLO other.test", "NOOP"):
            self.assertEqual(ask(command), b"250")
            self.assertEqual(ask("MAIL FROM:<alice@example.org>"), b"250", command)
            self.assertEqual(ask("RCPT TO:<far@remote.test>"), b"250", command)
            ask("RSET")
        other = self.wire()
        other.ask("EHLO client.test")
        other.ask("MAIL FROM:<alice@example.org>")
        self.assertRegex(other.ask("RCPT TO:<far@remote.test>"), "^554 5.7.1 ")

    def test_without_an_answer_nobody_is_refused_for_good_nor_let_in(self):
        with Server() as server:
            os.kill(server.roles()["lookup"], signal.SIGSTOP)
            try:
                wires = {target: Client(server.port("smtp"), timeout=90) for target in ("bob@example.org", "nobody@example.org", "victim@remote.test")}
                for wire in wires.values():
                    self.addCleanup(wire.close)
                    wire.reply()
                    wire.ask("EHLO client.test")
                    wire.ask("MAIL FROM:<a@elsewhere.test>")
                # Both wait for the same while.
                for target in ("bob@example.org", "nobody@example.org"):
                    wires[target].say(f"RCPT TO:<{target}>")
                for target in ("bob@example.org", "nobody@example.org"):
                    self.assertRegex(wires[target].reply(), r"^451 4\.3\.0 ")
                os.kill(server.roles()["lookup"], signal.SIGKILL)
                self.assertRegex(wires["victim@remote.test"].ask("RCPT TO:<victim@remote.test>"), r"^(451 4\.3\.0|554 5\.7\.1|550 5\.1\.1) ")
            finally:
                with contextlib.suppress(ProcessLookupError, KeyError):
                    os.kill(server.roles()["lookup"], signal.SIGCONT)


class Logins(WithServer):
    SETTINGS = {"smtp.errors_max": "10000", "auth.failures_max": "100000", "smtp.auth_on_25": "false"}

    def session(self):
        tls = self.server.trust().wrap_socket(socket.create_connection(("127.0.0.1", self.server.port("submissions")), 30), server_hostname="localhost")
        self.addCleanup(tls.close)
        lines = tls.makefile("rb")
        self.addCleanup(lines.close)

        def ask(data):
            with contextlib.suppress(ConnectionError, OSError):
                tls.sendall(data if isinstance(data, bytes) else data.encode() + b"\r\n")
            try:
                while (line := lines.readline())[3:4] == b"-":
                    pass
            except OSError:
                return ""
            return line.decode("utf-8", "replace").rstrip()

        lines.readline()
        self.assertRegex(ask("EHLO client.test"), "^250 ")
        return ask

    def test_plain(self):
        ask = self.session()
        encode = lambda data: base64.b64encode(data).decode()
        good = b"\0alice@example.org\0pw-alice"
        rows = [("", "504|501"), ("PLAIN !!!!", "501"), ("PLAIN =", "501"), ("PLAIN ====", "501"), ("PLAIN AA=A", "501"), ("PLAIN A", "501"),
                (f"PLAIN {encode(good)[:-1]}", "501"), (f"PLAIN {encode(good)}=", "501"), (f"PLAIN  {encode(good)}", "501"), (f"PLAIN {encode(good)} x", "501"),
                (f"PLAIN {encode(b'no nul at all')}", "501"), (f"PLAIN {encode(b'a' + bytes(1) + b'b')}", "501"), (f"PLAIN {encode(bytes(4))}", "501"),
                (f"PLAIN {encode(bytes(2))}", "501|535"), (f"PLAIN {encode(bytes(1) + b'alice@example.org' + bytes(1))}", "501|535"),
                (f"PLAIN {encode(good + bytes(1) + b'x')}", "501"), (f"PLAIN {encode(b'bob@example.org' + good)}", "535"),
                ("DIGEST-MD5", "504"), ("NTLM", "504"), ("X" * 300, "504|501|500"), ("PLAIN\tx", "50[0-4]")]
        for user in (b"\xff\xfe", b"\xc3\x28", b"al%69ce@example.org", b"'; DROP TABLE users;--", b"../../etc/passwd", b"alice@@example.org", b"alice@example.org ",
                     b"alice\r\nlevel=error", b"u" * 5000, b"%d", b"\\", b"alice@example.org\x1b[31m"):
            rows.append((f"PLAIN {encode(bytes(1) + user + bytes(1) + b'pw-alice')}", "501|535|500"))
        for text, expected in rows:
            with self.subTest(text=text[:60]):
                reply = ask(f"AUTH {text}".rstrip(" "))
                if reply.startswith("334"):
                    reply = ask("*")
                self.assertRegex(reply, f"^({expected}) ")
                self.assertEqual(ask("NOOP"), "250 2.0.0 Ok")
        self.assertRegex(ask("AUTH PLAIN"), "^334")
        self.assertRegex(ask("*"), "^501 ")
        self.assertRegex(ask("AUTH PLAIN"), "^334")
        self.assertRegex(ask(""), "^50[01] |^535 ")
        self.assertRegex(ask(f"AUTH PLAIN {encode(b'ALICE@example.org' + good)}"), "^(235|535) ")
        ask = self.session()
        self.assertRegex(ask(f"AUTH PLAIN {encode(b'alice@example.org' + good)}"), "^235 ")
        self.assertRegex(ask(f"AUTH PLAIN {encode(good)}"), "^503 ")
        log = self.server.log()
        for secret in ("pw-alice", encode(good), encode(b"alice@example.org" + good)):
            self.assertNotIn(secret, log)
        self.assertFalse([c for c in log if ord(c) < 32 and c != "\n"])
        self.assertFalse([line for line in log.splitlines() if not line.startswith(("ts=", "posthorn: "))])

    def test_login(self):
        ask = self.session()
        encode = lambda text: base64.b64encode(text.encode()).decode()
        for step in range(2):
            self.assertRegex(ask("AUTH LOGIN"), "^334")
            if step:
                self.assertRegex(ask(encode("alice@example.org")), "^334")
            self.assertRegex(ask("*"), "^501 ")
        self.assertRegex(ask("AUTH LOGIN"), "^334")
        ask(encode("a password"))
        self.assertRegex(ask(encode("alice@example.org")), "^535 ")  # the wrong way round
        self.assertRegex(ask("AUTH LOGIN !!!"), "^501 ")
        self.assertRegex(ask(f"AUTH LOGIN {encode('alice@example.org')}"), "^334")
        self.assertRegex(ask(encode("pw-alice")), "^235 ")

    def test_long_ones(self):
        ask = self.session()
        for size in (12_289, 13_000, 20_000):
            reply = ask("AUTH PLAIN " + "A" * size)
            self.assertRegex(reply, "^50[01] ", size)
            self.assertEqual(ask("NOOP"), "250 2.0.0 Ok", size)
            self.assertRegex(ask("AUTH PLAIN"), "^334")
            self.assertRegex(ask("A" * size), "^50[01] ", size)
            self.assertEqual(ask("NOOP"), "250 2.0.0 Ok", size)
        before = resident(self.server.roles()["edge"])
        ask = self.session()
        self.assertRegex(ask("AUTH PLAIN"), "^334")
        self.assertEqual(ask(b"A" * 3_000_000 + b"\r\n"), "")  # not waited for
        self.assertLess(resident(self.server.roles()["edge"]) - before, ROOM)

    def test_where_and_when(self):
        wire = self.wire()
        wire.ask("EHLO client.test")
        self.assertRegex(wire.ask("AUTH PLAIN AGEAYg=="), "^50[23] ")
        wire = self.wire("submission")
        wire.ask("EHLO client.test")
        self.assertRegex(wire.ask("AUTH PLAIN AGEAYg=="), "^53[08] 5.7.")
        ask = self.session()
        good = base64.b64encode(b"\0alice@example.org\0pw-alice").decode()
        self.assertRegex(ask(f"AUTH PLAIN {good}"), "^235 ")
        self.assertRegex(ask("MAIL FROM:<alice@example.org>"), "^250 ")
        self.assertRegex(ask(f"AUTH PLAIN {good}"), "^503 ")
        ask = self.session()
        self.assertRegex(ask("MAIL FROM:<alice@example.org>"), "^530 ")

    def test_aborted_logins_leave_nothing_behind(self):
        rounds = 2000 if FULL else 150
        edge = self.server.roles()["edge"]

        def abort(number):
            with contextlib.suppress(OSError):
                with self.server.trust().wrap_socket(socket.create_connection(("127.0.0.1", self.server.port("submissions")), 30),
                                                     server_hostname="localhost") as tls:
                    tls.recv(1000)
                    tls.sendall(b"EHLO x\r\n")
                    tls.recv(1000)
                    tls.sendall([b"AUTH LOGIN\r\n", b"AUTH PLAIN\r\n", b"AUTH LOGIN YWxpY2U=\r\n"][number % 3])
                    tls.recv(1000)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(abort, range(rounds)))
            before = resident(edge)
            list(pool.map(abort, range(rounds)))
        self.assertEqual(self.server.roles()["edge"], edge)
        self.assertLess(resident(edge) - before, ROOM)
        self.assertRegex(self.session()("AUTH PLAIN " + base64.b64encode(b"\0bob@example.org\0pw-bob").decode()), "^235 ")


class Oversize(WithServer):
    SETTINGS = {"smtp.message_max": '"20MB"', "smtp.line_max": '"64MB"', "smtp.errors_max": "1000"}

    def test_command_lines(self):
        wire = self.wire()
        wire.ask("EHLO client.test")
        for size in (513, 1000, 2000):  # longer than RFC 5321's 512, which parameters may need
            self.assertRegex(wire.ask(b"NOOP " + b"x" * (size - 7) + b"\r\n"), "^(250|500) ", size)
        for size in (2_051, 4_096, 65_536, 1 << 20):
            self.assertRegex(wire.ask(b"NOOP " + b"x" * (size - 7) + b"\r\n"), "^500 5.5.2 ", size)
            self.assertEqual(wire.ask("NOOP"), "250 2.0.0 Ok", size)

    def test_a_line_that_never_ends(self):
        edge = self.server.roles()["edge"]
        before = resident(edge)
        wire = self.wire()
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(512):
                wire.socket.sendall(b"x" * 65_536)
        self.assertLess(resident(edge) - before, ROOM)
        begin = time.monotonic()
        self.wire()
        self.assertLess(time.monotonic() - begin, 5)

    def test_a_text_line_of_ten_megabytes(self):
        roles = self.server.roles()
        before = {role: resident(pid) for role, pid in roles.items()}
        wire = self.wire()
        wire.begin()
        wire.socket.sendall(b"Subject: long\r\n\r\nmarker long ")
        for _ in range(160):
            wire.socket.sendall(b"y" * 65_536)
        wire.socket.sendall(b"\r\n.\r\n")
        self.assertRegex(wire.reply(), "^250 ")
        self.assertEqual(wire.ask("NOOP"), "250 2.0.0 Ok")
        self.assertLess(resident(roles["edge"]) - before["edge"], ROOM)
        self.assertLess(resident(roles["queue"]) - before["queue"], ROOM)
        self.assertGreater(len(self.server.wait_for("marker long")), 160 * 65_536)

    def test_sizes(self):
        wire = self.wire()
        wire.ask("EHLO client.test")
        for parameter, expected in (("SIZE=999999999999", "552"), ("SIZE=20971521", "552"), ("SIZE=abc", "501"), ("SIZE=-1", "501"), ("SIZE=", "501"),
                                    ("SIZE=99999999999999999999999", "501|552"), ("SIZE=1 SIZE=2", "501|250"), ("SIZE=20971520", "250")):
            self.assertRegex(wire.ask(f"MAIL FROM:<a@elsewhere.test> {parameter}"), f"^({expected}) ", parameter)
            wire.ask("RSET")
        # Declared small, sent large: counted, refused after its end, and the connection is in step.
        wire.ask("MAIL FROM:<a@elsewhere.test> SIZE=10")
        wire.ask("RCPT TO:<bob@example.org>")
        self.assertRegex(wire.ask("DATA"), "^354 ")
        for _ in range(330):
            wire.socket.sendall((b"z" * 998 + b"\r\n") * 66)
        wire.socket.sendall(b".\r\n")
        self.assertRegex(wire.reply(), "^552 5.3.4 ")
        self.assertEqual(wire.ask("NOOP"), "250 2.0.0 Ok")
        self.queue_is_empty()
        spool = [path for path in (self.server.root / "var/spool").rglob("*") if path.is_file() and path.stat().st_size > 1 << 20]
        self.assertEqual(spool, [])

    def test_a_hundred_thousand_recipients(self):
        edge = self.server.roles()["edge"]
        before, wire = resident(edge), self.wire(timeout=120)
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<a@elsewhere.test>")
        count = 100_000 if FULL else 5_000
        codes, begin = {}, time.monotonic()
        for _ in range(count // 500):
            wire.socket.sendall(b"".join(b"RCPT TO:<bob+%d@example.org>\r\n" % i for i in range(500)))
            for _ in range(500):
                code = wire.reply()[:9]
                codes[code] = codes.get(code, 0) + 1
        self.assertEqual(codes, {"250 2.1.5": 1000, "452 4.5.3": count - 1000})
        self.assertLess(resident(edge) - before, ROOM)
        self.assertLess(time.monotonic() - begin, 120)
        self.assertRegex(wire.ask("RSET"), "^250 ")

    def test_hops(self):
        for count, expected in ((49, "250"), (51, "554 5.4.6"), (5000, "554 5.4.6")):
            wire = self.wire()
            wire.begin()
            hops = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * count
            self.assertRegex(wire.ask(hops + message("hops") + b"\r\n.\r\n"), f"^{expected} ", count)

    def test_wide_headers(self):
        rows = {"ten thousand fields": b"".join(b"X-%d: v\r\n" % i for i in range(10_000)), "one of two megabytes": b"X-Long: " + b"a" * (2 << 20) + b"\r\n",
                "a hundred thousand addresses": b"To: " + b",\r\n ".join(b"u%d@x.test" % i for i in range(100_000)) + b"\r\n",
                "parentheses": b"To: " + b"(" * 100_000 + b"\r\n", "parameters": b"Content-Type: text/plain" + b"".join(b";\r\n a*%d=x" % i for i in range(50_000)) + b"\r\n",
                "references": b"References: " + b"\r\n ".join(b"<%d@x.test>" % i for i in range(100_000)) + b"\r\n"}
        for name, header in rows.items():
            with self.subTest(name):
                wire = self.wire()
                wire.begin()
                marker = b"marker " + name.encode()
                wire.socket.sendall(header + b"Subject: wide\r\n\r\n" + marker + b"\r\n.\r\n")
                self.assertRegex(wire.reply(), "^250 ")
                self.assertIn(header.split(b"\r\n")[0][:60], self.server.wait_for(marker))


def processes_of(user):
    """How many there are on this machine; 0, too, when there is no such user."""
    with contextlib.suppress(KeyError):
        uid = pwd.getpwnam(user).pw_uid
        return sum(f"\nUid:\t{uid}\t" in read_status(entry) for entry in pathlib.Path("/proc").glob("[0-9]*"))
    return 0


def read_status(process):
    with contextlib.suppress(OSError):
        return (process / "status").read_text()
    return ""


class Crowd(unittest.TestCase):
    def test_silent_connections_keep_nobody_out(self):
        with Server() as server:
            silent = []
            try:
                for number in range(200):
                    silent.append(socket.create_connection(("127.0.0.1", server.port("smtp")), 10, (f"127.0.1.{number % 5 + 1}", 0)))
                for connection in silent:
                    self.assertTrue(connection.recv(100).startswith(b"220 "))
                times = []
                for _ in range(5):
                    begin = time.monotonic()
                    wire = Client(server.port("smtp"), source="127.0.2.1")
                    self.assertRegex(wire.reply(), "^220 ")
                    times.append(time.monotonic() - begin)
                    wire.close()
                self.assertLess(min(times), 1, times)
            finally:
                for connection in silent:
                    connection.close()

    def test_over_the_bound_one_is_told_to_come_back(self):
        with Server(settings={"limits.connections_max": "20"}) as server:
            held = [Client(server.port("smtp")) for _ in range(20)]
            try:
                for wire in held:
                    self.assertRegex(wire.reply(), "^220 ")
                late = Client(server.port("smtp"))
                self.assertRegex(late.reply(), "^421 4.7.0 ")
                self.assertEqual(late.reply(), "")
                late.close()
                self.assertIn("event=connection.refused", server.log())
                held.pop().close()

                def free():
                    wire = Client(server.port("smtp"))
                    with contextlib.closing(wire):
                        return wire.reply().startswith("220 ")

                wait_until(free)
            finally:
                for wire in held:
                    wire.close()

    def test_a_command_has_a_deadline_not_each_byte(self):
        with Server(settings={"smtp.command_timeout": '"2s"', "smtp.data_timeout": '"2s"'}) as server:
            silent, slow, data = (Client(server.port("smtp"), timeout=15) for _ in range(3))
            for wire in (silent, slow, data):
                wire.reply()
            begin = time.monotonic()
            data.begin()
            data.socket.sendall(b"Subject: half")
            slow.socket.settimeout(0.3)
            got = b""
            while time.monotonic() - begin < 10:  # a byte each 0.3 s, and never a line
                try:
                    slow.socket.sendall(b"N")
                    got = slow.socket.recv(1000)
                    break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            ended = time.monotonic() - begin
            self.assertTrue(1.5 < ended < 9, ended)
            self.assertTrue(got == b"" or got.startswith(b"421 4.4.2 "), got)
            self.assertRegex(silent.reply(), "^421 4.4.2 ")
            self.assertNotIn("250", data.reply())
            self.assertLess(time.monotonic() - begin, 14)
            for wire in (silent, slow, data):
                wire.close()

    def test_a_hundred_bytes_a_minute_are_no_message(self):
        self.skipTest("the least rate holds after a minute: POSTHORN_FULL=1") if not FULL else None
        with Server() as server:
            wire = Client(server.port("smtp"), timeout=120)
            wire.reply()
            wire.begin()
            begin = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - begin < 100:
                    wire.socket.sendall(b"x")
                    time.sleep(0.5)
            self.assertLess(time.monotonic() - begin, 90)
            wire.close()

    def test_with_fewer_threads_than_it_wants(self):
        if os.geteuid() != 0:
            self.skipTest("RLIMIT_NPROC counts all of the user's processes: as root, where each role has a user of its own")
        if SANITIZED:  # it looks for leaks from a thread of its own
            self.skipTest("a sanitizer needs a thread of its own: with the release build")
        def others():
            return processes_of("vmail") + processes_of("posthorn-edge")

        with contextlib.suppress(AssertionError):  # a server's last child is gone a moment after it
            wait_until(lambda: not others(), 20)
        if others():
            self.skipTest("another server's processes count, too")
        server = Server()
        try:
            server.start(["prlimit", "--nproc=3:3"])
            server.send(message("few", "marker few threads\r\n"))
            server.wait_for("marker few threads")
            self.assertRegex(server.log(), "role=store event=role.threads .*threads=2 ")
        finally:
            server.close()
        server = Server()
        try:  # without any it says so, and tries again
            with open(server.log_path, "ab") as log:
                server.process = subprocess.Popen(["prlimit", "--nproc=1:1", *server.command()], stdout=log, stderr=log, env=server.env,
                                                  start_new_session=True)
            wait_until(lambda: all(word in server.log() for word in ("posthorn: no thread can be made: ", "posthorn: no process can be made for connections: "))
                       and all(re.search(f"role.died .*died={role} .*again_in=1", server.log()) for role in ("store", "edge", "web")))
        finally:
            server.close()

    def test_without_descriptors_it_waits_and_goes_on(self):
        if SANITIZED:  # it looks into memory by way of a pipe, and takes one that it cannot open for a wrong type
            self.skipTest("a sanitizer needs descriptors of its own: with the release build")
        server = Server(settings={"queue.retry_first": '"1s"'})
        try:
            server.start(["prlimit", "--nofile=80:80"])
            roles = server.roles()
            edge = roles["edge"]
            crowd = []
            try:
                for _ in range(100):
                    crowd.append(socket.create_connection(("127.0.0.1", server.port("smtp")), 10))
                wait_until(lambda: "event=listener.paused" in server.log())
                begin = processor_seconds(edge)
                time.sleep(2)
                self.assertLess(processor_seconds(edge) - begin, 0.5)  # no busy loop
                self.assertLess(server.log().count("event=listener.paused"), 10)  # nor a flood of lines
                told = {}
                for connection in crowd:
                    connection.settimeout(5)
                    with contextlib.suppress(OSError):
                        # Who was greeted and then said nothing made room for a newcomer, and heard so.
                        word = connection.recv(1000).splitlines()[-1][:4]
                        told[word] = told.get(word, 0) + 1
                self.assertEqual(set(told), {b"220 ", b"421 "})
                self.assertGreater(told[b"421 "], 20)
            finally:
                for connection in crowd:
                    connection.close()
            wait_until(lambda: len(os.listdir(f"/proc/{edge}/fd")) < 40)
            # Many at once: what finds no descriptor on its way is told to come again, and nothing taken is lost.
            taken = []

            def send(number):
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    server.send(message("Many", f"marker many {number} end\r\n"))
                    taken.append(number)

            with concurrent.futures.ThreadPoolExecutor(50) as pool:
                list(pool.map(send, range(150)))
            self.assertGreater(len(taken), 20)

            def arrived():
                bodies = b"".join(server.fetch_all("bob"))
                return all(b"marker many %d end" % number in bodies for number in taken)

            wait_until(arrived, 60, 1)
            self.assertEqual(server.roles(), roles)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
