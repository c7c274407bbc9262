"""System 4, the test container: one login to send with, others to read with, accounts from the environment."""

import base64
import contextlib
import imaplib
import os
import pathlib
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import tempfile
import unittest

import programs
from dialogs import Dialog, OpenSsl
from support import POSTHORN, Server, message, wait_until
from test_tap import Tap

PASSWORDS = {"SMTP_PASSWD": "send-secret", "IMAP_PASSWD": "read-secret"}


class Reader:
    def login(self, user, password="read-secret", tls=True):
        if tls:
            client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        client.login(user, password)
        return client

    def wait_for(self, user, marker):
        def look():
            client = self.login(user)
            try:
                client.select("INBOX", readonly=True)
                numbers = client.search(None, "ALL")[1][0].split()
                return next((raw for raw in (client.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in numbers) if marker.encode() in raw), None)
            finally:
                client.logout()
        return wait_until(look, 20, 0.3)

    def send(self, to, marker, user="sender", password="send-secret"):
        with smtplib.SMTP("localhost", self.server.port("smtp"), timeout=30) as client:
            client.starttls(context=self.server.trust())
            client.login(user, password)
            client.sendmail("app@test.test", [to], message(marker, marker + "\r\n", "app@test.test", to))


class TestContainer(Reader, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("localhost.test",), users=(), mx="localhost.test", profile="test",
                            env={"SMTP_USER": "sender", "IMAP_USER1": "Anna", "IMAP_USER2": "berta", **PASSWORDS})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def test_sends_with_one_login_and_reads_with_another(self):
        self.send("anna@test.test", "marker apart")
        self.assertIn(b"Subject: marker apart", self.wait_for("anna", "marker apart"))
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.send("anna@test.test", "marker never", "anna", "read-secret")
        with self.assertRaises(imaplib.IMAP4.error):
            self.login("sender", "send-secret")

    def test_only_authenticated_mail_is_taken(self):
        with OpenSsl(self.server.port("smtp"), self.server.root / "tls/cert.pem", starttls="smtp") as dialog:
            self.assertRegex(dialog.say("EHLO client"), r"\n250-AUTH PLAIN LOGIN\n")
            self.assertRegex(dialog.say("MAIL FROM:<a@b.test>"), r"^530 5\.7\.0 Authentication required")
            initial = base64.b64encode(b"\0sender\0send-secret").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {initial}"), r"^235 2\.7\.0 ")
            self.assertRegex(dialog.say("MAIL FROM:<a@b.test>"), r"^250 ")
            self.assertRegex(dialog.say("RCPT TO:<anna@wherever.test>"), r"^250 ")

    def test_routes_by_the_local_part_whatever_the_domain(self):
        for i, domain in enumerate(("test.test", "localhost.test", "another.example")):
            self.send(f"Berta@{domain}", f"marker domain {i}")
        for i in range(3):
            self.wait_for("berta", f"marker domain {i}")

    def test_the_catch_all_line_takes_every_name(self):
        self.send("carla@test.test", "marker catch-all")
        self.wait_for("carla", "marker catch-all")

    def test_a_table_line_leads_to_another_account(self):
        self.server.append_map("vusers", "sales\tanna\n")
        self.server.run("reload")
        self.send("sales@test.test", "marker sales")
        self.wait_for("anna", "marker sales")

    def test_an_unknown_name_is_refused_without_a_catch_all(self):
        table = (self.server.root / "maps/vusers").read_text()
        self.addCleanup(self.server.run, "reload")
        self.addCleanup(self.server.write_map, "vusers", table)
        self.server.write_map("vusers", "".join(line + "\n" for line in table.splitlines() if not line.startswith("@")))
        self.server.run("reload")
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
            self.send("nobody@test.test", "marker nobody")
        self.assertEqual(next(iter(refused.exception.recipients.values()))[0], 550)

    def test_one_password_for_all_readers_and_any_case_of_the_name(self):
        for user in ("anna", "ANNA", "Anna@localhost.test", "somebody.else"):
            self.login(user).logout()
        with self.assertRaises(imaplib.IMAP4.error):
            self.login("anna", "send-secret")

    def test_plaintext_login_is_allowed_and_tls_offered(self):
        client = self.login("anna", tls=False)
        client.logout()
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.assertIn("STARTTLS", client.capabilities)
        client.logout()

    def test_an_authorization_id_equal_to_the_user(self):
        with Dialog(self.server.port("smtp")) as dialog:
            dialog.read()
            dialog.say("EHLO client")
            other = base64.b64encode(b"anna\0sender\0send-secret").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {other}"), r"^535 ")
            same = base64.b64encode(b"sender\0sender\0send-secret").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {same}"), r"^235 ")

    def test_the_certificate_names_localhost_and_the_loopback_address(self):
        text = subprocess.run(["openssl", "x509", "-in", str(self.server.root / "tls/cert.pem"), "-noout", "-ext", "subjectAltName"],
                              capture_output=True, text=True, check=True).stdout
        self.assertIn("DNS:localhost", text)
        self.assertIn("IP Address:127.0.0.1", text)
        self.assertEqual((self.server.root / "tls/key.pem").stat().st_mode & 0o007, 0)

    def test_the_home_is_a_folder_of_the_user(self):
        self.send("anna@test.test", "marker home")
        self.wait_for("anna", "marker home")
        self.assertTrue((self.server.root / "var/mail/anna/cur").is_dir())

    def test_msmtp_sends(self):
        with tempfile.TemporaryDirectory() as folder:
            rc = pathlib.Path(folder) / "msmtprc"
            rc.write_text(f"account default\nhost localhost\nport {self.server.port('smtp')}\nfrom app@test.test\nauth plain\n"
                          f"user sender\npassword send-secret\ntls on\ntls_starttls on\ntls_trust_file {self.server.root}/tls/cert.pem\n")
            rc.chmod(0o600)
            done = subprocess.run(["msmtp", "-C", str(rc), "berta@test.test"], input=message("marker msmtp", "marker msmtp\r\n"),
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.wait_for("berta", "marker msmtp")

    def muttrc(self, user):
        """The seed's configuration; its certificate is verified, host name and all."""
        return (f'set smtp_url="smtp://sender:send-secret@localhost:{self.server.port("smtp")}"\nset ssl_force_tls=yes\nset ssl_starttls=yes\n'
                f'set certificate_file="{self.server.root}/tls/cert.pem"\nset ssl_ca_certificates_file="{self.server.root}/tls/cert.pem"\n'
                f'set folder="imaps://{user}:read-secret@localhost:{self.server.port("imaps")}/"\n'
                f'set spoolfile="imaps://{user}:read-secret@localhost:{self.server.port("imaps")}/INBOX"\n'
                'set mail_check=60\nset from="app@test.test"\nunset record\nset copy=no\nset delete=yes\nset quit=yes\nset wait_key=no\n')

    @unittest.skipUnless(shutil.which("mutt"), "mutt is not installed")
    def test_mutt_sends_with_starttls_forced_and_reads_by_imaps(self):
        with tempfile.TemporaryDirectory() as folder:
            rc = pathlib.Path(folder) / "muttrc"
            rc.write_text(self.muttrc("mutt.reader"))
            done = subprocess.run(["mutt", "-n", "-F", str(rc), "-s", "marker mutt", "mutt.reader@test.test"], input="text by mutt\n", text=True,
                                  capture_output=True, timeout=60, env={"HOME": folder, "PATH": "/usr/bin:/bin", "TERM": "dumb", "LANG": "C.UTF-8"})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.wait_for("mutt.reader", "marker mutt")
            shown = programs.mutt(["\n", "i", "F$", "q"], self.muttrc("mutt.reader"), home=folder)
        self.assertIn("text by mutt", shown)
        client = self.login("mutt.reader")
        client.select("INBOX", readonly=True)
        told = client.fetch("1", "(FLAGS)")[1][0].decode()
        client.logout()
        self.assertIn("\\Seen", told)
        self.assertIn("\\Flagged", told)

    def test_the_separator_of_the_namespace(self):
        client = self.login("anna")
        self.assertEqual(client.namespace()[1], [b'(("" "/")) NIL NIL'])
        self.assertEqual(client.create("Work/2026")[0], "OK")
        self.assertIn(b'(\\HasNoChildren) "/" Work/2026', client.list()[1])
        client.logout()

    def test_the_tables_of_the_keys_folder(self):
        """smtp_passwd: a name, a tab, a hash as `smtpctl encrypt` makes it; vusers: a name, a tab, an account."""
        hashed = subprocess.run(["openssl", "passwd", "-6", "by-smtpctl"], capture_output=True, text=True, check=True).stdout.strip()
        with open(self.server.root / "conf/smtp_users", "a") as table:
            table.write(f"second\t{hashed}\n")
        self.server.append_map("vusers", "tabbed\tberta\n")
        self.server.run("reload")
        self.send("tabbed@test.test", "marker tab", "second", "by-smtpctl")
        self.wait_for("berta", "marker tab")

    def test_no_part_is_root_and_the_mail_is_the_stores(self):
        self.send("anna@test.test", "marker owner")
        self.wait_for("anna", "marker owner")
        if os.geteuid() != 0:
            self.skipTest("the server was not started as root")
        for role, pid in self.server.roles().items():
            uids = re.search(r"(?m)^Uid:\s+(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text())[1].split()
            self.assertNotIn("0", uids, role)
        self.assertEqual((self.server.root / "var/mail/anna/cur").owner(), "vmail")

    def test_a_part_that_dies_is_started_again(self):
        before = self.server.roles()
        for role in ("store", "edge"):
            os.kill(before[role], signal.SIGKILL)
        wait_until(lambda: all(self.server.roles().get(role, before[role]) != before[role] for role in ("store", "edge")), 30)

        def lives():
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.send("anna@test.test", "marker revived")
                return True

        wait_until(lives, 30)
        wait_until(lambda: self.wait_for("anna", "marker revived"), 30)

    def test_trace_all(self):
        with Tap(self.server, "--all") as tap:
            self.send("anna@test.test", "marker trace")
            for text in ("smtp C: AUTH PLAIN [hidden]", "C: mail FROM:<app@test.test>", "C: rcpt TO:<anna@test.test>"):
                tap.wait(text)
        self.assertNotIn("send-secret", tap.text)

    def test_it_runs_with_openssl_3(self):
        self.assertRegex(subprocess.run(["ldd", POSTHORN], capture_output=True, text=True, check=True).stdout, r"libssl\.so\.3 ")
        with contextlib.closing(Dialog(self.server.port("smtp"))) as dialog:
            self.assertRegex(dialog.read(), "^220 ")
        context = self.server.trust()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with smtplib.SMTP("localhost", self.server.port("smtp"), timeout=30) as client:
            client.starttls(context=context)
            self.assertEqual(client.sock.version(), "TLSv1.3")

    def test_no_password_stays_in_the_roles_environment_or_log(self):
        for role, pid in self.server.roles().items():
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            for secret in PASSWORDS.values():
                self.assertNotIn(secret.encode(), environment, role)
        for secret in PASSWORDS.values():
            self.assertNotIn(secret, self.server.log())

    def test_check_tells_what_took_effect(self):
        told = self.server.run("check").stdout
        for name in ("SMTP_USER", "IMAP_USER1", "IMAP_USER2", "IMAP_PASSWD"):
            self.assertIn(name + " ", told)
        for secret in PASSWORDS.values():
            self.assertNotIn(secret, told)

    def test_a_restart_keeps_the_accounts_as_they_are(self):
        users = (self.server.root / "conf/users").read_text()
        self.server.stop()
        self.server.start()
        self.assertEqual((self.server.root / "conf/users").read_text(), users)


class Queue(unittest.TestCase):
    def test_show_queue_and_schedule_all(self):
        """smtpctl show queue, smtpctl schedule all."""
        with Server(domains=("localhost.test",), users=(), mx="localhost.test", profile="test",
                    env={"SMTP_USER": "sender", "IMAP_USER1": "anna", **PASSWORDS, "POSTHORN_QUEUE_RETRY_FIRST": "1h"}) as server:
            stone = server.root / "var/mail/stuck"
            stone.write_text("where the maildir belongs\n")
            with smtplib.SMTP("localhost", server.port("smtp"), timeout=30) as client:
                client.login("sender", "send-secret")
                client.sendmail("app@test.test", ["stuck@far.test"], message("Wait", "marker queue\r\n"))
            wait_until(lambda: "deferred" in server.run("queue", "list").stdout)
            self.assertRegex(server.run("queue", "list").stdout, r"<app@test\.test>\n +to <stuck(@[a-z.]+)?>: ")
            stone.unlink()
            self.assertEqual(server.run("queue", "retry", "--all").returncode, 0)
            wait_until(lambda: [file for file in (server.root / "var/mail/stuck").glob("new/*") if "marker queue" in file.read_text()])
            wait_until(lambda: "stuck" not in server.run("queue", "list").stdout)


class Secrets(Reader, unittest.TestCase):
    def test_accounts_from_a_folder_of_secrets(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"su": "mailer\n", "sp": "s3nd\n", "iu": "dora", "iu2": "emil\n", "ip": "r3ad"}.items():
                (pathlib.Path(folder) / name).write_text(text)
            env = {"POSTHORN_SECRETS": folder, "SMTP_USER_SECRET": "su", "SMTP_PASSWD_SECRET": "sp", "IMAP_USER_SECRET": "iu",
                   "IMAP_USER2_SECRET": "iu2", "IMAP_PASSWD_SECRET": "ip", "LANG": "C.UTF-8", "TZ": "Europe/Paris"}
            with Server(domains=("localhost.test",), users=(), mx="localhost.test", profile="test", env=env) as self.server:
                self.send("dora@x.test", "marker secret", "mailer", "s3nd")
                for user in ("dora", "emil"):
                    self.login(user, "r3ad").logout()
                self.assertIn("dora", (self.server.root / "maps/vusers").read_text())
                (pathlib.Path(folder) / "ip").write_text("changed")
                self.server.stop()
                self.server.start()
                self.login("dora", "changed").logout()
                with self.assertRaises(imaplib.IMAP4.error):
                    self.login("dora", "r3ad")


if __name__ == "__main__":
    unittest.main()
