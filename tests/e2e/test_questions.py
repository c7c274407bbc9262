"""What administrators ask at three in the morning, each question by the one command that answers it: the answer names the line or
the setting that decides, and what to do. One server, its tables and users as a small firm has them.

The questions are what is asked again and again in trackers and forums of mail servers, in our words.
"""

import email
import json
import pathlib
import smtplib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, Spamd, assert_fits, message, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
VACATION = 'require ["vacation"];\nvacation :days 7 :subject "Away" "I am away.";\n'
NEWSLETTER = 'require ["fileinto"];\nif header :contains "Subject" "offer" {\n  fileinto "Junk";\n}\n'


class Questions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spamd = Spamd().start()
        cls.addClassCleanup(cls.spamd.stop)
        cls.relay = cls.enterClassContext(Smarthost(script={"RCPT TO:<slow@": "451 4.7.1 greylisted, come again",
                                                            "RCPT TO:<gone@": "550 5.1.1 no such user"}))
        cls.old = cls.enterClassContext(Smarthost(require_auth=False))
        cls.server = server = Server(
            users=("alice", "bob", "carol", "dave", "erin"), spamd=cls.spamd.address,
            settings=cls.relay.settings(**{"queue.retry_first": '"1s"', "queue.retry_max": '"2s"'}))
        cls.maps = server.root / "maps"
        cls.users = server.root / "conf" / "users"
        server.write_map("aliases", "# addresses of the firm\n"
                                    "info@example.org bob@example.org\n"
                                    "list@example.org alice@example.org, carol@example.org, friend@far.test\n"
                                    "@example.org erin@example.org\n"
                                    "sales@example.org alice@example.org\n"
                                    "lost@example.org gone@far.test\n")
        server.write_map("transport", f"example.net smtp:[127.0.0.1]:{cls.old.port}\n")
        server.write_map("relay-sasl", f"[127.0.0.1]:{cls.relay.port} apikey:secret\n")
        lines = cls.users.read_text().splitlines()
        cls.line_of = {line.split("@")[0]: number for number, line in enumerate(lines, 1) if "@" in line}
        lines[cls.line_of["dave"] - 1] += "::::::allow_nets=10.0.0.0/8"
        lines[cls.line_of["erin"] - 1] = "erin@example.org:{CRAM-MD5}cd3ba7deaad6e5ca"
        cls.users.write_text("\n".join(lines) + "\n")
        folder = server.root / "sieve" / "users"
        folder.mkdir(exist_ok=True)
        (folder / "alice@example.org.sieve").write_text(NEWSLETTER)
        (folder / "carol@example.org.sieve").write_text(VACATION)
        server.start()
        cls.addClassCleanup(server.close)

    def ask(self, *words, holds=(), status=None):
        """The answer, as soon as it holds all that; what the roles tell the trail comes a moment later."""
        def answer():
            done = self.server.run(*words, check=False)
            text = done.stdout + done.stderr
            answer.last = f"exit {done.returncode}\n{text}"
            right = all(part in text for part in holds) and (status is None or done.returncode == status)
            return text if right else ""

        try:
            return wait_until(answer)
        except AssertionError:
            raise AssertionError(f"posthorn {' '.join(words)}: not {holds}\n{answer.last}") from None

    def place(self, table, line):
        return f"{self.maps / table}:{line}"

    # Addresses and tables

    def test_why_does_mail_to_info_go_to_bob(self):
        self.ask("explain", "rcpt", "info@example.org", holds=["info@example.org is in aliases: bob@example.org",
                                                               self.place("aliases", 2), "Taken: 250"], status=0)

    def test_who_got_the_mail_to_the_list(self):
        self.server.send(message("Minutes", "marker minutes\r\n", to="list@example.org"), to=["list@example.org"])
        self.ask("trace", "list@example.org", holds=["alice@example.org", "carol@example.org", "friend@far.test",
                                                     self.place("aliases", 3), "it left the queue"])

    def test_did_the_catch_all_eat_it(self):
        self.ask("explain", "rcpt", "wolfgnag@example.org", holds=["erin@example.org", self.place("aliases", 4), "catches"], status=0)

    def test_why_is_a_mail_refused_with_relaying_denied(self):
        with self.server.smtp() as client:
            client.ehlo("client.test")
            client.mail("bob@example.org")
            code, _ = client.rcpt("friend@far.test")
        self.assertEqual(code, 554)
        self.ask("explain", "rcpt", "friend@far.test", "--from", "bob@example.org", "--ip", "198.51.100.7",
                 holds=["far.test is not ours", "smtp.relay_from", "Refused: 554 5.7.1"], status=1)

    def test_why_can_carol_not_send_as_sales(self):
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.server.submit("carol", message("Offer", "x\r\n"), ["bob@example.org"], sender="sales@example.org")
        self.ask("explain", "send", "carol@example.org", "sales@example.org",
                 holds=["alice@example.org", self.place("aliases", 5), "Refused: 553"], status=1)
        self.ask("explain", "send", "alice@example.org", "sales@example.org", holds=["Taken: 250"], status=0)

    def test_why_does_mail_to_example_net_leave_by_the_old_smarthost(self):
        self.ask("explain", "relay", "x@example.net", holds=[f"127.0.0.1:{self.old.port}", self.place("transport", 1)], status=0)

    def test_which_password_is_used_at_the_relay(self):
        text = self.ask("explain", "relay", "x@far.test", holds=["relay.relayhost", f"127.0.0.1:{self.relay.port} as apikey",
                                                                 self.place("relay-sasl", 1)], status=0)
        self.assertNotIn("secret", text)

    # Mails

    def test_where_is_the_mail_that_i_sent_at_ten(self):
        self.server.submit("alice", message("At ten", "marker ten\r\n"), ["partner@far.test"])
        self.relay.wait_for("marker ten")
        self.ask("trace", "partner@far.test", "--from", "alice@example.org", "--since", "1h",
                 holds=["logged in as alice@example.org", f"127.0.0.1[127.0.0.1]:{self.relay.port} took it for partner@far.test",
                        "250 2.0.0 taken", ": delivered"])

    def test_why_is_it_still_in_the_queue(self):
        self.server.submit("alice", message("Slow", "x\r\n"), ["slow@far.test"])
        self.ask("queue", "list", "--to", "slow@far.test", holds=["slow@far.test", "451 4.7.1 greylisted, come again"])
        self.ask("trace", "slow@far.test", holds=["451 4.7.1 greylisted, come again", "the next attempt is at", ": waiting"])

    def test_what_happened_to_the_message_with_this_id(self):
        raw = message("Which", "marker which\r\n")
        self.server.send(raw)
        self.ask("trace", email.message_from_bytes(raw)["Message-ID"],
                 holds=["friend@elsewhere.test", "INBOX of bob@example.org", "delivered"])

    def test_why_was_a_sender_refused(self):
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.server.submit("bob", message("As the chief", "x\r\n"), ["alice@example.org"], sender="chief@far.test")
        self.ask("trace", "bob@example.org", "--refused", holds=["may not send as chief@far.test", "553"])

    def test_why_is_my_newsletter_in_junk(self):
        self.server.send(message("An offer", "marker newsletter\r\n", to="alice@example.org"), sender="shop@far.test",
                         to=["alice@example.org"])
        self.server.wait_for("marker newsletter", "alice", "Junk")
        self.ask("trace", "shop@far.test", holds=["Junk", "alice@example.org.sieve", "delivered"])

    def test_is_spamd_used_for_that_mail_and_what_did_it_find(self):
        self.server.send(message("Buy", f"marker buy\r\n{GTUBE}\r\n"), sender="spammer@far.test")
        self.ask("trace", "spammer@far.test", holds=["GTUBE", "spam", "Junk"])

    def test_why_did_the_vacation_not_answer(self):
        self.server.send(message("News", "marker news\r\n", to="carol@example.org", List_Id="<news.far.test>"),
                         sender="news@far.test", to=["carol@example.org"])
        self.ask("trace", "news@far.test", holds=["Vacation of carol@example.org did not answer news@far.test", "it is from a mailing list"])

    def test_why_did_the_bounce_go_nowhere(self):
        # Of the null sender (a bounce itself, RFC 5321 section 4.5.5) there is nobody to tell.
        self.server.send(message("Undeliverable", "x\r\n", to="lost@example.org"), sender="", to=["lost@example.org"])
        self.ask("trace", "lost@example.org", "--from", "<>",
                 holds=["It has no sender to be told that gone@far.test did not get it", "550 5.1.1 no such user", self.place("aliases", 6)])

    # Logins

    def test_why_can_dave_not_log_in_from_his_phone(self):
        text = self.ask("explain", "login", "dave", "--ip", "198.51.100.9",
                        holds=["NO networks", "198.51.100.9 is not in allow_nets=10.0.0.0/8",
                               f"{self.users}:{self.line_of['dave']}", "-> add its network"], status=1)
        self.assertIn("it is dave@example.org", text)
        self.ask("explain", "login", "dave", "--ip", "10.1.2.3", holds=["dave@example.org logs in from 10.1.2.3"], status=0)

    def test_why_can_erin_not_log_in_since_we_moved_here(self):
        self.ask("explain", "login", "erin@example.org",
                 holds=["NO hash", "{CRAM-MD5}", f"{self.users}:{self.line_of['erin']}", "-> posthorn user passwd erin@example.org"], status=1)

    def test_why_does_the_login_with_an_alias_not_work(self):
        self.ask("explain", "login", "info@example.org",
                 holds=["NO account", "does not stand there", "an alias is no login", self.place("aliases", 2), "log in as bob@example.org"],
                 status=1)

    def test_is_this_address_banned(self):
        self.server.run("ban", "add", "198.51.100.66", "--for", "2h")
        self.ask("explain", "login", "bob@example.org", "--ip", "198.51.100.66",
                 holds=["NO ban", "198.51.100.66 is banned by hand until", "-> posthorn ban remove 198.51.100.66"], status=1)
        self.server.run("ban", "remove", "198.51.100.66")
        self.ask("explain", "login", "bob@example.org", "--ip", "198.51.100.66", holds=["bob@example.org logs in"], status=0)

    def test_is_it_the_right_password_and_who_tried_last(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
                client.login("alice@example.org", "not hers")
        for password, holds, status in (("pw-alice", ["the password is the right one"], 0), ("not hers", ["NO password"], 1)):
            done = self.server.run("explain", "login", "alice", "--password-stdin", input=password + "\n", check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            for part in holds:
                self.assertIn(part, done.stdout)
            self.assertNotIn(password, done.stdout)
        self.ask("explain", "login", "alice", holds=["submission from 127.0.0.1: refused: wrong password"])
        page = json.loads(self.server.run("explain", "login", "alice", "--json").stdout)
        assert_fits("explain_login", page)
        self.assertEqual(page["services"][0]["account"], "alice@example.org")

    # The server

    def test_did_the_certificate_renew(self):
        text = self.ask("status", holds=["certificate"])
        self.assertRegex(text, r"certificate.*ends.*20\d\d-\d\d-\d\d|ends 20\d\d-\d\d-\d\d")

    def test_why_is_a_mailbox_full(self):
        self.server.run("quota", "set", "erin@example.org", "1K")
        with self.assertRaises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)):
            self.server.send(message("Big", "x" * 70 + "\r\n" * 40, to="erin@example.org"), sender="big@far.test", to=["erin@example.org"])
            self.server.send(message("Big", ("x" * 70 + "\r\n") * 40, to="erin@example.org"), sender="big@far.test", to=["erin@example.org"])
        self.ask("trace", "erin@example.org", "--refused", holds=["erin@example.org", "552"])


if __name__ == "__main__":
    unittest.main()
