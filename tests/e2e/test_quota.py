"""Limits of accounts: a mailbox is filled by SMTP, refused at RCPT, and taken again after an EXPUNGE; limits that change while the server runs.

smtplib and imaplib are the clients; what an account holds is compared with its files.
"""

import pathlib
import re
import smtplib
import sys
import threading
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Wire, message, wait_until

KIB = 1024


def big(size, marker="x"):
    return message("Big", marker + "\r\n" + ("y" * 76 + "\r\n") * (size // 78 + 1))


class Quota(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob", "carl", "dora", "emil", "fritz"), settings={"store.rescan": '"1s"', "store.quota_grace": "0", "smtp.unknown_recipients_max": "5"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def limit(self, user, *what):
        return self.server.run("quota", "set", f"{user}@example.org", *map(str, what)).stdout

    def rcpt(self, user, size=None, sender="friend@elsewhere.test"):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail(sender, [f"SIZE={size}"] if size else [])
            code, text = client.rcpt(f"{user}@example.org")
            return code, text.decode()

    def until(self, user, code, size=None):
        """What was set by a file counts by itself, soon."""
        def answered():
            return self.rcpt(user, size)[0] == code
        answered.__name__ = f"RCPT of {user} is {code}"
        wait_until(answered, 20, 0.1)

    def imap(self, user):
        client = self.server.imap(user)
        self.addCleanup(client.shutdown)
        client.select("INBOX")
        return client

    def on_disk(self, user):
        files = [path for path in self.server.maildir(user).rglob("*") if path.is_file() and path.parent.name in ("new", "cur")]
        return sum(path.stat().st_size for path in files), len(files)

    def line(self, user):
        text = self.server.run("quota", "list", f"{user}@example.org").stdout
        return next(line for line in text.splitlines() if line.startswith(f"{user}@")).split()

    def test_filled_refused_and_free_again(self):
        self.limit("bob", "20K")
        self.until("bob", 250)
        for number in range(3):
            self.server.send(big(5 * KIB, f"marker {number}"))
            self.server.wait_for(f"marker {number}", "bob")
        imap = self.imap("bob")
        self.assertIn(b" QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE", imap.capability()[1][0])
        kind, (roots, quotas) = imap.getquotaroot("INBOX")
        self.assertEqual((kind, roots), ("OK", [b'INBOX "User quota"']))
        used, count = self.on_disk("bob")
        self.assertEqual(quotas, [f'"User quota" (STORAGE {-(-used // KIB)} 20)'.encode()])
        self.assertEqual(imap.getquota('"User quota"')[1], quotas)
        self.assertEqual(self.line("bob")[2:5:2], ["20K", "3"])
        self.assertRegex(str(imap.setquota('"User quota"', "(STORAGE 999)")), "NO.*NOPERM")
        # what alone does not fit is refused by its SIZE, a small one is not
        self.assertEqual(self.rcpt("bob", 6 * KIB), (552, "5.2.2 <bob@example.org>: Mailbox is full"))
        self.assertEqual(self.rcpt("bob", 100)[0], 250)
        # from within: before the literal is sent, and by COPY
        self.assertRegex(str(imap.append("INBOX", None, None, big(6 * KIB))), "NO.*OVERQUOTA")
        self.assertEqual(imap.copy("1", "Archive")[0], "NO")
        self.assertIn(b"OVERQUOTA", imap.copy("1", "Archive")[1][0])
        self.assertEqual(self.on_disk("bob"), (used, count))
        # to the brim, as it is sent: on disk its three lines are a byte shorter each
        self.assertEqual(imap.append("Sent", None, None, b"Subject: fill\r\n\r\n" + b"z" * (20 * KIB - used - 19) + b"\r\n")[0], "OK")
        self.assertEqual(self.on_disk("bob")[0], 20 * KIB - 3)
        self.assertEqual(imap.append("Sent", None, None, b"a: b")[0], "NO")
        self.limit("bob", f"{20 * KIB - 3}B")
        self.until("bob", 552)
        self.assertRegex(self.server.log(), r"event=quota\.full .*account=bob@example\.org")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.server.send(big(10, "refused"))
        # a move needs no room
        self.assertEqual(imap._simple_command("MOVE", "1", "Trash")[0], "OK")
        imap.select("Trash")
        imap.store("1", "+FLAGS", r"(\Deleted)")
        self.assertEqual(imap.status("Trash", "(DELETED DELETED-STORAGE)")[1][0].split()[2], b"1")
        imap.expunge()
        self.until("bob", 250)
        self.server.send(big(KIB, "marker after"))
        self.server.wait_for("marker after", "bob")
        self.assertRegex(self.server.log(), r"event=quota\.freed .*account=bob@example\.org")
        self.assertEqual(self.server.queued(), [])

    def test_what_others_take_away_makes_room(self):
        self.limit("carl", "5K")
        self.until("carl", 250)
        self.server.send(big(4 * KIB, "marker carl"), to=["carl@example.org"])
        self.server.wait_for("marker carl", "carl")
        self.until("carl", 552, 2 * KIB)
        for path in self.server.maildir("carl").glob("[cn]*/*"):
            if path.is_file() and path.parent.name in ("new", "cur"):
                path.unlink()
        self.until("carl", 250, 2 * KIB)
        # and a file that is dropped takes it
        (self.server.maildir("carl") / "cur" / "1700000000.M1P1.old:2,S").write_bytes(b"Subject: 1\n\n" + b"x" * 6000)
        self.until("carl", 552)

    def test_a_limit_changes_while_the_server_runs(self):
        self.server.send(big(3 * KIB, "marker dora"), to=["dora@example.org"])
        self.server.wait_for("marker dora", "dora")
        imap = self.imap("dora")
        self.assertEqual(imap.getquotaroot("INBOX")[1], [[b"INBOX"], [None]])
        self.assertIn("*:storage=2K", self.limit("dora", "2K"))
        self.until("dora", 552)
        self.assertEqual(self.line("dora")[2], "2K")
        # by hand, as Dovecot has it
        users = self.server.root / "conf/users"
        users.write_text(users.read_text().replace("userdb_quota_rule=*:storage=2K", "userdb_quota_rule=*:storage=1M:messages=2 userdb_quota_rule2=nonsense"))
        self.until("dora", 250)
        self.assertRegex(self.server.log(), r'event=maps\.warning .*conf/users:\d+: .*nonsense')
        self.assertIn("nonsense", self.server.run("check").stderr)
        self.assertIn(b"MESSAGE 1 2", imap.getquotaroot("INBOX")[1][1][0])
        self.limit("dora", "1K")
        self.assertIn("userdb_quota_rule=*:storage=1K:messages=2\n", users.read_text())
        self.until("dora", 552)
        self.limit("dora", "none")
        self.until("dora", 250)
        self.limit("dora", "default")
        self.assertRegex(users.read_text(), r"(?m)^dora@example\.org:[^:]*$")
        self.assertEqual(self.server.run("quota", "set", "dora@example.org", "much", check=False).returncode, 1)
        self.assertIn("no account nobody@example.org", self.server.run("quota", "set", "nobody@example.org", "1G", check=False).stderr)

    def test_ten_at_once_go_over_by_one_at_most(self):
        self.limit("emil", "40K")
        self.until("emil", 250)
        barrier = threading.Barrier(10)
        codes = []

        def deliver(number):
            barrier.wait(30)
            try:
                self.server.send(big(8 * KIB, f"marker {number}"), to=["emil@example.org"])
                codes.append(250)
            except smtplib.SMTPRecipientsRefused as refused:
                codes.append(refused.recipients["emil@example.org"][0])

        threads = [threading.Thread(target=deliver, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(codes), 10)
        self.assertLessEqual(set(codes), {250, 552})
        # those that were told of no refusal are delivered or bounce; nothing waits
        wait_until(lambda: not self.server.queued(), 30, 0.2)
        used, count = self.on_disk("emil")
        self.assertLessEqual(used, 40 * KIB + 10 * KIB)
        self.assertGreaterEqual(used, 24 * KIB)
        self.assertEqual(self.line("emil")[4], str(count))

    def test_lists_and_imports(self):
        self.limit("fritz", "2K")
        self.server.append_map("aliases", "team@example.org alice@example.org, fritz@example.org\nonly@example.org fritz@example.org\n")
        self.server.run("reload")
        mbox = self.server.folder / "mbox"
        mbox.write_text("From a@b Thu Jan  1 00:00:00 2026\nSubject: one\n\n" + "x" * 1500 + "\n\n")
        self.server.run("import", "mbox", str(mbox), "--user", "fritz@example.org")
        refused = self.server.run("import", "mbox", str(mbox), "--user", "fritz@example.org", check=False)
        self.assertIn("over the account's limit", refused.stderr)
        self.assertEqual(self.on_disk("fritz")[1], 1)
        (self.server.maildir("fritz") / "cur" / "1700000000.M1P1.old:2,S").write_bytes(b"Subject: 1\n\n" + b"x" * 2000)
        self.until("fritz", 552)
        self.assertEqual(self.rcpt("only")[0], 552)
        self.assertEqual(self.rcpt("team")[0], 250)  # alice has room
        with Wire(self.server.port("smtp")) as wire:
            wire.reply()
            for line in ("EHLO client.test", "MAIL FROM:<a@elsewhere.test>"):
                self.assertTrue(wire.ask(line).startswith("250"))
            for _ in range(15):  # to be full is no guess at names: nobody is thrown out for it
                self.assertEqual(wire.ask("RCPT TO:<fritz@example.org>"), "552 5.2.2 <fritz@example.org>: Mailbox is full")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/metrics", timeout=30) as page:
            metrics = page.read().decode()
        for by, least in (("rcpt", 17), ("import", 1)):
            self.assertGreaterEqual(int(re.search(rf'posthorn_quota_refusals_total{{by="{by}"}} (\d+)', metrics)[1]), least)


class Settings(unittest.TestCase):
    def test_a_default_a_grace_and_putting_off(self):
        with Server(users=("alice", "bob"), env={"POSTFIX_MAILBOX_SIZE_LIMIT": "4096", "ENABLE_QUOTAS": "1"},
                    settings={"store.quota_full_tempfail": "true", "store.quota_grace": "50"}) as server:
            server.send(big(3 * KIB, "marker one"))
            server.wait_for("marker one")
            server.send(big(2 * KIB, "marker two"))  # the last one may go over by half
            server.wait_for("marker two")
            with server.smtp() as client:
                client.ehlo()
                client.mail("friend@elsewhere.test")
                self.assertEqual(client.rcpt("bob@example.org"), (452, b"4.2.2 <bob@example.org>: Mailbox is full"))
                self.assertEqual(client.rcpt("alice@example.org")[0], 250)
            rows = [line.split() for line in server.run("quota", "list").stdout.splitlines()]
            self.assertEqual(rows[0], ["account", "used", "limit", "percent", "messages", "limit"])
            self.assertEqual(rows[1], ["alice@example.org", "0B", "4K", "0%", "0", "-"])
            self.assertEqual((rows[2][0], rows[2][2], rows[2][4]), ("bob@example.org", "4K", "2"))
            self.assertGreater(int(rows[2][3].rstrip("%")), 100)
            server.stop()
            self.assertEqual([line.split() for line in server.run("quota", "list").stdout.splitlines()], rows)
            # the index is gone; what is held is not
            for path in server.maildir("bob").glob("posthorn.index*"):
                path.unlink()
            self.assertEqual([line.split() for line in server.run("quota", "list").stdout.splitlines()], rows)
            server.env["ENABLE_QUOTAS"] = "0"
            server.start()
            with server.smtp() as client:
                client.ehlo()
                client.mail("friend@elsewhere.test")
                self.assertEqual(client.rcpt("bob@example.org")[0], 250)


if __name__ == "__main__":
    unittest.main()
