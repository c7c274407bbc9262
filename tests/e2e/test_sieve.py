"""What the site's Sieve script does with a message: folders, flags, redirect, reject, discard; and its faults."""

import pathlib
import sys
import time
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


class Around(unittest.TestCase):
    """Scripts before and after, and users' own, as Pigeonhole's sieve_before and sieve_after."""

    def filing(self, word, folder, more=""):
        return f'require "fileinto";\nif header :contains "Subject" "{word}" {{ fileinto "{folder}"; {more} }}\n'

    def setUp(self):
        self.server = Server(users=("alice", "bob"), settings={"sieve.before": '["before.sieve", "second.sieve"]', "sieve.after": '["after.sieve"]'})
        self.addCleanup(self.server.close)
        self.folder = self.server.root / "sieve"
        (self.folder / "users").mkdir()
        self.write("before.sieve", self.filing("one", "One", "keep;"))
        self.write("second.sieve", 'if header :contains "Subject" "void" { discard; }\n')
        self.write("default.sieve", self.filing("two", "Two"))
        self.write("after.sieve", self.filing("three", "Three"))

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def folders_of(self, subject, user="bob"):
        """Where a message of this subject lies when all of its deliveries are over."""
        marker = f"marker {subject} {len(self.server.log())}"
        self.server.send(message(subject, marker + "\r\n"), to=[f"{user}@example.org"])
        wait_until(lambda: self.server.queued() == [])
        names = ("INBOX", "One", "Two", "Three", "Hers")
        return [name for name in names if any(marker.encode() in raw for raw in self.server.fetch_all(user, name))]

    def test_the_order_and_what_ends_it(self):
        self.server.start()
        for subject, folders in (("plain", ["INBOX"]), ("one", ["INBOX", "One"]), ("one two three", ["One", "Two"]), ("two three", ["Two"]),
                                 ("three", ["Three"]), ("one three", ["One", "Three"]), ("one void", ["One"]), ("void three", [])):
            self.assertEqual(self.folders_of(subject), folders, subject)

    def test_a_users_own_instead_of_the_default(self):
        self.server.start()
        self.assertEqual(self.folders_of("two hers", "alice"), ["Two"])
        self.write("users/Alice@example.org.sieve", self.filing("hers", "Hers"))
        wait_until(lambda: "Alice@example.org.sieve" in self.server.log())  # live, as it is written
        self.assertEqual(self.folders_of("two hers", "alice"), ["Hers"])
        self.assertEqual(self.folders_of("two", "alice"), ["INBOX"])
        self.assertEqual(self.folders_of("one three", "alice"), ["One", "Three"])
        self.assertEqual(self.folders_of("two hers"), ["Two"])
        (self.folder / "users/Alice@example.org.sieve").unlink()
        wait_until(lambda: self.folders_of("two hers", "alice") == ["Two"])

    def test_a_domains_behind_those_of_before(self):
        (self.folder / "domains").mkdir()
        self.write("domains/Example.org.sieve", self.filing("hers", "Hers", "keep;"))
        self.server.start()
        self.assertEqual(self.folders_of("one hers three"), ["One", "Three", "Hers"])
        self.write("domains/Example.org.sieve", self.filing("hers", "Hers"))
        wait_until(lambda: self.folders_of("one hers three") == ["One", "Hers"])

    def test_edits_are_live_and_faults_keep_what_was(self):
        self.write("users/bob@example.org.sieve", self.filing("hers", "Hers"))
        self.server.start()
        for name, line in (("before.sieve", 3), ("after.sieve", 2), ("default.sieve", 2), ("users/bob@example.org.sieve", 1)):
            good = (self.folder / name).read_text()
            self.write(name, "keep;\n" * (line - 1) + "if header {\n")
            wait_until(lambda: f"{name}:{line}: " in self.server.log())
            checked = self.server.run("check", check=False)
            self.assertNotEqual(checked.returncode, 0)
            self.assertIn(f"{name}:{line}: ", checked.stderr)
            self.assertEqual(self.folders_of("one"), ["INBOX", "One"])
            self.assertEqual(self.folders_of("three"), ["Three"])
            self.assertEqual(self.folders_of("hers"), ["Hers"])
            self.write(name, good)
        self.server.run("reload")
        self.assertIn("event=sieve.refused", self.server.log())
        (self.folder / "after.sieve").unlink()
        wait_until(lambda: "after.sieve:1: there is no such file" in self.server.log())
        self.assertEqual(self.folders_of("three"), ["Three"])
        self.write("after.sieve", self.filing("four", "Four"))
        wait_until(lambda: self.folders_of("three") == ["INBOX"])
        self.assertEqual(self.server.run("check").returncode, 0)

    def test_all_faults_of_a_script_at_once(self):
        self.write("before.sieve", 'fileinot "a";\n  nonsense;\nkeep;\n')
        checked = self.server.run("check", check=False)
        self.assertRegex(checked.stderr, r"before\.sieve:1: column 1: .*did you mean `fileinto`")
        self.assertRegex(checked.stderr, r"before\.sieve:2: column 3: .*`nonsense`")

    def test_what_is_included_is_watched_with_it(self):
        self.write("folder.sieve", self.filing("one", "Two"))
        self.write("before.sieve", 'require "include";\ninclude :global "folder";\n')
        self.server.start()
        self.assertEqual(self.folders_of("one"), ["Two"])
        self.write("folder.sieve", self.filing("one", "Hers"))
        wait_until(lambda: self.folders_of("one") == ["Hers"])
        self.write("folder.sieve", "nonsense;\n")
        wait_until(lambda: "event=sieve.refused" in self.server.log())
        self.assertEqual(self.folders_of("one"), ["Hers"])

    def test_libsieve_runs_them_where_the_setting_says_so(self):
        self.server.set("sieve.engine", '"libsieve"')
        checked = self.server.run("check")
        self.assertRegex(checked.stdout + checked.stderr, r"sieve\.engine: libsieve knows RFC 3028 and little more")
        self.server.start()
        for subject, folders in (("plain", ["INBOX"]), ("one", ["INBOX", "One"]), ("one two three", ["One", "Two"]), ("void three", [])):
            self.assertEqual(self.folders_of(subject), folders, subject)

    def test_a_fault_at_the_start(self):
        self.write("users/bob@example.org.sieve", "if header {\n")
        self.server.start()
        self.assertRegex(self.server.log(), r"event=sieve\.refused .*bob@example\.org\.sieve:1: ")
        self.server.send(message("Without", to="bob@example.org"))
        self.server.wait_for("Without")


class AsTheyStand(unittest.TestCase):
    """Scripts as docker-mailserver's documentation and its users have them, unchanged."""

    SCRIPTS = {
        "before.sieve": """
require ["fileinto", "special-use"];

if anyof (header :contains "X-Spam-Flag" "YES",
          header :contains "X-Spam" "Yes") {
    fileinto :specialuse "\\\\Junk" "Junk";
}
""",
        "default.sieve": """
require ["fileinto", "reject", "envelope", "subaddress", "variables", "mailbox", "date", "imap4flags", "regex", "editheader", "body", "relational",
         "comparator-i;ascii-numeric", "copy"];

# lists, by what stands in brackets
if header :matches "List-Id" "*<*.*" {
    set :lower :upperfirst "list" "${2}";
    fileinto :create "Lists.${list}";
    stop;
}

# bob+shopping@ goes to Shopping
if envelope :matches :detail "to" "*" {
    set :lower :upperfirst "folder" "${1}";
    fileinto :create "${folder}";
    stop;
}

# invoices of this year
if allof (header :contains "subject" ["invoice", "Rechnung"], currentdate :matches "year" "*") {
    fileinto :create :flags "\\\\Flagged" "Invoices.${1}";
}

if header :regex "subject" "ticket #([0-9]+)" {
    addheader "X-Ticket" "${1}";
    fileinto :create "Tickets";
}
if body :text :contains "unsubscribe" { addflag "$Newsletter"; keep; }
if header :value "gt" :comparator "i;ascii-numeric" "X-Priority" "3" { addflag "\\\\Seen"; keep; }
""",
    }

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("bob",), settings={"sieve.before": '["before.sieve"]'})
        for name, text in cls.SCRIPTS.items():
            (cls.server.root / "sieve" / name).write_text(text)
        cls.server.run("check")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def filed(self, folder, subject, body="x", to="bob@example.org", **headers):
        marker = f"marker {self.id()} {subject}"
        self.server.send(message(subject, f"{marker}\r\n{body}\r\n", **headers), to=[to])
        return self.server.wait_for(marker, folder=folder)

    def flags(self, folder):
        client = self.server.imap("bob")
        client.select(f'"{folder}"', readonly=True)
        flags = client.fetch("1:*", "(FLAGS)")[1]
        client.logout()
        return b" ".join(one for one in flags if one).decode()

    def test_spam_goes_to_junk(self):
        self.filed("Junk", "cheap pills", X_Spam="Yes")

    def test_a_list_has_its_folder(self):
        self.filed("Lists.Devel", "news", List_Id="Developers <devel.lists.example.test>")

    def test_a_tag_has_its_folder(self):
        self.filed("Shopping", "order", to="bob+shopping@example.org")

    def test_by_year_with_a_flag(self):
        self.filed(f"Invoices.{time.gmtime().tm_year}", "Your invoice")
        self.assertIn("\\Flagged", self.flags(f"Invoices.{time.gmtime().tm_year}"))

    def test_a_header_that_the_script_adds_is_stored(self):
        raw = self.filed("Tickets", "Re: ticket #4711 is open")
        self.assertIn(b"X-Ticket: 4711\r\n", raw)
        self.assertEqual(raw.count(b"Subject:"), 1)

    def test_text_and_numbers(self):
        self.filed("INBOX", "weekly", body="click to unsubscribe")
        self.assertIn("$Newsletter", self.flags("INBOX"))
        self.filed("INBOX", "slow", X_Priority="5")
        self.assertIn("\\Seen", self.flags("INBOX"))


class Own(unittest.TestCase):
    """Users' own scripts, and what `posthorn sieve test` says of them."""

    def setUp(self):
        self.server = Server(users=("alice", "bob"), settings={"sieve.after": '["after.sieve"]'})
        self.addCleanup(self.server.close)
        (self.server.root / "sieve/after.sieve").write_text('require "fileinto";\nif header :contains "Subject" "after" { fileinto "After"; }\n')
        self.server.start()

    def put(self, text, user="bob"):
        path = self.server.root / "rules.sieve"
        path.write_text(text)
        self.server.run("sieve", "put", "--user", f"{user}@example.org", "--activate", str(path))

    def test_the_active_one_runs_in_the_place_of_the_default(self):
        for word in ("one", "two"):
            self.put(f'require "fileinto";\nif header :contains "Subject" "{word}" {{ fileinto "{word}"; }}\n')
            self.server.send(message(f"{word} and after", f"marker {word}\r\n"))
            self.server.wait_for(f"marker {word}", folder=word)
        self.server.send(message("one after", "marker last\r\n"))
        self.server.wait_for("marker last", folder="After")
        self.server.send(message("one", "marker alice\r\n"), to=["alice@example.org"])
        self.server.wait_for("marker alice", "alice")

    def test_a_faulty_one_leaves_the_one_before(self):
        self.put('require "fileinto";\nfileinto "Good";\n')
        self.server.send(message("first", "marker first\r\n"))
        self.server.wait_for("marker first", folder="Good")
        (self.server.maildir("bob") / "sieve/rules.sieve").write_text("nonsense;\nmore nonsense;\n")
        self.server.send(message("second", "marker second\r\n"))
        self.server.wait_for("marker second", folder="Good")
        self.assertRegex(self.server.log(), r"event=sieve\.refused .*line 1, column 1: .*line 2, column 1: ")

    def test_a_trial(self):
        script, mail = self.server.root / "a.sieve", self.server.root / "a.eml"
        script.write_text('require ["fileinto", "copy", "envelope"];\nif header :contains "subject" "hello" { fileinto :copy "A"; }\n'
                          'if envelope "from" "x@y.test" { redirect "z@y.test"; }\n')
        mail.write_text("From: a@b.test\nSubject: hello you\n\nx\n")
        done = self.server.run("sieve", "test", str(script), str(mail), "--from", "x@y.test")
        self.assertEqual(done.stdout, f'fileinto "A" ({script}:2)\nredirect "z@y.test" ({script}:3)\n')
        traced = self.server.run("sieve", "test", str(script), str(mail), "--trace").stdout
        self.assertIn(f'{script}:2:   "hello you" :contains "hello"\n{script}:2: header: true\n', traced)
        self.assertIn(f"{script}:3: envelope: false\n", traced)
        script.write_text('redirect "a@x.test"; redirect "b@x.test"; redirect "c@x.test"; redirect "d@x.test"; redirect "e@x.test";\n')
        failed = self.server.run("sieve", "test", str(script), str(mail), check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("may redirect a message 4 times", failed.stdout)
        script.write_text("nonsense;\n")
        self.assertEqual(self.server.run("sieve", "test", str(script), str(mail), check=False).returncode, 1)


class Events(unittest.TestCase):
    """The administrator's scripts at what IMAP clients do (RFC 6785)."""

    def setUp(self):
        rules = ["COPY,APPEND -> Junk: into.sieve", "COPY Junk -> *: out.sieve", "FLAG -> INBOX: flags.sieve"]
        self.server = Server(users=("bob",), settings={"sieve.imap": str(rules).replace("'", '"')})
        self.addCleanup(self.server.close)
        for name, text in (("into", 'require "imap4flags"; addflag "\\\\Seen";'),
                           ("out", 'require ["fileinto", "copy"]; fileinto :copy "Rescued";'),
                           ("flags", 'require ["imap4flags", "fileinto", "copy"];\nif hasflag "\\\\Flagged" { fileinto :copy "Starred"; }')):
            (self.server.root / f"sieve/{name}.sieve").write_text(text + "\n")
        self.server.start()
        self.server.send(message("one", "marker event\r\n"))
        self.server.wait_for("marker event")
        self.client = self.server.imap("bob")
        self.addCleanup(self.client.logout)

    def flags_in(self, folder):
        self.client.select(folder)
        return self.client.fetch("1", "(FLAGS)")[1][0].decode()

    def test_a_move_into_junk_and_out_again(self):
        self.client.create("Junk")
        self.client.select("INBOX")
        self.assertEqual(self.client.uid("MOVE", "1", "Junk")[0], "OK")
        self.assertIn("\\Seen", self.flags_in("Junk"))
        self.assertEqual(self.client.uid("MOVE", "1", "INBOX")[0], "OK")
        for folder in ("INBOX", "Rescued"):
            self.assertTrue(any(b"marker event" in raw for raw in self.server.fetch_all("bob", folder)), folder)

    def test_an_append_and_a_flag(self):
        self.client.create("Junk")
        self.client.append("Junk", None, None, b"Subject: spam\r\n\r\nx\r\n")
        self.assertIn("\\Seen", self.flags_in("Junk"))
        self.client.select("INBOX")
        self.client.store("1", "+FLAGS", "\\Seen")
        self.assertEqual(self.server.fetch_all("bob", "Starred"), [])
        self.client.store("1", "+FLAGS", "\\Flagged")
        self.assertEqual(len(self.server.fetch_all("bob", "Starred")), 1)


if __name__ == "__main__":
    unittest.main()
