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
