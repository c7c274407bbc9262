"""System 3, docker-mailserver's introduction: the table of ports and TLS, and a server that its environment configures."""

import imaplib
import pathlib
import poplib
import smtplib
import subprocess
import tempfile
import unittest

from dialogs import Dialog, OpenSsl
from support import Dns, Server, Smarthost, Spamd, message, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Ports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.ca = cls.server.root / "tls/cert.pem"

    def test_25_takes_mail_in_the_clear_and_offers_starttls(self):
        with Dialog(self.server.port("smtp")) as dialog:
            dialog.read()
            extensions = dialog.say("EHLO client")
            self.assertIn("STARTTLS", extensions)
            self.assertNotIn("AUTH", extensions)
            self.assertRegex(dialog.say("MAIL FROM:<a@elsewhere.test>"), r"^250 ")
            self.assertRegex(dialog.say("RCPT TO:<bob@example.org>"), r"^250 ")
        with OpenSsl(self.server.port("smtp"), self.ca, starttls="smtp") as dialog:
            self.assertRegex(dialog.say("EHLO client"), r"^250-")

    def test_587_does_nothing_without_starttls_nor_without_a_login(self):
        with Dialog(self.server.port("submission")) as dialog:
            dialog.read()
            self.assertNotIn("AUTH", dialog.say("EHLO client"))
            self.assertRegex(dialog.say("MAIL FROM:<alice@example.org>"), r"^530 5\.7\.0 Must issue a STARTTLS command first")
            self.assertRegex(dialog.say("AUTH PLAIN AGEAYg=="), r"^538 5\.7\.11 ")
        with OpenSsl(self.server.port("submission"), self.ca, starttls="smtp") as dialog:
            self.assertIn("AUTH PLAIN", dialog.say("EHLO client"))
            self.assertRegex(dialog.say("MAIL FROM:<alice@example.org>"), r"^530 5\.7\.0 Authentication required")

    def test_465_has_tls_from_the_start_and_wants_a_login(self):
        with OpenSsl(self.server.port("submissions"), self.ca) as dialog:
            self.assertRegex(dialog.read(), r"^220 mx\.example\.org ESMTP")
            dialog.say("EHLO client")
            self.assertRegex(dialog.say("MAIL FROM:<alice@example.org>"), r"^530 5\.7\.0 Authentication required")

    def test_143_takes_no_login_before_starttls(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.assertIn("LOGINDISABLED", client.capabilities)
        with self.assertRaises(imaplib.IMAP4.error):
            client.login("bob@example.org", "pw-bob")
        client.shutdown()

    def test_110_takes_no_login_before_stls_and_995_has_tls_from_the_start(self):
        client = poplib.POP3("localhost", self.server.port("pop3"), timeout=30)
        with self.assertRaises(poplib.error_proto):
            client.user("bob@example.org")
            client.pass_("pw-bob")
        client.close()
        client = poplib.POP3("localhost", self.server.port("pop3"), timeout=30)
        client.stls(context=self.server.trust())
        client.user("bob@example.org")
        self.assertTrue(client.pass_("pw-bob").startswith(b"+OK"))
        client.quit()
        client = poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)
        client.user("bob@example.org")
        self.assertTrue(client.pass_("pw-bob").startswith(b"+OK"))
        client.quit()

    def test_993_has_tls_from_the_start(self):
        self.server.imap("bob").logout()


class Environment(unittest.TestCase):
    def server(self, spamd="", **env):
        server = Server(env=env, spamd=spamd)
        self.addCleanup(server.close)
        return server

    def test_the_delivery_chain_with_the_filter_on_reception(self):
        """Transfer, filter and delivery in one chain; the users of one are the users of the other."""
        with Spamd() as spamd:
            server = Server(spamd=spamd.address)
            self.addCleanup(server.close)
            server.start()
            server.send(message("In", "marker chain\r\n"))
            self.assertIn(b"X-Spam-", server.wait_for("marker chain"))
            server.submit("alice", message("Own", "marker own\r\n"), ["bob@example.org"])
            server.wait_for("marker own")
            server.stop()

    def test_mail_leaves_by_port_25_of_the_mx_without_a_relay(self):
        with Smarthost(require_auth=False) as mx, Dns({("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"]}) as dns:
            server = self.server(POSTHORN_RELAY_RESOLVER=dns.address, POSTHORN_RELAY_MX_PORT=mx.port, POSTHORN_RELAY_PRIVATE_MX="yes").start()
            server.submit("alice", message("Out", "marker mx\r\n", to="friend@far.test"), ["friend@far.test"])
            self.assertEqual(mx.wait_for("marker mx")[:2], ("alice@example.org", ["friend@far.test"]))
        self.assertIn("mx_port = 25\n", server.conf.read_text())  # unless told otherwise

    def test_the_default_relay_host(self):
        with Smarthost(require_auth=False) as smarthost:
            server = self.server(DEFAULT_RELAY_HOST=f"[127.0.0.1]:{smarthost.port}", POSTHORN_RELAY_TLS="none").start()
            server.submit("alice", message("Out", "marker default relay\r\n", to="friend@far.test"), ["friend@far.test"])
            smarthost.wait_for("marker default relay")

    def test_pop3_is_optional(self):
        server = self.server(POSTHORN_LISTEN_POP3="", POSTHORN_LISTEN_POP3S="").start()
        for service in ("pop3", "pop3s"):
            with self.assertRaises(ConnectionRefusedError):
                Dialog(server.port(service))
        server.imap("bob").logout()

    def test_looser_tls_by_an_environment_file(self):
        """mailserver.env, read by a shell as `docker run --env-file` reads it."""
        server = self.server()
        file = server.folder / "mailserver.env"
        file.write_text("# looser, for a network of one's own\nPOSTHORN_AUTH_ALLOW_PLAINTEXT=yes\nPOSTHORN_SUBMISSION_REQUIRE_TLS=no\n")
        server.start(launcher=("sh", "-c", 'set -a; . "$0"; exec "$@"', str(file)))
        with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=30) as client:
            client.login("alice@example.org", "pw-alice")
            client.sendmail("alice@example.org", ["bob@example.org"], message("Clear", "marker clear\r\n"))
        server.wait_for("marker clear")
        client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=30)
        client.login("bob@example.org", "pw-bob")
        client.logout()
        client = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=30)
        client.user("bob@example.org")
        client.pass_("pw-bob")
        client.quit()

    def test_any_key_by_its_variable(self):
        server = self.server(POSTHORN_SMTP_BANNER="Hello from outside", POSTHORN_SMTP_MESSAGE_MAX="1MB",
                             POSTHORN_SUBMISSION_CHECK_SENDER="0", POSTHORN_STORE_ALSO_CREATE="Bills, Letters").start()
        with Dialog(server.port("smtp")) as dialog:
            self.assertEqual(dialog.read(), "220 mx.example.org Hello from outside")
            self.assertIn("SIZE 1048576", dialog.say("EHLO client"))
        client = server.imap("bob")
        self.assertIn(b"Letters", b" ".join(client.list()[1]))
        client.logout()
        told = server.run("check").stdout
        self.assertIn("POSTHORN_SMTP_BANNER sets smtp.banner\n", told)
        self.assertIn("POSTHORN_STORE_ALSO_CREATE sets store.also_create\n", told)

    def test_a_value_from_a_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("From a file\n")
            file.flush()
            pathlib.Path(file.name).chmod(0o600)  # the roles could not read it
            server = self.server(POSTHORN_SMTP_BANNER__FILE=file.name).start()
            with Dialog(server.port("smtp")) as dialog:
                self.assertEqual(dialog.read(), "220 mx.example.org From a file")

    def test_a_misspelt_variable_is_an_error_that_names_the_near_one(self):
        server = self.server()
        for name, near in (("POSTHORN_SMTP_BANER", "POSTHORN_SMTP_BANNER"), ("POSTHORN_RELAYHOST", "POSTHORN_RELAY_RELAYHOST")):
            server.env[name] = "x"
            for command in ("check", "serve"):
                done = server.run(command, check=False)
                self.assertEqual(done.returncode, 78 if command == "serve" else done.returncode)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"the environment's {name} is no setting, did you mean {near}?", done.stderr)
            del server.env[name]

    def test_a_value_out_of_range_names_the_variable(self):
        server = self.server()
        for name, value, reason in (("POSTHORN_SMTP_RECIPIENTS_MAX", "3", "smtp.recipients_max is 3, must be"),
                                    ("POSTHORN_SMTP_REQUIRE_HELO", "perhaps", "smtp.require_helo must be"),
                                    ("POSTHORN_RELAY_TLS", "some", "relay.tls is \"some\"")):
            server.env[name] = value
            done = server.run("check", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"{name}: {reason}", done.stderr)
            del server.env[name]

    def test_a_file_that_is_not_there(self):
        server = self.server()
        server.env["POSTHORN_SMTP_BANNER__FILE"] = "/nowhere/banner"
        self.assertIn("POSTHORN_SMTP_BANNER__FILE: there is no file /nowhere/banner", server.run("check", check=False).stderr)

    def test_docker_mailservers_names(self):
        server = self.server(OVERRIDE_HOSTNAME="mail.override.test", SPOOF_PROTECTION="0", POSTMASTER_ADDRESS="alice@example.org",
                             SA_TAG2="6.31", MOVE_SPAM_TO_JUNK="1").start()
        with Dialog(server.port("smtp")) as dialog:
            self.assertRegex(dialog.read(), r"^220 mail\.override\.test ESMTP")
        with smtplib.SMTP_SSL("localhost", server.port("submissions"), context=server.trust(), timeout=30) as client:
            client.login("alice@example.org", "pw-alice")
            self.assertEqual(client.mail("anybody@elsewhere.test")[0], 250)
        server.send(message("To the master", "marker postmaster\r\n"), to=["postmaster"])
        server.wait_for("marker postmaster", "alice")
        told = server.run("check").stdout
        self.assertIn("SPOOF_PROTECTION sets submission.check_sender\n", told)
        self.assertIn("SA_TAG2 sets filter.spam_score\n", told)

    def test_marks_and_scores_of_spam(self):
        """SPAM_SUBJECT marks exactly one field; SA_TAG2 says what spam is; SA_KILL is obeyed only where spam is not to arrive."""
        spamd = Spamd().start()
        self.addCleanup(spamd.stop)
        server = self.server(spamd=spamd.address, SPAM_SUBJECT="***SPAM*** ", SA_TAG2="900", MOVE_SPAM_TO_JUNK="0").start()
        words = "=?utf-8?Q?caf=C3=A9_et?=\r\n =?utf-8?Q?_croissant?="
        server.send(message(words, f"marker spam {GTUBE}\r\n", X_Subject="Subject: other"))
        text = server.wait_for("marker spam").decode()
        self.assertIn(f"\r\nSubject: ***SPAM*** {words}\r\n".replace("\r\n", "\n"), text.replace("\r\n", "\n"))
        header = text.replace("\r\n", "\n").split("\n\n")[0]
        self.assertEqual(header.count("\nSubject:"), 1)
        self.assertIn("\nX-Subject: Subject: other", header)
        self.assertIn("\nX-Spam-Flag: YES", header)
        self.assertIn(" required=900", header)
        server.send(message("Ham", "marker ham\r\n"))
        self.assertIn("\nSubject: Ham", server.wait_for("marker ham").decode().replace("\r\n", "\n"))
        server.stop()
        server.env.update(SPAMASSASSIN_SPAM_TO_INBOX="0", SA_KILL="100")
        server.start()
        server.send(message("Gone", f"marker gone {GTUBE}\r\n"))
        wait_until(lambda: "event=queue.discarded" in server.log())
        wait_until(lambda: "0 messages" in server.run("queue", "list").stdout)
        server.env["SA_TAG2"] = "2000"  # nothing is spam
        server.stop()
        server.start()
        server.send(message("Kept", f"marker kept {GTUBE}\r\n"))
        text = server.wait_for("marker kept").decode().replace("\r\n", "\n")
        self.assertIn("\nSubject: Kept\n", text)
        self.assertNotIn("X-Spam-Flag", text)

    def test_networks_that_may_relay(self):
        """PERMIT_DOCKER, as smtp.relay_from: on 25 without a login to anybody; and nobody else."""
        with Smarthost(require_auth=False) as smarthost:
            server = self.server(RELAY_HOST="127.0.0.1", RELAY_PORT=smarthost.port, POSTHORN_RELAY_TLS="none", PERMIT_DOCKER="network").start()
            self.assertIn("PERMIT_DOCKER sets smtp.relay_from\n", server.run("check").stdout)
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                server.send(message(to="friend@far.test"), to=["friend@far.test"])
            server.stop()
            server.env["POSTHORN_SMTP_RELAY_FROM"] = "127.0.0.0/8"
            server.start()
            server.send(message("Out", "marker network\r\n", to="friend@far.test"), to=["friend@far.test"])
            self.assertEqual(smarthost.wait_for("marker network")[1], ["friend@far.test"])
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                server.send(message(), to=["nobody@example.org"])
            with smtplib.SMTP("localhost", server.port("submission"), timeout=30) as client:
                client.starttls(context=server.trust())
                client.ehlo()
                self.assertEqual(client.docmd("MAIL FROM:<a@example.org>")[0], 530)

    def test_relay_by_variables(self):
        with Smarthost(user="relay-user", password="relay:pass") as smarthost:
            server = self.server(RELAY_HOST="127.0.0.1", RELAY_PORT=smarthost.port, RELAY_USER="relay-user", RELAY_PASSWORD="relay:pass",
                                 POSTHORN_RELAY_TLS="none").start()
            server.submit("alice", message("Out", "marker relay\r\n", to="friend@elsewhere.test"), ["friend@elsewhere.test"])
            sender, to, _, _, account = smarthost.wait_for("marker relay")
            self.assertEqual((to, account), (["friend@elsewhere.test"], "relay-user"))
            self.assertNotIn("relay:pass", server.log())


class ConfigFiles(unittest.TestCase):
    def test_accounts_aliases_and_relay_logins_of_docker_mailserver(self):
        records = {("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"]}
        with tempfile.TemporaryDirectory() as folder, Dns(records) as dns, Smarthost(require_auth=False) as mx, \
                Smarthost(user="one-user", password="one-pass") as smarthost:
            dms = pathlib.Path(folder)
            # openssl passwd -6 -salt saltsalt secret-a
            hashed = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", "secret-a"], capture_output=True, text=True, check=True)
            (dms / "postfix-accounts.cf").write_text(f"anna@one.test|{{SHA512-CRYPT}}{hashed.stdout.strip()}\n# a comment\n"
                                                     f"ben@two.test|{{SHA512-CRYPT}}{hashed.stdout.strip()}|userdb_quota_rule=*:storage=5M\n")
            (dms / "postfix-virtual.cf").write_text("info@one.test anna@one.test\nteam@two.test anna@one.test,ben@two.test\n@two.test ben@two.test\n")
            (dms / "postfix-sasl-password.cf").write_text("[smtp.relay.test]:587 me:pass\n@one.test one-user:one-pass\n")
            (dms / "postfix-relaymap.cf").write_text(f"@one.test [127.0.0.1]:{smarthost.port}\n@two.test\n")
            (dms / "postfix-regexp.cf").write_text("/^test[0-9]@one.test/ anna@one.test\n/^broken(/ anna@one.test\n")
            (dms / "dovecot-quotas.cf").write_text("anna@one.test:5M\n")
            (dms / "before.dovecot.sieve").write_text('require "fileinto";\nif header :contains "Subject" "first" { fileinto "First"; }\n')
            (dms / "after.dovecot.sieve").write_text('require "fileinto";\nif header :contains "Subject" "last" { fileinto "Last"; }\n')
            (dms / "anna@one.test.dovecot.sieve").write_text(
                'require ["fileinto"];\nif header :contains "Subject" "hers" { fileinto "Hers"; stop; }\n')
            (dms / "ben@two.test.dovecot.sieve").write_text("keep;\nif {\n")
            # setup config dkim
            keys = dms / "opendkim/keys/one.test"
            keys.mkdir(parents=True)
            subprocess.run(["openssl", "genrsa", "-traditional", "-out", keys / "mail.private", "2048"], check=True, capture_output=True)
            (keys / "mail.txt").write_text("mail._domainkey IN TXT ...\n")
            (dms / "opendkim/KeyTable").write_text("mail._domainkey.one.test one.test:mail:/etc/opendkim/keys/one.test/mail.private\n"
                                                   "mail._domainkey.gone.test gone.test:mail:/etc/opendkim/keys/gone.test/mail.private\n")
            (dms / "opendkim/SigningTable").write_text("*@one.test mail._domainkey.one.test\n")
            server = Server(domains=("one.test",), users=(), mx="mx.one.test", init=("--from-dms", folder))
            self.addCleanup(server.close)
            self.assertEqual((server.root / "dkim/one.test/mail.pem").read_bytes(), (keys / "mail.private").read_bytes())
            self.assertRegex(server.run("dkim", "show").stdout, r'^mail\._domainkey\.one\.test\. IN TXT \( "v=DKIM1; k=rsa; p=')
            self.assertRegex(server.init_output, r"(?m)^left out .*opendkim/KeyTable:2: there is no opendkim/keys/gone\.test/mail\.private")
            for key, value in {"tls": '"none"', "resolver": f'"{dns.address}"', "mx_port": str(mx.port), "private_mx": "true"}.items():
                server.set(f"relay.{key}", value)
            server.start()
            server.send(message("Info", "marker team\r\n"), to=["team@two.test"])
            server.send(message("Info", "marker any\r\n"), to=["whoever@two.test"])
            server.password = lambda address: "secret-a"
            server.wait_for("marker team", "anna@one.test")
            server.wait_for("marker team", "ben@two.test")
            server.wait_for("marker any", "ben@two.test")
            server.send(message("Pattern", "marker pattern\r\n"), to=["test7@one.test"])
            server.wait_for("marker pattern", "anna@one.test")
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                server.send(message("None"), to=["testx@one.test"])
            self.assertIn('aliases = ["text:aliases", "regexp:aliases.regexp"]', server.conf.read_text())
            server.submit("anna@one.test", message("Signed", "marker signed\r\n", sender="anna@one.test"), ["ben@two.test"])
            self.assertIn(b"d=one.test; s=mail;", server.wait_for("marker signed", "ben@two.test"))
            self.assertIn("[smtp.relay.test]:587 me:pass", (server.root / "maps/relay-sasl").read_text())
            # setup relay add-domain, add-auth, exclude-domain: the sender's domain chooses
            self.assertEqual((server.root / "maps/sender-relays").read_text(), f"@one.test [127.0.0.1]:{smarthost.port}\n@two.test smtp:\n")
            for sender in ("anna@one.test", "ben@two.test"):
                server.submit(sender, message("Out", f"marker of {sender}\r\n", sender=sender), ["friend@far.test"])
            self.assertEqual(smarthost.wait_for("marker of anna@one.test")[4], "one-user")
            mx.wait_for("marker of ben@two.test")
            self.assertNotIn("marker of ben@two.test", str(smarthost.received))
            self.assertRegex(server.init_output, r"(?m)^left out .*postfix-regexp\.cf:2: ")
            self.assertRegex(server.init_output, r"(?m)^left out .*ben@two\.test\.dovecot\.sieve:2: ")
            # Before all, hers or the default's, after all; spam to Junk for her too.
            for subject, user, folder in (("first and hers", "anna@one.test", "First"), ("hers and last", "anna@one.test", "Hers"),
                                          ("last", "anna@one.test", "Last"), ("hers", "ben@two.test", "INBOX"), ("last", "ben@two.test", "Last")):
                marker = f"marker sieve {subject} {user}"
                server.send(message(subject, f"{marker}\r\n"), to=[user])
                server.wait_for(marker, user, folder)
            server.send(message("spam", "marker sieve spam\r\n", X_Spam_Flag="YES"), to=["anna@one.test"])
            server.wait_for("marker sieve spam", "anna@one.test", "Junk")
            self.assertEqual(server.run("check").returncode, 0)
            # setup quota set
            limits = server.run("quota", "list").stdout
            for account in ("anna@one.test", "ben@two.test"):
                self.assertRegex(limits, rf"(?m)^{account} +[0-9.]+[BK] +5M ")
            # setup email add, setup email list, setup alias add
            server.add_user("carl@one.test", "secret-a")
            self.assertIn("carl@one.test", server.run("user", "list").stdout)
            server.append_map("aliases", "all@one.test carl@one.test,anna@one.test\n")
            server.run("reload")
            server.send(message("All", "marker all\r\n"), to=["all@one.test"])
            server.wait_for("marker all", "carl@one.test")


if __name__ == "__main__":
    unittest.main()
