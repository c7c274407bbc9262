"""Servers as guides set them up (guides/), taken over by `posthorn import config`: the new one takes, refuses, forwards and
relays what the old one did, and lets in whom it let in. What the old one did is asked of Postfix's own postmap, as smtpd and
trivial-rewrite ask it, and of a Dovecot that runs with the guide's files."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, ROOT, wait_until
from test_import_dovecot import Imported

GUIDES = ROOT / "tests/e2e/guides"


class Old:
    """A guide's files in a folder of their own, asked with postmap."""

    def __init__(self, name, **words):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-guide-"))
        self.folder.chmod(0o755)
        self.dovecot = None
        self.etc = self.folder / "etc"
        shutil.copytree(GUIDES / name, self.etc)
        for file in [path for path in self.etc.rglob("*") if path.is_file()]:
            text = file.read_text().replace("/etc/", f"{self.etc}/")
            for word, value in words.items():
                text = text.replace(f"@{word}@", str(value))
            file.write_text(text)
        for table in re.findall(r"hash:(\S+)", (self.etc / "postfix/main.cf").read_text()):
            self.postfix("postmap", f"hash:{table}")

    def postfix(self, program, *args, codes=(0,)):
        done = subprocess.run([program, "-c", self.etc / "postfix", *args], capture_output=True, text=True, timeout=60)
        assert done.returncode in codes, done.stderr
        return done.stdout.strip()

    def setting(self, name):
        return re.split(r"[,\s]+", self.postfix("postconf", "-hx", name))

    def find(self, name, key):
        """The first answer of a setting's tables."""
        for table in self.setting(name):
            if ":" not in table:
                if key == table.lower():
                    return "listed"
            elif value := self.postfix("postmap", "-q", key, table.removeprefix("proxy:"), codes=(0, 1)):
                return value
        return None

    def targets(self, address, depth=0):
        """virtual(5): the whole address, without its tag, the domain; then whom that leads to."""
        assert depth < 10
        user, domain = address.lower().split("@")
        for key in (f"{user}@{domain}", f"{user.split('+')[0]}@{domain}", f"@{domain}"):
            value = self.find("virtual_alias_maps", key)
            if value:
                found = set()
                for target in re.split(r"[,\s]+", value):
                    found |= {target} if target in (address, key) else self.targets(target, depth + 1)
                return found
        return {address.lower()}

    def takes(self, address):
        """Whether smtpd takes a stranger's mail for it, and for whom: those who have a mailbox, and addresses elsewhere."""
        if not self.find("virtual_mailbox_domains", address.lower().split("@")[1]):
            return None
        found = set()
        for target in self.targets(address):
            user, domain = target.split("@")
            keys = (target, f"{user.split('+')[0]}@{domain}")
            if not self.find("virtual_mailbox_domains", domain):
                found.add(target)
            elif any(self.find("virtual_mailbox_maps", key) for key in keys):
                found.add(keys[1])
        return found or None

    def start_dovecot(self):
        """The guide's Dovecot, with its logins and no port."""
        conf = self.etc / "dovecot/run.conf"
        conf.write_text(f"!include dovecot.conf\nprotocols = none\nbase_dir = {self.folder}/run\nstate_dir = {self.folder}/run\n"
                        f"log_path = {self.folder}/dovecot.log\nauth_failure_delay = 0\n")
        self.dovecot = subprocess.Popen(["dovecot", "-F", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.login("nobody@nowhere.test", "x") == 77)

    def login(self, user, password):
        """0: it lets them in; 77: it does not (doveadm-auth(1), EX_NOPERM)."""
        return subprocess.run(["doveadm", "-c", self.etc / "dovecot/run.conf", "auth", "test", "-x", "service=imap", "-x", "rip=127.0.0.1",
                               user, password], capture_output=True, timeout=30).returncode

    def close(self):
        if self.dovecot:
            self.dovecot.terminate()
            self.dovecot.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Guides(unittest.TestCase):
    def take_over(self, name, **words):
        old = Old(name, **words)
        self.addCleanup(old.close)
        places = [place for place in (old.etc / "postfix", old.etc / "dovecot") if place.exists()]
        self.server = Imported(old.folder, *places)
        self.conf, self.told = self.server.conf, self.server.output
        return old

    def ask(self, *words):
        done = subprocess.run([POSTHORN, "explain", *words, "--json", "-c", self.conf], capture_output=True, text=True, timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        return json.loads(done.stdout)

    def assert_same(self, old, addresses):
        for address in addresses:
            with self.subTest(address):
                wanted, given = old.takes(address), self.ask("rcpt", address)
                self.assertEqual(given["outcome"], "taken" if wanted else "refused", given)
                if wanted:
                    # A tag goes on to the mailbox, where Sieve may ask for it.
                    self.assertEqual({re.sub(r"\+[^@]*", "", recipient["address"]).lower() for recipient in given["recipients"]}, wanted)

    def assert_same_logins(self, old, rows, good):
        if not shutil.which("dovecot") or os.geteuid() != 0:
            return
        old.start_dovecot()
        self.addCleanup(self.server.close)
        self.server.start()
        told, seen = {}, {}
        for user, password in rows:
            done = subprocess.run([POSTHORN, "explain", "login", user, "--service", "imap", "--ip", "127.0.0.1", "--password-stdin", "-c", self.conf],
                                  input=password + "\n", capture_output=True, text=True, timeout=60)
            self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
            told[user, password] = done.returncode == 0
            seen[user, password] = old.login(user, password) == 0
        self.assertEqual(told, seen)
        self.assertEqual({user for (user, _), is_good in seen.items() if is_good}, good)

    def test_files(self):
        old = self.take_over("files")
        self.assert_same(old, ["alice@example.org", "bob@example.org", "Bob+x@example.org", "team@example.org", "away@example.org",
                               "nobody@example.org", "info@second.test", "anybody@second.test", "postmaster@example.org", "x@third.test"])
        self.assert_same_logins(old, [("alice@example.org", "pw-alice"), ("Bob@example.org", "pw-bob"), ("alice@example.org", "pw-bob"),
                                      ("info@second.test", "pw-alice"), ("alice", "pw-alice")], {"alice@example.org", "Bob@example.org"})

    def test_satellite(self):
        old = self.take_over("satellite")
        for sender, hop in (("shop@example.org", "[smtp.shop.test]:587"), ("me@news.test", "[smtp.news.test]:2525"),
                            ("else@example.org", "[smtp.isp.test]:587")):
            with self.subTest(sender):
                domain = "@" + sender.split("@")[1]
                wanted = old.find("sender_dependent_relayhost_maps", sender) or old.find("sender_dependent_relayhost_maps", domain)
                wanted = wanted or old.setting("relayhost")[0]
                self.assertEqual(wanted, hop)
                given = self.ask("relay", "friend@far.test", "--from", sender)
                self.assertEqual(given["outcome"], "taken", given)
                way = " ".join(recipient["way"] for recipient in given["recipients"])
                host, port = re.fullmatch(r"\[(.+)\]:(\d+)", wanted).groups()
                self.assertIn(host, way)
                self.assertIn(port, way)
        self.assertNotIn("secret-of-", self.told)
        self.assertRegex(self.told, r"smtpd_milters = .*\n\s+no milter is asked")


if __name__ == "__main__":
    unittest.main()
