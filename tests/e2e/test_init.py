"""`posthorn init` asks on a terminal what no option says, writes nothing before the last answer, and asks nobody where nobody is."""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from support import POSTHORN, Server, free_port, free_port_base, wait_until

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHORN_", "SUDO_"))}


class Talk:
    """A program at a terminal of its own: what it says is read up to a question, and answered."""

    def __init__(self, *args, columns=80, env=None):
        self.said = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(POSTHORN, ["posthorn", *map(str, args)], {**ENVIRONMENT, "TERM": "xterm", **(env or {})})
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self, end):
        """Reads until what was said since the last answer matches end."""
        since, until = len(self.said), time.monotonic() + 60
        while not re.search(end, self.said[since:]):
            if time.monotonic() > until:
                raise AssertionError(f"not said: {end}\n{self.said}")
            if not select.select([self.terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:
                piece = b""
            if not piece:
                raise AssertionError(f"it ended without saying {end}\n{self.said}")
            self.said += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        return self.said[since:]

    def echoes(self):
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def answer(self, question, answer):
        said = self.read(question + r"( \[[^\]]*\])?: $")
        if "Password" in question or "Again" in question or "(not shown)" in question:
            wait_until(lambda: not self.echoes())
        os.write(self.terminal, answer.encode() + b"\n")
        return said

    def end(self):
        """Its exit status, behind everything it said."""
        with contextlib.suppress(OSError):
            while piece := os.read(self.terminal, 65536):
                self.said += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        return code


def posthorn(*args, **run):
    return subprocess.run([POSTHORN, *map(str, args)], capture_output=True, text=True, timeout=60, env=ENVIRONMENT,
                          **{"stdin": subprocess.DEVNULL, **run} if "input" not in run else run)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posthorn-init-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o711)
        self.folder = pathlib.Path(folder.name)
        self.root = self.folder / "srv"
        self.conf = self.root / "conf/posthorn.toml"

    def value(self, key):
        return re.search(rf"^{key} = (.*)$", self.conf.read_text(), re.M)[1]

    def text(self, name):
        return [line for line in (self.root / name).read_text().splitlines() if line and not line.startswith("#")]

    def assert_password(self, password):
        """The one account's hash is this password's, as OpenSSL makes it."""
        [line] = self.text("conf/users")
        hashed = line.split("{SHA512-CRYPT}")[1].split(":")[0]
        made = subprocess.run(["openssl", "passwd", "-6", "-salt", hashed.split("$")[2], "-stdin"], input=password + "\n",
                              capture_output=True, text=True, check=True).stdout
        self.assertEqual(made.strip(), hashed)


class Dialogue(Folder):
    def talk(self, *more, **how):
        """Ports of its own: `posthorn check` at the end looks whether they are free."""
        return Talk("init", self.root, "--listen", "127.0.0.1", "--port-base", free_port_base(), *more, **how)

    def test_a_server_by_questions_alone(self):
        talk = self.talk()
        talk.answer("Host name", "http://Mail.Example.org./")
        self.assertIn("Taken as mail.example.org.", talk.answer("Mail domains", "example.org, bücher.test"))
        self.assertIn("xn--bcher-kva.test", talk.answer("Address", "alice"))
        talk.answer("Password of alice@example.org", "with spaces: ä")
        talk.answer("Again", "with spaces: ö")
        self.assertIn("the two differ", talk.answer("Password of alice@example.org", "with spaces: ä"))
        talk.answer("Again", "with spaces: ä")
        talk.answer("Relay", "sendgrid")
        talk.answer("Login", "")
        talk.answer(re.escape("API key (not shown)"), "SG.key:of sorts")
        talk.answer("Authority", f"https://127.0.0.1:{free_port()}/dir")
        talk.answer("E-mail address", "")
        self.assertIn("It does not answer now", talk.answer(re.escape("Do you agree to them? (yes or no)"), "yes"))
        plan = talk.read("Write that\\?.*: $")
        self.assertFalse(self.root.exists())
        os.write(talk.terminal, b"\n")
        self.assertEqual(talk.end(), 0, talk.said)
        for told in (f"Below {self.root}:", "[smtp.sendgrid.net]:587", "ACME: https://127.0.0.1:", "the login apikey"):
            self.assertIn(told, " ".join(plan.split()))
        for secret in ("with spaces", "SG.key"):
            self.assertNotIn(secret, talk.said)
        for key, value in (("hostname", '"mail.example.org"'), ("relayhost", '"[smtp.sendgrid.net]:587"'), 
                           ("email", '"alice@example.org"'), ("agree_terms", "true")):
            self.assertEqual(self.value(key), value)
        self.assertEqual(self.text("maps/domains"), ["example.org .", "xn--bcher-kva.test ."])
        self.assertEqual(self.text("maps/relay-sasl"), ["[smtp.sendgrid.net]:587 apikey:SG.key:of sorts"])
        self.assertEqual((self.root / "maps/relay-sasl").stat().st_mode & 0o777, 0o640)
        self.assertTrue((self.root / "dkim/example.org/mail.pem").exists())
        self.assertTrue((self.root / "dkim/xn--bcher-kva.test/mail.pem").exists())
        said = talk.said.split("Next:")[1]
        steps = [said.index(words) for words in ("posthorn serve", "posthorn dns example.org", "posthorn relay test", "posthorn certificate list",
                                                 "posthorn explain rcpt alice@example.org", "posthorn check:", "no faults")]
        self.assertEqual(steps, sorted(steps))
        self.assert_password("with spaces: ä")

    def test_a_password_is_made_and_shown_once(self):
        talk = self.talk("--hostname", "example.org", columns=40)
        talk.answer("Mail domains", "")
        talk.answer("Address", "bob")
        talk.answer("Password of bob@example.org", "")
        talk.answer("Relay", "")
        talk.answer("Authority", "none")
        talk.answer("Write that\\?", "y")
        self.assertEqual(talk.end(), 0, talk.said)
        made = re.findall(r"\b(?:[a-z2-9]{5}-){3}[a-z2-9]{5}\b", talk.said)
        self.assertEqual(len(made), 1)
        self.assert_password(made[0])
        prose = [line for line in talk.said.split("made   ")[0].splitlines() if str(self.root) not in line]
        self.assertLessEqual(max(map(len, prose)), 40, prose)

    def test_what_ends_it_has_written_nothing(self):
        for what in ("eof", signal.SIGINT, signal.SIGTERM, "no"):
            with self.subTest(what):
                talk = self.talk(env={"TERM": "dumb", "LC_ALL": "C", "LANG": "C"})
                talk.answer("Host name", "mail.example.org")
                talk.answer("Mail domains", "")
                talk.answer("Address", "bob")
                if what == "no":
                    talk.answer("Password of bob@example.org", "")
                    talk.answer("Relay", "")
                    talk.answer("Authority", "none")
                    talk.answer("Write that\\?", "no")
                else:
                    talk.read("Password of bob@example.org: $")
                    wait_until(lambda: not talk.echoes())
                    if what == "eof":
                        os.write(talk.terminal, b"\x04")
                    else:
                        os.kill(talk.pid, what)
                    talk.read("nothing was written")
                    self.assertTrue(talk.echoes())
                self.assertEqual(talk.end(), 1)
                self.assertIn("nothing was written", talk.said)
                self.assertNotIn("\x1b", talk.said)
                self.assertFalse(self.root.exists())

    def test_answers_that_were_pasted(self):
        talk = self.talk()
        os.write(talk.terminal, b"mail.example.org\n\nnone\nnone\nnone\nyes\n")
        self.assertEqual(talk.end(), 0, talk.said)
        self.assertEqual(self.value("hostname"), '"mail.example.org"')

    def test_names_that_need_no_question(self):
        talk = self.talk("--hostname", "mail.example.org", "--domain", "example.org")
        self.assertEqual(talk.end(), 0, talk.said)
        self.assertNotIn("[yes]", talk.said)

    def test_an_instance_that_is_there_is_changed_line_by_line(self):
        self.assertEqual(posthorn("init", self.root, "--hostname", "vps.example.org", "--domain", "example.org", "--port-base",
                                  free_port_base(), "--listen", "127.0.0.1").returncode, 0)
        self.conf.write_text("# mine\n" + self.conf.read_text())
        before = self.conf.read_text().splitlines()
        talk = Talk("init", self.root)
        self.assertIn("is set up in", talk.answer("Host name", "mail.example.org"))
        talk.answer("Mail domains", "example.org example.net")
        talk.answer("Address", "none")
        talk.answer("Relay", "[relay.test]:2525")
        talk.answer("Login", "none")
        talk.answer("Authority", "none")
        plan = talk.answer("Write that\\?", "yes")
        self.assertEqual(talk.end(), 0, talk.said)
        self.assertIn('server.hostname = "mail.example.org", where "vps.example.org" stands', " ".join(plan.split()))
        changed = [pair for pair in zip(before, self.conf.read_text().splitlines(), strict=True) if pair[0] != pair[1]]
        self.assertEqual(changed, [('hostname = "vps.example.org"', 'hostname = "mail.example.org"'), ('relayhost = ""', 'relayhost = "[relay.test]:2525"')])
        self.assertEqual(self.text("maps/domains"), ["example.org .", "example.net ."])
        names = subprocess.run(["openssl", "x509", "-in", self.root / "tls/cert.pem", "-noout", "-ext", "subjectAltName"],
                               capture_output=True, text=True, check=True).stdout
        self.assertIn("DNS:mail.example.org", names)

    def test_a_question_of_another_command_gives_the_terminal_back(self):
        server = Server(users=())
        self.addCleanup(server.close)
        talk = Talk("user", "add", "bob@example.org", "-c", server.conf)
        talk.read("Password: $")
        wait_until(lambda: not talk.echoes())
        os.write(talk.terminal, b"\x03")
        talk.read("broken off")
        self.assertTrue(talk.echoes())
        self.assertEqual(talk.end(), 1)
        self.assertEqual(server.run("user", "list").stdout, "")


class Scripts(Folder):
    """Nobody is asked, and what is missing is named as its flag."""

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def init(self, *more, **run):
        return posthorn("init", self.root, "--listen", "127.0.0.1", "--port-base", free_port_base(), *more, **run)

    def test_all_by_flags_and_again(self):
        password, key = self.write("password", "two words\r\n"), self.write("key", "SG.x\n")
        flags = ("--yes", "--hostname", "mail.example.org", "--domain", "example.org", "--user", "Alice@example.org", "--password-file", password,
                 "--relay", "sendgrid", "--relay-password-file", key, "--acme", "alice@example.org", "--acme-directory", "https://ca.test/dir")
        done = self.init(*flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith("no faults\n"), done.stdout)
        for key, value in (("directory", '"https://ca.test/dir"'), ("email", '"alice@example.org"'), ("agree_terms", "true")):
            self.assertEqual(self.value(key), value)
        self.assertEqual(self.text("maps/relay-sasl"), ["[smtp.sendgrid.net]:587 apikey:SG.x"])
        self.assert_password("two words")
        files = {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
        done = self.init(*flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("made", done.stdout.split("Next:")[0])
        self.assertEqual(files, {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()})

    def test_what_a_crash_left_is_made_whole(self):
        flags = ("--yes", "--hostname", "mail.example.org", "--domain", "example.org", "--relay", "relay.test", "--relay-login", "me",
                 "--relay-password-file", "-", "--user", "bob@example.org", "--password-file", self.write("password", "long enough"))
        self.assertEqual(self.init(*flags, input="secret\n").returncode, 0)
        whole = {path.relative_to(self.root) for path in self.root.rglob("*")}
        for lost in ("maps/relay-sasl", "conf/users", "dkim/example.org/mail.pem", "sieve/default.sieve"):
            (self.root / lost).unlink()
        self.assertEqual(self.init(*flags, input="secret\n").returncode, 0)
        self.assertEqual({path.relative_to(self.root) for path in self.root.rglob("*")}, whole)
        self.assertEqual(self.text("maps/relay-sasl"), ["[relay.test]:587 me:secret"])
        self.assertEqual(len(self.text("conf/users")), 1)

    def test_acme_for_an_instance_that_is_there(self):
        self.init("--hostname", "mail.example.org", "--domain", "example.org")
        done = posthorn("init", self.root, "--acme", "you@example.org", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('acme.directory is "letsencrypt" now', done.stdout)
        self.assertEqual((self.value("directory"), self.value("agree_terms")), ('"letsencrypt"', "true"))
        done = posthorn("init", self.root, "--acme", "you@example.org", "--acme-directory", "staging", "--yes")
        self.assertIn('acme.directory is "letsencrypt", not "letsencrypt-staging"; edit it there', done.stdout)
        self.assertEqual(self.value("directory"), '"letsencrypt"')

    def test_what_is_missing_or_none_is_named(self):
        names = ("--hostname", "mail.example.org", "--domain", "example.org")
        short = self.write("short", "short\n")
        empty = self.write("empty", "")
        for flags, told in (((), "--hostname"), (("--hostname", "mail.example.org"), "--domain"),
                            ((*names, "--user", "bob@example.org"), "--password-file"), ((*names, "--password-file", short), "--user"),
                            ((*names, "--user", "bob", "--password-file", short), "--user: "),
                            ((*names, "--user", "bob@example.org", "--password-file", short), "fewer than 8"),
                            ((*names, "--user", "bob@example.org", "--password-file", "/nowhere"), "no file /nowhere"),
                            ((*names, "--user", "bob@example.org", "--password-file", "-"), "standard input holds no line"),
                            ((*names, "--relay", "smtp.example.net:465"), "465"), ((*names, "--relay", "sendgrid"), "--relay-password-file"),
                            ((*names, "--relay", "a.test", "--relay-login", "x", "--relay-password-file", empty), "it is empty"),
                            ((*names, "--relay-login", "x"), "--relay HOST"), ((*names, "--acme", "you@example.org"), "--yes"),
                            ((*names, "--acme", "you", "--yes"), "--acme: "), ((*names, "--acme-directory", "letsencrypt"), "--acme EMAIL"),
                            ((*names, "--acme", "you@example.org", "--acme-directory", "http://ca.test", "--yes"), "https://"),
                            ((*names, "--user", "bob@other.test", "--password-file", self.write("good", "long enough")), "--domain other.test"),
                            (("--hostname", "localhost", "--domain", "example.org", "--acme", "you@example.org", "--yes"), "localhost")):
            with self.subTest(flags):
                done = self.init(*flags)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(told, done.stderr)
                self.assertFalse(self.root.exists())

    def test_an_instance_with_a_fault_is_left_alone(self):
        self.init("--hostname", "mail.example.org", "--domain", "example.org")
        self.conf.write_text(self.conf.read_text() + "[nonsense]\n")
        before = self.conf.read_text()
        done = posthorn("init", self.root, "--acme", "you@example.org", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"{self.conf}:[0-9]+: .*nonsense")
        self.assertEqual(self.conf.read_text(), before)
        self.conf.write_text(before.replace("[nonsense]\n", "").replace('directory = ""', '"directory" = ""'))
        done = posthorn("init", self.root, "--acme", "you@example.org", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn('Set there: acme.directory = "letsencrypt", acme.email = "you@example.org", acme.agree_terms = true', done.stderr)

    def test_piped_answers_are_no_dialogue(self):
        done = self.init(input="mail.example.org\n\nnone\nnone\nnone\nyes\n")
        self.assertEqual((done.returncode, self.root.exists()), (1, False))
        self.assertIn("--hostname", done.stderr)

    def test_a_folder_where_nothing_can_be_made(self):
        names = ("--hostname", "mail.example.org", "--domain", "example.org")
        file = self.write("file", "")
        done = posthorn("init", file / "below", *names)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"nothing can be made in {file}: .*name a folder of yours: posthorn init FOLDER")

    @unittest.skipUnless(os.geteuid() == 0, "root is needed")
    def test_a_folder_of_others_or_of_a_read_only_disk(self):
        names = ("--hostname", "mail.example.org", "--domain", "example.org")
        done = posthorn("init", *names, user="nobody", group="nogroup", extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing can be made in /etc", done.stderr)
        mounted = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none "$1" || exit 77; shift; exec "$@"', "sh", self.folder, POSTHORN,
                                  "init", self.root, *names], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
        if mounted.returncode == 77:
            self.skipTest("no mount namespaces here")
        self.assertEqual(mounted.returncode, 1)
        self.assertIn(f"nothing can be made in {self.folder}: Read-only file system", mounted.stderr)


if __name__ == "__main__":
    unittest.main()
