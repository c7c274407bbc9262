"""TLS: which protocol is spoken, what the handshake survives, and certificates that change under open connections.

The injections ahead of STARTTLS that test_hostile.py does not have are here too, those of a smarthost among them.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, message, server_tls, wait_until


def certificate_at(server, service="imaps", name="localhost"):
    """The certificate that a new connection is shown, as DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port(service)), 30) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert(True)


def read_all(connection):
    """What comes until the other side closes."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            got += piece
    return got


class Pairs:
    """Certificates to change to."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def make(self, name, days=30):
        server_tls(self.folder, name)
        if days != 30:
            subprocess.run(["openssl", "req", "-x509", "-new", "-key", str(self.key(name)), "-days", str(days), "-subj", f"/CN={name}",
                            "-addext", f"subjectAltName=DNS:{name}", "-out", str(self.cert(name))], check=True, capture_output=True)
        return ssl.PEM_cert_to_DER_cert(self.cert(name).read_text())

    def cert(self, name):
        return self.folder / f"{name}.cert.pem"

    def key(self, name):
        return self.folder / f"{name}.key.pem"


class Swap(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pairs = Pairs(folder.name)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.tls = self.server.root / "tls"
        self.first = certificate_at(self.server)

    def put(self, source, name, mode=None):
        """Replaces tls/NAME by a rename, as certificate tools do, keeping owner and mode."""
        old = (self.tls / name).stat()
        made = self.tls / (name + ".new")
        shutil.copyfile(source, made)
        made.chmod(old.st_mode & 0o7777 if mode is None else mode)
        os.chown(made, old.st_uid, old.st_gid)
        made.rename(self.tls / name)

    def test_a_new_pair_is_live_at_once_and_old_connections_stay(self):
        imap = self.server.imap("bob")
        second = self.pairs.make("second.test")
        begin = time.monotonic()
        self.put(self.pairs.key("second.test"), "key.pem")
        self.put(self.pairs.cert("second.test"), "cert.pem")
        for service in ("imaps", "submissions"):
            wait_until(lambda service=service: certificate_at(self.server, service) == second)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(imap.noop()[0], "OK")
        self.assertEqual(imap.select("INBOX")[0], "OK")
        imap.logout()
        # With a much longer interval the commands do it.
        third = self.pairs.make("third.test")
        self.server.stop()
        self.server.set("tls.reload_interval", '"1h"')
        self.server.start()
        self.assertEqual(certificate_at(self.server), second)
        self.put(self.pairs.key("third.test"), "key.pem")
        self.put(self.pairs.cert("third.test"), "cert.pem")
        self.assertEqual(certificate_at(self.server), second)
        self.server.run("reload")
        wait_until(lambda: certificate_at(self.server) == third)

    def add(self, name, made=None):
        """A folder of tls.folder with a pair in it, as a renewal puts it there."""
        folder = self.tls / "names" / name
        folder.mkdir(parents=True, exist_ok=True)
        old = (self.tls / "key.pem").stat()
        for target, source in (("privkey.pem", self.pairs.key(made or name)), ("fullchain.pem", self.pairs.cert(made or name))):
            new = folder / (target + ".new")
            shutil.copyfile(source, new)
            new.chmod(old.st_mode & 0o7777)
            os.chown(new, old.st_uid, old.st_gid)
            new.rename(folder / target)
        for path in (folder, folder.parent):
            path.chmod(0o755)

    def shown(self, name, port, *starttls):
        """The certificate that `openssl s_client -servername` is shown."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port(port)}", "-servername", name, *starttls],
                              input=b"", capture_output=True, timeout=30)
        pem = done.stdout.decode(errors="replace")
        return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERT"):pem.index("-----END CERTIFICATE-----") + 25])

    def test_several_certificates_by_name(self):
        """The name that a client asks for chooses; what comes, changes and goes is live; a bad pair keeps the old one."""
        two, wild = self.pairs.make("mail.two.test"), self.pairs.make("*.three.test")
        self.add("mail.two.test")
        wait_until(lambda: certificate_at(self.server, name="mail.two.test") == two)
        self.add("three", "*.three.test")
        wait_until(lambda: certificate_at(self.server, name="imap.three.test") == wild)
        for port, *starttls in (("submissions",), ("imaps",), ("pop3s",), ("submission", "-starttls", "smtp"), ("smtp", "-starttls", "smtp"),
                                ("imap", "-starttls", "imap"), ("pop3", "-starttls", "pop3")):
            with self.subTest(port=port):
                for name, expected in (("mail.two.test", two), ("MAIL.TWO.TEST", two), ("a.three.test", wild), ("three.test", self.first), ("localhost", self.first), ("other.test", self.first)):
                    self.assertEqual(self.shown(name, port, *starttls), expected, name)
        # A renewal, under a session that is open.
        imap = self.server.imap("bob")
        renewed = self.pairs.make("mail.two.test")
        self.assertNotEqual(renewed, two)
        self.add("mail.two.test")
        wait_until(lambda: certificate_at(self.server, name="mail.two.test") == renewed)
        self.assertEqual(imap.noop()[0], "OK")
        # A key that is another's: told once, and the pair of before stays.
        self.pairs.make("stranger.test")
        start = self.server.log_path.stat().st_size
        key = self.tls / "names/mail.two.test/privkey.pem"
        good = key.read_bytes()
        key.write_bytes(self.pairs.key("stranger.test").read_bytes())
        wait_until(lambda: "the key is not the one of" in self.server.log(start))
        self.assertEqual(certificate_at(self.server, name="mail.two.test"), renewed)
        checked = self.server.run("check", check=False)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("names/mail.two.test/privkey.pem:1: the key is not the one of", checked.stderr + checked.stdout)
        # So does a server that starts anew, without that pair; and takes it when it is whole.
        self.server.stop()
        self.server.start()
        self.assertEqual(certificate_at(self.server, name="mail.two.test"), self.first)
        self.assertEqual(certificate_at(self.server, name="a.three.test"), wild)
        key.write_bytes(good)
        wait_until(lambda: certificate_at(self.server, name="mail.two.test") == renewed)
        # A folder that goes takes its name along.
        shutil.rmtree(self.tls / "names/three")
        wait_until(lambda: certificate_at(self.server, name="a.three.test") == self.first)

    def test_the_end_of_each_certificate_is_told(self):
        self.server.stop()
        self.server.set("listen.http", f'["127.0.0.1:{self.server.port("http")}"]')
        self.pairs.make("mail.two.test", days=5)
        self.add("mail.two.test")
        self.server.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/health", timeout=30) as answer:
            checks = json.load(answer)["checks"]
        found = {check["name"]: check for check in checks} if isinstance(checks, list) else checks
        self.assertEqual(found["certificate.mail.two.test"]["state"], "warning")
        self.assertEqual(found["certificate"]["state"], "ok")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/metrics", timeout=30) as answer:
            ends = float(re.search(r"(?m)^posthorn_certificate_not_after_seconds (\S+)", answer.read().decode())[1])
        self.assertLess(abs(ends - time.time() - 5 * 86400), 3600)

    def test_a_bad_pair_keeps_the_old_one_and_says_so(self):
        other = self.pairs.make("other.test")
        garbage = self.pairs.folder / "garbage"
        garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        empty = self.pairs.folder / "empty"
        empty.write_text("")
        good_cert, good_key = self.pairs.folder / "good.cert", self.pairs.folder / "good.key"
        shutil.copyfile(self.tls / "cert.pem", good_cert)
        shutil.copyfile(self.tls / "key.pem", good_key)
        rows = [("cert.pem", garbage, "cert.pem:1: "), ("cert.pem", empty, "cert.pem:1: "), ("key.pem", empty, "key.pem:1: "),
                ("key.pem", self.pairs.key("other.test"), "the key is not the one of"), ("cert.pem", self.pairs.key("other.test"), "cert.pem:1: ")]
        for number, (name, source, expected) in enumerate(rows, 1):
            with self.subTest(name=name, source=source.name):
                start = self.server.log_path.stat().st_size
                self.put(source, name)
                line = wait_until(lambda: next((l for l in self.server.log(start).splitlines() if "event=tls.refused" in l), None))
                self.assertIn(expected, line)
                self.assertIn("level=error", line)
                self.assertEqual(certificate_at(self.server), self.first)
                self.put(good_cert if name == "cert.pem" else good_key, name)
                wait_until(lambda: "event=tls.loaded" in self.server.log(start))
                # Told once, not at every look.
                self.assertEqual(self.server.log(start).count("event=tls.refused"), 1)
        (self.tls / "key.pem").unlink()
        wait_until(lambda: "key.pem:1" in self.server.log().rsplit("tls.loaded", 1)[1])
        self.assertEqual(certificate_at(self.server), self.first)
        self.assertNotEqual(other, self.first)

    def test_a_key_that_everybody_can_read_is_refused_as_at_the_start(self):
        second = self.pairs.make("second.test")
        self.put(self.pairs.cert("second.test"), "cert.pem")
        self.put(self.pairs.key("second.test"), "key.pem", 0o644)
        wait_until(lambda: "every account of this machine can read this key" in self.server.log())
        self.assertEqual(certificate_at(self.server), self.first)
        (self.tls / "key.pem").chmod(0o640)
        wait_until(lambda: certificate_at(self.server) == second)

    def test_many_connections_during_swaps_all_succeed(self):
        ders = [self.first]
        failures, shown, over = [], set(), threading.Event()

        def knock():
            while not over.is_set():
                try:
                    shown.add(certificate_at(self.server, "submissions"))
                except OSError as error:
                    failures.append(error)

        threads = [threading.Thread(target=knock) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(4):
                name = f"swap{number}.test"
                ders.append(self.pairs.make(name))
                self.put(self.pairs.key(name), "key.pem")
                self.put(self.pairs.cert(name), "cert.pem")
                wait_until(lambda: ders[-1] in shown)
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
        self.assertEqual(failures, [])
        self.assertEqual(shown, set(ders))

    def test_an_old_certificate_is_warned_of(self):
        self.assertNotIn("event=tls.expiring", self.server.log())
        self.pairs.make("soon.test", days=5)
        self.put(self.pairs.key("soon.test"), "key.pem")
        self.put(self.pairs.cert("soon.test"), "cert.pem")
        wait_until(lambda: "level=warning role=edge event=tls.expiring" in self.server.log())


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings={"tls.handshake_timeout": '"2s"'}).start()
        cls.addClassCleanup(cls.server.close)

    def connect(self, service):
        connection = socket.create_connection(("127.0.0.1", self.server.port(service)), 20)
        self.addCleanup(connection.close)
        return connection

    def handshake(self, service="submissions", low=None, high=None, ciphers=None, name="localhost"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if ciphers:
            context.set_ciphers(ciphers)
        if low:
            context.minimum_version = low
        if high:
            context.maximum_version = high
        tls = context.wrap_socket(self.connect(service), server_hostname=name)
        self.addCleanup(tls.close)
        return tls

    def test_versions_and_ciphers(self):
        v = ssl.TLSVersion
        self.assertEqual(self.handshake().version(), "TLSv1.3")
        self.assertIsNone(self.handshake().compression())
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            tls = self.handshake(high=v.TLSv1_2, ciphers=cipher)
            self.assertEqual((tls.version(), tls.cipher()[0]), ("TLSv1.2", cipher))
        for what in ({"low": v.TLSv1, "high": v.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}, {"low": v.TLSv1, "high": v.TLSv1, "ciphers": "ALL:@SECLEVEL=0"},
                     {"high": v.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES128-SHA"}, {"high": v.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES256-SHA384"}):
            for service in ("submissions", "imaps"):
                with self.subTest(service=service, **what):
                    before = self.server.log().count("event=tls.failed")
                    with self.assertRaises(ssl.SSLError) as caught:
                        self.handshake(service, **what)
                    self.assertIn("ALERT", str(caught.exception).upper())  # the server said no
                    wait_until(lambda: self.server.log().count("event=tls.failed") == before + 1)

    def test_names_in_the_hello(self):
        expected = certificate_at(self.server)
        for name in ("localhost", "unknown.test", "x" * 63 + ".test", ".".join(["y" * 60] * 4), "LOCALHOST", "127.0.0.1"):
            self.assertEqual(certificate_at(self.server, name=name), expected, name)

    def test_not_tls_at_all(self):
        hello = self.client_hello()
        rows = [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"EHLO client.test\r\n", b"a LOGIN bob@example.org pw-bob\r\n", os.urandom(600),
                b"\x16\x03\x01\xff\xff" + b"\0" * 70000, b"\x15\x03\x01\x00\x02\x02\x28", b"\x17\x03\x03\x00\x10" + b"\0" * 16,
                b"\x16\x03\x01\x00\x00" * 2000, hello[:5] + b"\xff" * (len(hello) - 5), hello[:9] + os.urandom(len(hello) - 9),
                b"\x80\x2e\x01\x00\x02" + b"\0" * 41]
        for service in ("submissions", "imaps"):
            for row in rows:
                with self.subTest(service=service, row=row[:20]):
                    connection = self.connect(service)
                    begin = time.monotonic()
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(row)
                    answer = read_all(connection)
                    self.assertLess(time.monotonic() - begin, 5)
                    self.assertTrue(answer == b"" or answer[0] == 0x15, answer[:40])  # nothing, or a TLS alert
        self.assertTrue(self.handshake("imaps").recv(100).startswith(b"* OK"))
        self.assertFalse([c for c in self.server.log() if ord(c) < 32 and c != "\n"])
        self.assertNotIn("pw-bob", self.server.log())

    def client_hello(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        tls = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        return outgoing.read()

    def test_a_hello_in_single_bytes_is_understood(self):
        connection = self.connect("imaps")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in self.client_hello():
            connection.sendall(bytes([byte]))
        self.assertEqual(connection.recv(1), b"\x16")

    def test_a_stalled_handshake_ends_at_the_deadline(self):
        hello = self.client_hello()

        def starttls(service, greeting, command):
            connection = self.connect(service)
            lines = connection.makefile("rb")
            self.assertTrue(lines.readline().startswith(greeting))
            if service != "imap":
                connection.sendall(b"EHLO client.test\r\n")
                while lines.readline()[3:4] == b"-":
                    pass
            connection.sendall(command + b"\r\n")
            lines.readline()
            return connection

        opened = {"silent 465": self.connect("submissions"), "silent 993": self.connect("imaps"), "half a hello": self.connect("imaps"),
                  "silent after STARTTLS": starttls("smtp", b"220", b"STARTTLS"), "silent after IMAP's": starttls("imap", b"* OK", b"a STARTTLS")}
        begin = time.monotonic()
        opened["half a hello"].sendall(hello[:100])
        dripping = self.connect("submissions")
        dripping.settimeout(0.2)
        ended, sent = None, 0
        while time.monotonic() - begin < 8:  # a byte at a time does not buy more time
            try:
                dripping.sendall(hello[sent:sent + 1])
                sent += 1
                if dripping.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        ended = time.monotonic() - begin
        self.assertTrue(1.5 < ended < 7, ended)
        self.assertLess(sent, len(hello))
        for name, connection in opened.items():
            self.assertIn(read_all(connection)[:1], (b"", b"\x15"), name)
        self.assertLess(time.monotonic() - begin, 14)
        self.assertIn("event=tls.failed", self.server.log())


class Injection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def plain(self, service):
        connection = socket.create_connection(("127.0.0.1", self.server.port(service)), 10)
        self.addCleanup(connection.close)
        lines = connection.makefile("rb")
        self.addCleanup(lines.close)
        lines.readline()
        if service != "imap":
            connection.sendall(b"EHLO client.test\r\n")
            while lines.readline()[3:4] == b"-":
                pass
        return connection, lines

    def test_nothing_of_the_clear_text_lives_on(self):
        for service, command, injected in (("smtp", b"STARTTLS\r\n", b"NOOP\r\n"), ("smtp", b"STARTTLS\r\n", b"NO"), ("submission", b"STARTTLS\r\n", b"MAIL FROM:<x@y>\r\n"),
                                           ("imap", b"a STARTTLS\r\n", b"z NOOP\r\n"), ("imap", b"a STARTTLS\r\n", b"z LOG"), ("imap", b"a STARTTLS\r\n", b"z LOGIN {3}\r\n")):
            for with_hello in (False, True):
                with self.subTest(service=service, injected=injected, with_hello=with_hello):
                    connection, lines = self.plain(service)
                    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                    tls = self.server.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
                    with contextlib.suppress(ssl.SSLWantReadError):
                        tls.do_handshake()
                    hello = outgoing.read()
                    before = self.server.log().count("event=smtp.pipelining") + self.server.log().count("event=imap.injection")
                    connection.sendall(command + injected + (hello if with_hello else b""))
                    reply = lines.readline()
                    self.assertRegex(reply, b"^(220 .*|a OK .*|)\\s*$")
                    with contextlib.suppress(ConnectionError):
                        if not with_hello:
                            connection.sendall(hello)
                        self.assertEqual(lines.read(5)[:1], b"")  # closed: no handshake follows
                    wait_until(lambda: self.server.log().count("event=smtp.pipelining") + self.server.log().count("event=imap.injection") > before)

    def test_a_second_starttls_is_refused_and_the_connection_lives(self):
        for service in ("imap", "imaps", "submissions"):
            with self.subTest(service=service):
                if service == "imap":
                    connection, lines = self.plain(service)
                    connection.sendall(b"a STARTTLS\r\n")
                    self.assertTrue(lines.readline().startswith(b"a OK"))
                else:
                    connection = socket.create_connection(("127.0.0.1", self.server.port(service)), 10)
                tls = self.server.trust().wrap_socket(connection, server_hostname="localhost")
                self.addCleanup(tls.close)
                stream = tls.makefile("rb")
                self.addCleanup(stream.close)
                if service != "imap":
                    stream.readline()
                if service == "submissions":
                    tls.sendall(b"STARTTLS\r\n")
                    self.assertTrue(stream.readline().startswith(b"503 "))
                    tls.sendall(b"NOOP\r\n")
                    self.assertTrue(stream.readline().startswith(b"250 "))
                    continue
                tls.sendall(b"b CAPABILITY\r\n")
                self.assertNotIn(b"STARTTLS", stream.readline())
                stream.readline()
                tls.sendall(b"c STARTTLS\r\nd NOOP\r\n")
                self.assertTrue(stream.readline().startswith(b"c BAD"))
                self.assertTrue(stream.readline().startswith(b"d OK"))

    def test_tls_forgets_the_login(self):
        # Where a login in the clear is allowed, STARTTLS ends it: EHLO and AUTH are needed anew.
        with Server(settings={"auth.allow_plaintext": "true", "submission.require_tls": "false"}) as server:
            import smtplib
            with smtplib.SMTP("localhost", server.port("submission"), timeout=10) as client:
                client.login("alice@example.org", "pw-alice")
                self.assertEqual(client.mail("alice@example.org")[0], 250)
                self.assertEqual(client.rset()[0], 250)
                client.starttls(context=server.trust())
                self.assertEqual(client.docmd("MAIL FROM:<alice@example.org>")[0], 503)
                client.ehlo()
                self.assertEqual(client.mail("alice@example.org")[0], 530)
                client.login("alice@example.org", "pw-alice")
                self.assertEqual(client.mail("alice@example.org")[0], 250)

    def test_a_smarthost_that_speaks_ahead_of_tls_is_not_believed(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pathlib.Path(folder.name).chmod(0o755)
        context, cert = server_tls(folder.name)
        said, premature, over = [], [], threading.Event()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.settimeout(0.2)

        def serve(connection):
            with contextlib.suppress(OSError):
                connection.settimeout(10)
                lines = connection.makefile("rb")
                connection.sendall(b"220 smarthost.test\r\n")
                lines.readline()
                connection.sendall(b"250-smarthost.test\r\n250 STARTTLS\r\n")
                lines.readline()
                connection.sendall(b"220 go\r\n250-smarthost.test\r\n250 AUTH PLAIN LOGIN\r\n235 2.7.0 welcome\r\n")
                tls = context.wrap_socket(connection, server_side=True)
                said.append(tls.recv(1000))
                tls.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    premature.append(tls.recv(1000))
                tls.close()

        def accept():
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    serve(listening.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        server = Server(settings={"relay.relayhost": f'"[localhost]:{port}"', "relay.trust_file": f'"{cert}"', "queue.retry_first": '"1s"'})
        server.write_map("relay-sasl", f"[localhost]:{port} apikey:secret\n")
        try:
            with server:
                server.submit("alice", message("Out", "marker\r\n"), ["friend@far.test"])
                wait_until(lambda: "event=queue.deferred" in server.log())
                self.assertNotIn("event=queue.delivered", server.log())
        finally:
            over.set()
            thread.join(15)
            listening.close()
        # Either the connection ended, or the first words inside are EHLO and nothing follows unanswered.
        self.assertFalse([text for text in said if text and not text.startswith(b"EHLO ")], said)
        self.assertFalse([text for text in premature if text], premature)


if __name__ == "__main__":
    unittest.main()
