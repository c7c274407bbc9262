"""LMTP from a program beside the server, and mail to other servers by MX: DNS that lies, is away or points back here."""

import pathlib
import re
import smtplib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Dns, Server, Smarthost, Wire, message, wait_until


class Lmtp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings={"smtp.hops_max": "20"})
        cls.server.append_map("aliases", "team@example.org alice@example.org, bob@example.org\nfar@example.org friend@remote.test\n")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def connect(self):
        self.wire = Wire(self.server.port("lmtp"))
        self.addCleanup(self.wire.close)
        self.reply, self.ask = self.wire.reply, self.wire.ask
        self.assertRegex(self.reply(), "^220 .*LMTP")

    def begin(self, *to):
        self.connect()
        self.assertRegex(self.ask("LHLO client.test"), "^250 ")
        self.assertRegex(self.ask("MAIL FROM:<friend@elsewhere.test>"), "^250 ")
        return [self.ask(f"RCPT TO:<{address}>") for address in to]

    def send(self, raw):
        self.wire.socket.sendall(raw)
        self.wire.socket.sendall(b"\r\n.\r\n" if not raw.endswith(b"\r\n") else b".\r\n")

    def test_one_reply_for_each_recipient_that_was_taken(self):
        replies = self.begin("alice@example.org", "nobody@example.org", "bob@example.org", "friend@remote.test", "bob+tag@example.org")
        self.assertEqual([reply[:9] for reply in replies], ["250 2.1.5", "550 5.1.1", "250 2.1.5", "554 5.7.1", "250 2.1.5"])
        self.assertRegex(self.ask("DATA"), "^354 ")
        self.send(message("Three", "marker three\r\n"))
        said = [self.reply() for _ in range(3)]
        self.assertEqual([reply[:9] for reply in said], ["250 2.0.0"] * 3, said)
        self.assertEqual(self.ask("NOOP"), "250 2.0.0 Ok")  # three, not more
        self.server.wait_for("marker three", "alice")
        self.server.wait_for("marker three", "bob")

    def test_an_alias_of_two_is_one_recipient(self):
        self.assertEqual(self.begin("team@example.org")[0][:3], "250")
        self.ask("DATA")
        self.send(message("Team", "marker team\r\n"))
        self.assertRegex(self.reply(), "^250 ")
        with self.subTest("no reply more, none less"):
            self.assertEqual(self.ask("NOOP"), "250 2.0.0 Ok")
        self.server.wait_for("marker team", "alice")
        self.server.wait_for("marker team", "bob")

    def test_the_same_recipient_twice_gets_two_replies_and_one_message(self):
        self.begin("bob@example.org", "BOB@example.org")
        self.ask("DATA")
        self.send(message("Twice", "marker twice\r\n"))
        self.assertEqual([self.reply()[:3], self.reply()[:3]], ["250", "250"])
        self.assertEqual(self.ask("NOOP"), "250 2.0.0 Ok")
        self.server.wait_for("marker twice")
        wait_until(lambda: not self.server.queued())
        self.assertEqual(len([raw for raw in self.server.fetch_all("bob") if b"marker twice" in raw]), 1)

    def test_a_refused_text_is_refused_for_each(self):
        for raw, code in ((b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 30 + message("loop"), "554"),
                          (b"Subject: long\r\n\r\n" + b"x" * 1_100_000 + b"\r\n", "550")):
            self.begin("alice@example.org", "bob@example.org")
            self.ask("DATA")
            self.send(raw)
            self.assertEqual([self.reply()[:3], self.reply()[:3]], [code, code])
            self.assertEqual(self.ask("NOOP"), "250 2.0.0 Ok")

    def test_bdat(self):
        self.begin("alice@example.org", "bob@example.org")
        raw = message("Chunks", "marker chunks\r\n")
        self.wire.socket.sendall(b"BDAT 10\r\n" + raw[:10] + b"BDAT %d LAST\r\n" % (len(raw) - 10) + raw[10:])
        self.assertEqual([self.reply()[:3] for _ in range(3)], ["250"] * 3)  # one for the chunk, two for the recipients
        self.assertEqual(self.ask("NOOP"), "250 2.0.0 Ok")
        self.server.wait_for("marker chunks", "alice")

    def test_what_is_said_in_which_order(self):
        self.connect()
        for text, code in (("EHLO x", "500"), ("HELO x", "500"), ("MAIL FROM:<a@b.test>", "503"), ("LHLO client.test", "250"), ("RCPT TO:<bob@example.org>", "503"),
                           ("XFORWARD ADDR=10.0.0.1", "502"), ("AUTH PLAIN AAAA", "503"), ("MAIL FROM:<a@b.test>", "250"), ("DATA", "55[04]|503"),
                           ("RCPT TO:<nobody@example.org>", "550"), ("DATA", "554|503"), ("RSET", "250"), ("QUIT", "221")):
            self.assertRegex(self.ask(text), f"^({code}) ", text)

    def test_a_library_can_use_it(self):
        with smtplib.LMTP("127.0.0.1", self.server.port("lmtp"), local_hostname="client.test") as client:
            refused = client.sendmail("friend@elsewhere.test", ["bob@example.org", "nobody@example.org"], message("Library", "marker library\r\n"))
        self.assertEqual(list(refused), ["nobody@example.org"])
        self.server.wait_for("marker library")

    def test_it_is_off_unless_asked_for(self):
        with Server(settings={"listen.lmtp": "[]"}) as server:
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port("lmtp")), 5)


class Mx(unittest.TestCase):
    """Two Posthorns: one sends by MX, the other is the MX of far.test."""

    @classmethod
    def setUpClass(cls):
        cls.dns = Dns()
        cls.dns.__enter__()
        cls.addClassCleanup(cls.dns.__exit__)
        cls.far = Server(domains=("far.test",), users=("friend",), mx="mx.far.test").start()
        cls.addClassCleanup(cls.far.close)
        cls.server = Server(settings={"relay.resolver": f'"{cls.dns.address}"', "relay.mx_port": str(cls.far.port("smtp")), "relay.private_mx": "true",
                                      "relay.connect_timeout": '"2s"', "queue.retry_first": '"1s"', "queue.retry_max": '"2s"'})
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.dns.records.clear()
        self.dns.records.update({("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"]})
        for entry in self.server.queued():
            self.server.run("queue", "delete", entry["id"])
        wait_until(lambda: not self.server.queued())
        self.empty_alice()

    def empty_alice(self):
        client = self.server.imap("alice")
        client.select("INBOX")
        client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.logout()

    def send(self, marker, *to):
        self.server.submit("alice", message("By MX", marker + "\r\n"), list(to or ["friend@far.test"]))

    def arrives(self, marker):
        return wait_until(lambda: next((raw for raw in self.fetch_far() if marker.encode() in raw), None), 30, 0.2)

    def fetch_far(self):
        client = self.far.imap("friend@far.test")
        try:
            client.select("INBOX", readonly=True)
            uids = client.uid("SEARCH", None, "ALL")[1][0].split()
            return [client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1] for uid in uids]
        finally:
            client.logout()

    def reason_of(self, address):
        return wait_until(lambda: next((r["reason"] for e in self.server.queued() for r in e["recipients"] if r["address"] == address and r.get("reason")), None))

    def test_from_one_to_the_other_over_tls(self):
        self.send("marker by mx")
        raw = self.arrives("marker by mx")
        self.assertRegex(raw, rb"Received: from mx\.example\.org [^;]*by mx\.far\.test[^;]* with ESMTPS")  # opportunistic TLS
        self.assertEqual(len(re.findall(rb"(?m)^Received: ", raw)), 2)
        self.assertIn(("far.test", "MX"), self.dns.asked)

    def test_a_domain_without_mx_is_its_own(self):
        self.dns.records.clear()
        self.dns.records[("far.test", "A")] = ["127.0.0.1"]
        self.send("marker by address")
        self.arrives("marker by address")

    def test_the_next_one_when_the_best_is_away(self):
        self.dns.records[("far.test", "MX")] = [(5, "dead.far.test"), (7, "nowhere.far.test"), (10, "mx.far.test")]
        self.dns.records[("dead.far.test", "A")] = ["127.0.0.66"]  # refuses
        self.send("marker second best")
        self.arrives("marker second best")
        # What the log answers to "where is it": who put it off, and who has it, under one id.
        told = re.findall(r" event=queue\.(passed\.on|delivered) s=(\S+) q=(\S+) to=friend@far\.test relay=(\S+)(?: tls=\S+)? reply=", self.server.log())[-2:]
        self.assertEqual([what for what, *_ in told], ["passed.on", "delivered"])
        self.assertEqual(told[0][1:3], told[1][1:3])
        self.assertIn("dead.far.test[127.0.0.66]", told[0][3])
        self.assertIn("mx.far.test[127.0.0.1]", told[1][3])

    def test_a_long_answer_comes_over_tcp(self):
        self.dns.records[("far.test", "MX")] = [(10, "mx.far.test")] + [(90, f"backup-number-{i}.far.test") for i in range(60)]
        self.send("marker over tcp")
        self.arrives("marker over tcp")

    def test_what_cannot_be_asked_waits(self):
        for number, answer in enumerate(("SERVFAIL", "REFUSED", "DROP")):
            with self.subTest(answer):
                self.dns.records[("far.test", "MX")] = answer
                self.send(f"marker {answer}")
                wait_until(lambda: len(self.server.queued()) == 1 and int(self.server.queued()[0]["tries"]) >= 1, 60)
                self.assertEqual(self.server.fetch_all("alice"), [])
                self.dns.records[("far.test", "MX")] = [(10, "mx.far.test")]
                self.arrives(f"marker {answer}")
                wait_until(lambda: not self.server.queued())

    def bounced(self, marker, *, status):
        bounce = self.server.wait_for(marker, "alice", seconds=40)
        self.assertIn(b"Action: failed", bounce)
        self.assertRegex(bounce, rb"Status: " + status)
        self.empty_alice()

    def test_what_does_not_exist_or_takes_no_mail_comes_back(self):
        self.dns.records[("null.test", "MX")] = [(0, "")]  # RFC 7505
        self.send("x", "someone@null.test")
        self.bounced("someone@null.test", status=rb"5\.1\.10|5\.\d+\.\d+")
        self.send("x", "someone@absent.test")
        self.bounced("someone@absent.test", status=rb"5\.\d+\.\d+")
        self.send("x", "nobody@far.test")
        self.bounced("nobody@far.test", status=rb"5\.1\.1")
        self.assertEqual(self.server.queued(), [])

    def test_it_never_sends_to_itself(self):
        self.dns.records[("loop.test", "MX")] = [(10, "mx.example.org")]
        self.dns.records[("mx.example.org", "A")] = ["127.0.0.1"]
        before = self.far.log().count("event=smtp.connected")
        self.send("x", "someone@loop.test")
        wait_until(lambda: "someone@loop.test" in self.server.log() and ("event=queue.failed" in self.server.log() or "event=queue.deferred" in self.server.log()))
        time.sleep(0.5)
        self.assertEqual(self.far.log().count("event=smtp.connected"), before)

    def test_private_addresses_are_not_tried_unless_allowed(self):
        with Server(settings={"relay.resolver": f'"{self.dns.address}"', "relay.mx_port": str(self.far.port("smtp")), "queue.retry_first": '"1h"'}) as server:
            before = self.far.log().count("event=smtp.connected")
            for number, address in enumerate(("127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.1.1", "0.0.0.0", "172.16.0.1", "100.64.0.1")):
                self.dns.records[(f"p{number}.test", "MX")] = [(10, f"mx.p{number}.test")]
                self.dns.records[(f"mx.p{number}.test", "A")] = [address]
                server.submit("alice", message("Private", "x\r\n"), [f"someone@p{number}.test"])

            def judged(number):
                return [line for line in server.log().splitlines() if f"to=someone@p{number}.test" in line and
                        ("event=queue.deferred" in line or "event=queue.failed" in line)]

            for number in range(7):
                wait_until(lambda: judged(number), 30)
            self.assertEqual(self.far.log().count("event=smtp.connected"), before)


class MxTrouble(unittest.TestCase):
    def test_each_recipient_of_a_strict_server_gets_its_own_outcome(self):
        with Dns({("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"]}) as dns, \
                Smarthost(require_auth=False, script={"RCPT TO:<no@": "550 5.1.1 nobody", "RCPT TO:<later@": "450 4.2.1 later"}) as relay:
            with Server(settings={"relay.resolver": f'"{dns.address}"', "relay.mx_port": str(relay.port), "relay.private_mx": "true",
                                  "queue.retry_first": '"1s"'}) as server:
                server.submit("alice", message("Mixed", "marker mixed\r\n"), ["yes@far.test", "no@far.test", "later@far.test"])
                sender, to, raw, was_tls, account = relay.wait_for("marker mixed")
                self.assertEqual((sender, to, was_tls, account), ("alice@example.org", ["yes@far.test"], False, None))
                bounce = server.wait_for("no@far.test", "alice")
                self.assertIn(b"5.1.1", bounce)
                relay.script.pop("RCPT TO:<later@")
                wait_until(lambda: [m for m in relay.received if m[1] == ["later@far.test"]])
                wait_until(lambda: not server.queued())

    def test_tls_may_be_required(self):
        with Dns({("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"]}) as dns, Smarthost(require_auth=False) as relay:
            with Server(settings={"relay.resolver": f'"{dns.address}"', "relay.mx_port": str(relay.port), "relay.private_mx": "true",
                                  "relay.mx_tls": '"encrypt"', "queue.retry_first": '"1s"'}) as server:
                server.submit("alice", message("Secret", "marker secret\r\n"), ["yes@far.test"])
                wait_until(lambda: "event=queue.deferred" in server.log())
                self.assertEqual(relay.received, [])
                self.assertNotIn("MAIL", " ".join(relay.dialogs))


if __name__ == "__main__":
    unittest.main()
