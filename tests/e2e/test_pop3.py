"""POP3 against a running server: Python's poplib, curl, fetchmail, getmail, and raw dialogs. Two store workers, so that
each session finds its account's own."""

import base64
import contextlib
import os
import pathlib
import poplib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, Wire, message, run, wait_until

USERS = ("alice", "bob", "carl", "dora", "erik", "finn", "gina", "hugo", "ines", "jack", "kate", "lena")


class Raw(Wire):
    """A POP3 dialog."""

    def __init__(self, server, tls=True):
        super().__init__(server.port("pop3s" if tls else "pop3"), trust=server.trust() if tls else None)
        self.greeting = self.line()

    def ask(self, text):
        self.say(text)
        return self.line()

    def many(self, text):
        first = self.ask(text)
        assert first.startswith("+OK"), first
        return list(iter(self.line, "."))

    def login(self, user):
        assert self.ask(f"USER {user}").startswith("+OK")
        return self.ask(f"PASS pw-{user.split('@')[0]}")


class Base(unittest.TestCase):
    settings = {}
    users = USERS

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=cls.users, settings=cls.settings).start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-pop3-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cert = self.server.root / "tls" / "cert.pem"

    def pop3(self, user):
        client = poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)
        client.user(user)
        client.pass_(f"pw-{user.split('@')[0]}")
        return client

    def deliver(self, user, *bodies):
        """Sends the messages one after the other; what IMAP shows of the INBOX then."""
        for body in bodies:
            self.server.send(message(f"to {user}", f"{body}\r\n"), to=[f"{user}@example.org"])
            self.server.wait_for(body, user)
        return self.server.fetch_all(user)

    def uidls(self, user):
        with Raw(self.server) as client:
            self.assertIn("+OK", client.login(user))
            found = [line.split(" ")[1] for line in client.many("UIDL")]
            client.ask("QUIT")
        return found

    def restart(self):
        self.assertEqual(self.server.stop(), 0)
        self.server.start()


class Clients(Base):
    settings = {"store.workers": "2"}

    def test_poplib_after_stls(self):
        mails = self.deliver("alice", "marker a1", "marker a2\r\n.\r\n..dots\r\n.end")
        client = poplib.POP3("localhost", self.server.port("pop3"), timeout=30)
        self.assertEqual(client.welcome, b"+OK Posthorn ready.")
        before = client.capa()
        self.assertIn("STLS", before)
        self.assertNotIn("SASL", before)
        with self.assertRaisesRegex(poplib.error_proto, "STLS"):
            client.user("alice@example.org")
        client.stls(self.server.trust())
        after = client.capa()
        self.assertNotIn("STLS", after)
        self.assertEqual(after["SASL"], ["PLAIN", "LOGIN"])
        for name in ("TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8"):
            self.assertIn(name, after)
        client.utf8()
        client.user("alice@example.org")
        client.pass_("pw-alice")
        sizes = [len(mail) for mail in mails]
        self.assertEqual(client.stat(), (2, sum(sizes)))
        self.assertEqual(client.list()[1], [f"{i + 1} {size}".encode() for i, size in enumerate(sizes)])
        for i, mail in enumerate(mails):
            self.assertEqual(b"\r\n".join(client.retr(i + 1)[1]) + b"\r\n", mail)
        top = client.top(2, 1)[1]
        self.assertEqual(top[-2:], [b"", b"marker a2"])
        self.assertEqual(len(set(client.uidl()[1])), 2)
        client.dele(1)
        self.assertEqual(client.stat(), (1, sizes[1]))
        client.rset()
        client.dele(2)
        client.quit()
        self.assertEqual(self.server.fetch_all("alice"), mails[:1])

    def test_names_and_mechanisms(self):
        for user in ("bob", "bob@example.org", "Bob@Example.ORG"):
            with Raw(self.server) as client:
                client.ask(f"USER {user}")
                self.assertEqual(client.ask("PASS pw-bob"), "+OK 0 messages (0 octets)", user)
        plain = base64.b64encode(b"\0bob\0pw-bob").decode()
        with_id = base64.b64encode(b"bob@example.org\0bob@example.org\0pw-bob").decode()
        for line in (plain, with_id):
            with Raw(self.server) as client:
                self.assertEqual(client.ask(f"AUTH PLAIN {line}"), "+OK 0 messages (0 octets)")
                self.assertEqual(client.ask("QUIT"), "+OK Bye")
                self.assertTrue(client.is_closed())
        with Raw(self.server) as client:
            self.assertEqual(client.ask("AUTH LOGIN"), "+ VXNlcm5hbWU6")
            self.assertEqual(client.ask(base64.b64encode(b"bob").decode()), "+ UGFzc3dvcmQ6")
            self.assertEqual(client.ask(base64.b64encode(b"pw-bob").decode()), "+OK 0 messages (0 octets)")

    def test_refusals_say_whose_turn_it_is(self):
        start = len(self.server.log())
        with Raw(self.server) as client:
            wrong = []
            for user in ("bob@example.org", "nobody@example.org", "bob@elsewhere.test"):
                client.ask(f"USER {user}")
                wrong.append(client.ask("PASS not-the-secret"))
            self.assertEqual(wrong, ["-ERR [AUTH] The user name or the password is wrong"] * 3)
        self.assertNotIn("not-the-secret", self.server.log(start))
        with Raw(self.server, tls=False) as client:  # who does not care and sends it all the same
            self.assertIn("STLS", client.ask("USER bob@example.org"))
            self.assertIn("STLS", client.ask("PASS not-the-secret"))
            self.assertIn("STLS", client.ask("AUTH PLAIN " + base64.b64encode(b"\0bob\0not-the-secret").decode()))
        self.assertNotIn("not-the-secret", self.server.log(start))

    def test_curl(self):
        mails = self.deliver("carl", "marker c1", "marker c2")
        secure = [("pop3s://localhost:%d/" % self.server.port("pop3s"), []),
                  ("pop3://localhost:%d/" % self.server.port("pop3"), ["--ssl-reqd"])]
        for url, options in secure:
            for login in ("", "AUTH=PLAIN", "AUTH=LOGIN"):
                command = ["curl", "-sS", "--cacert", self.cert, "-u", "carl@example.org:pw-carl", *options]
                command += ["--login-options", login] if login else []
                listing = run([*command, url]).stdout.split("\n")
                self.assertEqual([line.split()[1] for line in listing if line.strip()], [str(len(m)) for m in mails], (url, login))
                got = subprocess.run([*command, url + "2"], capture_output=True, timeout=60)
                self.assertEqual(got.stdout, mails[1], got.stderr)
        refused = run([*command[:4], "-u", "carl@example.org:no", secure[0][0]], check=(67,))
        self.assertIn("67", refused.stderr)
        in_the_clear = run(["curl", "-sS", "-u", "carl@example.org:pw-carl", secure[1][0]], check=(67,))  # login denied
        self.assertNotIn("marker", in_the_clear.stdout)

    def fetchmail(self, user, *, secure, keep=True, check=(0,)):
        rc, box = self.folder / "fetchmailrc", self.folder / f"{user}.box"
        tls = f'sslcertck sslcertfile "{self.cert}" ' + ("ssl" if secure else 'sslproto "TLS1.2+"')
        rc.write_text(f'poll localhost service {self.server.port("pop3s" if secure else "pop3")} protocol POP3 uidl\n'
                      f'  user "{user}@example.org" password "pw-{user}" {tls} {"keep" if keep else "nokeep"}\n'
                      f'  mda "cat >> {box}"\n')
        rc.chmod(0o600)
        run(["fetchmail", "-f", rc, "--nodetach", "--nosyslog", "--pidfile", self.folder / "pid", "--idfile",
             self.folder / "ids", "-v"], check=check, env={**os.environ, "HOME": str(self.folder), "FETCHMAILHOME": str(self.folder)})
        return box.read_text() if box.exists() else ""

    def test_fetchmail_leaves_on_server_over_a_restart(self):
        self.deliver("dora", "marker d1", "marker d2")
        first = self.fetchmail("dora", secure=True)
        self.assertEqual([first.count(f"marker d{i}") for i in (1, 2, 3)], [1, 1, 0])
        self.restart()
        self.assertEqual(self.fetchmail("dora", secure=False, check=(1,)), first)  # 1: no mail that is new
        self.deliver("dora", "marker d3")
        second = self.fetchmail("dora", secure=False)
        self.assertEqual([second.count(f"marker d{i}") for i in (1, 2, 3)], [1, 1, 1])
        self.assertEqual(len(self.server.fetch_all("dora")), 3)
        (self.folder / "ids").unlink()
        last = self.fetchmail("dora", secure=True, keep=False)
        self.assertEqual([last.count(f"marker d{i}") for i in (1, 2, 3)], [2, 2, 2])
        self.assertEqual(self.server.fetch_all("dora"), [])

    def test_getmail_leaves_on_server_over_a_restart(self):
        self.deliver("erik", "marker e1", "marker e2")
        box = self.folder / "box"
        for name in ("cur", "new", "tmp"):
            (box / name).mkdir(parents=True)
        rc = self.folder / "getmailrc"
        rc.write_text(f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {self.server.port('pop3s')}\n"
                      f"username = erik@example.org\npassword = pw-erik\nca_certs = {self.cert}\n"
                      f"[destination]\ntype = Maildir\npath = {box}/\nuser = nobody\n"
                      "[options]\ndelete = false\nread_all = false\ndelivered_to = false\nreceived = false\n")
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (self.folder, box, *box.iterdir()):
                shutil.chown(path, "nobody")
        get = ["getmail", f"--getmaildir={self.folder}", f"--rcfile={rc}"]
        run(get)
        texts = lambda: sorted(re.search(r"marker e\d", path.read_text())[0] for path in (box / "new").iterdir())
        self.assertEqual(texts(), ["marker e1", "marker e2"])
        self.restart()
        run(get)
        self.assertEqual(texts(), ["marker e1", "marker e2"])
        self.deliver("erik", "marker e3")
        run(get)
        self.assertEqual(texts(), ["marker e1", "marker e2", "marker e3"])
        self.assertEqual(len(self.server.fetch_all("erik")), 3)


class Mailbox(Base):
    settings = {"pop3.connections_per_user_max": "3"}

    def test_uidl_outlives_restarts_and_the_index(self):
        self.deliver("alice", "marker u1", "marker u2", "marker u3")
        first = self.uidls("alice")
        self.assertEqual(len(set(first)), 3)
        self.restart()
        self.assertEqual(self.uidls("alice"), first)
        with Raw(self.server) as client:
            client.login("alice")
            client.ask("DELE 2")
            client.ask("QUIT")
        self.assertEqual(self.uidls("alice"), [first[0], first[2]])
        self.server.stop()
        for index in self.server.maildir("alice").glob("posthorn.index*"):
            index.unlink()
        self.server.start()
        self.assertEqual(self.uidls("alice"), [first[0], first[2]])
        self.deliver("alice", "marker u4")  # a UIDL is never given again
        fourth = self.uidls("alice")
        self.assertEqual(fourth[:2], [first[0], first[2]])
        self.assertNotIn(fourth[2], first)

    def test_uidl_goes_on_from_dovecot(self):
        inbox = self.server.maildir("bob")
        for name in ("cur", "new", "tmp"):
            (inbox / name).mkdir(parents=True)
        (inbox / "cur" / "1700000000.M1P1.old,S=16,W=19:2,S").write_bytes(b"Subject: 1\n\none\n")
        (inbox / "cur" / "1700000001.M1P1.old,S=16,W=19:2,").write_bytes(b"Subject: 2\n\ntwo\n")
        (inbox / "dovecot-uidlist").write_text("3 V1700000001 N172 Gdaaad6056e5c016b386c000083ecc375\n"
                                               "170 :1700000000.M1P1.old,S=16,W=19\n171 :1700000001.M1P1.old,S=16,W=19\n")
        if os.geteuid() == 0:
            for path in (inbox.parent, inbox, *inbox.rglob("*")):
                shutil.chown(path, "vmail", "vmail")
        self.assertEqual(self.uidls("bob"), ["000000aa6553f101", "000000ab6553f101"])  # as Dovecot 2.3 gave them

    def test_nothing_goes_without_quit(self):
        mails = self.deliver("carl", "marker k1", "marker k2")
        with Raw(self.server) as client:
            client.login("carl")
            client.many("RETR 1")
            self.assertTrue(client.ask("DELE 1").startswith("+OK"))
            self.assertTrue(client.ask("DELE 2").startswith("+OK"))
        self.assertEqual(self.server.fetch_all("carl"), mails)
        with Raw(self.server) as client:
            client.login("carl")
            client.ask("DELE 1")
            self.restart()  # the server goes, not the client
            self.assertTrue(client.line().startswith("-ERR [SYS/TEMP]"))
        self.assertEqual(self.server.fetch_all("carl"), mails)
        with Raw(self.server) as client:
            client.login("carl")
            client.ask("DELE 1")
            self.assertEqual(client.ask("QUIT"), "+OK Bye")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.fetch_all("carl"), mails[1:])

    def test_a_session_is_frozen(self):
        self.deliver("dora", "marker f1", "marker f2")
        with Raw(self.server) as one, Raw(self.server) as two:
            one.login("dora")
            two.login("dora")
            self.deliver("dora", "marker f3")
            self.assertTrue(one.ask("STAT").startswith("+OK 2 "))
            two.ask("DELE 1")
            self.assertEqual(two.ask("QUIT"), "+OK Bye")
            self.assertTrue(one.ask("STAT").startswith("+OK 2 "))
            self.assertEqual(one.ask("RETR 1"), "-ERR The message was removed meanwhile")
            self.assertTrue(any("marker f2" in line for line in one.many("RETR 2")))
            self.assertEqual(one.ask("RETR 3"), "-ERR There is no such message")
            one.ask("DELE 1")
            one.ask("DELE 2")
            self.assertEqual(one.ask("QUIT"), "+OK Bye")
        left = self.server.fetch_all("dora")
        self.assertEqual([b"marker f3" in mail for mail in left], [True])

    def test_imap_sees_the_same_mailbox(self):
        mails = self.deliver("erik", "marker i1", "marker i2", "marker i3")
        imap = self.server.imap("erik")
        self.addCleanup(imap.shutdown)
        self.assertEqual(imap.select("INBOX")[1], [b"3"])
        uids = imap.uid("SEARCH", None, "ALL")[1][0].split()
        validity = int(imap.response("UIDVALIDITY")[1][0])
        with Raw(self.server) as client:
            client.login("erik")
            self.assertEqual([line.split()[1] for line in client.many("UIDL")],
                             [f"{int(uid):08x}{validity:08x}" for uid in uids])
            self.assertEqual([int(line.split()[1]) for line in client.many("LIST")], [len(mail) for mail in mails])
            imap.store("3", "+FLAGS", r"(\Deleted)")
            imap.expunge()
            self.assertEqual(client.ask("RETR 3"), "-ERR The message was removed meanwhile")
            client.many("RETR 2")
            client.ask("DELE 1")
            imap.noop()
            self.assertEqual(imap.fetch("1:*", "(FLAGS)")[1], [b"1 (FLAGS (\\Recent))", b"2 (FLAGS (\\Recent))"])
            self.assertEqual(client.ask("QUIT"), "+OK Bye")
        imap.response("EXPUNGE")
        imap.noop()
        self.assertEqual(imap.response("EXPUNGE")[1], [b"1"])
        self.assertIn(b"\\Seen", imap.fetch("1", "(FLAGS)")[1][0])
        self.assertEqual(self.server.fetch_all("erik"), mails[1:2])

    def test_too_many_sessions_of_a_user(self):
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                self.assertTrue(stack.enter_context(Raw(self.server)).login("finn").startswith("+OK"))
            over = stack.enter_context(Raw(self.server))
            self.assertEqual(over.login("finn"), "-ERR [IN-USE] Too many sessions of this user")
            self.assertTrue(over.is_closed())
            self.assertTrue(stack.enter_context(Raw(self.server)).login("gina").startswith("+OK"))
        wait_until(lambda: Raw(self.server).login("finn").startswith("+OK"), 10)

    def test_hostile_words(self):
        self.deliver("hugo", "marker h1")
        with Raw(self.server) as client:
            client.login("hugo")
            for line in ("RETR 0", "RETR 2", "RETR 99999999999", "RETR 18446744073709551617", "RETR -1", "RETR", "RETR 1 1",
                         "TOP 1 -1", "TOP 1", "DELE x", "LIST 0", "UIDL 4294967297", "AUTH", "USER x", "STLS", "XYZZY", ""):
                self.assertTrue(client.ask(line).startswith("-ERR "), line)
            self.assertTrue(client.ask("DELE 1").startswith("+OK"))
            self.assertTrue(client.ask("DELE 1").startswith("-ERR"))
            self.assertTrue(client.ask("RSET").startswith("+OK 1 "))
            client.say(b"NOOP\r\n" * 10000)
            self.assertEqual({client.line() for _ in range(10000)}, {"+OK"})
            client.say(b"RETR " + b"1" * 20000 + b"\r\n")
            self.assertEqual(client.line(), "-ERR Line too long")
            self.assertTrue(client.is_closed())
        for tls in (False, True):
            with Raw(self.server, tls) as client:
                with contextlib.suppress(OSError):
                    client.say(b"A" * 1_000_000)  # never a line
                with contextlib.suppress(OSError):
                    self.assertIn(client.line(), ("-ERR Line too long", ""))
        with Raw(self.server, tls=False) as client:
            client.say(b"STLS\r\nCAPA\r\n")
            self.assertEqual(client.line(), "")
            self.assertTrue(client.is_closed())
        self.assertIn("event=pop3.injection", self.server.log())
        self.assertEqual(len(self.server.fetch_all("hugo")), 1)

    def test_a_large_message_is_streamed(self):
        body = b"".join(b".line %d of a long one, with a dot before it\r\n" % i for i in range(400_000))  # 18 MB
        raw = message("large", "", to="ines@example.org") + body
        self.server.send(raw, to=["ines@example.org"])
        wait_until(lambda: len(self.uidls("ines")) == 1, 60)
        store = self.server.roles()["store"]
        peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{store}/status").read_text())[1])
        # ASan keeps what was freed; the bound says something about the real program only.
        is_plain = b"__asan_init" not in pathlib.Path(POSTHORN).read_bytes()
        before = peak()
        with Raw(self.server) as client:
            size = int(re.search(r"\((\d+) octets\)", client.login("ines"))[1])
            client.say("RETR 1")
            self.assertEqual(client.line(), f"+OK {size} octets")
            text = bytearray()  # read slower than it could be sent: nothing may pile up meanwhile
            while (line := client.lines.readline()) != b".\r\n":
                text += line[1:] if line.startswith(b".") else line
            self.assertEqual(len(text), size)
            self.assertTrue(bytes(text).endswith(body))
            if is_plain:
                self.assertLess(peak() - before, 12 * 1024)
            top = client.many("TOP 1 3")
            self.assertEqual(top[-1], "..line 2 of a long one, with a dot before it")
            self.assertEqual(client.ask("QUIT"), "+OK Bye")


class Settings(Base):
    settings = {"auth.allow_plaintext": "true", "pop3.idle_timeout": '"2s"', "limits.exempt": "[]", "auth.failures_max": "4",
                "listen.pop3s": "[]"}
    users = ("alice", "bob")

    def test_plaintext_idle_and_throttling(self):
        client = poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=30)
        self.assertEqual(client.capa()["SASL"], ["PLAIN", "LOGIN"])
        client.user("alice")
        client.pass_("pw-alice")
        begun = time.monotonic()
        self.assertEqual(client.file.readline(), b"")  # not a word at the end of the time
        self.assertGreater(time.monotonic() - begun, 1.5)
        client.close()
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", self.server.port("pop3s"))), 0)
        # Failures slow down, and at last the address is banned: for bob, whose it never was.
        with Raw(self.server, tls=False) as client:
            times = []
            for _ in range(4):
                client.ask("USER bob")
                begun = time.monotonic()
                self.assertTrue(client.ask("PASS wrong").startswith("-ERR [AUTH]"))
                times.append(time.monotonic() - begun)
            self.assertGreater(times[3], 0.9)
            client.ask("USER bob")
            self.assertTrue(client.ask("PASS pw-bob").startswith("-ERR [AUTH]"))
        self.assertRegex(self.server.log(), r"event=auth\.\S+ .*service=pop3 .*mechanism=USER")


if __name__ == "__main__":
    unittest.main()
