"""ManageSieve against a running server: sievelib, sieve-connect and raw dialogs. Two store workers, so that each session finds
its account's own. What scripts do to mail is test_sieve.py's."""

import base64
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append("/usr/lib/python3/dist-packages")  # python3-sievelib, for whichever Python 3 runs this
from sievelib.managesieve import Client
from support import Server, Wire, message, run, wait_until

KEEP = "# all of it\r\nkeep;\r\n"


def plain(user, password=None):
    address = user if "@" in user else f"{user}@example.org"
    return base64.b64encode(f"\0{address}\0{password or Server.password(address)}".encode()).decode()


class Raw(Wire):
    """A ManageSieve dialog, up to STARTTLS at first."""

    def __init__(self, server, user=None):
        super().__init__(server.port("managesieve"))
        self.server = server
        self.greeting = self.response()
        if user:
            assert self.start_tls()[-1].startswith("OK"), self.greeting
            self.login = self.authenticate(user)

    def response(self):
        """The lines up to OK, NO or BYE, that one with its text; literals are read as they are."""
        lines = []
        while True:
            line = self.line()
            if not line:
                return lines + [""]
            mark = re.search(r"\{(\d+)\}$", line)
            if mark:
                line = line[:mark.start()] + self.lines.read(int(mark[1])).decode() + self.line()
            lines.append(line)
            if re.match(r"(OK|NO|BYE)\b", line):
                return lines

    def ask(self, text):
        self.say(text)
        return self.response()

    def start_tls(self):
        answer = self.ask("STARTTLS")
        assert answer[-1].startswith("OK"), answer
        self.socket = self.server.trust().wrap_socket(self.socket, server_hostname="localhost")
        self.lines = self.socket.makefile("rb")
        return self.response()

    def authenticate(self, user, password=None):
        return self.ask(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')[-1]

    def put(self, name, text):
        return self.ask(f'PUTSCRIPT "{name}" {{{len(text.encode())}+}}\r\n{text}')[-1]


class Base(unittest.TestCase):
    settings = {"store.workers": "2"}
    users = ("alice", "bob", "carl", "dora", "erik", "finn")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=cls.users, settings=cls.settings).start()
        cls.addClassCleanup(cls.server.close)

    def raw(self, user=None, server=None):
        client = Raw(server or self.server, user)
        self.addCleanup(client.close)
        return client

    def home(self, user):
        return self.server.maildir(user)


class Dialogs(Base):
    def test_a_password_only_inside_tls(self):
        client = self.raw()
        self.assertIn('"STARTTLS"', client.greeting)
        self.assertIn('"SASL" ""', client.greeting)
        self.assertRegex("\n".join(client.greeting), r'(?m)^"SIEVE" ".*fileinto')
        self.assertTrue(client.authenticate("alice").startswith("NO (ENCRYPT-NEEDED)"))
        told = client.start_tls()
        self.assertIn('"SASL" "PLAIN LOGIN"', told)
        self.assertNotIn('"STARTTLS"', told)
        self.assertTrue(client.authenticate("alice", "wrong").startswith("NO "))
        self.assertEqual(client.authenticate("alice"), 'OK "Logged in."')
        self.assertIn('"OWNER" "alice@example.org"', client.ask("CAPABILITY"))
        self.assertEqual(client.ask("LOGOUT")[-1], 'OK "Logout completed."')
        self.assertTrue(client.is_closed())

    def test_what_stands_behind_starttls_is_not_answered(self):
        client = self.raw()
        client.say(b'STARTTLS\r\nNOOP "x"\r\n')
        rest = client.lines.read()
        self.assertNotIn(b"TAG", rest)
        self.assertIn("managesieve.injection", self.server.log())

    def test_scripts_lie_as_dovecot_lays_them(self):
        client = self.raw("bob")
        self.assertEqual(client.put("für mich", KEEP), 'OK "Done."')
        self.assertEqual(client.put("other", "discard;"), 'OK "Done."')
        self.assertEqual(client.ask('SETACTIVE "für mich"')[-1], 'OK "Done."')
        home = self.home("bob")
        self.assertEqual((home / "sieve" / "für mich.sieve").read_bytes().decode(), KEEP)
        self.assertEqual(os.readlink(home / ".dovecot.sieve"), "sieve/für mich.sieve")
        self.assertEqual(oct((home / "sieve").stat().st_mode)[-3:], "700")
        self.assertEqual(client.ask("LISTSCRIPTS")[:2], ['"für mich" ACTIVE', '"other"'])
        # Another session of the user sees the same; another user nothing of it.
        self.assertEqual(self.raw("bob").ask("LISTSCRIPTS")[:2], ['"für mich" ACTIVE', '"other"'])
        self.assertEqual(self.raw("alice").ask("LISTSCRIPTS"), ['OK "Listscripts completed."'])
        for action, script in (("put", "other"), ("activate", "für mich")):
            self.assertRegex(self.server.log(), rf'event=sieve\.script\.changed .*account=bob@example\.org action={action} script="?{script}')

    def test_a_fault_is_told_with_its_place_and_nothing_is_stored(self):
        client = self.raw("carl")
        self.assertEqual(client.put("a", KEEP), 'OK "Done."')
        for text in ("keep;\r\nif true { keep }\r\n", 'keep;\r\nfileinto "x";\r\n', "keep;\r\nif\r\n"):
            answer = client.put("a", text)
            self.assertRegex(answer, r"^NO .*line [23]", text)
        self.assertEqual((self.home("carl") / "sieve" / "a.sieve").read_bytes().decode(), KEEP)
        self.assertEqual(client.ask('GETSCRIPT "a"')[0], KEEP)

    def test_scripts_of_a_maildir_that_was_moved_here(self):
        home = self.home("dora")
        (home / "sieve").mkdir(parents=True)
        (home / "sieve" / "roundcube.sieve").write_text(KEEP)
        (home / "sieve" / "old.sieve").write_text("discard;")
        os.symlink("/var/mail/example.org/dora/home/sieve/roundcube.sieve", home / ".dovecot.sieve")
        secret = self.home("bob") / "sieve"
        secret.mkdir(parents=True, exist_ok=True)
        (secret / "secret.sieve").write_text("discard;")
        os.symlink(secret / "secret.sieve", home / "sieve" / "link.sieve")
        if os.geteuid() == 0:
            run(["chown", "-R", "--reference", self.server.root / "var" / "mail", self.server.root / "var" / "mail" / "example.org"])
        client = self.raw("dora")
        self.assertEqual(client.ask("LISTSCRIPTS")[:-1], ['"old"', '"roundcube" ACTIVE'])
        self.assertEqual(client.ask('GETSCRIPT "roundcube"')[0], KEEP)
        self.assertTrue(client.ask('GETSCRIPT "link"')[-1].startswith("NO (NONEXISTENT)"))
        self.assertTrue(client.ask('DELETESCRIPT "roundcube"')[-1].startswith("NO (ACTIVE)"))

    def test_no_mailbox_can_take_the_place_of_the_link(self):
        client = self.server.imap("erik")
        self.addCleanup(client.logout)
        for name in ("dovecot.sieve", "dovecot.sieve.x"):
            self.assertEqual(client.create(name)[0], "NO")
            self.assertEqual(client.rename("Archive", name)[0], "NO")
        (self.home("erik") / ".dovecot.sieve" / "cur").mkdir(parents=True)
        (self.home("erik") / "sieve" / "cur").mkdir(parents=True)
        self.addCleanup(shutil.rmtree, self.home("erik") / ".dovecot.sieve")
        names = b" ".join(client.list()[1])
        self.assertNotIn(b"sieve", names)
        self.assertIn(b"Archive", names)

    def test_tap_shows_scripts_and_no_password(self):
        tap = subprocess.Popen([*self.server.command()[:1], "tap", "--user", "finn@example.org", "--bodies", "-c", str(self.server.conf)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(tap.stdout.close)
        self.addCleanup(tap.wait)
        self.addCleanup(tap.kill)
        seen = []
        reader = threading.Thread(target=lambda: [seen.append(line) for line in tap.stdout], daemon=True)
        reader.start()
        wait_until(lambda: "-- watching\n" in seen)
        client = self.raw("finn")
        client.put("a", KEEP)
        client.ask("LOGOUT")
        wait_until(lambda: any("LOGOUT" in line for line in seen))
        text = "".join(seen)
        self.assertNotIn(plain("finn"), text)
        self.assertRegex(text, r'managesieve finn@example\.org C: PUTSCRIPT "a"')
        self.assertRegex(self.server.log(), r"event=managesieve\.ended .*account=finn@example\.org reason=logout")

    def test_a_server_that_stops_says_so(self):
        with Server(users=("alice",)) as server:
            before, after = self.raw(None, server), self.raw("alice", server)
            server.process.send_signal(signal.SIGTERM)
            for client in (before, after):
                self.assertEqual(client.response()[-1], 'BYE (TRYLATER) "The server is stopping"')


class Clients(Base):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-managesieve-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_sievelib(self):
        client = Client("localhost", self.server.port("managesieve"))
        self.assertTrue(client.connect("alice@example.org", "pw-alice", starttls=True, authmech="PLAIN"))
        self.assertTrue(client.havespace("main", 1000))
        self.assertFalse(client.havespace("main", 2 << 20))
        self.assertTrue(client.putscript("main", KEEP))
        self.assertTrue(client.putscript("zweites – Skript", 'require "fileinto";\r\nfileinto "Work";\r\n'))
        self.assertFalse(client.putscript("broken", "keep"))
        self.assertTrue(client.setactive("main"))
        self.assertEqual(client.listscripts(), ("main", ["zweites – Skript"]))
        self.assertEqual(client.getscript("main").split(), KEEP.split())
        self.assertFalse(client.deletescript("main"))
        self.assertTrue(client.renamescript("main", "first"))
        self.assertEqual(client.listscripts(), ("first", ["zweites – Skript"]))
        self.assertTrue(client.checkscript("keep;"))
        self.assertFalse(client.checkscript("keep"))
        self.assertTrue(client.setactive(""))
        self.assertTrue(client.deletescript("first"))
        self.assertEqual(client.listscripts(), (None, ["zweites – Skript"]))
        client.logout()

    def sieve_connect(self, *args):
        # It reads the password from a descriptor.
        reader, writer = os.pipe()
        os.write(writer, b"pw-bob\n")
        os.close(writer)
        self.addCleanup(os.close, reader)
        return run(["sieve-connect", "--server", "localhost", "--port", self.server.port("managesieve"), "--4", "--user", "bob@example.org",
                   "--passwordfd", reader, "--tlscafile", self.server.root / "tls" / "cert.pem", "--authmech", "PLAIN", *args],
                   pass_fds=(reader,), cwd=self.folder)

    def test_sieve_connect(self):
        script = self.folder / "mine.sieve"
        script.write_text(KEEP.replace("\r\n", "\n"))
        self.sieve_connect("--upload", "--localsieve", script, "--remotesieve", "mine")
        self.sieve_connect("--activate", "--remotesieve", "mine")
        self.assertRegex(self.sieve_connect("--list").stdout, r'"mine" ACTIVE')
        self.sieve_connect("--download", "--remotesieve", "mine", "--localsieve", self.folder / "back.sieve")
        self.assertEqual((self.folder / "back.sieve").read_text().split(), KEEP.split())
        self.sieve_connect("--deactivate")
        self.sieve_connect("--delete", "--remotesieve", "mine")
        self.assertNotIn("mine", self.sieve_connect("--list").stdout)


class Limits(Base):
    settings = {"sieve.scripts_max": "2", "sieve.script_size_max": '"2KB"', "managesieve.idle_timeout": '"2s"',
                "managesieve.connections_per_user_max": "2", "limits.exempt": "[]", "auth.failures_max": "3"}
    users = ("alice", "bob")

    def test_quota_sessions_silence_and_bans(self):
        client = self.raw("alice")
        self.assertEqual(client.put("a", KEEP), 'OK "Done."')
        self.assertEqual(client.put("b", KEEP), 'OK "Done."')
        self.assertTrue(client.put("c", KEEP).startswith("NO (QUOTA/MAXSCRIPTS)"))
        self.assertTrue(client.put("a", "#" * 3000).startswith("NO (QUOTA/MAXSIZE)"))
        other = self.raw("alice")
        self.assertEqual(other.login, 'OK "Logged in."')
        self.assertTrue(self.raw("alice").login.startswith("BYE (TRYLATER)"))
        self.assertEqual(client.lines.readline(), b"")  # after two seconds
        # The count of wrong passwords is one for all services.
        guess = self.raw()
        guess.start_tls()
        for _ in range(3):
            self.assertTrue(guess.authenticate("bob", "wrong").startswith("NO "))
        with self.assertRaises(Exception):
            self.server.imap("bob")


class Tools(Base):
    users = ("alice", "bob")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-sieve-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def sieve(self, *args, check=True, server=None, input=None):
        return (server or self.server).run("sieve", *map(str, args), check=check, input=input)

    def work_on_scripts(self, server):
        """Each command, whether the server runs or not."""
        ask = lambda *args, **more: self.sieve(*args, "--user", "alice@example.org", server=server, **more)
        script, broken = self.folder / "mine.sieve", self.folder / "broken.sieve"
        script.write_text(KEEP.replace("\r", "") + "# " + "x" * 50_000 + "\n")
        broken.write_text("keep;\nfileinot \"x\";\nif true { keep }\n")
        self.assertEqual(ask("list").stdout, "")
        self.assertEqual(ask("show", check=False).returncode, 1)
        ask("put", script)
        self.assertEqual(ask("list").stdout, "  mine\n")
        told = ask("put", broken, check=False)
        self.assertEqual(told.returncode, 1)
        self.assertRegex(told.stderr, rf"(?m)^{re.escape(str(broken))}:2:1: .*fileinto")
        self.assertRegex(told.stderr, rf"(?m)^{re.escape(str(broken))}:3:\d+: ")
        ask("put", "-", "--name", "für später", "--activate", input="discard;\n")
        self.assertEqual(ask("list").stdout, "* für später\n  mine\n")
        self.assertEqual(ask("show").stdout, "discard;\n")
        self.assertEqual(ask("show", "mine").stdout.encode(), script.read_bytes())
        self.assertIn("active", ask("remove", "für später", check=False).stderr)
        ask("activate", "mine")
        ask("remove", "für später")
        self.assertEqual(ask("list").stdout, "* mine\n")
        self.assertIn("no script of this name", ask("activate", "none", check=False).stderr)
        ask("deactivate")
        self.assertEqual(ask("list").stdout, "  mine\n")
        ask("remove", "mine")

    def test_of_a_server_that_runs_and_of_one_that_does_not(self):
        self.work_on_scripts(self.server)
        server = Server(users=("alice",))
        self.addCleanup(server.close)
        self.work_on_scripts(server)

    def test_who_has_no_mailbox_has_no_scripts(self):
        told = self.sieve("list", "--user", "nobody@example.org", check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("nobody@example.org has no mailbox", told.stderr)

    def test_check_needs_no_server(self):
        good, broken = self.folder / "good.sieve", self.folder / "broken.sieve"
        good.write_text(KEEP)
        broken.write_text("keep\n")
        done = run([self.server.command()[0], "sieve", "check", good], check=None)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        done = run([self.server.command()[0], "sieve", "check", good, broken], check=None)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^{re.escape(str(broken))}:\d+:\d+: .")

    def test_lists_are_those_of_the_instance(self):
        server = Server(users=("alice",), settings={"sieve.lists": '{ ":addrbook:friends" = "friends" }'})
        self.addCleanup(server.close)
        server.write_map("friends", "friend@elsewhere.test friend\n")
        script = self.folder / "lists.sieve"
        script.write_text('require "extlists";\nif not address :list "From" ":addrbook:friends" { discard; }\n')
        self.assertEqual(self.sieve("put", script, "--user", "alice@example.org", "--activate", server=server).stderr, "")
        self.assertEqual(self.sieve("check", script, server=server).stderr, "")
        done = run([self.server.command()[0], "sieve", "check", script], check=None)
        self.assertRegex(done.stderr, rf'^{re.escape(str(script))}:2:\d+: there is no list ":addrbook:friends"')
        done = run([self.server.command()[0], "sieve", "check", script, "-c", self.folder / "none.toml"], check=None)
        self.assertEqual(done.returncode, 78)
        server.start()
        server.send(message(body="from a stranger\r\n"), sender="a@b.test", to=["alice@example.org"])
        server.send(message(body="from a friend\r\n", sender="friend@elsewhere.test"), to=["alice@example.org"])
        server.wait_for("from a friend", "alice")
        wait_until(lambda: server.queued() == [])
        self.assertEqual(len(server.fetch_all("alice")), 1)

    def lay_dovecots_scripts(self, home):
        (home / "sieve").mkdir(parents=True)
        (home / "sieve" / "filters.sieve").write_text(KEEP)
        (home / "sieve" / "old.sieve").write_text("discard;")
        (home / "sieve" / "tmp").mkdir()
        os.symlink("sieve/filters.sieve", home / ".dovecot.sieve")

    def test_an_import_brings_the_scripts_of_a_maildir(self):
        for number, where in enumerate((".", "home", "..")):
            with self.subTest(where):
                server = Server(users=("alice",))
                self.addCleanup(server.close)
                if number != 1:
                    server.start()
                maildir = self.folder / str(number) / "Maildir"
                for name in ("cur", "new", "tmp"):
                    (maildir / name).mkdir(parents=True)
                (maildir / "cur" / "1.a.h:2,S").write_bytes(b"Subject: one\n\none\n")
                self.lay_dovecots_scripts(maildir / where)
                done = server.run("import", "maildir", str(maildir), "--user", "alice@example.org")
                self.assertIn("filters (active)", done.stderr)
                self.assertEqual(self.sieve("list", "--user", "alice@example.org", server=server).stdout, "* filters\n  old\n")
                if number == 0:
                    server.run("export", "maildir", str(self.folder / "out"), "--user", "alice@example.org")
                    self.assertEqual(os.readlink(self.folder / "out" / ".dovecot.sieve"), "sieve/filters.sieve")
                    self.assertEqual((self.folder / "out" / "sieve" / "old.sieve").read_text(), "discard;")
                # A second import changes no script.
                self.sieve("put", "-", "--name", "filters", "--user", "alice@example.org", input="stop;\n", server=server)
                self.assertIn("stays as it is", server.run("import", "maildir", str(maildir), "--user", "alice@example.org").stderr)
                self.assertEqual(self.sieve("show", "--user", "alice@example.org", server=server).stdout, "stop;\n")

    def test_init_from_dms_takes_the_scripts_of_the_mail_volume(self):
        config, mail = self.folder / "config", self.folder / "mail"
        config.mkdir()
        (config / "postfix-accounts.cf").write_text(
            "".join(f"{user}@example.org|{{PLAIN}}pw-{user}\n" for user in ("alice", "bob", "carl")))
        self.lay_dovecots_scripts(mail / "example.org" / "alice" / "home")
        (mail / "example.org" / "bob" / "home").mkdir(parents=True)
        (mail / "example.org" / "bob" / "home" / ".dovecot.sieve").write_text("keep;\nfileinot;\n")
        if os.geteuid() == 0:
            run(["chown", "-R", "vmail:vmail", mail])
        server = Server(users=(), init=("--from-dms", str(config), "--mail", str(mail)))
        self.addCleanup(server.close)
        for line in ("found    filters: Sieve script of alice@example.org, active", "found    old: Sieve script of alice@example.org\n",
                     "found    dovecot.orig: Sieve script of bob@example.org, active", "dovecot.orig:2:1: "):
            self.assertIn(line, server.init_output)
        server.start()
        client = Raw(server, "alice")
        self.addCleanup(client.close)
        self.assertEqual(client.ask("LISTSCRIPTS")[:2], ['"filters" ACTIVE', '"old"'])
        self.assertEqual(client.put("new", KEEP), 'OK "Done."')
        self.assertEqual((mail / "example.org" / "alice" / "home" / "sieve" / "new.sieve").read_bytes().decode(), KEEP)
        self.assertEqual(self.sieve("list", "--user", "bob@example.org", server=server).stdout, "* dovecot.orig\n")
        self.assertEqual(self.sieve("list", "--user", "carl@example.org", server=server).stdout, "")


class Crash(Base):
    users = ("alice",)
    settings = {}

    def test_kill_nine_leaves_the_old_script_or_the_new(self):
        texts = ["# " + letter * 30_000 + "\r\nkeep;\r\n" for letter in "ab"]
        server = Server(users=("alice",)).start()
        self.addCleanup(server.close)
        client = self.raw("alice", server)
        self.assertEqual(client.put("s", texts[0]), 'OK "Done."')
        self.assertEqual(client.ask('SETACTIVE "s"')[-1], 'OK "Done."')
        for turn in range(4):
            acknowledged = []

            def put():
                with contextlib.suppress(OSError, AssertionError, ValueError):
                    for number in range(1000):
                        if client.put("s", texts[number % 2]) != 'OK "Done."':
                            return
                        acknowledged.append(number)

            writer = threading.Thread(target=put)
            writer.start()
            wait_until(lambda: len(acknowledged) > turn)
            server.kill()
            writer.join(30)
            server.start()
            client = self.raw("alice", server)
            self.assertEqual(client.ask("LISTSCRIPTS")[0], '"s" ACTIVE')
            found = client.ask('GETSCRIPT "s"')[0]
            self.assertIn(found, texts)


if __name__ == "__main__":
    unittest.main()
