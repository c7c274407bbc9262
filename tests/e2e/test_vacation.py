"""What is sent in answer to mail: vacation (of a script and of `posthorn vacation`), duplicate, refusals; also under kill -9."""

import datetime
import email
import email.header
import pathlib
import random
import smtplib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, Smarthost, message, wait_until

SCRIPT = """
require ["vacation", "fileinto", "ereject", "fcc", "mailbox", "duplicate", "variables"];
if header :contains "Subject" "geh weg" { ereject "Keine Grüße mehr, bitte."; stop; }
if duplicate { fileinto :create "Twice"; stop; }
vacation :days 7 :subject "Abwesend" :fcc "Sent" "Ich bin nicht da. Grüße";
"""


def decoded(raw, name):
    return str(email.header.make_header(email.header.decode_header(email.message_from_bytes(raw)[name])))


def body_of(raw):
    return email.message_from_bytes(raw).get_payload(decode=True).decode()


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.smarthost = cls.enterClassContext(Smarthost.with_tls())
        cls.server = Server(users=("alice", "bob", "carol"), settings=cls.smarthost.settings(**{"queue.retry_first": '"1s"'}))
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} apikey:secret\n")
        cls.server.append_map("aliases", "sales@example.org bob@example.org\n")
        (cls.server.root / "sieve" / "default.sieve").write_text("keep;\n")
        (cls.server.root / "sieve" / "users").mkdir(exist_ok=True)
        (cls.server.root / "sieve" / "users" / "bob@example.org.sieve").write_text(SCRIPT)
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def answers_to(self, sender):
        return [one for one in self.smarthost.received if one[1] == [sender]]

    def settle(self, marker, folder="INBOX"):
        """The mail is stored and all that it brought about has left."""
        self.server.wait_for(marker, folder=folder)
        wait_until(lambda: self.server.queued() == [])

    def test_a_stranger_is_answered_once(self):
        for number in range(3):
            self.server.send(message("hello", f"marker once {number}\r\n"), sender="one@elsewhere.test")
            self.settle(f"marker once {number}")
        answers = self.answers_to("one@elsewhere.test")
        self.assertEqual(len(answers), 1)
        sender, _, raw, _, _ = answers[0]
        self.assertEqual(sender, "")
        parsed = email.message_from_bytes(raw)
        self.assertEqual(parsed["From"], "<bob@example.org>")
        self.assertEqual(parsed["To"], "<one@elsewhere.test>")
        self.assertEqual(parsed["Auto-Submitted"], "auto-replied")
        self.assertTrue(parsed["In-Reply-To"].endswith("@example.org>"))
        self.assertEqual(parsed["References"], parsed["In-Reply-To"])
        self.assertEqual(decoded(raw, "Subject"), "Abwesend")
        self.assertEqual(body_of(raw), "Ich bin nicht da. Grüße\r\n")
        copies = [one for one in self.server.fetch_all(folder="Sent") if b"one@elsewhere.test" in one]
        self.assertEqual(len(copies), 1)

    def test_who_is_not_answered(self):
        silent = {"list": {"List_Id": "<x.example.net>"}, "bulk": {"Precedence": "bulk"}, "auto": {"Auto_Submitted": "auto-generated"},
                  "oof": {"X_Auto_Response_Suppress": "OOF"}, "other": {"to": "undisclosed-recipients:;"}, "bcc": {"to": "carol@example.org"}}
        for name, more in silent.items():
            with self.subTest(name):
                sender = f"{name}@elsewhere.test"
                self.server.send(message("hello", f"marker silent {name}\r\n", **more), sender=sender)
                self.settle(f"marker silent {name}")
                self.assertEqual(self.answers_to(sender), [])
        for sender in ("", "MAILER-DAEMON@elsewhere.test", "people-request@elsewhere.test", "owner-people@elsewhere.test"):
            with self.subTest(sender):
                self.server.send(message("hello", f"marker program {sender}\r\n"), sender=sender)
                self.settle(f"marker program {sender}")
                self.assertEqual(self.answers_to(sender), [])

    def test_an_alias_is_the_users_own(self):
        self.server.send(message("hello", "marker alias\r\n", to="sales@example.org"), sender="buyer@elsewhere.test",
                         to=["sales@example.org"])
        self.settle("marker alias")
        self.assertEqual(len(self.answers_to("buyer@elsewhere.test")), 1)

    def test_a_neighbour_is_answered_and_does_not_answer_back(self):
        self.server.submit("carol", message("hello", "marker neighbour\r\n", sender="carol@example.org"), ["bob@example.org"])
        self.settle("marker neighbour")
        raw = self.server.wait_for("Ich bin nicht da", "carol")
        self.assertIn(b"Return-Path: <>\r\n", raw)

    def test_the_same_id_comes_once(self):
        raw = message("hello", "marker twice\r\n")
        self.server.send(raw)
        self.settle("marker twice")
        self.server.send(raw)
        self.settle("marker twice", folder="Twice")
        self.assertEqual(len([one for one in self.server.fetch_all() if b"marker twice" in one]), 1)

    def test_a_refusal_is_told_in_the_scripts_words(self):
        self.server.submit("alice", message("geh weg", "marker refused\r\n"), ["bob@example.org"])
        raw = self.server.wait_for("Action: failed", "alice")
        part = email.message_from_bytes(raw).get_payload()[0]
        self.assertIn("Keine Grüße mehr, bitte.", part.get_payload(decode=True).decode())
        self.assertFalse([one for one in self.server.fetch_all() if b"marker refused" in one])

    def test_spam_is_refused_to_nobody(self):
        start = len(self.server.log())
        self.server.send(message("geh weg", "marker spam\r\n", X_Spam_Flag="YES"), sender="victim@elsewhere.test")
        wait_until(lambda: "event=store.discarded" in self.server.log(start) or self.answers_to("victim@elsewhere.test"))
        wait_until(lambda: self.server.queued() == [])
        self.assertEqual(self.answers_to("victim@elsewhere.test"), [])


class Command(unittest.TestCase):
    """`posthorn vacation`, beside a script that it does not know of."""

    @classmethod
    def setUpClass(cls):
        cls.smarthost = cls.enterClassContext(Smarthost.with_tls())
        cls.server = Server(users=("alice", "bob"), settings=cls.smarthost.settings())
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} apikey:secret\n")
        (cls.server.root / "sieve" / "default.sieve").write_text('require "fileinto";\nif header :is "Subject" "work" { fileinto "Work"; }\n')
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def vacation(self, *args, text=None, check=True):
        return self.server.run("vacation", *args, input=text, check=check)

    def answered(self, sender, subject="hello", folder="INBOX"):
        marker = f"marker {sender} {random.random()}"
        self.server.send(message(subject, marker + "\r\n"), sender=sender)
        self.server.wait_for(marker, folder=folder)
        wait_until(lambda: self.server.queued() == [])
        return [one[2] for one in self.smarthost.received if one[1] == [sender]]

    def test_on_show_off(self):
        today = datetime.date.today()
        self.vacation("on", "--user", "bob@example.org", "--text", "-", "--subject", "Weg: Möntag", "--days", "2", text="Bin weg.\n")
        shown = self.vacation("show", "--user", "bob@example.org").stdout
        self.assertIn("Weg: Möntag", shown)
        self.assertIn("Bin weg.", shown)
        first = self.answered("a@elsewhere.test", "work", folder="Work")
        self.assertEqual(len(first), 1)
        self.assertEqual(decoded(first[0], "Subject"), "Weg: Möntag")
        self.assertEqual(body_of(first[0]), "Bin weg.\r\n")
        self.assertEqual(len(self.answered("a@elsewhere.test")), 1)
        # Another text is another answer.
        self.vacation("on", "--user", "bob@example.org", "--text", "-", "--from", str(today), "--to", str(today), text="Heute weg.\n")
        self.assertEqual(len(self.answered("a@elsewhere.test")), 2)
        ahead = str(today + datetime.timedelta(days=2))
        self.vacation("on", "--user", "bob@example.org", "--text", "-", "--from", ahead, text="Bald weg.\n")
        self.assertEqual(len(self.answered("b@elsewhere.test")), 0)
        past = str(today - datetime.timedelta(days=2))
        self.vacation("on", "--user", "bob@example.org", "--text", "-", "--to", past, text="War weg.\n")
        self.assertEqual(len(self.answered("b@elsewhere.test")), 0)
        self.vacation("off", "--user", "bob@example.org")
        self.assertEqual(len(self.answered("b@elsewhere.test")), 0)
        self.assertNotIn("weg", self.vacation("show", "--user", "bob@example.org").stdout)

    def test_what_makes_no_sense_is_said(self):
        for args, text in ((("--to", "tomorrow"), "x"), (("--days", "0"), "x"), ((), ""), (("--from", "2026-02-02", "--to", "2026-02-01"), "x")):
            with self.subTest(args):
                result = self.vacation("on", "--user", "bob@example.org", "--text", "-", *args, text=text, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertTrue(result.stderr.strip())
        self.assertNotEqual(self.vacation("on", "--user", "nobody@example.org", "--text", "-", text="x", check=False).returncode, 0)


class Storm(unittest.TestCase):
    """Many senders, and the server killed among them: nobody is answered twice, no mail is lost."""

    def setUp(self):
        self.smarthost = self.enterContext(Smarthost.with_tls())
        self.server = Server(users=("alice", "bob"), settings=self.smarthost.settings(**{"queue.retry_first": '"1s"'}))
        self.addCleanup(self.server.close)
        self.server.write_map("relay-sasl", f"[localhost]:{self.smarthost.port} apikey:secret\n")
        (self.server.root / "sieve" / "default.sieve").write_text(
            'require ["vacation", "duplicate"];\nif duplicate { discard; stop; }\nvacation :days 7 "Away.";\n')

    def send_all(self, senders, acknowledged):
        """One mail of each; goes away with the server."""
        try:
            with smtplib.SMTP("127.0.0.1", self.server.port("smtp"), "client.test", timeout=20) as client:
                for sender in senders:
                    client.sendmail(sender, ["bob@example.org"], message("storm", f"from {sender}\r\n", sender=sender))
                    acknowledged.add(sender)
        except (OSError, smtplib.SMTPException):
            if self.server.process is not None:
                time.sleep(0.05)

    def check(self, acknowledged, copies_max, kills=0):
        wait_until(lambda: not self.server.run("queue", "list", "--json").stdout.strip(), 240, 0.5)
        answered = {}
        for one in self.smarthost.received:
            if b"Auto-Submitted: auto-replied" in one[2]:
                answered.setdefault(one[1][0], []).append(email.message_from_bytes(one[2])["Message-ID"])
        self.assertEqual({to: ids for to, ids in answered.items() if len(set(ids)) > 1}, {}, "somebody was answered twice")
        # A kill between the relay's 250 and the queue's note of it sends the same mail again, as any mail (RFC 1047).
        self.assertLessEqual(sum(len(ids) - 1 for ids in answered.values()), kills)
        found = {}
        for raw in self.server.fetch_all("bob"):
            sender = raw.split(b"\r\n\r\nfrom ", 1)[1].strip().decode()
            found[sender] = found.get(sender, 0) + 1
        self.assertEqual(acknowledged - found.keys(), set())
        self.assertLessEqual(max(found.values()), copies_max)
        return set(answered)

    def test_a_thousand_senders(self):
        self.server.start()
        senders = [f"s{number}@elsewhere.test" for number in range(1000 if FULL else 200)]
        acknowledged = set()
        began = time.monotonic()
        for at in range(0, len(senders), 20):
            self.send_all(senders[at:at + 20], acknowledged)
        answered = self.check(acknowledged, 1)
        self.assertEqual(acknowledged, set(senders))
        self.assertEqual(answered, set(senders))
        print(f"\n{len(senders)} senders answered in {time.monotonic() - began:.1f} s", file=sys.stderr)

    def test_killed_among_them(self):
        acknowledged = set()
        kills = 20 if FULL else 3
        for number in range(kills):
            self.server.start()
            end = time.monotonic() + random.uniform(0.5, 1.5)
            at = 0
            while time.monotonic() < end:
                self.send_all([f"k{number}.{at}.{i}@elsewhere.test" for i in range(5)], acknowledged)
                at += 1
            self.server.kill()
        self.server.start()
        # A kill between storing and noting leaves a second copy at most, as for any mail.
        answered = self.check(acknowledged, 2, kills)
        self.assertGreater(len(answered), 0)
        print(f"\n{len(acknowledged)} acknowledged, {len(answered)} answered", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
