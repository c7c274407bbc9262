"""posthorn import and export: mbox files and maildirs into an account and out again.

Python's mailbox module writes what is imported and reads what was exported; IMAP shows what is in between.
"""

import contextlib
import email
import fcntl
import imaplib
import mailbox
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, message, wait_until

MBOX = """From carol@far.test Sun Sep  9 01:46:40 2001
Subject: first
Status: RO
X-Status: AF
X-Keywords: Work

>From the quoted line
>>From deeper
From nowhere special

From MAILER-DAEMON Wed Nov  9 11:33:22 2004
Subject: second

last line
"""


class Transfers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posthorn-mbox-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.server = Server()
        self.addCleanup(self.server.close)

    def run_tool(self, *args, input=None):
        done = subprocess.run([POSTHORN, *map(str, args), "-c", str(self.server.conf)], input=input, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def shown(self, folder="INBOX"):
        """{subject: (seconds, flags, body)}"""
        client = self.server.imap()
        try:
            self.assertEqual(client.select(folder)[0], "OK", folder)
            found = {}
            if client.search(None, "ALL")[1] == [b""]:
                return found
            for part in client.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    mail = email.message_from_bytes(part[1])
                    flags = set(re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()) - {"\\Recent"}
                    found[mail["Subject"]] = (int(time.mktime(imaplib.Internaldate2tuple(part[0]))), flags, mail.get_payload().replace("\r\n", "\n"),
                                              int(re.search(rb"UID (\d+)", part[0])[1]))
            return found
        finally:
            client.logout()

    def import_on_terminal(self, terminal):
        """What a terminal of 80 columns gets to see of the import of a maildir, which is held up on its way."""
        count = 300
        for name in ("cur", "new", "tmp", ".Old/cur", ".Old/new", ".Old/tmp"):
            (self.folder / "in" / name).mkdir(parents=True)
        for i in range(count):
            (self.folder / "in" / ("cur", ".Old/cur")[i % 2] / f"{i}.x:2,S").write_bytes(message(f"mail {i}").replace(b"\r\n", b"\n"))
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        command = [POSTHORN, "import", "maildir", str(self.folder / "in"), "--user", "bob@example.org", "-c", str(self.server.conf)]
        with subprocess.Popen(command, stderr=slave, env={**os.environ, "TERM": terminal}) as process:
            os.close(slave)
            staged = self.server.maildir("bob") / "tmp"
            wait_until(lambda: staged.exists() and len(self.staged()) > 10, step=0.001)
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.3)  # from then on it is not quick
            process.send_signal(signal.SIGCONT)
            seen = b""
            with contextlib.suppress(OSError):  # the terminal's end
                while piece := os.read(master, 4096):
                    seen += piece
            os.close(master)
            self.assertEqual(process.wait(60), 0, seen)
        self.assertTrue(seen.endswith(b"300 messages\r\n"), seen)
        return seen

    def test_a_bar_on_a_terminal(self):
        seen = self.import_on_terminal("xterm")
        drawn = re.findall(rb"\r\x1b\[K\[(#*)(-*)\] +(\d+) %  (\d+) of 300 messages[^\r]*, in (?:INBOX|Old)", seen)
        self.assertTrue(drawn, seen)
        for done, left, percent, count in drawn:
            self.assertEqual(int(percent), int(count) // 3)
            self.assertEqual(len(done), len(done + left) * int(percent) // 100)
        self.assertEqual([int(one[3]) for one in drawn], sorted(int(one[3]) for one in drawn))
        self.assertLess(max(map(len, re.split(rb"\r\x1b\[K|\r\n", seen))), 80)
        self.assertRegex(seen, rb"\r\x1b\[K300 messages\r\n$")  # nothing is left of it

    def test_no_bar_where_a_line_cannot_be_drawn_anew(self):
        self.assertEqual(self.import_on_terminal("dumb"), b"300 messages\r\n")

    def test_mbox_in_and_out(self):
        (self.folder / "in.mbox").write_text(MBOX)
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "in.mbox", "--user", "bob@example.org", "--folder", "Old.Mail"), (0, "", "2 messages\n"))
        self.assertEqual(self.run_tool("import", "mbox", "-", "--user", "Bob", input=MBOX.encode())[0], 0)
        self.server.start()
        for folder in ("INBOX", "Old.Mail"):
            found = self.shown(folder)
            self.assertEqual(found["first"][:3], (1_000_000_000, {"\\Seen", "\\Answered", "\\Flagged", "Work"}, "From the quoted line\n>From deeper\nFrom nowhere special\n"))
            self.assertEqual(found["second"][:3], (1_100_000_002, set(), "last line\n"))
        self.server.stop()
        self.assertEqual(self.run_tool("export", "mbox", self.folder / "out.mbox", "--user", "bob@example.org", "--folder", "Old.Mail"), (0, "", "2 messages\n"))
        text = (self.folder / "out.mbox").read_text()
        self.assertIn("From MAILER-DAEMON Sun Sep  9 01:46:40 2001\nSubject: first\nStatus: RO\nX-Status: AF\nX-Keywords: Work\n\n>From the quoted line\n>>From deeper\n>From nowhere special\n\n", text)
        read = mailbox.mbox(self.folder / "out.mbox")
        self.assertEqual([mail["Subject"] for mail in read], ["first", "second"])
        self.assertEqual(read[0].get_flags(), "ROAF")
        read.close()
        # What was written comes in again as it was.
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "out.mbox", "--user", "alice@example.org")[0], 0)
        code, again, _ = self.run_tool("export", "mbox", "-", "--user", "alice@example.org")
        self.assertEqual((code, again), (0, text))
        self.assertNotEqual(self.run_tool("export", "mbox", self.folder / "out.mbox", "--user", "bob@example.org")[0], 0)  # overwrites nothing
        (self.folder / "all").mkdir()
        told = self.run_tool("export", "mbox", self.folder / "all", "--user", "bob@example.org")[2]
        self.assertTrue(told.endswith("\n4 messages\n"), told)
        self.assertRegex(told, r"(?m)^took INBOX: \d+ messages?$")
        self.assertLessEqual({"INBOX.mbox", "Old.Mail.mbox", "Sent.mbox"}, {path.name for path in (self.folder / "all").iterdir()})

    def test_a_maildir_in(self):
        maildir = mailbox.Maildir(self.folder / "Maildir", create=True)
        work = maildir.add_folder("Work.2026")
        for box, subject, flags, when in ((maildir, "inbox one", "S", 1_000_000_000), (maildir, "inbox two", "", 1_100_000_000), (work, "work one", "FR", 1_200_000_000)):
            mail = mailbox.MaildirMessage(f"Subject: {subject}\n\nbody\n")
            mail.set_subdir("cur")
            mail.set_flags(flags)
            mail.set_date(when)
            box.add(mail)
        (self.folder / "Maildir/.Work.2026/new").rmdir()  # as a backup that leaves empty folders out
        for folder, _, names in os.walk(self.folder):
            os.chmod(folder, 0o755)
            for name in names:
                os.chmod(pathlib.Path(folder) / name, 0o644)
        self.assertEqual(self.run_tool("import", "maildir", self.folder / "Maildir", "--user", "bob@example.org"), (0, "", "3 messages\n"))
        self.server.start()
        self.assertEqual({key: value[:2] for key, value in self.shown().items()}, {"inbox one": (1_000_000_000, {"\\Seen"}), "inbox two": (1_100_000_000, set())})
        self.assertEqual(self.shown("Work.2026")["work one"][:2], (1_200_000_000, {"\\Flagged", "\\Answered"}))

    def test_a_maildir_out(self):
        """Anyone may leave: another server finds files, UIDs, keywords and subscriptions, and so does Posthorn itself."""
        self.server.start()
        for number in range(3):
            self.server.send(message(subject=f"mail {number}", body=f"body {number}\r\n"))
            self.server.wait_for(f"body {number}")
        client = self.server.imap()
        client.create("Work")
        client.select()
        client.store("2", "+FLAGS", "(\\Seen $Label)")
        client.copy("2", "Work")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        client.logout()
        before = self.shown()
        self.server.stop()
        out = self.folder / "out"
        self.assertEqual(self.run_tool("export", "maildir", out, "--user", "bob@example.org"), (0, "", "3 messages\n"))
        self.assertEqual(sorted(path.name for path in out.iterdir() if path.is_file()), sorted(name for name in (path.name for path in out.iterdir() if path.is_file())
                                                                                              if name in ("dovecot-uidlist", "dovecot-keywords", "subscriptions") or name.startswith("dovecot-uidvalidity")))
        self.assertIn("Work", (out / "subscriptions").read_text() + "Work")
        self.assertRegex((out / "dovecot-uidlist").read_text(), r"^3 V\d+ N\d+ G\w+( M\d+)?\n(1 :\S+\n)?2 :\S+\n3 :\S+\n$")
        self.assertIn("$Label", (out / "dovecot-keywords").read_text())
        files = list((out / "cur").iterdir()) + list((out / "new").iterdir())
        self.assertEqual(len(files), 2)
        read = mailbox.Maildir(out, create=False)
        self.assertEqual(sorted(mail["Subject"] for mail in read), ["mail 1", "mail 2"])
        # Moved in as a Dovecot maildir is: the same UIDs, dates and flags.
        target = self.server.maildir("bob")
        owner = target.stat()
        shutil.rmtree(target)
        shutil.copytree(out, target)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(target)], check=True)
        self.server.start()
        self.assertEqual(self.shown(), before)
        self.assertEqual(list(self.shown("Work")), ["mail 1"])

    def test_refusals(self):
        (self.folder / "in.mbox").write_text(MBOX)
        (self.folder / "text").write_text("Subject: a mail\n\nno mbox\n")
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "text", "--user", "bob@example.org")[0], 1)
        code, _, error = self.run_tool("import", "mbox", self.folder / "in.mbox", "--user", "nobody@example.org")
        self.assertEqual(code, 1)
        self.assertIn("has no mailbox", error)
        self.assertEqual(self.run_tool("import", "maildir", self.folder, "--user", "bob@example.org")[0], 1)
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "missing", "--user", "bob@example.org")[0], 1)
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "in.mbox", "--user", "bob@example.org", "--folder", "a..b")[0], 64)
        self.assertEqual(self.run_tool("export", "mbox", self.folder / "x", "--user", "bob@example.org", "--folder", "None")[0], 1)
        self.assertEqual(self.run_tool("export", "maildir", self.folder, "--user", "bob@example.org")[0], 1)  # not empty
        self.server.start()
        self.assertEqual(self.shown(), {})

    def watcher(self, folder="INBOX"):
        client = self.server.imap()
        self.addCleanup(client.shutdown)
        self.assertEqual(client.select(folder)[0], "OK")
        return client

    def staged(self, user="bob"):
        """What lies in tmp/, on its way."""
        return [path for path in self.server.maildir(user).joinpath("tmp").iterdir()]

    def test_in_and_out_of_a_running_server(self):
        """The store does it: every session sees what comes, and what a program writes out meanwhile is whole."""
        self.server.start()
        (self.folder / "in.mbox").write_text(MBOX)
        watchers = [self.watcher(), self.watcher()]
        self.assertEqual(self.run_tool("import", "mbox", self.folder / "in.mbox", "--user", "bob@example.org"), (0, "", "2 messages\n"))
        for client in watchers:
            self.assertEqual(wait_until(lambda: client.noop()[0] == "OK" and client.response("EXISTS")[1])[-1], b"2")
        self.assertEqual(self.run_tool("import", "mbox", "-", "--user", "Bob", "--folder", "Old.Mail", input=MBOX.encode())[0], 0)
        for folder in ("INBOX", "Old.Mail"):
            found = self.shown(folder)
            self.assertEqual(found["first"][:3], (1_000_000_000, {"\\Seen", "\\Answered", "\\Flagged", "Work"}, "From the quoted line\n>From deeper\nFrom nowhere special\n"))
            self.assertEqual(found["second"][:3], (1_100_000_002, set(), "last line\n"))
        code, _, told = self.run_tool("export", "mbox", self.folder / "live.mbox", "--user", "bob@example.org")
        self.assertEqual(code, 0)
        self.assertRegex(told, r"\Atook INBOX; left Archive, .*Sent.*\n2 messages\n\Z")
        (self.folder / "all").mkdir()
        told = self.run_tool("export", "mbox", self.folder / "all", "--user", "bob@example.org")[2]
        self.assertTrue(told.endswith("\n4 messages\n"), told)
        self.assertRegex(told, r"(?m)^took INBOX: \d+ messages?$")
        self.assertEqual(self.run_tool("export", "maildir", self.folder / "Maildir", "--user", "bob@example.org"), (0, "", "4 messages\n"))
        self.server.send(message(subject="later", body="later\r\n"))
        self.server.wait_for("later")
        self.server.stop()
        code, _, told = self.run_tool("export", "mbox", self.folder / "stopped.mbox", "--user", "bob@example.org")
        self.assertEqual(code, 0)
        self.assertRegex(told, r"\Atook INBOX; left Archive, .*Sent.*\n3 messages\n\Z")
        live = (self.folder / "live.mbox").read_text()
        self.assertTrue((self.folder / "stopped.mbox").read_text().startswith(live))
        self.assertEqual((self.folder / "all" / "INBOX.mbox").read_text(), live)
        read = mailbox.Maildir(self.folder / "Maildir", create=False)
        self.assertEqual(sorted(mail["Subject"] for mail in read), ["first", "second"])
        self.assertEqual([path.name for path in self.folder.iterdir() if "partial" in path.name], [])

    def test_a_dovecot_maildir_keeps_its_uids(self):
        """Into folders that never held a message: UIDVALIDITY, UIDs with their gaps, and the next UID."""
        maildir = mailbox.Maildir(self.folder / "Maildir", create=True)
        for box, validity, next_uid, uids in ((maildir, 1234, 41, (3, 7, 40)), (maildir.add_folder("Work"), 1300, 100, (5,))):
            place = pathlib.Path(box._path)
            lines = [f"3 V{validity} N{next_uid} Gabcdef0123456789"]
            for uid in uids:
                name = f"1000000{uid:03}.M1P1.far"
                (place / "cur" / f"{name}:2,Sa").write_text(f"Subject: mail {uid}\n\nbody {uid}\n")
                os.utime(place / "cur" / f"{name}:2,Sa", (1_000_000_000 + uid,) * 2)
                lines.append(f"{uid} :{name}")
            (place / "dovecot-uidlist").write_text("\n".join(lines) + "\n")
            (place / "dovecot-keywords").write_text("0 $Label\n")
        for folder, _, names in os.walk(self.folder):
            os.chmod(folder, 0o755)
        self.server.start()
        for _ in range(2):
            self.assertEqual(self.run_tool("import", "maildir", self.folder / "Maildir", "--user", "bob@example.org"), (0, "", "4 messages\n"))
            client = self.server.imap()
            self.assertEqual(client.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1], [b"INBOX (UIDVALIDITY 1234 UIDNEXT %d)" % (41 if _ == 0 else 44)])
            self.assertEqual(client.status("Work", "(UIDVALIDITY UIDNEXT)")[1], [b"Work (UIDVALIDITY 1300 UIDNEXT %d)" % (100 if _ == 0 else 101)])
            client.select("INBOX")
            self.assertEqual(client.uid("search", "KEYWORD", "$Label")[1], [b"3 7 40" if _ == 0 else b"3 7 40 41 42 43"])  # a second time they are new ones
            client.logout()
        self.server.stop()
        self.server.start()
        found = self.shown()
        self.assertEqual({subject: value[3] for subject, value in found.items()}, {"mail 3": 41, "mail 7": 42, "mail 40": 43})
        self.assertEqual(found["mail 7"][:2], (1_000_000_007, {"\\Seen", "$Label"}))

    def test_an_end_in_the_midst_leaves_nothing(self):
        """The command ends before its input does: no message shows, no file stays; and so when the store ends."""
        self.server.start()
        watcher = self.watcher()
        end_store = lambda: os.kill(self.server.roles()["store"], signal.SIGKILL)
        for end in (None, end_store):
            tool = subprocess.Popen([POSTHORN, "import", "mbox", "-", "--user", "bob@example.org", "-c", str(self.server.conf)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            tool.stdin.write(MBOX.encode() * 20)
            tool.stdin.flush()
            wait_until(lambda: len(self.staged()) >= 20)
            if end:
                end()
                tool.stdin.close()
                self.assertEqual(tool.wait(30), 75, tool.stderr.read())
            else:
                tool.kill()
                tool.wait(30)
                tool.stdin.close()
                wait_until(lambda: not self.staged())
                self.assertEqual(watcher.noop()[0], "OK")
            tool.stderr.close()
            wait_until(lambda: self.server.roles().get("store"))
            self.assertEqual(wait_until(lambda: self.shown_or_none()), {"none": True})
        # An export that is ended leaves no file of that name.
        self.assertEqual(self.run_tool("export", "mbox", self.folder / "none" / "x.mbox", "--user", "bob@example.org")[0], 1)

    def shown_or_none(self):
        try:
            return self.shown() or {"none": True}
        except (OSError, imaplib.IMAP4.error, AssertionError):
            return None  # the store starts again


if __name__ == "__main__":
    unittest.main()
