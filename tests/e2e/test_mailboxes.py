"""Mailboxes with odd names, files that cannot be read, keywords and subscriptions, as clients and scripts meet them."""

import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, message, wait_until

SCRIPT = """
require ["fileinto", "imap4flags"];
if header :contains "Subject" "slashed" { fileinto "INBOX/Test"; }
elsif header :contains "Subject" "dotted" { fileinto "INBOX.Test"; }
elsif header :contains "Subject" "twice" { fileinto "INBOX.Test"; fileinto "INBOX/Test"; }
elsif header :contains "Subject" "empty level" { fileinto "a..b"; }
elsif header :contains "Subject" "too long" { fileinto "%s"; }
elsif header :contains "Subject" "home" { fileinto "~x"; }
elsif header :contains "Subject" "blocked" { fileinto "Blocked"; }
elsif header :contains "Subject" "strange flag" { addflag "a(b"; fileinto "Test"; }
""" % ("x" * 300)


class Mailboxes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob", "carol"))
        (cls.server.root / "sieve" / "default.sieve").write_text(SCRIPT)
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def test_a_script_files_into_what_can_be(self):
        inbox = self.server.maildir("bob")
        self.server.imap("bob").logout()
        (inbox / ".Blocked").write_text("a file in the way")
        for subject in ("slashed", "dotted", "twice", "strange flag"):
            self.server.send(message(subject, f"marker {subject}\r\n"))
            self.server.wait_for(f"marker {subject}", folder="Test")
        self.assertEqual(sum(b"marker twice" in raw for raw in self.server.fetch_all("bob", "Test")), 1)
        for subject in ("empty level", "too long", "home", "blocked"):
            self.server.send(message(subject, f"marker {subject}\r\n"))
            self.server.wait_for(f"marker {subject}")
        self.assertGreaterEqual(self.server.log().count("kept in INBOX"), 4)
        self.assertNotIn("event=queue.deferred", self.server.log())

    def test_a_client_is_told_what_cannot_be(self):
        client = self.server.imap("alice")
        for name in ("a..b", "~x", "x" * 300, "a/b"):
            kind, (text,) = client.create(f'"{name}"')
            self.assertEqual((kind, text[:8]), ("NO", b"[CANNOT]"), name)
            kind, (text,) = client.append(f'"{name}"', "", None, b"Subject: x\r\n\r\nx\r\n")
            self.assertEqual(kind, "NO", name)
            self.assertRegex(text, rb"^\[(CANNOT|TRYCREATE)\]")
        client.logout()

    def test_one_file_that_cannot_be_read(self):
        for number in range(3):
            self.server.send(message(f"number {number}", f"needle {number}\r\n", to="carol@example.org"), to=["carol@example.org"])
            self.server.wait_for(f"needle {number}", "carol")
        inbox = self.server.maildir("carol")
        (victim,) = [path for folder in ("new", "cur") for path in (inbox / folder).iterdir() if b"needle 1" in path.read_bytes()]
        dropped = inbox / "cur" / "1700000000.dropped:2,S"
        dropped.write_text("Subject: dropped\n\nneedle 3\n")
        os.chown(dropped, 0, 0)
        os.chmod(dropped, 0)
        os.mkfifo(inbox / "cur" / "1700000001.fifo")
        (inbox / "cur" / "1700000002.folder").mkdir()
        (inbox / "cur" / "1700000003.empty:2,").write_text("")
        os.chown(inbox / "cur" / "1700000003.empty:2,", inbox.stat().st_uid, inbox.stat().st_gid)
        lying = inbox / "cur" / "1700000004.lying,S=3,W=3:2,"
        lying.write_text("Subject: lying\n\nneedle 4\n")
        os.chown(lying, inbox.stat().st_uid, inbox.stat().st_gid)
        os.chown(victim, 0, 0)
        os.chmod(victim, 0)
        client = self.server.imap("carol")
        self.assertEqual(client.select()[1][0], b"6")
        self.assertEqual(client.fetch("1:*", "(UID BODY.PEEK[])")[0], "NO")
        answers = client.response("FETCH")[1]  # what came before the NO
        texts = b"".join(part[1] for part in answers if isinstance(part, tuple))
        self.assertEqual(sorted(set(re.findall(rb"needle (\d)", texts))), [b"0", b"2", b"4"])
        kind, answers = client.fetch("1:*", "(UID FLAGS)")
        self.assertEqual((kind, len(answers)), ("OK", 6))
        kind, (found,) = client.search(None, "BODY", '"needle"')
        self.assertEqual((kind, len(found.split())), ("OK", 3))
        kind, answers = client.fetch("1:*", "(ENVELOPE RFC822.SIZE)")
        self.assertEqual(kind, "NO")
        client.logout()
        self.assertEqual(self.server.log().count(f"{dropped}: Permission"), 1)

    def test_nul_is_shown_as_0x80(self):
        client = self.server.imap("alice")
        client.create("Nul")
        raw = b"Subject: nul\r\n\r\na\0b\0\0c\r\n"
        self.assertEqual(client.append("Nul", "", None, raw)[0], "OK")
        client.select("Nul")
        (head, text), *_ = client.fetch("1", "(RFC822.SIZE BODY[])")[1]
        self.assertEqual(text, raw.replace(b"\0", b"\x80"))
        self.assertIn(b"RFC822.SIZE %d" % len(raw), head)
        (_, text), *_ = client.fetch("1", "(BODY[TEXT]<1.3>)")[1]
        self.assertEqual(text, b"\x80b\x80")
        client.logout()

    def test_a_subscription_to_what_is_gone(self):
        client = self.server.imap("alice")
        for name in ("Ghost", "Level.Below"):
            client.create(name)
            client.subscribe(name)
        client.delete("Ghost")
        listed = b"\n".join(client.list()[1])
        self.assertNotIn(b"Ghost", listed)
        self.assertRegex(b"\n".join(client.lsub()[1]), rb'\(\\Noselect\) "." "?Ghost')
        self.assertRegex(b"\n".join(client.lsub('""', "%")[1]), rb'\(\\Noselect\) "." "?Level"?(\n|$)')
        self.assertNotIn(b"Level.Below", b"\n".join(client.lsub('""', "%")[1]))
        client.logout()

    def test_a_keyword_is_announced_before_it_is_told(self):
        one, other = self.server.imap("alice"), self.server.imap("alice")
        one.create("Words")
        one.append("Words", "", None, b"Subject: x\r\n\r\nx\r\n")
        one.select("Words")
        other.select("Words")
        self.assertEqual(other.store("1", "+FLAGS", "(Fresh)")[0], "OK")
        one.send(b"t1 FETCH 1 (FLAGS)\r\n")
        lines = []
        while not lines or not lines[-1].startswith(b"t1 "):
            lines.append(one.readline())
        order = [next(at for at, line in enumerate(lines) if re.match(start, line)) for start in (rb"\* FLAGS .*Fresh", rb"\* OK \[PERMANENTFLAGS .*Fresh", rb"\* 1 FETCH .*Fresh")]
        self.assertEqual(order, sorted(order))
        one.logout()
        other.logout()


def names(first, end):
    return [f"k{number}" for number in range(first, end)]


def flags_in(lines):
    """The keywords in the parentheses of the last FLAGS or PERMANENTFLAGS."""
    return [word.decode() for word in re.search(rb"\(([^()]*)\)", lines[-1])[1].split() if not word.startswith(b"\\")]


def keywords_of(client, number):
    answers = [line for line in client.fetch(str(number), "(FLAGS)")[1] if line.startswith(b"%d " % number)]
    return flags_in([answers[-1].partition(b"FLAGS ")[2]])


def uid_of(client, number):
    return re.search(rb"UID (\d+)", client.fetch(str(number), "(UID)")[1][0])[1].decode()


class ManyKeywords(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=("alice",))
        self.server.start()
        self.addCleanup(self.server.close)

    def append(self, client, mailbox, flags=""):
        return client.append(mailbox, flags, None, b"Subject: x\r\n\r\nx\r\n")

    def test_three_thousand(self):
        one, other = self.server.imap("alice"), self.server.imap("alice")
        for mailbox in ("Many", "Copied", "Moved"):
            one.create(mailbox)
        for _ in range(3):
            self.append(one, "Many")
        one.select("Many")
        other.select("Many")
        for first in range(0, 3000, 1000):
            self.assertEqual(one.store("1", "+FLAGS", f"({' '.join(names(first, first + 1000))})")[0], "OK")
        self.assertEqual(one.store("2", "+FLAGS", "(k2999 k40 k3)")[0], "OK")
        # The other session sees each change, after the names.
        other.response("FLAGS")
        other.noop()
        self.assertEqual(set(flags_in(other.response("FLAGS")[1])), set(names(0, 3000)))
        self.assertEqual(set(keywords_of(other, 1)), set(names(0, 3000)))
        self.assertEqual(set(keywords_of(other, 2)), {"k2999", "k40", "k3"})
        other.store("3", "FLAGS", "(K1234 fresh)")
        one.noop()
        self.assertIn("fresh", flags_in(one.response("FLAGS")[1]))
        self.assertEqual(set(keywords_of(one, 3)), {"k1234", "fresh"})

        self.assertEqual(one.copy("1:2", "Copied")[0], "OK")
        self.assertEqual(one.uid("MOVE", uid_of(one, 2), "Moved")[0], "OK")
        self.assertEqual(self.append(one, "Moved", "(k2998 appended)")[0], "OK")
        self.assertEqual(self.append(one, "Many", "(k2999 appended)")[0], "OK")
        for _ in range(2):
            for search, found in (("KEYWORD k2999", b"1 3"), ("KEYWORD K1234", b"1 2"), ("UNKEYWORD k7", b"2 3"), ("KEYWORD appended", b"3"), ("NOT KEYWORD k2000 NOT KEYWORD fresh", b"3"), ("KEYWORD none", b"")):
                self.assertEqual(one.search(None, *search.split())[1], [found], search)
            self.assertEqual(set(keywords_of(one, 1)), set(names(0, 3000)))
            one.select("Copied")
            self.assertEqual(set(keywords_of(one, 1)), set(names(0, 3000)))
            self.assertEqual(set(keywords_of(one, 2)), {"k2999", "k40", "k3"})
            one.select("Moved")
            self.assertEqual(set(keywords_of(one, 1)), {"k2999", "k40", "k3"})
            self.assertEqual(set(keywords_of(one, 2)), {"k2998", "appended"})
            one.logout()
            other.logout()
            # The second time without the index: the files have it all.
            self.server.stop()
            for path in self.server.maildir("alice").glob("posthorn.index*") if _ == 0 else ():
                path.unlink()
            self.server.start()
            one, other = self.server.imap("alice"), self.server.imap("alice")
            one.select("Many")
        one.logout()
        other.logout()

    def test_they_go_with_exports_and_imports(self):
        client = self.server.imap("alice")
        self.append(client, "INBOX")
        client.select()
        client.store("1", "+FLAGS", f"({' '.join(names(0, 3000))})")
        client.logout()
        user, place = "alice@example.org", self.server.root
        self.server.run("export", "mbox", str(place / "out.mbox"), "--user", user, "--folder", "INBOX")
        self.server.run("export", "maildir", str(place / "out"), "--user", user)
        self.server.run("import", "mbox", str(place / "out.mbox"), "--user", user, "--folder", "FromMbox")
        self.server.run("import", "maildir", str(place / "out" / ""), "--user", user, "--folder", "FromMaildir")
        client = self.server.imap("alice")
        for folder in ("FromMbox", "FromMaildir"):
            self.assertEqual(client.select(folder)[1], [b"1"])
            self.assertEqual(set(keywords_of(client, 1)), set(names(0, 3000)), folder)
        client.logout()

    def test_more_than_there_may_be(self):
        client = self.server.imap("alice")
        for mailbox in ("Full", "Other"):
            client.create(mailbox)
            self.append(client, mailbox)
        client.select("Other")
        client.store("1", "+FLAGS", "(strange)")
        client.select("Full")
        self.append(client, "Full")
        client.noop()
        for first in range(0, 4096, 1024):
            self.assertEqual(client.store("1", "+FLAGS", f"({' '.join(names(first, first + 1024))})")[0], "OK")
        client.select("Full")
        self.assertNotIn(b"\\*", client.response("PERMANENTFLAGS")[1][-1])
        for refused in (client.store("2", "+FLAGS", "(k1 one.more)"), self.append(client, "Full", "(one.more)")):
            self.assertEqual(refused[0], "NO")
            self.assertTrue(refused[1][0].startswith(b"[LIMIT]"), refused)
        self.assertEqual(keywords_of(client, 2), [])
        client.select("Other")
        for refused in (client.copy("1", "Full"), client.uid("MOVE", uid_of(client, 1), "Full")):
            self.assertEqual(refused[0], "NO")
            self.assertTrue(refused[1][0].startswith(b"[LIMIT]"), refused)
        self.assertEqual(keywords_of(client, 1), ["strange"])
        self.assertEqual(client.select("Full")[1], [b"2"])
        # Names that nobody uses go when there is need.
        self.assertEqual(client.store("1", "-FLAGS.SILENT", f"({' '.join(names(100, 200))})")[0], "OK")
        client.select("Full")
        self.assertIn(b"\\*", client.response("PERMANENTFLAGS")[1][-1])
        self.assertEqual(client.store("2", "+FLAGS", "(one.more)")[0], "OK")
        self.assertEqual(keywords_of(client, 2), ["one.more"])
        client.select("Full")
        self.assertEqual(set(flags_in(client.response("PERMANENTFLAGS")[1])), {"one.more", *names(0, 100), *names(200, 4096)})
        self.assertEqual(len(keywords_of(client, 1)), 3996)
        client.logout()


class MovedMaildirs(unittest.TestCase):
    def test_every_folder_is_there_under_one_name(self):
        with Server(users=("alice", "bob")) as server:
            server.imap("bob").logout()
            inbox = server.maildir("bob")
            names = [".Entwürfe", ".R&D", ".inbox.x", ".a.b."]
            for name in names:
                for part in ("tmp", "new", "cur"):
                    (inbox / name / part).mkdir(parents=True)
                (inbox / name / "cur" / "1700000000.M1P1.x:2,S").write_text(f"Subject: {name}\n\nin {name}\n")
            for path in inbox.rglob("*"):
                os.chown(path, inbox.stat().st_uid, inbox.stat().st_gid)
            client = server.imap("bob")
            listed = b"\n".join(client.list()[1]).decode()
            shown = ["Entw&APw-rfe", "R&-D", "INBOX.x", "a.b"]
            for name in shown:
                self.assertRegex(listed, rf'" "?{re.escape(name)}"?(\n|$)')
                self.assertEqual(client.select(f'"{name}"')[1][0], b"1")
            client.logout()
            self.assertEqual(server.log().count("none of IMAP's"), 4)
            out = server.root / "out"
            server.run("export", "maildir", str(out), "--user", "bob@example.org")
            exported = {path.name for path in out.iterdir() if (path / "cur").is_dir() and path.name.startswith(".")}
            self.assertLessEqual({"." + name for name in shown}, exported)
            self.assertEqual(exported & set(names) - {"." + name for name in shown}, set())
            server.run("import", "maildir", str(inbox), "--user", "alice@example.org")
            for name in shown:
                wait_until(lambda name=name: len(server.fetch_all("alice", name)) == 1)


if __name__ == "__main__":
    unittest.main()
