"""Old habits: sendmail, mailq, newaliases and postmap as names of the one program, `mail` and `mailx` on top of them,
files dropped into a maildir, and a From that is not one's own.

The programs run as another account of the machine where the test runs as root: what a stranger with a shell may do is
the point.
"""

import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, Smarthost, message, wait_until

IS_ROOT = os.geteuid() == 0
NOBODY = "nobody"


class Habits(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.smarthost = Smarthost(require_auth=False)
        cls.smarthost.__enter__()
        cls.server = Server(settings={"relay.relayhost": f'"[127.0.0.1]:{cls.smarthost.port}"', "relay.tls": '"none"',
                                      "queue.retry_first": '"1h"', **cls.settings})
        cls.server.append_map("aliases", "root@example.org alice@example.org\n")
        cls.server.append_map("senders", f"shop@example.org {NOBODY}@example.org\n")
        cls.bin = cls.server.folder / "bin"
        cls.bin.mkdir()
        for name in ("sendmail", "mailq", "newaliases", "postmap"):
            (cls.bin / name).symlink_to(POSTHORN)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.smarthost.__exit__()

    def call(self, name, *args, input="", user=None, **env):
        more = {"user": user, "group": "nogroup", "extra_groups": []} if user and IS_ROOT else {}
        done = subprocess.run([str(self.bin / name), *args], input=input.encode(), capture_output=True, timeout=60,
                              env={**os.environ, "POSTHORN_CONF": str(self.server.conf), **env}, **more)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def nobody(self, *args, input=""):
        return self.call("sendmail", *args, input=input, user=NOBODY)


class Sendmail(Habits):
    def test_a_message_from_a_program(self):
        self.assertEqual(self.nobody("bob@example.org", input="Subject: one\n\nfrom a program\n.\nnot this\n"), (0, "", ""))
        raw = self.server.wait_for("from a program").decode()
        sender = f"{NOBODY}@example.org" if IS_ROOT else "@example.org"
        self.assertIn(sender, re.search(r"^From: (.*)", raw, re.M)[1])
        for field in ("Date: ", "Message-ID: <", "To: undisclosed-recipients:;", "Subject: one"):
            self.assertRegex(raw, f"(?m)^{re.escape(field)}")
        self.assertRegex(raw, r"(?m)^Return-Path: <.*@example\.org>")
        self.assertNotIn("not this", raw)

    def test_recipients_from_the_header(self):
        code, out, error = self.nobody("-t", "-oi", input="To: Bob <bob@example.org>\nBcc: alice\nSubject: t\n\nmarker-t\n.\nbehind the dot\n")
        self.assertEqual((code, out, error), (0, "", ""))
        for user in ("bob", "alice"):
            raw = self.server.wait_for("marker-t", user)
            self.assertNotIn(b"Bcc", raw)
            self.assertIn(b"\r\n.\r\nbehind the dot\r\n", raw)

    def test_the_sender(self):
        self.assertEqual(self.nobody("-f", "shop@example.org", "-F", "The \"Shop\"", "bob@example.org", input="\nmarker-shop\n")[0], 0)
        raw = self.server.wait_for("marker-shop").decode()
        self.assertIn('From: "The \\"Shop\\"" <shop@example.org>', raw)
        self.assertIn("Return-Path: <shop@example.org>", raw)
        self.assertEqual(self.nobody("-f", "<>", "bob@example.org", input="\nmarker-null\n")[0], 0)
        self.assertIn("Return-Path: <>", self.server.wait_for("marker-null").decode())

    @unittest.skipUnless(IS_ROOT, "another account is needed")
    def test_it_is_nobody_else(self):
        code, _, error = self.nobody("-f", "alice@example.org", "bob@example.org", input="\nforged-envelope\n")
        self.assertEqual(code, 77)
        self.assertIn("not owned by", error)
        self.assertEqual(self.nobody("bob@example.org", input="From: alice@example.org\n\nforged-from\n")[0], 0)
        self.assertIn(f"Sender: <{NOBODY}@example.org>", self.server.wait_for("forged-from").decode())
        # root may speak for everybody: cron, packages, scripts.
        self.assertEqual(self.call("sendmail", "-f", "alice@example.org", "bob@example.org", input="From: alice@example.org\n\nroot-speaks\n")[0], 0)
        self.assertNotIn("Sender:", self.server.wait_for("root-speaks").decode())

    def test_statuses(self):
        self.assertEqual(self.nobody("bob@example.org", "nosuch@example.org", input="\nmarker-some\n")[0], 67)
        self.server.wait_for("marker-some")
        code, _, error = self.nobody("friend@far.test", input="\nno relay\n")
        self.assertEqual(code, 77)
        self.assertIn("Relay access denied", error)
        self.assertEqual(self.nobody(input="\nx\n")[0], 64)
        self.assertEqual(self.nobody("-Z", "bob@example.org", input="\nx\n")[0], 64)
        self.assertEqual(self.nobody("-f")[0], 64)
        self.assertEqual(self.nobody("-t", input="Subject: to nobody\n\nx\n")[0], 64)
        self.assertEqual(self.nobody("bob@-bad-", input="\nx\n")[0], 65)
        self.assertEqual(self.nobody("-bd")[0], 0)
        self.assertEqual(self.call("sendmail", "bob@example.org", input="\nx\n", POSTHORN_CONF="/nonexistent/posthorn.toml")[0], 78)
        self.assertEqual(self.call("sendmail", "-C", str(self.server.conf), "bob@example.org", input="\nmarker-C\n", POSTHORN_CONF="/nonexistent")[0], 0)
        code, out, _ = self.nobody("-v", "bob@example.org", input="\nmarker-v\n")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"the message: 250 2\.0\.0 Ok: queued as \w+")

    def test_a_dialog_on_standard_input(self):
        somebody = {"user": NOBODY, "group": "nogroup", "extra_groups": []} if IS_ROOT else {}
        with subprocess.Popen([str(self.bin / "sendmail"), "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **somebody,
                              env={**os.environ, "POSTHORN_CONF": str(self.server.conf)}) as process:
            def reply():
                while True:
                    line = process.stdout.readline().decode()
                    if line[3:4] != "-":
                        return line

            self.assertRegex(reply(), "^220 ")
            for command, expected in (("EHLO x", "^250 "), ("AUTH PLAIN AAAA", "^50[0-9] "), ("MAIL FROM:<>", r"^250 2\.1\.0"), ("RCPT TO:<bob@example.org>", r"^250 2\.1\.5"),
                                      ("RCPT TO:<friend@far.test>", r"^554 5\.7\.1"), ("DATA", "^354 "), ("Subject: bs\r\n\r\nmarker-bs\r\n.", "queued as"), ("QUIT", "^221 ")):
                process.stdin.write(command.encode() + b"\r\n")
                process.stdin.flush()
                self.assertRegex(reply(), expected)
            self.assertEqual(process.wait(20), 0)
        self.server.wait_for("marker-bs")

    def test_a_dialog_from_a_file(self):
        """As scripts have it: all of it at once."""
        dialog = "EHLO x\nMAIL FROM:<>\nRCPT TO:<bob@example.org>\nDATA\nSubject: file\n\nmarker-of-a-file\n.\nQUIT\n"
        code, out, _ = self.nobody("-bs", input=dialog.replace("\n", "\r\n"))
        self.assertEqual(code, 0)
        self.assertIn("queued as", out)
        self.server.wait_for("marker-of-a-file")

    def test_root_has_an_alias(self):
        self.assertEqual(self.nobody("root", input="\nfor-root\n")[0], 0)
        self.server.wait_for("for-root", "alice")

    def test_newaliases_and_postmap(self):
        self.server.append_map("aliases", "new@example.org bob@example.org\n")
        code, out, _ = self.call("newaliases")
        self.assertEqual(code, 0)
        self.assertIn("reloaded", out)
        self.assertEqual(self.nobody("new@example.org", input="\nnew-alias\n")[0], 0)
        self.server.wait_for("new-alias")
        maps = self.server.root / "maps"
        code, out, _ = self.call("postmap", *(str(maps / name) for name in ("aliases", "domains", "mailboxes", "relay-sasl")))
        self.assertEqual((code, out.count("reloaded")), (0, 1))
        self.assertEqual(self.call("postmap", "-q", "new@example.org", f"hash:{maps / 'aliases'}")[:2], (0, "bob@example.org\n"))

    def test_the_queue(self):
        wait_until(lambda: self.call("mailq")[:2] == (0, "Mail queue is empty\n"))  # what went before is on its way
        self.smarthost.script["RCPT"] = "450 4.2.0 later, said the host"
        try:
            self.server.submit("alice", message(), ["one@far.test"])
            wait_until(lambda: "later, said" in self.call("mailq")[1])
            text = self.call("sendmail", "-bp")[1]
            self.assertRegex(text, r"-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n\w{13}  +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  alice@example\.org\n"
                                   r" *\(.*450 4\.2\.0 later, said the host\)\n {41}one@far\.test\n\n-- 1 Kbytes in 1 Request\.\n$")
            text = self.server.run("queue", "list").stdout
            self.assertRegex(text, r"^Id  +State  +Age  +Size  +Next  +Tries  Sender\n\w{13}  deferred  +\d+s  +\d+ B +(59m\d+s|1h0m|[12]h\d+m) +1  <alice@example\.org>\n"
                                   r"    to <one@far\.test>: .*450 4\.2\.0 later, said the host\n1 message in the queue\n$")
            if IS_ROOT:
                code, out, error = self.call("mailq", user=NOBODY)
                self.assertEqual((code, out), (75, ""))
                self.assertIn("ermission denied", error)
        finally:
            del self.smarthost.script["RCPT"]
        self.assertEqual(self.call("sendmail", "-q")[0], 0)
        wait_until(lambda: self.call("mailq")[1] == "Mail queue is empty\n")


class Mailers(Habits):
    def mail(self, command, *args, body, home, config):
        (home / "rc").write_text(config)
        done = subprocess.run([command, *args], input=body.encode(), capture_output=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "HOME": str(home), "MAILRC": str(home / "rc"), "POSTHORN_CONF": str(self.server.conf)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posthorn-mail-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)

    @unittest.skipUnless(shutil.which("mail.mailutils"), "GNU mailutils is not here")
    def test_mailutils(self):
        (self.home / ".mailutils").write_text("")
        self.mail("mail.mailutils", "-E", f"set sendmail=sendmail:{self.bin / 'sendmail'}", "-s", "from mailutils", "bob@example.org",
                  body="text by GNU mail\n", home=self.home, config="")
        self.assertIn(b"Subject: from mailutils\r\n", self.server.wait_for("text by GNU mail"))

    @unittest.skipUnless(shutil.which("bsd-mailx"), "bsd-mailx is not here")
    def test_bsd_mailx(self):
        self.mail("bsd-mailx", "-s", "from mailx", "bob@example.org", body="text by BSD mail\n", home=self.home,
                  config=f"set sendmail={self.bin / 'sendmail'}\n")
        self.assertIn(b"Subject: from mailx\r\n", self.server.wait_for("text by BSD mail"))


class Relaying(Habits):
    settings = {"submission.programs": '"relay"'}

    def test_to_anybody(self):
        self.assertEqual(self.nobody("friend@far.test", input="Subject: out\n\nto the world\n"), (0, "", ""))
        wait_until(lambda: self.smarthost.received)
        self.assertEqual(self.smarthost.received[0][1], ["friend@far.test"])

    def test_a_sender_of_ones_own_only(self):
        if not IS_ROOT:
            self.skipTest("another account is needed")
        self.assertEqual(self.nobody("-f", "spam@elsewhere.test", "friend@far.test", input="\nx\n")[0], 77)


class Root(Habits):
    def test_root_alone_writes_to_everybody(self):
        if not IS_ROOT:
            self.skipTest("root is needed")
        sendmail = [self.bin / "sendmail", "-C", self.server.conf, "friend@far.test"]
        done = subprocess.run(sendmail, input="Subject: cron\n\nit failed\n", capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        wait_until(lambda: self.smarthost.received)
        self.assertEqual(self.smarthost.received[0][1], ["friend@far.test"])
        code, _, error = self.nobody("friend@far.test", input="\nx\n")
        self.assertEqual(code, 77)
        self.assertIn("submission.programs_relay", error)


class Named(Habits):
    settings = {"submission.programs_relay": '["root", "nobody"]'}

    def test_an_account_that_is_named_writes_to_everybody(self):
        self.assertEqual(self.nobody("friend@far.test", input="Subject: out\n\nto the world\n"), (0, "", ""))
        wait_until(lambda: self.smarthost.received)


# Connects as often as it is told to, says so, and holds on.
HOARDER = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(20)
    one.connect(sys.argv[1])
    print(one.recv(100).decode()[:3], flush=True)
    held.append(one)
print("end", flush=True)
sys.stdin.read()
"""


@unittest.skipUnless(IS_ROOT, "another account is needed")
class Crowds(Habits):
    settings = {"submission.programs_per_hour_max": "12"}

    def hoard(self, user, count):
        process = subprocess.Popen(["/usr/bin/python3", "-c", HOARDER, self.server.root / "var/run/submit.sock", str(count)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, user=user, group="nogroup", extra_groups=[])
        greeted = []
        for line in process.stdout:
            if line == "end\n":
                break
            greeted.append(line.strip())

        def leave():
            process.stdin.close()
            process.wait(20)
            process.stdout.close()

        self.addCleanup(leave)
        return leave, greeted

    def test_one_account_leaves_room_for_the_others(self):
        leave, greeted = self.hoard(NOBODY, 60)
        self.assertEqual((greeted.count("220"), greeted.count("421")), (20, 40))
        # Another account is served, as often as it likes, and root.
        self.assertEqual(self.hoard("daemon", 20)[1], ["220"] * 20)
        for i in range(15):
            self.assertEqual(self.call("sendmail", "bob@example.org", input=f"\nroot {i} in a crowd\n"), (0, "", ""))
        self.server.wait_for("root 14 in a crowd")
        # One more program of the crowded account comes in turn, and loses nothing.
        def refused():
            return len(re.findall("event=connection.refused .*name=submit.sock .*bound=connections_address", self.server.log()))

        before = refused()
        waiting = subprocess.Popen([self.bin / "sendmail", "-C", self.server.conf, "bob@example.org"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                   user=NOBODY, group="nogroup", extra_groups=[])
        waiting.stdin.write(b"\nafter the crowd\n")
        waiting.stdin.close()
        wait_until(lambda: refused() > before)
        self.assertIsNone(waiting.poll())
        leave()
        self.assertEqual((waiting.wait(60), waiting.stderr.read()), (0, b""))
        waiting.stderr.close()
        self.server.wait_for("after the crowd")

    def test_an_account_has_its_hour(self):
        codes = [self.call("sendmail", "bob@example.org", input=f"\nhourly {i}\n", user="games") for i in range(14)]
        self.assertEqual([code for code, *_ in codes], [0] * 12 + [75] * 2)
        self.assertIn("Too much mail from this account", codes[-1][2])
        self.assertRegex(self.server.log(), "event=smtp.rate.refused .*account=games@example.org")
        self.assertEqual(self.call("sendmail", "bob@example.org", input="\nroot is free\n")[0], 0)
        self.assertEqual(self.call("sendmail", "bob@example.org", input="\nanother\n", user="sync")[0], 0)


# Says who it is to the server, as the account whose uid it is given.
SPEAKER = """
import os, smtplib, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
client = smtplib.SMTP(local_hostname="localhost")
client.sock = socket.socket(socket.AF_UNIX)
client.sock.connect(sys.argv[1])
client.getreply()
client.ehlo("localhost")
print(client.mail(sys.argv[3])[0], client.rcpt("bob@example.org")[0])
"""


@unittest.skipUnless(IS_ROOT and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "root and mounts are needed")
class NewAccounts(unittest.TestCase):
    def test_an_account_that_is_made_while_the_server_runs(self):
        server = Server()
        self.addCleanup(server.close)
        etc = server.folder / "etc"
        subprocess.run(["cp", "-a", "/etc", etc], check=True)
        server.start(["unshare", "-m", "--propagation", "private", "sh", "-c", f'mount --bind {etc} /etc && exec "$@"', "sh"])

        def speaks(uid, name):
            done = subprocess.run(["/usr/bin/python3", "-c", SPEAKER, server.root / "var/run/submit.sock", str(uid), f"{name}@example.org"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stderr, "")
            return done.stdout.strip()

        self.assertEqual(speaks(61234, "uid61234"), "250 250")
        # useradd's way: a new file under the name of the old one.
        new = etc / "passwd.new"
        shutil.copy(etc / "passwd", new)
        with open(new, "a") as passwd:
            passwd.write("newbie:x:61235:61235::/nonexistent:/bin/sh\n")
        new.rename(etc / "passwd")
        self.assertEqual(speaks(61235, "newbie"), "250 250")
        self.assertEqual(speaks(61235, "uid61235"), "553 503")
        self.assertEqual(speaks(65534, NOBODY), "250 250")


class Without(unittest.TestCase):
    def test_a_server_that_is_down_or_wants_none(self):
        server = Server()
        self.addCleanup(server.close)
        link = server.folder / "sendmail"
        link.symlink_to(POSTHORN)

        def send():
            return subprocess.run([link, "-C", server.conf, "bob@example.org"], input="\nx\n", capture_output=True, text=True, timeout=60)

        done = send()
        self.assertEqual(done.returncode, 75)
        self.assertIn("the server is not running", done.stderr)
        server.start()
        self.assertEqual(send().returncode, 0)
        server.stop()
        server.set("submission.programs", '"off"')
        server.start()
        self.assertEqual(send().returncode, 75)


class Authors(unittest.TestCase):
    def test_refused(self):
        server = Server(settings={"submission.check_from": '"reject"'})
        server.append_map("aliases", "sales@example.org alice@example.org\n")
        with server:
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                server.submit("alice", message(sender="bob@example.org"), ["bob@example.org"])
            self.assertEqual(refused.exception.smtp_code, 550)
            server.submit("alice", message(sender="sales@example.org", body="as sales\r\n"), ["bob@example.org"])
            server.wait_for("as sales")


class Dropped(unittest.TestCase):
    def test_files_copied_into_a_folder_of_another_case(self):
        """cp -p source/.spam/cur/* target/.Spam/cur: dates and flags stay."""
        with Server() as server, tempfile.TemporaryDirectory() as source:
            client = server.imap()
            client.create("Spam")
            client.create("Work")
            names = {"1000000001.M1P1.old,S=40:2,S": ("old-seen", 1_000_000_001), "1100000002.M2P2.old:2,FR": ("old-flagged", 1_100_000_002),
                     "1200000003.M3P3.old:2,": ("old-new", 1_200_000_003)}
            old = pathlib.Path(source) / ".spam" / "cur"
            old.mkdir(parents=True)
            for name, (subject, when) in names.items():
                (old / name).write_text(f"Subject: {subject}\n\nbody\n")
                os.utime(old / name, (when, when))
            target = server.maildir("bob") / ".Spam" / "cur"
            subprocess.run(["cp", "-p", *map(str, old.iterdir()), str(target)], check=True)
            if IS_ROOT:
                owner = target.stat()
                for path in target.iterdir():
                    os.chown(path, owner.st_uid, owner.st_gid)

            def shown(folder):
                client.select(folder)
                found = {}
                for part in client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
                    if isinstance(part, tuple):
                        date = time.mktime(__import__("imaplib").Internaldate2tuple(part[0]))
                        flags = set(re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()) - {"\\Recent"}
                        found[part[1].split(b": ")[1].strip().decode()] = (int(date), flags)
                return found

            expected = {"old-seen": (1_000_000_001, {"\\Seen"}), "old-flagged": (1_100_000_002, {"\\Flagged", "\\Answered"}), "old-new": (1_200_000_003, set())}
            self.assertEqual(shown("Spam"), expected)
            # A whole folder under the old name beside it is a folder of its own, and loses nothing either.
            shutil.copytree(old.parent, server.maildir("bob") / ".spam")
            for name, (_, when) in names.items():
                os.utime(server.maildir("bob") / ".spam" / "cur" / name, (when, when))
            if IS_ROOT:
                subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(server.maildir("bob") / ".spam")], check=True)
            self.assertEqual(shown("spam"), expected)
            self.assertEqual(shown("Spam"), expected)
            client.logout()


class Install(unittest.TestCase):
    def test_the_links(self):
        build = pathlib.Path(POSTHORN).parent
        if not (build / "cmake_install.cmake").exists():
            self.skipTest("not a build folder")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cmake", "--install", str(build), "--prefix", folder], check=True, capture_output=True, timeout=60)
            for name in ("sendmail", "mailq", "newaliases", "postmap"):
                link = next(path for path in (pathlib.Path(folder) / part / name for part in ("sbin", "bin")) if path.is_symlink())
                self.assertEqual((link.parent / os.readlink(link)).resolve(), (pathlib.Path(folder) / "sbin" / "posthorn").resolve())


if __name__ == "__main__":
    unittest.main()
