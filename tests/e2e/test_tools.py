"""The commands of the operator: init, user, postmap, queue, events, defaults; what they change, print and exit with.

What they change is looked at in the files and, where a server runs, by a login or a mail that follows at once.
"""

import imaplib
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, ROOT, Server, Smarthost, free_port, message, wait_until


def posthorn(*args, input=None):
    done = subprocess.run([POSTHORN, *map(str, args)], capture_output=True, text=True, timeout=60, input=input)
    return done.returncode, done.stdout, done.stderr


def all_files(root):
    return {str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o7777, path.stat().st_mtime_ns)
            for path in root.rglob("*") if path.is_file()}


class Init(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posthorn-init-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o711)  # the roles pass through it
        self.root = pathlib.Path(folder.name) / "deep" / "srv"

    def init(self, *more):
        return posthorn("init", self.root, "--hostname", "mx.example.org", "--domain", "example.org", *more)

    def test_a_complete_instance(self):
        code, text, error = self.init("--domain", "example.net", "--listen", "127.0.0.1", "--port-base", "20000", "--spamd", "127.0.0.1:783")
        self.assertEqual((code, error), (0, ""))
        made = all_files(self.root)
        self.assertEqual(set(made), {"conf/posthorn.toml", "conf/users", "conf/srs-secret", "maps/domains", "maps/mailboxes", "maps/aliases", "maps/senders",
                                     "maps/transport", "maps/relay-sasl", "sieve/default.sieve", "tls/cert.pem", "tls/key.pem", "authority/cert.pem",
                                     "authority/key.pem"})
        for name in made:
            self.assertIn(f"made     {self.root / name}\n", text)
        for name, mode in (("conf/users", 0o640), ("conf/srs-secret", 0o640), ("maps/relay-sasl", 0o640), ("tls/key.pem", 0o640), ("tls/cert.pem", 0o644)):
            self.assertEqual(made[name][1], mode, name)
        conf = made["conf/posthorn.toml"][0].decode()
        for line in ('hostname = "mx.example.org"', 'default_domain = ""', 'smtp = ["127.0.0.1:20025"]', 'imaps = ["127.0.0.1:20993"]',
                     'submissions = ["127.0.0.1:20465"]', 'spamd = "127.0.0.1:783"'):
            self.assertIn(line + "\n", conf)
        domains = [line.split()[0] for line in made["maps/domains"][0].decode().splitlines() if line and not line.startswith("#")]
        self.assertEqual(domains, ["example.org", "example.net"])
        self.assertEqual(posthorn("check", "-c", self.root / "conf/posthorn.toml")[:2], (0, "no faults\n"))
        certificate = subprocess.run(["openssl", "x509", "-in", self.root / "tls/cert.pem", "-noout", "-ext", "subjectAltName"],
                                     capture_output=True, text=True, check=True).stdout
        self.assertIn("DNS:mx.example.org", certificate)

    def test_it_overwrites_nothing(self):
        self.init("--listen", "127.0.0.1")
        (self.root / "maps/aliases").write_text("team@example.org alice@example.org\n")
        (self.root / "sieve/default.sieve").unlink()
        (self.root / "tls/cert.pem").unlink()
        before = all_files(self.root)
        code, text, _ = self.init("--domain", "other.test", "--listen", "127.0.0.2", "--port-base", "30000")
        self.assertEqual(code, 0)
        after = all_files(self.root)
        made = set(after) - set(before)
        self.assertEqual(made, {"sieve/default.sieve"})  # a key without its certificate stays, too
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(text.count("made     "), 1)
        self.assertIn(f"kept     {self.root / 'maps/aliases'}\n", text)

    def test_where_it_listens(self):
        self.init()
        self.assertIn('smtp = ["0.0.0.0:25", "[::]:25"]\n', (self.root / "conf/posthorn.toml").read_text())
        self.root = self.root.parent / "six"
        self.init("--listen", "::1", "--port-base", "10000")
        self.assertIn('smtp = ["[::1]:10025"]\n', (self.root / "conf/posthorn.toml").read_text())

    def test_a_relative_folder(self):
        self.root.parent.mkdir()
        subprocess.run([POSTHORN, "init", "here", "--hostname", "mx.example.org", "--domain", "example.org"], cwd=self.root.parent,
                       check=True, capture_output=True)
        self.assertEqual(posthorn("check", "-c", self.root.parent / "here/conf/posthorn.toml")[0], 0)

    def test_what_makes_no_sense_makes_nothing(self):
        for more, expected in ((("--spamd", "nonsense"), "is no address"), (("--listen", "nonsense"), "is no address"), (("--profile", "huge"), "no profile"),
                               (("--port-base", "65000"), "port-base"), (("--port-base", "x"), "port-base"), (("--nonsense",), "nonsense")):
            with self.subTest(more=more):
                code, text, error = self.init(*more)
                self.assertNotEqual(code, 0)
                self.assertIn(expected, text + error)
                self.assertFalse(self.root.exists())
        for args in (("init",), ("init", self.root), ("init", self.root, "--hostname", "x"), ("init", self.root, "--domain", "x")):
            self.assertNotEqual(posthorn(*args)[0], 0, args)
            self.assertFalse(self.root.exists())


class Users(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=())
        self.addCleanup(self.server.close)
        self.users, self.mailboxes = self.server.root / "conf/users", self.server.root / "maps/mailboxes"

    def user(self, *args, password=None, check=True):
        if password is not None:
            args += ("--password-stdin",)
        return self.server.run("user", *args, input=None if password is None else password + "\n", check=check)

    def logins(self, path):
        return [re.split(r"[:\s]", line)[0] for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]

    def in_step(self, *addresses):
        self.assertEqual(sorted(self.logins(self.users)), sorted(addresses))
        self.assertEqual(sorted(self.logins(self.mailboxes)), sorted(addresses))
        self.assertEqual(self.user("list").stdout.split(), sorted(addresses))

    def may_login(self, address, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        try:
            return client.login(address, password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False
        finally:
            client.shutdown()

    def rcpt(self, address):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("friend@elsewhere.test")
            return client.rcpt(address)[0]

    def test_both_files_in_step_and_live_at_once(self):
        self.server.start()
        self.assertEqual(self.rcpt("carol@example.org"), 550)
        self.user("add", "carol@example.org", password="first")
        self.in_step("carol@example.org")
        self.assertEqual(self.rcpt("carol@example.org"), 250)
        self.assertTrue(self.may_login("carol@example.org", "first"))
        self.assertFalse(self.may_login("carol@example.org", "second"))
        self.user("passwd", "carol@example.org", password="second")
        self.assertTrue(self.may_login("carol@example.org", "second"))
        self.assertFalse(self.may_login("carol@example.org", "first"))  # also not for as long as logins are remembered
        self.server.send(message("Kept", "marker kept\r\n"), to=["carol@example.org"])
        wait_until(lambda: list(self.server.maildir("carol").glob("new/*")) + list(self.server.maildir("carol").glob("cur/*")))
        said = self.user("remove", "carol@example.org").stdout
        self.assertIn(str(self.server.maildir("carol")), said)
        self.in_step()
        self.assertEqual(self.rcpt("carol@example.org"), 550)
        self.assertFalse(self.may_login("carol@example.org", "second"))
        self.assertTrue(self.server.maildir("carol").exists())
        self.user("add", "carol@example.org", password="third")
        self.assertTrue(self.may_login("carol@example.org", "third"))

    def test_what_else_stands_in_the_files_stays(self):
        self.user("add", "alice@example.org", password="a")
        self.users.write_text("# our people\n" + self.users.read_text().rstrip("\n") + ":1000:1000::/home/alice::extra=1\n# the end")
        self.mailboxes.write_text("# boxes\n" + self.mailboxes.read_text() + "# the end")
        before = [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in (self.users, self.mailboxes)]
        self.user("add", "bob@example.org", password="b")
        self.user("passwd", "alice@example.org", password="c")
        self.in_step("alice@example.org", "bob@example.org")
        self.user("remove", "bob@example.org")
        self.in_step("alice@example.org")
        text = self.users.read_text()
        self.assertTrue(text.startswith("# our people\n"))
        self.assertIn(":1000:1000::/home/alice::extra=1\n", text)
        self.assertIn("# the end\n", text)
        self.assertEqual([(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in (self.users, self.mailboxes)], before)
        self.assertEqual([path.name for path in (self.server.root / "conf").iterdir() if path.name not in ("posthorn.toml", "users", "srs-secret")], [])

    def test_schemes(self):
        self.server.start()
        for scheme in ("SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "ARGON2ID", "ARGON2I"):
            address = f"{scheme.lower()}@example.org"
            self.user("add", address, "--scheme", scheme, password="p\u00e4ss wörd")
            self.assertIn(f"{address}:{{{scheme}}}", self.users.read_text())
            self.assertTrue(self.may_smtp(address, "p\u00e4ss wörd"), scheme)
        self.assertIn("{SHA512-CRYPT}", self.users.read_text())

    def may_smtp(self, address, password):
        import base64
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.ehlo()
            return client.docmd("AUTH PLAIN", base64.b64encode(f"\0{address}\0{password}".encode()).decode())[0] == 235

    def test_refusals_change_nothing(self):
        self.user("add", "alice@example.org", password="a")
        before = all_files(self.server.root)
        rows = [(("add", "alice@example.org"), "x", "is there already"), (("add", "ALICE@Example.org"), "x", "is there already"),
                (("passwd", "nobody@example.org"), "x", "no account"), (("remove", "nobody@example.org"), None, "no account"),
                (("add", "bob@elsewhere.test"), "x", "the domain elsewhere.test is not in"), (("add", "bob"), "x", "no address"), (("add", "@example.org"), "x", "address"),
                (("add", "bob+tag@example.org"), "x", "tag"), (("add", ".bob@example.org"), "x", ""), (("add", "b/ob@example.org"), "x", ""), (("add", "../x@example.org"), "x", ""),
                (("add", "b ob@example.org"), "x", ""), (("add", "b:ob@example.org"), "x", ""), (("add", "böb@example.org"), "x", ""), (("add", "b\nob@example.org"), "x", ""),
                (("add", "bob@example.org"), "", "empty password"), (("add", "bob@example.org", "--scheme", "ROT13"), "x", "ROT13"),
                (("passwd", "alice@example.org", "--scheme", "PLAINER"), "x", "PLAINER")]
        for args, password, expected in rows:
            with self.subTest(args=args):
                done = self.user(*args, password=password, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)
                self.assertEqual(all_files(self.server.root), before)
        self.assertNotEqual(self.server.run("user", check=False).returncode, 0)

    def test_asked_twice_without_the_option(self):
        done = self.server.run("user", "add", "alice@example.org", input="one\nother\n", check=False)
        self.assertEqual((done.returncode, "differ" in done.stderr), (1, True))
        self.in_step()
        self.server.run("user", "add", "alice@example.org", input="same\nsame\n")
        self.in_step("alice@example.org")


class Postmap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.table = cls.server.folder / "table"
        cls.table.write_text("# a comment\nteam@example.org alice@example.org,\n  bob@example.org\nUpper@Example.ORG\tone   two \n\n@example.net bob@example.org\n")

    def ask(self, *args, input=None):
        done = self.server.run("postmap", *map(str, args), check=False, input=input)
        return done.returncode, done.stdout, done.stderr

    def test_questions(self):
        for prefix in ("", "text:", "hash:", "lmdb:", "texthash:", "btree:"):
            name = f"{prefix}{self.table}"
            self.assertEqual(self.ask("-q", "team@example.org", name), (0, self.ask("-q", "team@example.org", self.table)[1], ""), prefix)
            self.assertEqual(self.ask("-q", "upper@example.org", name)[:2], (0, "one   two\n"), prefix)
            self.assertEqual(self.ask("-q", "UPPER@EXAMPLE.ORG", name)[:2], (0, "one   two\n"), prefix)
            self.assertEqual(self.ask("-q", "@example.net", name)[:2], (0, "bob@example.org\n"), prefix)
            for absent in ("x@example.net", "team", "team@example.or", "#", "bob@example.org"):
                self.assertEqual(self.ask("-q", absent, name), (1, "", ""), (prefix, absent))
        self.assertEqual(sorted(re.split(r"[,\s]+", self.ask("-q", "team@example.org", self.table)[1].strip())), ["alice@example.org", "bob@example.org"])

    def test_questions_of_patterns(self):
        patterns = self.server.folder / "patterns"
        patterns.write_text("/^(.+)-(owner|request)@example\\.org$/ $1@example.org\n")
        for kind in ("regexp", "pcre"):
            self.assertEqual(self.ask("-q", "Team-Owner@example.org", f"{kind}:{patterns}"), (0, "team@example.org\n", ""))
            self.assertEqual(self.ask("-q", "team@example.org", f"{kind}:{patterns}"), (1, "", ""))
            self.assertEqual(self.ask(f"{kind}:{patterns}")[0], 0)

    def test_questions_from_standard_input(self):
        code, text, _ = self.ask("-q", "-", self.table, input="nobody\nupper@example.org\n@example.net\n")
        self.assertEqual((code, text), (0, "upper@example.org\tone   two\n@example.net\tbob@example.org\n"))
        self.assertEqual(self.ask("-q", "-", self.table, input="nobody\n"), (1, "", ""))
        self.assertEqual(self.ask("-q", "-", self.table, input=""), (1, "", ""))

    def test_faults(self):
        bad = self.server.folder / "bad"
        bad.write_text("good@example.org x\nbad-without-value\n  \n")
        for args in ((bad,), (f"hash:{bad}",), ("-q", "good@example.org", bad)):
            code, text, error = self.ask(*args)
            self.assertEqual((code, text), (1, ""), args)
            self.assertRegex(error, re.escape(str(bad)) + r":2: ")
        bad.write_text("/(/ x\n")
        code, _, error = self.ask(f"regexp:{bad}")
        self.assertEqual(code, 1)
        self.assertRegex(error, re.escape(str(bad)) + r":1: ")
        for args, expected in (((self.server.folder / "absent",), "no such file"), ((f"mysql:{self.table}",), "mysql"), ((self.server.folder,), "")):
            code, text, error = self.ask(*args)
            self.assertEqual((code, text), (1, ""), args)
            self.assertIn(expected, error)
        twice = self.server.folder / "twice"
        twice.write_text("a@example.org one\na@example.org two\n")
        code, text, error = self.ask("-q", "a@example.org", twice)
        self.assertEqual((code, text), (0, "one\n"))
        self.assertRegex(error, r"warning: .*twice:2: ")
        self.assertNotEqual(self.ask()[0], 0)

    def test_a_good_table_goes_live(self):
        self.assertEqual(self.ask(self.table), (0, f"{self.table}: 3 entries, no faults; the server is not running\n", ""))
        self.server.start()
        try:
            self.server.append_map("aliases", "fresh@example.org bob@example.org\n")
            code, text, _ = self.ask("aliases")  # a bare name is one of the instance's
            self.assertEqual(code, 0)
            self.assertRegex(text, r"^reloaded, generation \d+\n$")
            with self.server.smtp() as client:
                client.ehlo()
                client.mail("friend@elsewhere.test")
                self.assertEqual(client.rcpt("fresh@example.org")[0], 250)
        finally:
            self.server.stop()


class Queue(unittest.TestCase):
    def queued(self):
        return {entry["id"]: entry for entry in self.server.queued()}

    def act(self, *args):
        done = self.server.run("queue", *args, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_real_mail(self):
        with Smarthost() as relay:
            self.server = Server(settings=relay.settings(**{"queue.retry_first": '"1h"'}))
            self.addCleanup(self.server.close)
            self.server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            relay.script["MAIL"] = "451 4.3.0 not now"
            self.server.start()
            self.assertEqual(self.act("list"), (0, "0 messages in the queue\n", ""))
            for number in range(3):
                self.server.submit("alice", message(f"Number {number}", f"marker q{number}\r\n"), [f"friend{number}@far.test"])
            wait_until(lambda: len(self.queued()) == 3 and all(int(e["tries"]) >= 1 for e in self.queued().values()))
            entries = self.queued()
            by_friend = {entry["recipients"][0]["address"]: id for id, entry in entries.items()}
            first, second, third = (by_friend[f"friend{n}@far.test"] for n in range(3))
            self.assertEqual({entry["sender"] for entry in entries.values()}, {"alice@example.org"})
            self.assertIn("not now", entries[first]["recipients"][0]["reason"])
            code, text, _ = self.act("list")
            self.assertEqual(code, 0)
            self.assertTrue(text.endswith("3 messages in the queue\n"))
            for needle in (first, second, third, "friend0@far.test", "451", "<alice@example.org>"):
                self.assertIn(needle, text)
            code, text, _ = self.act("show", first)
            self.assertEqual(code, 0)
            for needle in ("alice@example.org", "friend0@far.test", "Subject: Number 0", "marker q0", "not now"):
                self.assertIn(needle, text)
            # Held, it stays when all others go, also over a restart.
            self.assertEqual(self.act("hold", first), (0, "1 message held\n", ""))
            self.assertRegex(self.queued()[first]["state"], "^h[eo]ld$")
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
            self.assertRegex(self.queued()[first]["state"], "^h[eo]ld$")
            relay.script.clear()
            self.assertEqual(self.act("retry", second), (0, "1 message to be tried now\n", ""))
            relay.wait_for("marker q1")
            wait_until(lambda: second not in self.queued())
            self.assertIn(third, self.queued())  # only the one that was named
            self.assertEqual(self.act("retry", "--all"), (0, "1 message to be tried now\n1 message left alone: held: release them first\n", ""))
            relay.wait_for("marker q2")
            wait_until(lambda: set(self.queued()) == {first})
            self.assertEqual(self.act("release", first), (0, "1 message released\n", ""))
            self.server.run("queue", "retry", "--all")
            relay.wait_for("marker q0")
            wait_until(lambda: not self.queued())
            self.assertEqual(len(relay.received), 3)
            # Deleted, it is gone without a word to anybody.
            relay.script["MAIL"] = "451 4.3.0 not now"
            self.server.submit("alice", message("Doomed", "marker doomed\r\n"), ["friend@far.test"])
            doomed = wait_until(lambda: list(self.queued()))[0]
            self.assertEqual(self.act("delete", doomed), (0, "1 message deleted\n", ""))
            self.assertEqual(self.queued(), {})
            self.assertEqual(self.server.fetch_all("alice"), [])
            for verb in ("show", "hold", "release", "retry", "delete"):
                for id in (doomed, "nonsense", "../../etc/passwd", "x" * 5000):
                    code, text, error = self.act(verb, id)
                    self.assertEqual((code, text), (1, ""), (verb, id[:20]))
                    self.assertTrue(error.startswith("posthorn: "), error[:200])
            self.assertEqual(self.act("retry")[0], 2)
            self.assertNotEqual(self.act("hold")[0], 0)
            self.assertNotEqual(self.act()[0], 0)
            self.server.stop()
            for args in (("list",), ("list", "--json"), ("show", "x"), ("retry", "--all")):
                code, _, error = self.act(*args)
                self.assertEqual((code, "not running" in error), (1, True), args)


class Waiting(unittest.TestCase):
    def test_the_list_says_that_it_is_the_filter_that_mail_waits_for(self):
        server = Server(spamd=f"127.0.0.1:{free_port()}", settings={"filter.retry": '"1s"'})  # nobody is there
        self.addCleanup(server.close)
        server.start()
        server.send(message("Wait", "marker filter\r\n"))
        wait_until(lambda: "waits for the filter: " in server.run("queue", "list").stdout)
        self.assertRegex(server.run("queue", "list").stdout, r"to <bob@example\.org>: waits for the filter: .*connect")


class NextSteps(unittest.TestCase):
    def test_each_profile_says_what_comes_next(self):
        with tempfile.TemporaryDirectory() as folder:
            for profile, expected in (("default", "user add you@x.test "), ("local", "user add you "), ("dev", "password anybody"), ("test", "SMTP_USER=app ")):
                told = subprocess.run([POSTHORN, "init", f"{folder}/{profile}", "--profile", profile, "--hostname", "x.test", "--domain", "x.test", "--mail",
                                       f"{folder}/mail"], capture_output=True, text=True, timeout=60)
                self.assertEqual(told.returncode, 0, told.stderr)
                self.assertIn(expected, told.stdout.split("Next:")[1])
                self.assertIn(f"posthorn serve -c {folder}/{profile}/conf/posthorn.toml", told.stdout)

    def test_no_configuration_where_one_is_named(self):
        told = subprocess.run([POSTHORN, "serve", "-c", "/nowhere/posthorn.toml"], capture_output=True, text=True, timeout=60)
        self.assertEqual(told.returncode, 78)
        self.assertIn("/nowhere/posthorn.toml: there is no such file; `posthorn init FOLDER` makes one", told.stderr)

    def test_an_mbox_where_the_maildir_belongs_is_named_and_left_alone(self):
        server = Server()
        self.addCleanup(server.close)
        box = server.maildir("bob")
        server.start()
        box.parent.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(box.parent, "vmail", "vmail")
        box.write_text("From x\n\nan old mbox\n")
        server.send(message("Box", "marker box\r\n"))
        wait_until(lambda: f"{box} is a file where the maildir belongs" in server.log())
        self.assertIn("an old mbox", box.read_text())
        box.unlink()
        server.run("queue", "retry", "--all")
        server.wait_for("marker box")


class Printing(unittest.TestCase):
    def test_events_are_all_that_a_log_can_hold(self):
        code, text, _ = posthorn("events")
        self.assertEqual(code, 0)
        known = {}
        for line in text.splitlines():
            name, meaning = line.split(None, 1)
            self.assertNotIn(name, known)
            self.assertTrue(meaning.endswith("."), line)
            known[name] = meaning
        with Server() as server:
            server.send(message("Events", "marker events\r\n"))
            server.wait_for("marker events")
            server.run("reload")
            seen = set(re.findall(r" event=(\S+)", server.log()))
        self.assertGreater(len(seen), 8)
        self.assertEqual(seen - set(known), set())

    def test_defaults_are_the_annotated_file_and_load(self):
        code, text, _ = posthorn("defaults")
        self.assertEqual(code, 0)
        self.assertEqual(text, (ROOT / "conf/posthorn.toml").read_text())
        with tempfile.TemporaryDirectory() as folder:
            conf = pathlib.Path(folder) / "conf"
            conf.mkdir()
            # The name is everybody's own: the one that stands there is warned of.
            (conf / "posthorn.toml").write_text(text.replace('hostname = "localhost"', 'hostname = "mail.example.org"'))
            code, _, error = posthorn("check", "-c", conf / "posthorn.toml")
            self.assertEqual(code, 1)  # nothing else is there, but the file itself is sound
            self.assertNotIn("posthorn.toml", error)

    def test_help_and_version(self):
        for args in (("--help",), ("--help-all",), ("queue", "--help"), ("user", "--help")):
            code, text, _ = posthorn(*args)
            self.assertEqual(code, 0, args)
            self.assertNotIn("confined", text)
        self.assertRegex(posthorn("--version")[1], r"^posthorn \S+\n$")


if __name__ == "__main__":
    unittest.main()
