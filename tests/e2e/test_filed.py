"""What the log says of a delivery: where the mail lies, which line of which script said so, and the queue ids of what it brought about."""

import pathlib
import re
import shlex
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, message, wait_until

SCRIPT = """require ["fileinto", "imap4flags", "reject", "vacation"];
if header :contains "Subject" "to a folder" {
  fileinto :flags "\\\\Flagged" "Lists";
} elsif header :contains "Subject" "send on" {
  redirect "friend@elsewhere.test";
} elsif header :contains "Subject" "are you there" {
  vacation "I am away.";
} elsif header :contains "Subject" "into the void" {
  discard;
} elsif header :contains "Subject" "no thanks" {
  reject "No more of these.";
}
"""
RULES = "bob@example.org/rules"


class Lines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.smarthost = cls.enterClassContext(Smarthost.with_tls())
        cls.server = Server(users=("alice", "bob"), settings=cls.smarthost.settings(**{"queue.retry_first": '"1s"', "sieve.before": '["before/spam.sieve"]'}))
        cls.addClassCleanup(cls.server.close)
        cls.server.write_map("relay-sasl", f"[localhost]:{cls.smarthost.port} apikey:secret\n")
        before = cls.server.root / "sieve" / "before"
        before.mkdir()
        (before / "spam.sieve").write_text('require "fileinto";\n# spam\nif header :contains "Subject" "pills" { fileinto "Junk"; }\n')
        (cls.server.root / "sieve" / "default.sieve").write_text("# nothing\n")
        rules = cls.server.root / "rules.sieve"
        rules.write_text(SCRIPT)
        cls.server.run("sieve", "put", str(rules), "--user", "bob@example.org", "--activate")
        cls.server.start()

    def told(self, event, marker, to="bob@example.org"):
        """The fields of the event of the one mail with this subject."""
        wait_until(lambda: self.server.queued() == [])  # all is told of the mails before
        start = len(self.server.log())
        self.server.send(message(marker, f"{marker}\r\n", sender="friend@elsewhere.test", to=to), to=[to])
        lines = []

        def is_told():
            lines[:] = [line for line in self.server.log(start).splitlines() if f" event={event} " in line]
            return lines

        wait_until(is_told)
        self.assertEqual(len(lines), 1, lines)
        return dict(word.split("=", 1) for word in shlex.split(lines[0]))

    def assert_queued(self, child, parent):
        self.assertRegex(child, r"^\w+$")
        self.assertNotEqual(child, parent)
        wait_until(lambda: re.search(rf"event=queue\.accepted s=\S+ q={child} ", self.server.log()))

    def test_a_copy_has_a_file_and_a_uid(self):
        told = self.told("store.delivered", "to a folder")
        self.assertEqual((told["script"], told["line"]), (RULES, "3"))
        self.assertEqual((told["mailbox"], told["to"], told["flags"]), ("Lists", "bob@example.org", "\\Flagged"))
        self.assertNotEqual(told["q"], "-")
        names = [path.name for path in (self.server.maildir("bob") / ".Lists" / "cur").iterdir()]
        self.assertTrue([name for name in names if name.startswith(told["file"])], (names, told))
        client = self.server.imap("bob")
        client.select("Lists", readonly=True)
        self.assertIn(b"to a folder", client.uid("FETCH", told["uid"], "BODY[HEADER.FIELDS (SUBJECT)]")[1][0][1])
        self.assertIn(told["uidvalidity"].encode(), client.response("UIDVALIDITY")[1])
        client.logout()

    def test_the_sites_script_goes_by_its_file(self):
        told = self.told("store.delivered", "cheap pills")
        self.assertEqual((told["script"], told["line"], told["mailbox"]), ("before/spam.sieve", "3", "Junk"))

    def test_what_no_rule_matched(self):
        told = self.told("store.delivered", "nothing of all that")
        self.assertEqual((told["script"], told["line"], told["reason"]), (RULES, "0", "no rule matched"))
        told = self.told("store.delivered", "nothing for her", "alice@example.org")
        self.assertEqual((told["script"], told["line"], told["reason"]), ("default.sieve", "0", "no rule matched"))

    def test_a_redirect_names_its_child(self):
        told = self.told("sieve.redirected", "please send on")
        self.assertEqual((told["script"], told["line"], told["rcpt"]), (RULES, "5", "friend@elsewhere.test"))
        self.assert_queued(told["child"], told["q"])

    def test_an_answer_names_its_child(self):
        told = self.told("sieve.answered", "are you there")
        self.assertEqual((told["script"], told["line"], told["rcpt"]), (RULES, "7", "friend@elsewhere.test"))
        self.assert_queued(told["child"], told["q"])
        again = self.told("sieve.unanswered", "are you there, really")
        self.assertEqual((again["script"], again["line"], again["reason"]), (RULES, "7", "it was answered before"))

    def test_a_discard_and_a_reject(self):
        told = self.told("store.discarded", "into the void")
        self.assertEqual((told["script"], told["line"]), (RULES, "9"))
        told = self.told("sieve.rejected", "no thanks")
        self.assertEqual((told["script"], told["line"], told["how"], told["text"]), (RULES, "11", "reject", "No more of these."))


if __name__ == "__main__":
    unittest.main()
