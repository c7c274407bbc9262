"""Rewritten senders (SRS): mail that an alias or Sieve sends on leaves with a sender of ours, and its bounce finds the way back."""

import base64
import datetime
import hashlib
import hmac
import pathlib
import re
import smtplib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, Wire, message, wait_until

SECRET = "of the test, and long"
SCRIPT = 'if header :contains "Subject" "send away" { redirect "friend@far.test"; }\n'


def rewritten(sender, secret=SECRET, days_ago=0, domain="example.org"):
    """What the server makes of a sender, computed here anew."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    local, of = sender.split("@")
    day = (int(datetime.datetime.now(datetime.timezone.utc).timestamp()) // 86400 - days_ago) % 1024
    rest = f"{digits[day >> 5]}{digits[day & 31]}={of}={local}"
    mac = hmac.new(secret.encode(), f"srs0={rest}".lower().encode(), hashlib.sha1)
    return f"SRS0={base64.b64encode(mac.digest()).decode()[:6]}={rest}@{domain}"


class Srs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = cls.enterClassContext(Smarthost(require_auth=False, script={"RCPT TO:<gone@": "550 5.1.1 nobody of that name"}))
        cls.server = Server(users=("alice", "bob"), settings=cls.relay.settings(**{
            "srs.domain": '"example.org"', "srs.exclude_domains": '["partner.test"]', "queue.retry_first": '"1s"'}))
        cls.secret = cls.server.root / "conf" / "srs-secret"
        cls.made = cls.secret.read_text()
        cls.secret.write_text(f"# a secret of the test's\n{SECRET}\n")
        cls.server.append_map("aliases", "out@example.org friend@far.test\ngone@example.org gone@far.test\n"
                              "both@example.org friend@far.test, alice@example.org\n")
        (cls.server.root / "sieve" / "default.sieve").write_text(SCRIPT)
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def rcpt(self, to, sender=""):
        with Wire(self.server.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            wire.ask(f"MAIL FROM:<{sender}>")
            return wire.ask(f"RCPT TO:<{to}>")

    def test_the_secret_is_made_and_kept_close(self):
        self.assertRegex(self.made, r"(?m)^[0-9a-f]{48}$")
        self.assertEqual(self.secret.stat().st_mode & 0o7777, 0o640)
        self.assertNotIn(SECRET, self.server.log())

    def test_to_an_alias_and_the_bounce_back(self):
        self.server.send(message("Out", "marker out\r\n"), sender="carol@away.test", to=["out@example.org"])
        sender, to, raw, _, _ = self.relay.wait_for("marker out")
        self.assertEqual((sender, to), (rewritten("carol@away.test"), ["friend@far.test"]))
        self.assertIn(b"From: <alice@example.org>", raw)  # only the envelope's
        wait_until(lambda: re.search(rf"event=srs.rewritten .*from=carol@away.test as=\"?{re.escape(sender)}", self.server.log()))
        # What the far server does when it cannot deliver.
        self.server.send(message("Returned", "marker returned\r\n"), sender="", to=[sender])
        back = self.relay.wait_for("marker returned")
        self.assertEqual(back[:2], ("", ["carol@away.test"]))
        wait_until(lambda: re.search(rf"event=srs.reversed .*rcpt=\"?{re.escape(sender)}\"? to=carol@away.test", self.server.log()))

    def test_our_own_bounce_goes_to_the_first_sender(self):
        self.server.send(message("Gone", "marker gone\r\n"), sender="dave@away.test", to=["gone@example.org"])
        bounce = wait_until(lambda: next((m for m in self.relay.received if m[1] == ["dave@away.test"]), None))
        self.assertEqual(bounce[0], "")
        self.assertIn(b"nobody of that name", bounce[2])

    def test_a_sieve_redirect(self):
        self.server.send(message("send away", "marker away\r\n"), sender="erin@away.test")
        self.assertEqual(self.relay.wait_for("marker away")[:2], (rewritten("erin@away.test"), ["friend@far.test"]))

    def test_a_copy_that_stays_keeps_its_sender(self):
        self.server.send(message("Both", "marker both\r\n"), sender="frank@away.test", to=["both@example.org"])
        self.assertEqual(self.relay.wait_for("marker both")[0], rewritten("frank@away.test"))
        self.assertIn(b"Return-Path: <frank@away.test>\r\n", self.server.wait_for("marker both", "alice"))

    def test_whose_senders_stay(self):
        self.server.send(message("Null", "marker null\r\n"), sender="", to=["out@example.org"])
        self.assertEqual(self.relay.wait_for("marker null")[0], "")
        self.server.send(message("Partner", "marker partner\r\n"), sender="x@partner.test", to=["out@example.org"])
        self.assertEqual(self.relay.wait_for("marker partner")[0], "x@partner.test")
        self.server.submit("alice", message("Own", "marker own\r\n"), ["out@example.org"])
        self.assertEqual(self.relay.wait_for("marker own")[0], "alice@example.org")

    def test_a_forwarder_behind_another(self):
        theirs = "SRS0=AbCdEf=XY=far.test=carol@one.test"
        self.server.send(message("Again", "marker again\r\n"), sender=theirs, to=["out@example.org"])
        sender = self.relay.wait_for("marker again")[0]
        self.assertRegex(sender, r"^SRS1=[A-Za-z0-9+/]{6}=one\.test==AbCdEf=XY=far\.test=carol@example\.org$")
        self.server.send(message("Returned", "marker again returned\r\n"), sender="", to=[sender])
        self.assertEqual(self.relay.wait_for("marker again returned")[1], [theirs])

    def test_not_a_relay_for_forged_ones(self):
        good = rewritten("grace@away.test")
        self.assertRegex(self.rcpt(good), "^250 ")
        self.assertRegex(self.rcpt(good.lower()), "^250 ")  # some servers change the case
        for to in (good.replace("grace", "victim"), good.replace("away.test", "away.tesu"), good.replace("SRS0=", "SRS0=x"),
                   good.replace("SRS0", "SRS1"), rewritten("grace@away.test", "another secret"), "SRS0=away.test=grace@example.org",
                   "SRS0=AAAAAA=AA=away.test=grace@example.org", "SRS1=AAAAAA=one.test==AAAAAA=AA=away.test=grace@example.org"):
            self.assertRegex(self.rcpt(to), "^550 5.1.1 .*User unknown", to)
        self.assertRegex(self.rcpt(good.replace("@example.org", "@elsewhere.test")), "^554 5.7.1 ")
        for days, reply in ((20, "^250 "), (23, "^550 5.1.1 .*expired"), (-3, "^550 5.1.1 .*expired")):
            self.assertRegex(self.rcpt(rewritten("grace@away.test", days_ago=days)), reply)
        self.assertFalse([m for m in self.relay.received if any("grace" in to or "victim" in to for to in m[1])])

    def test_secrets_change_while_it_runs(self):
        before = self.secret.read_text()
        try:
            self.secret.write_text(f"a new one of today\n{SECRET}\n")
            wait_until(lambda: "event=srs.loaded" in self.server.log() and "secrets=2" in self.server.log())
            self.assertRegex(self.rcpt(rewritten("heidi@away.test", "a new one of today")), "^250 ")
            self.assertRegex(self.rcpt(rewritten("heidi@away.test")), "^250 ")
            self.secret.write_text("short\n")
            wait_until(lambda: "event=srs.refused" in self.server.log())
            self.assertIn("srs-secret:1: a secret has at least", self.server.run("check", check=False).stderr)
            self.assertRegex(self.rcpt(rewritten("heidi@away.test")), "^250 ")
        finally:
            self.secret.write_text(before)
            self.server.run("reload")
        self.assertRegex(self.rcpt(rewritten("heidi@away.test", "a new one of today")), "^550 ")


class Environment(unittest.TestCase):
    def test_docker_mailservers_names(self):
        with Smarthost(require_auth=False) as relay:
            server = Server(settings=relay.settings(), env={
                "ENABLE_SRS": "1", "SRS_DOMAINNAME": "srs.example.org", "SRS_SECRET": "first of them, second of them",
                "SRS_EXCLUDE_DOMAINS": "partner.test", "SRS_SENDER_CLASSES": "envelope_sender,header_sender"})
            self.addCleanup(server.close)
            (server.root / "conf" / "srs-secret").unlink()  # as of a version before
            server.append_map("aliases", "out@example.org friend@far.test\n")
            told = server.run("check").stdout
            for line in ("ENABLE_SRS sets srs.domain", "SRS_EXCLUDE_DOMAINS sets srs.exclude_domains", "SRS_SECRET is what",
                         "SRS_SENDER_CLASSES changes nothing"):
                self.assertIn(line, told)
            server.start()
            self.assertEqual((server.root / "conf" / "srs-secret").read_text().splitlines()[1:], ["first of them", "second of them"])
            server.send(message("Out", "marker env\r\n"), sender="carol@away.test", to=["out@example.org"])
            self.assertEqual(relay.wait_for("marker env")[0], rewritten("carol@away.test", "first of them", domain="srs.example.org"))
            server.send(message("Back", "marker back\r\n"), sender="", to=[rewritten("carol@away.test", "second of them", domain="srs.example.org")])
            self.assertEqual(relay.wait_for("marker back")[1], ["carol@away.test"])
            server.send(message("Partner", "marker partner\r\n"), sender="x@partner.test", to=["out@example.org"])
            self.assertEqual(relay.wait_for("marker partner")[0], "x@partner.test")
            for pid in server.roles().values():
                self.assertNotIn(b"SRS_SECRET", pathlib.Path(f"/proc/{pid}/environ").read_bytes())

    def test_off_nothing_is_rewritten(self):
        with Smarthost(require_auth=False) as relay:
            server = Server(settings=relay.settings())
            self.addCleanup(server.close)
            server.append_map("aliases", "out@example.org friend@far.test\n")
            server.start()
            server.send(message("Out", "marker off\r\n"), sender="carol@away.test", to=["out@example.org"])
            self.assertEqual(relay.wait_for("marker off")[0], "carol@away.test")
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                server.send(message(), sender="", to=[rewritten("carol@away.test", (server.root / "conf/srs-secret").read_text().split()[-1])])


if __name__ == "__main__":
    unittest.main()
