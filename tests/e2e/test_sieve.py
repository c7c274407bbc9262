"""What the site's Sieve script does with a message: folders, flags, redirect, reject, discard; and its faults."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, message, wait_until

SCRIPT = """
require ["fileinto", "reject", "imap4flags"];
if header :contains "Subject" "to a folder" { setflag "\\\\Flagged"; fileinto "Lists.Dev"; }
elsif header :contains "Subject" "send on and keep" { redirect "team@example.org"; keep; }
elsif header :contains "Subject" "send away" { redirect "friend@elsewhere.test"; }
elsif header :contains "Subject" "round and round" { redirect "bob@example.org"; }
elsif header :contains "Subject" "to nobody" { redirect "nobody@example.org"; }
elsif header :contains "Subject" "no thanks" { reject "Please send no more of these."; }
elsif header :contains "Subject" "into the void" { discard; }
"""


class Sieve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.smarthost = cls.enterClassContext(Smarthost.with_tls())
        cls.server = Server(users=("alice", "bob", "carol"), settings=cls.smarthost.settings(**{"queue.retry_first": '"1s"'}))
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} apikey:secret\n")
        cls.server.append_map("aliases", "team@example.org alice@example.org, carol@example.org\n")
        cls.script = cls.server.root / "sieve" / "default.sieve"
        cls.script.write_text(SCRIPT)
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def test_into_a_folder_that_is_made(self):
        self.server.send(message("to a folder", "marker folder\r\n"))
        self.server.wait_for("marker folder", folder="Lists.Dev")
        client = self.server.imap("bob")
        client.select("Lists.Dev", readonly=True)
        self.assertTrue(client.search(None, "FLAGGED", "BODY", '"marker folder"')[1][0])
        client.logout()

    def test_redirect_follows_aliases_and_keeps(self):
        self.server.send(message("send on and keep", "marker sent on\r\n"))
        for user in ("bob", "alice", "carol"):
            raw = self.server.wait_for("marker sent on", user)
        self.assertIn(b"X-Sieve-Redirected-From: bob@example.org\r\n", raw)
        self.assertIn(b"Return-Path: <friend@elsewhere.test>\r\n", raw)
        self.assertEqual(raw.count(b"Return-Path:"), 1)
        self.assertEqual(raw.count(b"Delivered-To:"), 1)

    def test_redirect_to_the_world(self):
        self.server.send(message("send away", "marker away\r\n"))
        sender, to, raw, _, _ = self.smarthost.wait_for("marker away")
        self.assertEqual((sender, to), ("friend@elsewhere.test", ["friend@elsewhere.test"]))
        self.assertFalse([one for one in self.server.fetch_all() if b"marker away" in one])

    def test_a_loop_ends_in_the_inbox(self):
        self.server.send(message("round and round", "marker round\r\n"))
        self.server.wait_for("marker round", "bob")
        # alice's goes to bob, whose own would come back to bob
        self.server.send(message("round and round", "marker twice\r\n"), to=["alice@example.org"])
        self.server.wait_for("marker twice", "bob")
        self.assertFalse([one for one in self.server.fetch_all("alice") if b"marker twice" in one])

    def test_redirect_to_an_unknown_user_keeps(self):
        self.server.send(message("to nobody", "marker nobody\r\n"))
        self.server.wait_for("marker nobody")
        self.assertIn("event=sieve.failed", self.server.log())

    def test_reject_tells_the_sender(self):
        self.server.submit("alice", message("no thanks", "marker rejected\r\n"), ["bob@example.org"])
        raw = self.server.wait_for("Please send no more of these", "alice")
        self.assertIn(b"Action: failed", raw)
        self.assertFalse([one for one in self.server.fetch_all() if b"marker rejected" in one])

    def test_discard(self):
        self.server.send(message("into the void", "marker void\r\n"))
        wait_until(lambda: "event=store.discarded" in self.server.log())
        self.assertFalse([one for one in self.server.fetch_all() if b"marker void" in one])

    def test_a_broken_script_keeps_the_old_one(self):
        self.script.write_text(SCRIPT + "\nif header {\n")
        result = self.server.run("check", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stdout + result.stderr, r"default\.sieve:\d+: ")
        self.server.run("reload", check=False)
        self.server.send(message("to a folder", "marker still\r\n"))
        self.server.wait_for("marker still", folder="Lists.Dev")
        self.script.write_text(SCRIPT)
        self.server.run("reload")


if __name__ == "__main__":
    unittest.main()
