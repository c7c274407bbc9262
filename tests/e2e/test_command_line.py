"""What the command line does and says: what a command prints is what happened, where it is refused it names the place and
the remedy, and its exit code says which kind of failure it was.
"""

import contextlib
import imaplib
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, wait_until


def posthorn(*args, **run):
    return subprocess.run([POSTHORN, *map(str, args)], capture_output=True, text=True, timeout=60, **run)


class Terminal(unittest.TestCase):
    """Nobody sits at a server's terminal, even where there is one."""

    def test_a_key_with_a_passphrase_is_not_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            posthorn("init", folder, "--hostname", "mail.a.test", "--domain", "a.test")
            key = pathlib.Path(folder, "tls/key.pem")
            locked = subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret"], capture_output=True, check=True)
            key.write_bytes(locked.stdout)
            pid, terminal = pty.fork()
            if pid == 0:
                os.execl(POSTHORN, "posthorn", "check", "-c", f"{folder}/conf/posthorn.toml")
            said = b""
            with contextlib.suppress(OSError):
                while piece := os.read(terminal, 4096):
                    said += piece
                    if b"phrase:" in said:
                        os.kill(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(terminal)
            self.assertEqual(code, 1, said)
            self.assertIn(b"it holds a key with a passphrase", said)


class Secrets(unittest.TestCase):
    """Of conf/users every hash that Dovecot writes opens the door, and a password's line ends at CR LF."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=())
        cls.server.run("user", "add", "alice@example.org", "--password-stdin", input="pw\r\n")
        hashes = {"md5": "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "smd5": "{SMD5}4Ub3ONuXP2T+wkS23RmRYbTlEpg=",
                  "pbkdf2": "{PBKDF2}$1$NRcjX0PH5lJwBKBZ$5000$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a",
                  "scram": "{SCRAM-SHA-256}4096,CDCkH16ed1A5126HBdHpBA==,0dLxLO5yago+Vypkf53TyFHKaPQpxHKIdkrkbs/IQWk=,"
                           "2G9vpklGnKHpU7BEXfL2RAhvzGM/IY3jp1Likryipzg="}
        cls.hashes = hashes
        with open(cls.server.root / "conf/users", "a") as users:
            users.writelines(f"{name}@example.org:{value}\n" for name, value in hashes.items())
            users.write("cram@example.org:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n")
        cls.server.append_map("mailboxes", "".join(f"{name}@example.org {name}\n" for name in [*hashes, "cram"]))
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def may_login(self, user, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        try:
            return client.login(user, password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False
        finally:
            client.shutdown()

    def test_a_line_ends_at_cr_lf(self):
        self.assertTrue(self.may_login("alice@example.org", "pw"))
        self.server.run("user", "passwd", "alice@example.org", "--password-stdin", input="other\r\n")
        self.assertTrue(self.may_login("alice@example.org", "other"))
        self.server.run("user", "passwd", "alice@example.org", "--password-stdin", input="pw")
        self.assertTrue(self.may_login("alice@example.org", "pw"))

    def test_hashes_of_dovecot(self):
        for name in self.hashes:
            with self.subTest(name):
                self.assertTrue(self.may_login(f"{name}@example.org", "secret"))

    def test_a_hash_nobody_can_use_is_told(self):
        users = self.server.root / "conf/users"
        line = 1 + [text.split(":")[0] for text in users.read_text().splitlines()].index("cram@example.org")
        told = f"{users}:{line}: nobody can log in as cram@example.org: unknown password scheme {{CRAM-MD5}}"
        self.assertIn(told, self.server.run("check").stderr)
        self.assertIn(told, self.server.log())
        self.assertFalse(self.may_login("cram@example.org", "secret"))

    def test_the_log_tells_nobody_from_a_wrong_password(self):
        def reasons(user):
            return re.findall(rf'event=auth.failed .*user={re.escape(user)} .*reason="([^"]*)"', self.server.log())
        self.assertFalse(self.may_login("md5@example.org", "wrong"))
        self.assertFalse(self.may_login("nobody@example.org", "wrong"))
        self.assertFalse(self.may_login("cram@example.org", "wrong"))
        wait_until(lambda: reasons("nobody@example.org"))
        self.assertEqual(set(reasons("md5@example.org")), {"wrong password"})
        self.assertEqual(set(reasons("nobody@example.org")), {"unknown user"})
        self.assertEqual(set(reasons("cram@example.org")), {"unknown password scheme {CRAM-MD5}"})


class References(unittest.TestCase):
    """What aliases and senders name does not vanish under them."""

    def setUp(self):
        self.server = Server(users=("alice", "bob", "carol"))
        self.addCleanup(self.server.close)
        self.maps = self.server.root / "maps"

    def files(self):
        return {path: path.read_text() for path in (*self.maps.iterdir(), self.server.root / "conf/users")}

    def entries(self, name):
        return dict(line.split(None, 1) for line in (self.maps / name).read_text().splitlines() if line.strip() and not line.startswith("#"))

    def write(self, aliases, senders=""):
        (self.maps / "aliases").write_text("# ours\n" + aliases)
        (self.maps / "senders").write_text("# theirs\n" + senders)

    def tool(self, *args):
        done = self.server.run(*args, check=False)
        return done.returncode, done.stdout, done.stderr

    def refused(self, *args, named):
        before = self.files()
        code, text, error = self.tool(*args)
        self.assertEqual((code, text), (1, ""), error)
        for place in named:
            self.assertIn(place, error)
        self.assertEqual(self.files(), before)

    def test_a_user_that_is_named(self):
        self.write("team@example.org alice@example.org, bob@example.org\nsales@example.org alice+sales@example.org\n",
                   "info@example.org alice@example.org bob@example.org\n")
        self.server.start()
        self.refused("user", "remove", "alice@example.org",
                     named=(f"{self.maps}/aliases:2: team@example.org leads to alice@example.org", f"{self.maps}/aliases:3: ",
                            f"{self.maps}/senders:2: alice@example.org may send as info@example.org", "--with-references"))
        code, text, error = self.tool("user", "remove", "alice@example.org", "--with-references")
        self.assertEqual((code, error), (0, ""))
        self.assertIn(f"{self.maps}/aliases:2: team@example.org no longer leads to alice@example.org\n", text)
        self.assertIn("alice@example.org is no account any more", text)
        self.assertEqual(self.entries("aliases"), {"team@example.org": "bob@example.org"})
        self.assertEqual(self.entries("senders"), {"info@example.org": "bob@example.org"})
        self.assertNotIn("\nalice@example.org", (self.server.root / "conf/users").read_text() + (self.maps / "mailboxes").read_text())
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("friend@elsewhere.test")
            self.assertEqual([client.rcpt(f"{name}@example.org")[0] for name in ("alice", "sales", "team")], [550, 550, 250])

    def test_an_alias_goes_with_what_led_there_alone(self):
        self.write("a@example.org b@example.org\nb@example.org bob@example.org\nc@example.org a@example.org, carol@example.org\n",
                   "a@example.org carol@example.org\nb@example.org bob@example.org\n")
        self.refused("alias", "remove", "b@example.org", named=(f"{self.maps}/aliases:2: a@example.org leads to b@example.org", "/senders:3: "))
        code, text, error = self.tool("alias", "remove", "b@example.org", "--with-references")
        self.assertEqual((code, error), (0, ""))
        self.assertEqual((self.entries("aliases"), self.entries("senders")), ({"c@example.org": "carol@example.org"}, {}))
        self.assertIn("nobody else: the entry is gone", text)
        self.assertEqual(self.server.run("check").returncode, 0)

    def test_who_is_reached_otherwise_is_no_reference(self):
        self.write("alice@example.org alice@example.org, bob@example.org\nteam@example.org alice@example.org\n")
        self.refused("user", "remove", "alice@example.org", named=("aliases:2: alice@example.org leads to alice@example.org",))
        self.assertEqual(self.tool("user", "remove", "alice@example.org", "--with-references")[0], 0)
        self.assertEqual(self.entries("aliases"), {"alice@example.org": "bob@example.org", "team@example.org": "alice@example.org"})
        self.write("bob@example.org carol@example.org\nteam@example.org bob@example.org\n")
        self.assertEqual(self.tool("alias", "remove", "bob@example.org")[0], 0)  # a mailbox of that name is left

    def test_patterns_and_second_files(self):
        self.server.set("maps.aliases", '["text:aliases", "text:more", "regexp:patterns"]')
        (self.maps / "more").write_text("list@example.org alice@example.org\n")
        (self.maps / "patterns").write_text("# p\n/^x-.*@example\\.org$/ alice@example.org, bob@example.org\n")
        self.refused("user", "remove", "alice@example.org", named=(f"{self.maps}/more:1: ", f"{self.maps}/patterns:2: "))
        self.refused("user", "remove", "alice@example.org", "--with-references", named=("by hand",))
        (self.maps / "patterns").write_text("/^x-.*@example\\.org$/ bob@example.org\n")
        self.assertEqual(self.tool("user", "remove", "alice@example.org", "--with-references")[0], 0)
        self.assertEqual(self.entries("more"), {})

    def test_the_check_comes_before_the_writing(self):
        self.write("a@example.org b@example.org\nb@example.org bob@example.org\n")
        self.refused("alias", "add", "b@example.org", "a@example.org", named=("a@example.org", "b@example.org", "nothing was"))
        # What was wrong already does not hinder what mends it, and what is then said is what is.
        self.write("broken\n")
        self.server.set("maps.aliases", '["text:aliases", "text:more"]')
        code, text, error = self.tool("user", "remove", "carol@example.org")
        self.assertEqual(code, 0, error)
        self.assertNotIn("carol@example.org", (self.maps / "mailboxes").read_text())

    def test_what_is_printed_is_what_happened(self):
        self.server.start()
        with open(self.maps / "transport", "a") as table:
            table.write("far.test nonsense\n")
        code, text, error = self.tool("user", "remove", "carol@example.org")
        self.assertEqual(code, 1)
        self.assertIn("carol@example.org is no account any more", text)
        self.assertIn("transport", error)
        self.assertIn("the change is written; of files with a fault the server goes on with", error)
        self.assertNotIn("nothing was changed", text + error)

    def test_a_file_behind_a_link_stays_there(self):
        real = self.server.root / "shared-aliases"
        (self.maps / "aliases").rename(real)
        (self.maps / "aliases").symlink_to(real)
        self.assertEqual(self.tool("alias", "add", "team@example.org", "bob@example.org")[0], 0)
        self.assertTrue((self.maps / "aliases").is_symlink())
        self.assertIn("team@example.org bob@example.org", real.read_text())

    def test_names_that_hide_each_other_are_told(self):
        self.write("dora@example.org bob@example.org\n")
        error = self.server.run("user", "add", "dora@example.org", "--password-stdin", input="pw\n").stderr
        self.assertIn(f"warning: {self.maps}/aliases:2: mail for dora@example.org goes to bob@example.org", error)
        error = self.tool("alias", "add", "alice@example.org", "bob@example.org")[2]
        self.assertIn("warning: alice@example.org has a mailbox that gets no mail any more", error)

    def test_a_domain_in_use(self):
        self.write("team@example.org bob@example.org\n")
        self.refused("domain", "remove", "example.org", named=(f"{self.maps}/aliases:2: team@example.org", f"{self.maps}/mailboxes:"))


class Words(unittest.TestCase):
    """No library's message stands alone, and the exit code says which kind of failure it was."""

    def test_what_is_typed_wrong(self):
        for args, told in ((("sttaus",), 'there is no command "sttaus"; did you mean status?'), ((), "name a command: "),
                           (("user",), "posthorn user: name a command: add, list, passwd, remove (`posthorn help user` tells more)"),
                           (("user", "ad", "x@y.test"), 'posthorn user: there is no command "ad"; did you mean add?'),
                           (("status", "--jsn"), "posthorn status: there is no option --jsn"),
                           (("status", "now"), '"now" is one word too many'), (("queue", "show"), "posthorn queue show: "),
                           (("init", "x", "--port-base", "many"), "posthorn init: "), (("help", "usr"), "did you mean user?")):
            with self.subTest(args):
                done = posthorn(*args)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertTrue(done.stderr.startswith("posthorn"), done.stderr)
                self.assertIn(told, done.stderr)

    def test_help_and_version(self):
        for args, told in ((("help",), "Exit codes: 0 done"), (("help", "user"), "remove"), (("help", "user", "add"), "--password-stdin"),
                           (("help", "queue", "list"), "--json"), (("user", "add", "--help"), "--password-stdin")):
            with self.subTest(args):
                done = posthorn(*args)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(told, done.stdout)
        self.assertEqual(posthorn("version").stdout, posthorn("--version").stdout)


class Beginning(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posthorn-init-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / "srv"

    def init(self, host="mx.example.org", domain="example.org", *more):
        return posthorn("init", self.root, "--hostname", host, "--domain", domain, *more)

    def test_names_that_are_none(self):
        for name, why in (("my_host.example.org", "underscore"), ("192.0.2.1", "number"), ("http://example.org", "URL"), ("example.org:25", "port"),
                          ("a@example.org", "address"), ("a.test,b.test", "one name"), ("a.test b.test", "one name"), ("*.example.org", "pattern"),
                          ("example.org.", "dot at its end"), ("a..b", "single dots"), ("-a.test", "letters, digits"), ("müller.test", "xn--"),
                          ("x" * 64 + ".test", "63 letters"), (("a" * 60 + ".") * 5 + "test", "253 letters")):
            for given in ((name, "example.org"), ("mx.example.org", name)):
                with self.subTest(given):
                    done = self.init(*given)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f'"{name}" is no', done.stderr)
                    self.assertIn(why, done.stderr)
                    self.assertFalse(self.root.exists())

    def test_a_second_init_says_what_it_did_not_change(self):
        self.assertEqual(self.init().returncode, 0)
        self.assertNotIn("not changed", self.init().stdout)
        done = self.init("other.example.org", "second.test", "--spamd", "127.0.0.1:783", "--port-base", "10000", "--spool", "/var/spool/other")
        self.assertEqual(done.returncode, 0)
        for told in ('server.hostname is "mx.example.org", not "other.example.org"', 'filter.spamd is "", not "127.0.0.1:783"', "listen.smtp is",
                     "paths.spool is", f"{self.root}/maps/domains lacks second.test; `posthorn domain add second.test` adds it"):
            self.assertIn(told, done.stdout)
        self.assertIn(f"not changed: {self.root}/conf/posthorn.toml:", done.stdout)


class Ports(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=())
        self.addCleanup(self.server.close)

    def test_it_says_where_it_listens(self):
        self.server.start()
        self.assertRegex(self.server.log(), rf"posthorn: listens on smtp 127\.0\.0\.1:{self.server.port('smtp')}, .*imaps 127\.0\.0\.1:")

    def test_a_taken_port(self):
        line = 1 + [text.split(" ")[0] for text in self.server.conf.read_text().splitlines()].index("imaps")
        for one_process in ((), ("--one-process",)):
            with socket.create_server(("127.0.0.1", self.server.port("imaps"))):
                done = posthorn("serve", *one_process, "-c", self.server.conf)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{self.server.conf}:{line}: listen.imaps: port {self.server.port('imaps')} is taken by ", done.stderr)
            self.assertIn(f"(process {os.getpid()})", done.stderr)

    def test_an_address_of_another_machine(self):
        self.server.set("listen.imaps", '["192.0.2.77:20993"]')
        done = posthorn("serve", "-c", self.server.conf)
        self.assertEqual(done.returncode, 1)
        self.assertIn("listen.imaps: this machine has no address 192.0.2.77", done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "root is needed")
class NotRoot(unittest.TestCase):
    """Where there is no administrators' group; with one: test_admin_group.py."""

    def test_one_sentence(self):
        server = Server(users=(), settings={"users.admin_group": '"no-such-group"'})
        self.addCleanup(server.close)
        for command in (("check",), ("status",), ("reload",), ("queue", "list"), ("user", "list"), ("ban", "list")):
            with self.subTest(command):
                done = posthorn(*command, "-c", server.conf, user="nobody", group="nogroup", extra_groups=[])
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, r"\Aposthorn: this is for root: \S+/conf/users [^\n]*sudo[^\n]*\n\Z")


class Watching(unittest.TestCase):
    def test_a_session_that_is_not_there(self):
        server = Server(users=()).start()
        self.addCleanup(server.close)
        done = server.run("tap", "NOSUCH99", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no session NOSUCH99 now", done.stderr)


if __name__ == "__main__":
    unittest.main()
