"""What the log and `posthorn explain filed` say of a delivery: where the mail lies, which line of which script said so, and the queue ids of what it brought about."""

import json
import pathlib
import re
import shlex
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, assert_fits, message, wait_until

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

    def explained(self, mail, *words, until=""):
        """The answer, when the trail has all of the mail: each role tells it in its own time."""
        done = []

        def is_known():
            done[:] = [self.server.run("explain", "filed", mail, *words, check=False)]
            return done[0].returncode == 0 and until in done[0].stdout

        wait_until(is_known)
        return done[0].stdout

    def test_explain_filed_shows_the_line_and_the_place(self):
        told = self.told("store.delivered", "explain this one to a folder")
        text = self.explained(told["q"], until="filed in Lists as UID")
        self.assertIn("bob@example.org:\n", text)
        self.assertIn(f"filed in Lists as UID {told['uid']}, flags \\Flagged\n", text)
        self.assertIn(f"line 3 of {RULES} asked for it\n", text)
        self.assertRegex(text, r'\n +2  if header .*\n +> +3    fileinto :flags .* "Lists";\n +4  } elsif')
        self.assertIn(f"it lies in Lists, UID {told['uid']}, flags \\Flagged\n", text)
        self.assertRegex(text, rf"file /.*/\.Lists/cur/{re.escape(told['file'])}:2,F\n")
        self.assertNotIn("changed since", text)
        client = self.server.imap("bob")
        client.select("Lists")
        client.uid("MOVE", told["uid"], "Trash")
        client.logout()
        self.assertIn("one of its size and date lies in Trash, UID ", self.explained(told["q"]))
        value = json.loads(self.explained(told["q"], "--json", "--user", "bob@example.org"))
        assert_fits("explain_filed", value)
        self.assertEqual(value[0]["recipients"][0]["ends"][0]["now"][0]["mailbox"], "Trash")
        self.assertEqual(self.server.run("explain", "filed", told["q"], "--user", "alice@example.org", check=False).returncode, 1)

    def test_explain_filed_says_why_it_is_nowhere(self):
        told = self.told("store.discarded", "explain into the void")
        text = self.explained(told["q"], until="thrown away\n")
        self.assertIn("thrown away\n", text)
        self.assertRegex(text, rf"line 9 of {RULES} asked for it\n.*\n +> +9    discard;\n")
        told = self.told("sieve.redirected", "explain please send on")
        text = self.explained(told["q"], until="sent on to friend")
        self.assertIn(f"sent on to friend@elsewhere.test as {told['child']}\n", text)
        self.assertEqual(self.server.run("explain", "filed", "0000000000000", check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main()
