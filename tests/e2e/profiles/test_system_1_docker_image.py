"""System 1, the SMTP and IMAP server in a container image: Postfix' tables, Dovecot's users, SpamAssassin, Sieve, a relay."""

import os
import pathlib
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile
import unittest
import urllib.request

import programs
from dialogs import Dialog, OpenSsl
import openmetrics
from support import ROOT, Server, Smarthost, Spamd, message, server_tls, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class DockerImage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spamd = Spamd().start()
        cls.addClassCleanup(cls.spamd.stop)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        pathlib.Path(cls.folder.name).chmod(0o755)
        tls, cert = server_tls(cls.folder.name)
        cls.smarthost = Smarthost(user="username", password="password", tls=tls)
        cls.smarthost.__enter__()
        cls.addClassCleanup(cls.smarthost.__exit__)
        cls.server = Server(domains=("example.com", "example1.com"), users=("adam@example.com", "bob@example.com", "john@example.com"),
                            mx="mail.example.com", spamd=cls.spamd.address,
                            settings={"relay.relayhost": f'"[localhost]:{cls.smarthost.port}"', "relay.trust_file": f'"{cert}"',
                                      "submission.require_auth": "false"})
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} username:password\n")
        # virtual(5), as it stood in /etc/postfix/aliases
        cls.server.append_map("aliases", "support@example.com adam@example.com,bob@example.com\nall@example.com support@example.com\n"
                                         "alias@example1.com bob@example.com\n@example1.com adam@example.com\n")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)
        cls.ca = cls.server.root / "tls/cert.pem"

    def user(self, name):
        return f"{name}@example.com"

    # The test recipe: openssl s_client -starttls smtp -crlf -quiet -connect example.com:587, then HELO.

    def test_the_recipe_on_587_with_helo_and_without_a_login(self):
        with OpenSsl(self.server.port("submission"), self.ca, starttls="smtp") as dialog:
            self.assertEqual(dialog.say("HELO test.com"), "250 mail.example.com")
            self.assertEqual(dialog.say("MAIL FROM:<friend@elsewhere.test>"), "250 2.1.0 Ok")
            self.assertEqual(dialog.say("RCPT TO:<adam@example.com>"), "250 2.1.5 Ok")
            self.assertEqual(dialog.say("DATA"), "354 End data with <CR><LF>.<CR><LF>")
            for line in ("Subject: Test", "", "marker recipe"):
                dialog.send(line)
            self.assertRegex(dialog.say("."), r"^250 2\.0\.0 Ok: queued as [0-9A-Za-z]+$")
            self.assertEqual(dialog.say("QUIT"), "221 2.0.0 Bye")
        self.server.wait_for("marker recipe", self.user("adam"))

    def test_the_recipe_opens_no_relay(self):
        with OpenSsl(self.server.port("submission"), self.ca, starttls="smtp") as dialog:
            dialog.say("HELO test.com")
            dialog.say("MAIL FROM:<adam@example.com>")
            self.assertEqual(dialog.say("RCPT TO:<victim@elsewhere.test>"), "554 5.7.1 <victim@elsewhere.test>: Relay access denied")

    # Tables

    def test_a_list(self):
        self.server.send(message("List", "marker list\r\n"), to=["support@example.com"])
        for name in ("adam", "bob"):
            self.server.wait_for("marker list", self.user(name))

    def test_an_alias_of_an_alias(self):
        self.server.send(message("All", "marker recursion\r\n"), to=["all@example.com"])
        self.server.wait_for("marker recursion", self.user("bob"))

    def test_the_catch_all_and_the_exact_key_that_beats_it(self):
        self.server.send(message("Any", "marker catch-all\r\n"), to=["whoever@example1.com"])
        self.server.send(message("One", "marker exact\r\n"), to=["alias@example1.com"])
        self.server.wait_for("marker catch-all", self.user("adam"))
        self.server.wait_for("marker exact", self.user("bob"))
        self.assertFalse(any(b"marker exact" in raw for raw in self.server.fetch_all(self.user("adam"))))

    def test_domains_and_mailboxes_with_whatever_value(self):
        """example1.com .  and  adam@example1.com adam"""
        self.server.append_map("domains", "example2.com .\nexample3.com anything\n")
        self.server.append_map("mailboxes", "zoe@example2.com zoe\nzoe@example3.com somebody.else\n")
        self.server.add_user("zoe@example2.com")
        self.server.append_map("aliases", "zoe@example3.com zoe@example2.com\n")
        self.server.run("reload")
        for domain in ("example2.com", "example3.com"):
            self.server.send(message("Domain", f"marker in {domain}\r\n"), to=[f"zoe@{domain}"])
            self.server.wait_for(f"marker in {domain}", "zoe@example2.com")

    def test_postmap_where_the_tables_lie_with_braces(self):
        """cd /etc/postfix; postmap {aliases,domains,mailboxes,relay-sasl}"""
        links = programs.links(self.server)
        self.server.append_map("aliases", "brace@example.com adam@example.com\n")
        done = subprocess.run(["bash", "-c", f"cd {self.server.root}/maps; postmap {{aliases,domains,mailboxes,relay-sasl}}"], capture_output=True, text=True,
                              timeout=60, env={**self.server.env, "PATH": f"{links}:{os.environ['PATH']}", "POSTHORN_CONF": str(self.server.conf)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.server.send(message("New", "marker brace\r\n"), to=["brace@example.com"])
        self.server.wait_for("marker brace", self.user("adam"))
        self.server.append_map("aliases", "broken@example.com\n")  # a fault: the tables of before stay
        self.addCleanup(self.server.run, "reload")
        self.addCleanup(self.server.write_map, "aliases", (self.server.root / "maps/aliases").read_text().replace("broken@example.com\n", ""))
        done = subprocess.run([str(links / "postmap"), "aliases"], capture_output=True, text=True, timeout=60, cwd=self.server.root / "maps",
                              env={**self.server.env, "POSTHORN_CONF": str(self.server.conf)})
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"aliases:\d+: ")
        self.server.send(message("Old", "marker still\r\n"), to=["brace@example.com"])
        self.server.wait_for("marker still", self.user("adam"))

    def test_postmap_of_each_table_makes_it_live(self):
        self.server.append_map("aliases", "new@example.com adam@example.com\n")
        for table in ("aliases", "domains", "mailboxes", "relay-sasl"):
            self.server.run("postmap", f"hash:{self.server.root}/maps/{table}")
        self.server.send(message("New", "marker postmap\r\n"), to=["new@example.com"])
        self.server.wait_for("marker postmap", self.user("adam"))

    # Logins in and out

    def test_a_user_sends_to_the_world_through_the_relay_with_its_login(self):
        self.server.submit(self.user("adam"), message("Out", "marker out\r\n", self.user("adam"), "friend@elsewhere.test"),
                           ["friend@elsewhere.test"])
        sender, to, _, was_tls, account = self.smarthost.wait_for("marker out")
        self.assertEqual((sender, to, was_tls, account), ("adam@example.com", ["friend@elsewhere.test"], True, "username"))

    def test_smtp_and_imap_share_the_users_of_a_passwd_file(self):
        hashed = subprocess.run(["openssl", "passwd", "-6", "from-dovecot"], capture_output=True, text=True, check=True).stdout.strip()
        with open(self.server.root / "conf/users", "a") as users:
            users.write(f"eve@example.com:{{SHA512-CRYPT}}{hashed}:1000:1000::/var/mail/eve::\n")
        self.server.append_map("mailboxes", "eve@example.com eve\n")
        self.server.run("reload")
        self.server.imap("eve@example.com", "from-dovecot").logout()
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            self.assertEqual(client.login("eve@example.com", "from-dovecot")[0], 235)

    def test_a_sender_address_is_protected(self):
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login(self.user("adam"), "pw-adam")
            self.assertEqual(client.mail("bob@example.com")[0], 553)
            client.rset()
            for own in ("adam@example.com", "support@example.com", "someone@example1.com"):
                self.assertEqual(client.mail(own)[0], 250, own)
                client.rset()

    # Filing

    def test_spam_goes_to_junk(self):
        self.server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"), to=[self.user("bob")])
        self.assertIn(b"X-Spam-Flag: YES", self.server.wait_for("marker gtube", self.user("bob"), "Junk"))

    def test_a_tag_leads_to_the_folder_with_a_capital(self):
        client = self.server.imap(self.user("john"))
        client.create("Work")
        client.logout()
        self.server.send(message("Tag", "marker work\r\n"), to=["john+work@example.com"])
        self.server.wait_for("marker work", self.user("john"), "Work")

    def test_files_copied_into_cur_appear_with_dates_and_flags(self):
        client = self.server.imap(self.user("john"))
        client.create("Spam")
        client.logout()
        target = self.server.maildir("john", "example.com") / ".Spam/cur"
        with tempfile.TemporaryDirectory() as source:
            old = pathlib.Path(source) / "1300000000.M1P2.old:2,FS"
            old.write_bytes(message("Old", "marker old\n").replace(b"\r\n", b"\n"))
            os.utime(old, (1300000000, 1300000000))
            subprocess.run(["cp", "-p", str(old), str(target)], check=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "vmail:vmail", str(target)], check=True)
        self.server.wait_for("marker old", self.user("john"), "Spam")
        client = self.server.imap(self.user("john"))
        client.select("Spam", readonly=True)
        told = client.fetch("1", "(FLAGS INTERNALDATE)")[1][0].decode()
        client.logout()
        self.assertIn("\\Seen", told)
        self.assertIn("\\Flagged", told)
        self.assertIn("13-Mar-2011", told)

    # The server

    def test_every_service_speaks_tls_with_the_certificate(self):
        for service, starttls, greeting in (("submissions", None, "220 "), ("imaps", None, "* OK "), ("pop3s", None, "+OK"), ("smtp", "smtp", None),
                                            ("submission", "smtp", None), ("imap", "imap", None), ("pop3", "pop3", None)):
            with self.subTest(service), OpenSsl(self.server.port(service), self.ca, starttls=starttls) as dialog:
                if greeting:
                    self.assertTrue(dialog.lines.readline().decode().startswith(greeting))
                else:  # openssl has taken the greeting
                    dialog.send("a CAPABILITY" if service == "imap" else "CAPA" if service == "pop3" else "EHLO client")
                    self.assertRegex(dialog.lines.readline().decode(), r"^(\* CAPABILITY |\+OK|250-)")

    def test_the_metrics_count_what_happened(self):
        self.server.send(message("Count", "marker metrics\r\n"), to=[self.user("bob")])
        self.server.wait_for("marker metrics", self.user("bob"))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/metrics", timeout=30) as answer:
            samples = openmetrics.read(answer.read().decode())
        total = lambda name: sum(number for (sample, _), number in samples.items() if sample == f"posthorn_{name}")
        for name in ("sessions_total", "messages_accepted_total", "deliveries_total", "filter_verdicts_total", "authentications_total"):
            self.assertGreater(total(name), 0, name)
        self.assertEqual(set(number for (sample, _), number in samples.items() if sample == "posthorn_role_up"), {1.0})

    def test_no_service_takes_a_password_without_tls(self):
        with smtplib.SMTP("localhost", self.server.port("submission"), timeout=30) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)
        with smtplib.SMTP("localhost", self.server.port("smtp"), timeout=30) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)

    def test_the_log_is_the_standard_output(self):
        self.server.send(message("Log", "marker log\r\n"), to=[self.user("bob")])
        self.server.wait_for("marker log", self.user("bob"))
        wait_until(lambda: re.search(r"event=store\.delivered .*to=\"?bob@example\.com", self.server.log()))

    def test_one_verb_reloads(self):
        self.assertEqual(self.server.run("reload").returncode, 0)


class Counterparts(unittest.TestCase):
    """What stood in main.cf, master.cf and Dovecot's files."""

    def test_certificate_and_key_where_they_lay_and_services_on_and_off(self):
        server = Server(env={"POSTHORN_PATHS_CERTIFICATE": "{folder}/etc/ssl/cert.pem", "POSTHORN_PATHS_KEY": "{folder}/etc/ssl/key.pem",
                             "POSTHORN_SERVER_HOSTNAME": "mail.main-cf.test", "POSTHORN_LISTEN_POP3": "", "POSTHORN_LISTEN_POP3S": "",
                             "POSTHORN_STORE_LOCATION": "{domain}/{user}/Maildir", "POSTHORN_STORE_SENT": "Sent Messages"})
        self.addCleanup(server.close)
        folder = server.folder / "etc/ssl"
        folder.mkdir(parents=True)
        _, cert = server_tls(folder)
        cert.rename(folder / "cert.pem")
        (folder / "localhost.key.pem").rename(folder / "key.pem")
        if os.geteuid() == 0:
            shutil.chown(folder / "key.pem", group="posthorn-tls")
            (folder / "key.pem").chmod(0o640)
        server.start()
        with Dialog(server.port("smtp")) as dialog:
            self.assertRegex(dialog.read(), r"^220 mail\.main-cf\.test ESMTP")
        with OpenSsl(server.port("submissions"), folder / "cert.pem") as dialog:
            self.assertRegex(dialog.read(), "^220 ")
        for service in ("pop3", "pop3s"):
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", server.port(service))), 0, service)
        server.send(message("Place", "marker place\r\n"))
        wait_until(lambda: list((server.root / "var/mail/example.org/bob/Maildir/new").glob("*")))
        shutil.copy(folder / "cert.pem", server.root / "tls/cert.pem")  # whom the clients trust
        client = server.imap()
        self.assertIn("Sent Messages", b" ".join(client.list()[1]).decode())
        client.logout()

    def test_restart_by_two_verbs(self):
        with Server() as server:
            self.assertEqual(server.run("stop").returncode, 0)
            self.assertEqual(server.process.wait(60), 0)
            server.process = None
            server.start()
            server.send(message("Again", "marker again\r\n"))
            server.wait_for("marker again")
            self.assertEqual(server.run("status").stdout.splitlines()[0], "everything works")

    def test_each_setting_that_the_readme_sends_people_to_is_there(self):
        text = (ROOT / "conf/README.md").read_text()
        table = text[text.index("## Coming from Postfix and Dovecot"):].split("\n## ")[0]
        known, section = set(), ""
        for line in (ROOT / "conf/posthorn.toml").read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
                known.add(section)  # "pgsql.queries" is one
            elif " = " in line and not line.startswith("#"):
                known.add(f"{section}.{line.split(' = ')[0]}")
        named = set(re.findall(r"`([a-z0-9]+\.[a-z0-9_]+)`", table))
        self.assertGreater(len(named), 15)
        self.assertEqual({name for name in named if not name.endswith((".cf", ".conf", ".sieve"))} - known, set())
        for file in ("main.cf", "master.cf", "10-auth.conf", "10-logging.conf", "10-mail.conf", "10-master.conf", "10-ssl.conf", "15-mailboxes.conf",
                     "20-lmtp.conf", "90-plugin.conf", "90-sieve.conf", "auth-passwdfile.conf.ext", "dovecot.conf"):
            self.assertIn(file, table)


class SpamSettings(unittest.TestCase):
    """MOVE_SPAM_TO_JUNK and MARK_SPAM_AS_READ."""

    def flags_of(self, env, folder):
        script = 'require ["fileinto"];\nif header :contains "Subject" "SPAM" { fileinto "Junk"; stop; }\n'
        server = Server(env=env)
        self.addCleanup(server.close)
        (server.root / "sieve/default.sieve").write_text(script)
        server.start()
        server.send(message("SPAM", "marker spam\r\n"))
        server.wait_for("marker spam", folder=folder)
        client = server.imap()
        client.select(folder, readonly=True)
        told = client.fetch("1", "(FLAGS)")[1][0]
        client.logout()
        return told

    def test_spam_may_stay_in_the_inbox(self):
        self.assertNotIn(b"\\Seen", self.flags_of({"MOVE_SPAM_TO_JUNK": "0"}, "INBOX"))

    def test_spam_may_be_marked_as_read(self):
        self.assertIn(b"\\Seen", self.flags_of({"MARK_SPAM_AS_READ": "1"}, "Junk"))


if __name__ == "__main__":
    unittest.main()
