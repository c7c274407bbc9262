"""The certificate that init makes: programs that are told to trust its authority believe this server and no other name.

OpenSSL, curl, Python and NSS (what Thunderbird and Firefox verify with) each say for themselves.
"""

import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, wait_until


def openssl(*args, input=None):
    done = subprocess.run(["openssl", *map(str, args)], input=input, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def served(server, service="imaps", name="mx.example.org"):
    """The leaf that a port shows, as text of openssl x509."""
    chain = openssl("s_client", "-connect", f"127.0.0.1:{server.port(service)}", "-servername", name, "-showcerts", input="")
    return openssl("x509", "-noout", "-text", "-fingerprint", "-enddate", input=chain)


class OwnCertificate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice",)).start()
        cls.addClassCleanup(cls.server.close)
        cls.root = cls.server.root
        cls.authority = cls.root / "authority/cert.pem"

    def test_the_leaf_is_a_servers_and_the_authority_is_constrained(self):
        leaf = served(self.server)
        for words in ("CA:FALSE", "TLS Web Server Authentication", "DNS:mx.example.org", "DNS:localhost", "IP Address:127.0.0.1"):
            self.assertIn(words, leaf)
        authority = openssl("x509", "-noout", "-text", "-in", self.authority)
        for words in ("CA:TRUE, pathlen:0", "X509v3 Name Constraints: critical", "DNS:mx.example.org", "IP:127.0.0.1/255.255.255.255"):
            self.assertIn(words, authority)
        self.assertIn(": OK", openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "mx.example.org",
                                      "-CAfile", self.authority, self.root / "tls/cert.pem"))

    def test_programs_that_trust_the_authority_believe_the_server(self):
        trust = ssl.create_default_context(cafile=str(self.authority))
        import imaplib
        with imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=trust, timeout=30) as client:
            client.login("alice@example.org", "pw-alice")
        for service, scheme in (("imaps", "imaps"), ("pop3s", "pop3s"), ("https", "https")):
            with self.subTest(service):
                done = subprocess.run(["curl", "-sS", "--cacert", str(self.authority), "-u", "alice@example.org:pw-alice",
                                       f"{scheme}://localhost:{self.server.port(service)}/"], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_nss_believes_it(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-nss-"))
        self.addCleanup(shutil.rmtree, folder)

        def certutil(*args):
            return subprocess.run(["certutil", "-d", f"sql:{folder}", *map(str, args)], capture_output=True, text=True, timeout=60)

        self.assertEqual(certutil("-N", "--empty-password").returncode, 0)
        leaf = folder / "leaf.pem"
        leaf.write_text(openssl("x509", "-in", self.root / "tls/cert.pem"))
        certutil("-A", "-n", "leaf", "-t", ",,", "-a", "-i", leaf)
        self.assertNotEqual(certutil("-V", "-n", "leaf", "-u", "V", "-e").returncode, 0)
        certutil("-A", "-n", "authority", "-t", "C,,", "-a", "-i", self.authority)
        verified = certutil("-V", "-n", "leaf", "-u", "V", "-e")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_the_page_hands_out_the_authority(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/ca.crt", timeout=30) as answer:
            self.assertEqual(answer.read().decode(), self.authority.read_text())

    def test_no_role_reads_what_signs(self):
        folder = self.authority.parent
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.assertEqual((folder / "key.pem").stat().st_mode & 0o777, 0o600)
        for role in ("edge", "lookup", "queue", "store", "web", "trail"):
            got = self.server.run("confined", f"--role={role}", f"read:{folder}/key.pem", f"list:{folder}").stdout
            self.assertNotIn(" ok", got, role)


class Renewal(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=("alice",))
        self.addCleanup(self.server.close)
        self.root = self.server.root

    def issue_short(self, days):
        """A leaf of the authority that ends soon, with the key that is there."""
        folder = self.server.folder
        (folder / "ext").write_text("basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:mx.example.org,DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-new", "-key", self.root / "tls/key.pem", "-subj", "/CN=mx.example.org", "-out", folder / "csr")
        openssl("x509", "-req", "-in", folder / "csr", "-CA", self.root / "authority/cert.pem", "-CAkey", self.root / "authority/key.pem",
                "-CAcreateserial", "-CAserial", folder / "serial", "-days", days, "-extfile", folder / "ext", "-out", folder / "leaf")
        (self.root / "tls/cert.pem").write_text((folder / "leaf").read_text() + (self.root / "authority/cert.pem").read_text())

    def test_one_that_ends_soon_is_told_with_the_command_that_renews_it(self):
        self.issue_short(5)
        key = (self.root / "tls/key.pem").read_bytes()
        before = (self.root / "authority/cert.pem").read_text()
        self.server.start()
        wait_until(lambda: 'event=tls.expiring' in self.server.log())
        self.assertIn('remedy="posthorn certificate renew"', self.server.log())
        first = served(self.server)
        said = self.server.run("certificate", "renew").stdout
        self.assertIn("mx.example.org", said)
        self.assertNotIn("new authority", said)
        wait_until(lambda: served(self.server) != first)
        self.assertEqual((self.root / "tls/key.pem").read_bytes(), key)
        self.assertEqual((self.root / "authority/cert.pem").read_text(), before)
        self.assertEqual((self.root / "tls/key.pem").stat().st_mode & 0o777, 0o640)

    def test_another_name_makes_another_authority_and_that_is_said(self):
        before = (self.root / "authority/cert.pem").read_text()
        self.server.set("server.hostname", '"other.example.org"')
        said = self.server.run("certificate", "renew").stdout
        self.assertIn("new authority", said)
        self.assertNotEqual((self.root / "authority/cert.pem").read_text(), before)
        self.assertIn("OK", openssl("verify", "-verify_hostname", "other.example.org", "-CAfile", self.root / "authority/cert.pem",
                                    self.root / "tls/cert.pem"))

    def test_what_is_not_ours_is_left_alone(self):
        for name, words in (("foreign", ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                                         "-days", "9", "-keyout", self.root / "tls/key.pem", "-out", self.root / "tls/cert.pem")),):
            openssl(*words)
            os.chmod(self.root / "tls/key.pem", 0o640)
            before = (self.root / "tls/cert.pem").read_bytes()
            done = self.server.run("certificate", "renew", check=False)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn("another authority", done.stderr)
            self.assertEqual((self.root / "tls/cert.pem").read_bytes(), before)

    def test_init_keeps_a_pair_that_is_there(self):
        before = (self.root / "tls/cert.pem").read_bytes()
        said = self.server.run("init", str(self.root), "--hostname", "mx.example.org", "--domain", "example.org", config=False).stdout
        self.assertIn(f"kept     {self.root}/tls", said)
        self.assertEqual((self.root / "tls/cert.pem").read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
