"""Certificates as people handle them: challenges answered while the server runs, a pair put in place, what each port really shows."""

import contextlib
import hashlib
import imaplib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, assert_fits, server_tls

THUMBPRINT = "t" * 43
PORTS = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "https")


class Challenges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings={"acme.directory": '"https://127.0.0.1:9/directory"'})  # terms not agreed to: nobody is asked
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def tell(self, verb, **fields):
        path = next(self.server.root.rglob("web-acme.sock"))
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall("\t".join(["1", verb, *(f"{k}={v}" for k, v in fields.items())]).encode() + b"\n")
            return connection.makefile().readline().rstrip("\n").split("\t")[1:]

    def offer(self, kind, name, token):
        return self.tell("offer", type=kind, name=name, token=token, key_authorization=f"{token}.{THUMBPRINT}")

    def fetch(self, token):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/.well-known/acme-challenge/{token}", timeout=20) as got:
                return got.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code

    def test_by_http_from_memory_and_from_certbots_folder(self):
        folder = self.server.root / "var/webroot/.well-known/acme-challenge"
        folder.mkdir(parents=True)
        for name in ("both", "certbots"):
            (folder / name).write_text("certbot's")
        self.assertEqual(self.fetch("both"), "certbot's")
        self.assertEqual(self.offer("http-01", "mx.example.org", "both"), ["ok"])
        self.assertEqual(self.fetch("both"), f"both.{THUMBPRINT}")
        self.assertEqual(self.fetch("certbots"), "certbot's")
        self.assertEqual(self.tell("forget", name="mx.example.org", token="both"), ["ok"])
        self.assertEqual(self.fetch("both"), "certbot's")
        self.assertEqual(self.fetch("neither"), 404)
        self.assertEqual(self.offer("http-01", "mx.example.org", "../both")[0], "error")

    def shown(self, *words):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port('https')}", *words],
                              input=b"", capture_output=True, timeout=30)
        text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=done.stdout, capture_output=True, check=True).stdout.decode()
        return text, done.stdout.decode(errors="replace")

    def test_by_a_handshake_that_is_all_of_the_connection(self):
        self.assertEqual(self.offer("tls-alpn-01", "Proved.example.org", "one"), ["ok"])
        digest = hashlib.sha256(f"one.{THUMBPRINT}".encode()).hexdigest().upper()
        for version in ("-tls1_2", "-tls1_3"):
            text, said = self.shown("-alpn", "acme-tls/1", "-servername", "PROVED.example.org", version)
            self.assertIn("ALPN protocol: acme-tls/1", said)
            self.assertIn("DNS:proved.example.org", text)
            self.assertRegex(text.replace(":", ""), rf"critical\s+0420{digest}|1\.3\.6\.1\.5\.5\.7\.1\.31 critical")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["acme-tls/1"])
        with socket.create_connection(("127.0.0.1", self.server.port("https")), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname="proved.example.org") as connection:
                self.assertEqual(connection.selected_alpn_protocol(), "acme-tls/1")
                self.assertEqual(connection.recv(100), b"")  # closed, without a word
        for words in (("-servername", "proved.example.org"), ("-alpn", "acme-tls/1", "-noservername"),
                      ("-alpn", "acme-tls/1", "-servername", "other.example.org"),
                      ("-alpn", "acme-tls/1,http/1.1", "-servername", "proved.example.org")):
            text, said = self.shown(*words)
            self.assertIn("DNS:mx.example.org", text, words)
            self.assertIn("No ALPN negotiated", said, words)
        self.assertIn("event=http.challenge.answered", self.server.log())

    def test_who_must_hand_the_question_on_is_said_at_the_start_and_by_check(self):
        self.assertIn("event=acme.unreachable", self.server.log())
        done = self.server.run("check", check=False)
        self.assertIn("proxy_pass http://127.0.0.1:" + str(self.server.port("http")), done.stderr)


class Pair(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings={"tls.reload_interval": '"1h"'})  # what becomes of it is the command's doing
        cls.addClassCleanup(cls.server.close)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def make(self, name):
        server_tls(self.folder, name)
        return self.folder / f"{name}.cert.pem", self.folder / f"{name}.key.pem"

    def install(self, *words, env=None, **options):
        self.server.env.pop("RENEWED_LINEAGE", None)
        self.server.env.update(env or {})
        return self.server.run("certificate", "install", *map(str, words), **options)

    def list(self):
        done = self.server.run("certificate", "list", "--json", check=False)
        found = json.loads(done.stdout)
        assert_fits("certificates", found)
        return found

    def test_from_the_first_pair_to_one_for_another_name(self):
        server = self.server
        cert, key = self.make("mx.example.org")
        done = self.install("--cert", cert, "--key", key)  # the server does not run
        self.assertIn("from its next start", done.stdout)
        self.assertFalse(self.list()["running"])
        server.start()
        cert, key = self.make("mx.example.org")
        trust = server.trust()
        trust.check_hostname = False  # the pair is for mx.example.org alone
        imap = imaplib.IMAP4_SSL("localhost", server.port("imaps"), ssl_context=trust, timeout=30)
        imap.login("bob@example.org", server.password("bob@example.org"))
        done = self.install("--cert", cert, "--key", key)
        for service in PORTS:
            self.assertIn(f"{service} 127.0.0.1:{server.port(service)}", done.stdout)
        self.assertEqual(imap.noop()[0], "OK")
        imap.logout()
        self.assertEqual((server.root / "tls/cert.pem").read_text(), cert.read_text())
        self.assertEqual((server.root / "tls/key.pem").stat().st_mode & 0o777, 0o640)
        other, other_key = self.make("other.test")
        done = self.install("--cert", other, "--key", other_key, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--name other.test", done.stderr)
        lineage = self.folder / "live/other.test"
        lineage.mkdir(parents=True)
        (lineage / "fullchain.pem").write_text(other.read_text())
        (lineage / "privkey.pem").write_text(other_key.read_text())
        (lineage / "privkey.pem").chmod(0o600)
        self.install(env={"RENEWED_LINEAGE": str(lineage)})
        found = self.list()
        self.assertEqual(found["faults"], [])
        by_name = {one["name"]: one for one in found["certificates"]}
        self.assertEqual(len(by_name["other.test"]["shown_on"]), len(PORTS))
        self.assertEqual(len(by_name["default"]["shown_on"]), len(PORTS))
        # What is shown is another one than the file's.
        (server.root / "tls/cert.pem").write_text(other.read_text())
        done = server.run("certificate", "list", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no certificate is for server.hostname mx.example.org", done.stdout)
        self.assertIn("posthorn reload", done.stdout)
        self.install("--cert", cert, "--key", key)

    def test_what_is_refused_says_what_to_do(self):
        cert, key = self.make("mx.example.org")
        other, other_key = self.make("refused.test")
        empty = self.folder / "empty.pem"
        empty.write_text("")
        rows = (((), 2, "--cert FILE --key FILE"), (("--cert", cert), 2, "name both"),
                (("--cert", cert, "--key", other_key), 1, "the two that belong together"),
                (("--cert", key, "--key", cert), 1, "no certificate in PEM form"), (("--cert", empty, "--key", key), 1, "no certificate"),
                (("--cert", self.folder / "absent.pem", "--key", key), 1, "name one that is there"),
                (("--cert", other, "--key", other_key, "--name", "../x"), 1, "without slashes"))
        for words, status, text in rows:
            done = self.install(*words, check=False)
            self.assertEqual(done.returncode, status, words)
            self.assertIn(text, done.stderr, words)


if __name__ == "__main__":
    unittest.main()
