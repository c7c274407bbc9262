"""Members of users.admin_group ask the running server what it shows, without root; what changes it stays root's, and whoever
else has a shell gets a sentence.

The group is one that every Debian has; who is in it is told to the kernel as a login would (setgroups).
"""

import grp
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres, make_server
from support import POSTHORN, ROOT, Server, free_port, message, wait_until

PROGRAM = os.path.abspath(POSTHORN)
GROUP = "staff"
NOBODY = {"user": "nobody", "group": "nogroup"}
MEMBER = {**NOBODY, "extra_groups": [GROUP]}
STRANGER = {**NOBODY, "extra_groups": []}
SHOWS = [("status",), ("status", "--json"), ("queue", "list"), ("queue", "list", "--json"), ("ban", "list"), ("spam", "stats"),
         ("user", "list"), ("quota", "list"), ("quota", "list", "bob"), ("sieve", "list", "--user", "alice"), ("sieve", "show", "--user", "alice"),
         ("sieve", "list", "--user", "carol"), ("vacation", "show", "--user", "alice"), ("vacation", "show", "--user", "carol")]
CHANGES = [("queue", "retry", "--all"), ("queue", "hold", "ID"), ("queue", "release", "ID"), ("queue", "delete", "ID"), ("reload",),
           ("restart",), ("stop",), ("ban", "add", "192.0.2.1"), ("ban", "remove", "192.0.2.1"), ("user", "add", "eve@example.org"),
           ("user", "passwd", "bob@example.org"), ("user", "remove", "bob@example.org"), ("quota", "set", "bob@example.org", "1G"),
           ("sieve", "put", "FILE", "--user", "bob"), ("sieve", "deactivate", "--user", "bob"), ("vacation", "off", "--user", "bob"),
           ("import", "mbox", "FILE", "--user", "bob"), ("export", "mbox", "-", "--user", "bob"), ("tap", "--all"), ("check",),
           ("dkim", "key", "example.org"), ("certificate", "renew")]

# Says a line to a socket and prints what comes back, or why not.
ASK = """
import socket, sys
ask = socket.socket(socket.AF_UNIX)
try:
    ask.connect(sys.argv[1])
    ask.sendall(f"1\\t{sys.argv[2]}\\n".encode())
    print(ask.makefile().readline().rstrip("\\n"))
except OSError as error:
    print(type(error).__name__)
"""


def control_verbs():
    """process/control_rights.h, row by row."""
    text = (ROOT / "src/process/control_rights.h").read_text()
    return re.findall(r'\{"([^"]+)", "([^"]+)", Effect::(shows|changes)\}', text)


@unittest.skipUnless(os.geteuid() == 0, "who else has a shell is another account")
class AdminGroup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob", "carol"),
                            settings={"users.admin_group": f'"{GROUP}"', "acme.directory": f'"https://127.0.0.1:{free_port()}/dir"',
                                      "relay.relayhost": f'"[127.0.0.1]:{free_port()}"'})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.server.run("quota", "set", "bob@example.org", "1G")
        cls.server.run("sieve", "put", "-", "--name", "mine", "--activate", "--user", "alice", input='keep; # as alice wrote it\n')
        cls.server.submit("alice", message("Waits", "what waits in the queue\r\n"), ["one@far.test"])
        cls.id = wait_until(lambda: re.search(r"^(\w{13})  deferred", cls.server.run("queue", "list").stdout, re.M))[1]

    def say(self, who, *words):
        words = [self.id if word == "ID" else "/dev/null" if word == "FILE" else word for word in words]
        return subprocess.run([PROGRAM, *words, "-c", str(self.server.conf)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, env=self.server.env, cwd="/", **who)

    def ask(self, who, name, request):
        return subprocess.run(["/usr/bin/python3", "-c", ASK, str(self.server.root / "var/run" / name), request], capture_output=True, text=True,
                              timeout=60, cwd="/", **who).stdout.rstrip("\n")

    def socket_of(self, end):
        return {".reload.sock": "queue-0.reload.sock", ".control.sock": "store-0.control.sock"}.get(end, end)

    def test_what_shows_works_for_a_member(self):
        for words in SHOWS:
            with self.subTest(words):
                done, roots = self.say(MEMBER, *words), self.say({}, *words)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                shape = lambda text: re.sub(r"\d+([dhms]( \d+[hm])?\b)?", "0", text)
                self.assertEqual(shape(done.stdout), shape(roots.stdout))
        self.assertFalse((self.server.root / "var/mail/example.org/carol").exists())  # nobody's folder is made by looking
        shown = self.say(MEMBER, "queue", "show", self.id)
        self.assertIn("what waits in the queue", shown.stdout)
        status = self.say(MEMBER, "status").stdout
        self.assertRegex(status, rf"\nposthorn .* running since .*, pid {self.server.process.pid}\n")
        self.assertRegex(status, r"\nports +smtp ")

    def test_what_changes_is_roots(self):
        for words in CHANGES:
            for who in (MEMBER, STRANGER):
                with self.subTest(words, member=who is MEMBER):
                    done = self.say(who, *words)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertRegex(done.stderr, r"\Aposthorn: this is for root: [^\n]* sudo[^\n]*\n\Z")
        self.assertRegex(self.server.run("queue", "list").stdout, rf"\n{self.id}  deferred")

    def test_a_stranger_is_told_what_he_is_not(self):
        for words in (*SHOWS, ("queue", "show", "ID")):
            with self.subTest(words):
                done = self.say(STRANGER, *words)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, rf"\Aposthorn: Permission denied: you are not in the group {GROUP}, [^\n]*sudo[^\n]*"
                                              rf"usermod -aG {GROUP} nobody [^\n]*\n\Z")

    def test_one_who_came_into_the_group_after_his_login(self):
        account = next((pwd.getpwnam(name) for name in grp.getgrnam(GROUP).gr_mem), None)
        if account is None:
            self.skipTest(f"nobody is listed in the group {GROUP}")
        done = self.say({"user": account.pw_uid, "group": "nogroup", "extra_groups": []}, "status")
        self.assertIn(f"you came into the group {GROUP} after this login", done.stderr)

    def test_the_sockets_themselves(self):
        """Nobody need say it by our tools: each verb of the table, said to the socket itself."""
        verbs = control_verbs()
        self.assertGreater(len(verbs), 10)
        for end, verb, effect in [*verbs, *((end, "no-such-verb", "changes") for end in {end for end, _, _ in verbs})]:
            with self.subTest(end, verb=verb):
                name = self.socket_of(end)
                answer = self.ask(MEMBER, name, verb)
                if effect == "shows":
                    self.assertNotIn("this is for root", answer)
                    self.assertTrue(answer.startswith("1\t"), answer)
                else:
                    self.assertTrue(answer.startswith("1\trefused\terror=this is for root"), answer)
                    event = rf"event=control.refused s=- q=- socket={name} verb={verb} uid={pwd.getpwnam('nobody').pw_uid}\n"
                    wait_until(lambda event=event: re.search(event, self.server.log()))
                self.assertEqual(self.ask(STRANGER, name, verb), "PermissionError")
        for name in ("tap-queue.sock", "tap-0.sock", "lookup-edge.sock", "queue-store.lmtp.sock"):
            self.assertEqual(self.ask(MEMBER, name, "status"), "PermissionError", name)

    def test_what_the_group_is_given(self):
        run = self.server.root / "var/run"
        gid = grp.getgrnam(GROUP).gr_gid
        controls = {self.socket_of(end) for end, _, _ in control_verbs()} | {"started.toml"}
        for name in controls:
            info = (run / name).stat()
            self.assertEqual((info.st_gid, info.st_mode & 0o7777), (gid, 0o640 if name.startswith("started") else 0o660), name)
        for path in run.iterdir():
            if path.name in controls or path.name.endswith(".reload.sock"):
                continue
            self.assertNotEqual(path.stat().st_gid, gid, path)
        # Whoever opens the lock can hold it, and the folder is locked by who reloads.
        self.assertEqual((run / "posthorn.lock").stat().st_mode & 0o7777, 0o600)
        self.assertEqual(run.stat().st_mode & 0o7777, 0o711)

    def test_mailq(self):
        mailq = self.server.folder / "mailq"
        mailq.symlink_to(PROGRAM)
        ask = lambda who: subprocess.run([str(mailq)], capture_output=True, text=True, timeout=60, cwd="/", **who,
                                         env={**self.server.env, "POSTHORN_CONF": str(self.server.conf)})
        self.assertIn(self.id, ask(MEMBER).stdout)
        refused = ask(STRANGER)
        self.assertEqual((refused.returncode, refused.stdout), (75, ""))
        self.assertIn(f"you are not in the group {GROUP}", refused.stderr)

    def test_when_the_server_does_not_run(self):
        with Server(users=("bob",), settings={"users.admin_group": f'"{GROUP}"'}) as other:
            other.stop()
            for words, code, text in ((("status",), 3, "stopped"), (("queue", "list"), 1, "the server is not running"),
                                      (("quota", "list"), 1, "the server is not running"),
                                      (("sieve", "list", "--user", "bob"), 75, "the server is not running")):
                done = subprocess.run([PROGRAM, *words, "-c", str(other.conf)], capture_output=True, text=True, timeout=60, cwd="/",
                                      env=other.env, **MEMBER)
                self.assertEqual(done.returncode, code, words)
                self.assertIn(text, done.stdout + done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "who else has a shell is another account")
class Accounts(unittest.TestCase):
    """Who may not read the users is told their names by the server: all of them, with their limits, and no hash."""

    def check(self, server, count):
        say = lambda who, *words: subprocess.run([PROGRAM, *words, "-c", str(server.conf)], capture_output=True, text=True, timeout=60, cwd="/",
                                                 env=server.env, **who)
        for words in (("user", "list"), ("quota", "list"), ("quota", "list", "alice@example.org")):
            told, roots = say(MEMBER, *words), say({}, *words)
            self.assertEqual((told.returncode, told.stderr), (0, ""), words)
            self.assertEqual(told.stdout, roots.stdout, words)
        self.assertEqual(len(say(MEMBER, "user", "list").stdout.splitlines()), count)
        self.assertRegex(say(MEMBER, "quota", "list", "alice@example.org").stdout, r"\nalice@example\.org +0B +1G ")
        self.assertIn("there is no account eve@example.org", say(MEMBER, "quota", "list", "eve@example.org").stderr)
        refused = say(MEMBER, "user", "add", "eve@example.org")
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("this is for root", refused.stderr)

    def test_in_files(self):
        server = Server(users=("alice",), settings={"users.admin_group": f'"{GROUP}"'})
        self.addCleanup(server.close)
        users = server.root / "conf/users"
        (line,) = [line for line in users.read_text().splitlines() if line.startswith("alice@")]
        many = [line.replace("alice", f"user{number:03}") for number in range(430)]
        users.write_text(users.read_text() + "\n".join(many) + "\n")
        server.append_map("mailboxes", "".join(f"user{number:03}@example.org -\n" for number in range(430)))
        server.run("quota", "set", "alice@example.org", "1G")
        server.start()
        self.check(server, 431)
        self.assertEqual(list((server.root / "var/mail").glob("*/*")), [])  # nobody's folder is made by looking

    @unittest.skipUnless(shutil.which("psql"), "no PostgreSQL")
    def test_in_postgresql(self):
        with Postgres() as postgres:
            server = make_server(postgres)
            self.addCleanup(server.close)
            server.set("users.admin_group", f'"{GROUP}"')
            postgres.sql("INSERT INTO posthorn.users (name, hash) SELECT 'user' || n || '@example.org', hash FROM posthorn.users, "
                         "generate_series(100, 529) n WHERE name = 'alice@example.org'")
            server.run("quota", "set", "alice@example.org", "1G")
            server.start()
            self.check(server, 432)
            server.stop()


@unittest.skipUnless(os.geteuid() == 0, "who else has a shell is another account")
class NoGroup(unittest.TestCase):
    def test_without_the_group_all_is_roots(self):
        with Server(settings={"users.admin_group": '"no-such-group"'}, users=()) as server:
            for words in SHOWS:
                done = subprocess.run([PROGRAM, *words, "-c", str(server.conf)], capture_output=True, text=True, timeout=60, cwd="/",
                                      env=server.env, **MEMBER)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, r"\Aposthorn: this is for root: [^\n]* sudo[^\n]*\n\Z")
            self.assertEqual((server.root / "var/run/queue-control.sock").stat().st_mode & 0o7777, 0o600)


if __name__ == "__main__":
    unittest.main()
