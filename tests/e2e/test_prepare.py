"""One preparation for check, start and reload: a start never does worse than yesterday, a reload is taken by all roles or by
none, what has a fault keeps its last good form, and each says what it did."""

import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from support import POSTHORN, Server, message, wait_until


def rcpt(server, address, sender="friend@elsewhere.test"):
    with server.smtp() as client:
        client.ehlo()
        client.mail(sender)
        return client.rcpt(address)[0]


def health(server):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port('http')}/health", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as answer:
        return json.load(answer)


def red(server):
    return {check["name"] for check in health(server)["checks"] if check["state"] == "red"}


class Yesterday(unittest.TestCase):
    """A server that served; then something happens to its files, and it is started again."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob"))
        cls.server.append_map("aliases", "info@example.org alice@example.org\n")
        script = cls.server.root / "sieve" / "users" / "bob@example.org.sieve"
        script.parent.mkdir()
        script.write_text('require "fileinto";\nif header :contains "Subject" "Marked" { fileinto "Junk"; stop; }\n')
        cls.server.start()
        cls.state = cls.server.root / "var" / "state"
        wait_until(lambda: any("users" in p.name for p in (cls.state / "lookup").iterdir())
                   and any("aliases" in p.name for p in (cls.state / "lookup").iterdir())
                   and any("bob@" in p.name for p in (cls.state / "store").iterdir()))
        cls.server.stop()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def with_file(self, name, text):
        """Puts text in place of the file (None: removes it), and back again at the end."""
        path = self.server.root / name
        good, info = path.read_bytes(), path.stat()
        path.unlink()
        if text is not None:
            path.write_text(text)
            path.chmod(info.st_mode & 0o7777)
            os.chown(path, info.st_uid, info.st_gid)

        def back():
            new = path.with_suffix(".back")
            new.write_bytes(good + b"\n")
            new.chmod(info.st_mode & 0o7777)
            os.chown(new, info.st_uid, info.st_gid)
            new.rename(path)
        return back

    def test_each_file(self):
        rows = [("maps/aliases", "info@example.org alice@example.org\nbroken\n", "tables"), ("maps/aliases", None, "tables"),
                ("maps/aliases", "", "tables"), ("maps/domains", "other.test ok\n", "tables", "maps/mailboxes:"), ("maps/mailboxes", "\x00\n", "tables"),
                ("conf/users", "alice@example.org\n", "tables"), ("conf/users", None, "tables"),
                ("sieve/users/bob@example.org.sieve", "nonsense \"", "scripts")]
        for name, text, check, *more in rows:
            with self.subTest(name=name, text=text):
                says = more[0] if more else ""  # good by itself, it makes others faulty
                back = self.with_file(name, text)
                start = self.server.log_path.stat().st_size
                self.server.start()
                try:
                    log = self.server.log(start)
                    self.assertIn("event=files.stale", log)
                    self.assertIn(says or f"{name}:", log)
                    self.assertEqual(rcpt(self.server, "info@example.org"), 250)
                    self.assertEqual(rcpt(self.server, "nobody@example.org"), 550)
                    self.server.imap("alice").logout()
                    self.assertEqual(red(self.server), {check})
                    self.assertRegex(self.server.run("status", check=False).stdout, rf"(?m)^red: .*{says or name + ':'}")
                    done = self.server.run("check", check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(says or f"{name}:", done.stderr)
                finally:
                    back()
                    wait_until(lambda: not red(self.server))
                    self.assertEqual(rcpt(self.server, "info@example.org"), 250)
                    self.server.stop()

    def test_the_copies_are_no_more_open_than_their_sources(self):
        self.assertEqual((self.state / "lookup").stat().st_mode & 0o777, 0o700)
        for copy in (self.state / "lookup").iterdir():
            source = pathlib.Path(copy.name.replace("%", "/"))
            self.assertEqual(copy.stat().st_mode & 0o777 & ~source.stat().st_mode, 0, copy)
        everything = b"".join(path.read_bytes() for path in self.state.rglob("*") if path.is_file())
        self.assertNotIn(b"PRIVATE KEY", everything)
        for line in (self.server.root / "maps" / "relay-sasl").read_text().splitlines():
            self.assertNotIn("PRIVATE", line)


class FirstStart(unittest.TestCase):
    """Without a form of before: the names on faulty lines wait, a missing table decides nothing, all else is served."""

    def started(self, spoil, **options):
        server = Server(users=("alice", "bob"), **options)
        self.addCleanup(server.close)
        server.append_map("aliases", "info@example.org alice@example.org\n")
        spoil(server)
        return server.start()

    def test_a_faulty_line_of_aliases(self):
        server = self.started(lambda s: s.append_map("aliases", "sales@example.org\na@example.org b@example.org\nb@example.org a@example.org\n"))
        self.assertEqual(rcpt(server, "info@example.org"), 250)
        self.assertEqual(rcpt(server, "alice@example.org"), 250)
        self.assertEqual(rcpt(server, "sales@example.org"), 451)
        self.assertEqual(rcpt(server, "nobody@example.org"), 550)
        self.assertIn("tables", red(server))
        self.assertRegex(server.log(), r"maps/aliases:\d+: ")

    def test_a_missing_table_of_aliases(self):
        server = self.started(lambda s: (s.root / "maps" / "aliases").unlink())
        self.assertEqual(rcpt(server, "info@example.org"), 451)
        self.assertIn("aliases:1: there is no such file; put it back; if it is to be empty: touch ", server.log())
        server.write_map("aliases", "info@example.org alice@example.org\n")
        wait_until(lambda: rcpt(server, "info@example.org") == 250)
        self.assertFalse(red(server))

    def test_a_faulty_line_of_users(self):
        def spoil(server):
            with open(server.root / "conf" / "users", "a") as users:
                users.write("carol@example.org\n")
        server = self.started(spoil)
        server.imap("alice").logout()
        with self.assertRaisesRegex(Exception, "UNAVAILABLE"):
            server.imap("carol", "whatever")

    def test_a_script_with_a_fault_keeps_the_mail(self):
        server = self.started(lambda s: (s.root / "sieve" / "default.sieve").write_text("nonsense \""))
        server.send(message("Kept-1"), to=["bob@example.org"])
        server.wait_for("Kept-1")
        self.assertEqual(red(server), {"scripts"})

    def test_a_certificate_with_a_fault(self):
        server = self.started(lambda s: (s.root / "tls" / "cert.pem").write_text("nonsense\n"))
        # Mail between servers goes on, with a certificate that proves nothing.
        with server.smtp() as client:
            client.starttls(context=ssl._create_unverified_context())
            client.ehlo()
            self.assertEqual(client.mail("friend@elsewhere.test")[0], 250)
            self.assertEqual(client.rcpt("bob@example.org")[0], 250)
        self.assertIn("certificates", red(server))

    def test_one_process_too(self):
        server = self.started(lambda s: s.append_map("aliases", "sales@example.org\n"), one_process=True)
        self.assertEqual(rcpt(server, "sales@example.org"), 451)
        self.assertEqual(rcpt(server, "info@example.org"), 250)


class Reload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Nothing is noticed by itself: what happens is the command's doing.
        cls.server = Server(settings={"maps.poll_interval": '"1h"', "tls.reload_interval": '"1h"'}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def tell(self, *args):
        done = self.server.run(*args, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_a_faulty_table_keeps_its_form_and_the_others_are_taken(self):
        server = self.server
        aliases = (server.root / "maps" / "aliases").read_text()
        server.append_map("mailboxes", "dora@example.org ok\n")
        server.append_map("aliases", "broken\n")
        code, out, err = self.tell("reload")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"maps/aliases:\d+: ")
        self.assertIn("its last good form stays in use; all else is in use", err)
        self.assertEqual(rcpt(server, "dora@example.org"), 250)
        server.write_map("aliases", aliases)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_what_does_not_fit_together_is_taken_by_none(self):
        server = self.server
        domains = (server.root / "maps" / "domains").read_text()
        script = server.root / "sieve" / "default.sieve"
        good = script.read_text()
        server.write_map("domains", "elsewhere.example ok\n")
        script.write_text('require "fileinto";\nfileinto "Elsewhere";\n')
        start = server.log_path.stat().st_size
        code, _, err = self.tell("reload")
        self.assertEqual(code, 1)
        self.assertIn("nothing was changed: what was in use before stays in use", err)
        self.assertEqual(rcpt(server, "bob@example.org"), 250)
        server.send(message("Whole-1"))
        server.wait_for("Whole-1")  # in INBOX: the store has dropped what it had prepared
        self.assertEqual(server.log(start).count("event=generation.committed"), 0)
        self.assertIn("event=generation.refused", server.log(start))
        server.write_map("domains", domains)
        script.write_text(good)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_a_certificate_of_another_key(self):
        server = self.server
        key = server.root / "tls" / "key.pem"
        good, info = key.read_bytes(), key.stat()
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)], check=True, capture_output=True)
        os.chown(key, info.st_uid, info.st_gid)
        key.chmod(0o640)
        for command in ("reload", "check"):
            code, _, err = self.tell(command)
            self.assertEqual(code, 1)
            self.assertIn("key.pem:1: the key is not the one of", err)
        server.imap("alice").logout()  # by the pair of before
        key.write_bytes(good)
        self.assertEqual(self.tell("reload")[0], 0)

    def test_a_signal_is_the_same(self):
        server = self.server
        server.append_map("mailboxes", "erna@example.org ok\n")
        start = server.log_path.stat().st_size
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: rcpt(server, "erna@example.org") == 250)
        wait_until(lambda: server.log(start).count("event=generation.committed") == 5)
        # Once in each role.
        self.assertEqual(server.log(start).count("event=maps.loaded"), 1)

    def test_a_role_that_does_not_answer(self):
        server = self.server
        pid = server.roles()["queue"]
        os.kill(pid, signal.SIGSTOP)
        try:
            server.append_map("mailboxes", "fritz@example.org ok\n")
            done = subprocess.Popen([POSTHORN, "reload", "-c", str(server.conf)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with self.assertRaises(subprocess.TimeoutExpired):
                done.wait(1)
            self.assertEqual(rcpt(server, "fritz@example.org"), 550)  # prepared, and not in use
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(done.wait(60), 0)
        done.stdout.close()
        done.stderr.close()
        self.assertEqual(rcpt(server, "fritz@example.org"), 250)


class Restart(unittest.TestCase):
    def check(self, one_process):
        server = Server(one_process=one_process).start()
        self.addCleanup(server.close)
        self.assertNotIn("not in use", server.run("status").stdout)
        server.set("smtp.banner", '"Fresh words"')
        server.set("smtp.recipients_max", "177")
        for done in (server.run("reload"), server.run("status")):
            self.assertIn("smtp.banner smtp.recipients_max", done.stdout + done.stderr)
        self.assertNotIn("Fresh words", self.banner(server))
        server.set("smtp.banner", '"Fresh words')  # no TOML
        done = server.run("restart", check=False)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"posthorn\.toml:\d+: ")
        server.set("smtp.banner", '"Fresh words"')
        pid = server.process.pid
        self.assertEqual(server.run("restart").stdout, f"restarted, pid {pid}\n")
        self.assertIsNone(server.process.poll())
        self.assertIn("Fresh words", self.banner(server))
        self.assertNotIn("not in use", server.run("status").stdout)

    @staticmethod
    def banner(server):
        with socket.create_connection(("127.0.0.1", server.port("smtp")), 30) as plain:
            return plain.recv(500).decode()

    def test_of_roles(self):
        self.check(False)

    def test_of_one_process(self):
        self.check(True)


class Weights(unittest.TestCase):
    """What `check` finds: a fault ends with 1, a warning with 0, each with its place, its cause and what to do."""

    def told(self, server):
        done = server.run("check", check=False)
        return done.returncode, done.stderr

    def test_warnings(self):
        server = Server(users=("alice", "bob"))
        self.addCleanup(server.close)
        self.assertEqual(self.told(server), (0, ""))
        server.append_map("mailboxes", "carol@example.org ok\n")
        with open(server.root / "conf" / "users", "a") as users:
            users.write("dora@example.org:{PLAIN}good\n")
        (server.root / "conf" / "users").chmod(0o644)
        (server.root / "sieve" / "default.sieve").unlink()
        server.set("relay.relayhost", '"[smtp.relay.test]:587"')
        server.append_map("relay-sasl", "[smtp.relay.test]:465 user:password\n")
        server.set("filter.spamd", '"127.0.0.1:9"')
        server.set("srs.domain", '"elsewhere.test"')
        server.set("server.hostname", '"another.example.org"')
        with socket.socket() as other:
            other.bind(("127.0.0.1", server.port("imap")))
            other.listen(1)
            code, text = self.told(server)
        self.assertEqual(code, 0, text)
        for expected in (r"users: dora@example\.org may log in and has no mailbox; ", r"nobody can read the mailbox carol@example\.org: ",
                         r"users: every account of this machine can read the password hashes; chmod o-r ", r"default\.sieve:1: there is no such file: ",
                         r"relay-sasl:\d+: the login of \[smtp\.relay\.test\]:465 is not used: ", r"filter\.spamd: nobody answers at 127\.0\.0\.1:9 ",
                         r"srs\.domain: elsewhere\.test is not in maps/domains", r"cert\.pem:1: the certificate is for .*, not for server\.hostname another",
                         r"listen\.imap: 127\.0\.0\.1:\d+ is taken by another program; "):
            self.assertRegex(text, r"(?m)^warning: .*" + expected)
        self.assertEqual(len(text.splitlines()), 9, text)

    def test_certificates(self):
        server = Server()
        self.addCleanup(server.close)
        cert, key = server.root / "tls" / "cert.pem", server.root / "tls" / "key.pem"

        ca, ca_key, request = (server.folder / name for name in ("ca.pem", "ca.key", "request.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(ca_key),
                        "-out", str(ca), "-subj", "/CN=an intermediate"], check=True, capture_output=True)
        subprocess.run(["openssl", "req", "-new", "-key", str(key), "-subj", "/CN=x", "-addext", "subjectAltName=DNS:mx.example.org",
                        "-out", str(request)], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial",
                        "-copy_extensions", "copy", "-out", str(cert)], check=True, capture_output=True)
        code, text = self.told(server)
        self.assertEqual(code, 0)
        self.assertIn("without the one that signed it; many clients refuse it; put the intermediate behind it", text)
        with open(cert, "a") as chain:
            chain.write(ca.read_text())
        self.assertEqual(self.told(server), (0, ""))
        subprocess.run(["openssl", "x509", "-req", "-in", str(request), "-signkey", str(key), "-days", "-1", "-copy_extensions", "copy",
                        "-out", str(cert)], check=True, capture_output=True)
        code, text = self.told(server)
        self.assertEqual(code, 0)
        self.assertIn("cert.pem:1: the certificate has expired: clients refuse it", text)

    def test_an_open_relay_is_a_fault(self):
        server = Server()
        self.addCleanup(server.close)
        for networks in ('["0.0.0.0/0"]', '["::/0"]', '["0.0.0.0/1", "128.0.0.0/1"]'):
            server.set("smtp.relay_from", networks)
            code, text = self.told(server)
            self.assertEqual(code, 1, networks)
            self.assertRegex(text, r"posthorn\.toml:\d+: smtp\.relay_from: it takes in most of the Internet")
        server.set("smtp.relay_from", '["10.0.0.0/8", "fd00::/8"]')
        self.assertEqual(self.told(server), (0, ""))

    @unittest.skipUnless(os.geteuid() == 0, "roles get accounts of their own from root alone")
    def test_with_the_eyes_of_each_role(self):
        server = Server()
        self.addCleanup(server.close)
        for name, account in (("conf/users", "posthorn-lookup"), ("maps/aliases", "posthorn-lookup"), ("sieve/default.sieve", "vmail"),
                              ("tls/key.pem", "posthorn-tls")):
            with self.subTest(name):
                path = server.root / name
                info = path.stat()
                os.chown(path, 12345, 12345)
                path.chmod(0o600)
                code, text = self.told(server)
                self.assertEqual(code, 1)
                self.assertRegex(text, rf"{name}:1: .*ermission denied; the account \S+ cannot read it: chgrp {account} \S+{name} && chmod g\+r ")
                commands = text.split("cannot read it: ")[1].splitlines()[0]
                subprocess.run(commands, shell=True, check=True)
                self.assertEqual(self.told(server)[0], 0)
                os.chown(path, info.st_uid, info.st_gid)
                path.chmod(info.st_mode & 0o7777)


@unittest.skipUnless(os.geteuid() == 0, "only root can read what is root's alone")
class Certbot(unittest.TestCase):
    """Keys as certbot keeps them: folders 0700, key 0600, links from live/ to archive/."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        # Everything on the way belongs to root, as below /etc; /tmp is everybody's.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-certbot-", dir="/var"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self.live, self.archive = self.folder / "live" / "mx", self.folder / "archive" / "mx"
        for folder in (self.live, self.archive):
            folder.mkdir(parents=True)
            folder.parent.chmod(0o700)
        self.put(1, (self.server.root / "tls" / "cert.pem").read_bytes(), (self.server.root / "tls" / "key.pem").read_bytes())
        self.server.set("paths.certificate", f'"{self.live}/fullchain.pem"')
        self.server.set("paths.key", f'"{self.live}/privkey.pem"')

    def put(self, number, cert, key):
        for name, data in (("fullchain", cert), ("privkey", key)):
            path = self.archive / f"{name}{number}.pem"
            path.write_bytes(data)
            path.chmod(0o600 if name == "privkey" else 0o644)
            link = self.live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../../archive/mx/{name}{number}.pem")

    def shown(self):
        context = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", self.server.port("imaps")), 30) as plain, context.wrap_socket(plain) as tls:
            return tls.getpeercert(True)

    def test_the_pair_is_handed_over_and_renewed(self):
        server = self.server
        done = server.run("check")
        self.assertRegex(done.stderr, r"note: .*privkey\.pem:1: only root can reach the certificate: .*chgrp posthorn-tls .*live .*archive .*privkey1\.pem"
                                      r" && chmod g\+x .*live .*archive && chmod g\+r .*privkey1\.pem")
        server.start()
        first = self.shown()
        self.assertTrue((self.archive / "fullchain1.pem").read_text().startswith(ssl.DER_cert_to_PEM_cert(first).strip()))  # then its authority
        new = self.server.folder / "new"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-days", "90",
                        "-addext", "subjectAltName=DNS:mx.example.org", "-keyout", f"{new}.key", "-out", f"{new}.pem"], check=True, capture_output=True)
        self.put(2, pathlib.Path(f"{new}.pem").read_bytes(), pathlib.Path(f"{new}.key").read_bytes())
        wait_until(lambda: self.shown() != first)
        handed = server.root / "var" / "run" / "tls"
        for copy in handed.iterdir():
            self.assertEqual(copy.stat().st_mode & 0o777, 0o640 if "privkey" in copy.name else 0o644)
            self.assertEqual(copy.stat().st_uid, 0)
        # The three commands do without the handing over.
        commands = server.run("check").stderr.split("needs: ")[1].splitlines()[0]
        subprocess.run(commands, shell=True, check=True)
        self.assertEqual(server.run("check").stderr, "")

    def test_nobody_leads_roots_eyes_elsewhere(self):
        """A folder of somebody else's with a link to root's key: the link is not followed by root."""
        stranger = self.folder / "theirs"
        stranger.mkdir()
        os.chown(stranger, 12345, 12345)
        (stranger / "cert.pem").symlink_to(self.archive / "fullchain1.pem")
        (stranger / "key.pem").symlink_to(self.archive / "privkey1.pem")
        self.server.set("paths.certificate", f'"{stranger}/cert.pem"')
        self.server.set("paths.key", f'"{stranger}/key.pem"')
        done = self.server.run("check", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"cannot read it: chgrp posthorn-tls ")
        self.server.start()
        self.assertEqual(list((self.server.root / "var" / "run" / "tls").iterdir()), [])
        self.assertIn("is not root's alone", self.server.log())
        self.assertIn("certificates", red(self.server))


class TwoKinds(unittest.TestCase):
    def test_an_ecdsa_and_an_rsa_pair_for_one_name_both_serve(self):
        server = Server()
        self.addCleanup(server.close)
        folder = server.root / "tls" / "names" / "rsa"
        folder.mkdir(parents=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "90", "-addext",
                        "subjectAltName=DNS:mx.example.org", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
                       check=True, capture_output=True)
        key = server.root / "tls" / "key.pem"
        os.chown(folder / "key.pem", key.stat().st_uid, key.stat().st_gid)
        (folder / "key.pem").chmod(0o640)
        self.assertEqual(server.run("check").stderr, "")
        server.start()
        for name in ("mx.example.org", None):
            for cipher in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"):
                context = ssl._create_unverified_context()
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                context.set_ciphers(cipher)
                with socket.create_connection(("127.0.0.1", server.port("imaps")), 30) as plain:
                    with context.wrap_socket(plain, server_hostname=name) as tls:
                        self.assertEqual(tls.cipher()[0], cipher)


if __name__ == "__main__":
    unittest.main()
