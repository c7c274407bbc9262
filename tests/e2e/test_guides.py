"""Three servers as guides set them up (guides/), taken over by `posthorn import config`: the new one takes, refuses, forwards and
relays what the old one did. What the old one did is asked of Postfix's own postmap, as smtpd and trivial-rewrite ask it."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres
from support import POSTHORN, ROOT
from test_pgsql_queries import POSTFIXADMIN

GUIDES = ROOT / "tests/e2e/guides"


class Old:
    """A guide's files in a folder of their own, asked with postmap."""

    def __init__(self, name, **words):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-guide-"))
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

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Guides(unittest.TestCase):
    def take_over(self, name, **words):
        old = Old(name, **words)
        self.addCleanup(old.close)
        new = old.folder / "new"
        places = [place for place in (old.etc / "postfix", old.etc / "dovecot") if place.exists()]
        done = subprocess.run([POSTHORN, "import", "config", *places, "--into", new, "--listen", "127.0.0.1", "--port-base", "20000"],
                              capture_output=True, text=True, timeout=60)
        self.assertTrue((new / "conf/posthorn.toml").exists(), done.stdout + done.stderr)
        self.conf, self.told = new / "conf/posthorn.toml", done.stdout + done.stderr
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
                    self.assertEqual({re.sub(r"\+[^@]*", "", recipient["address"]) for recipient in given["recipients"]}, wanted)

    def test_postfixadmin(self):
        with Postgres() as postgres:
            postgres.sql("CREATE ROLE posthorn LOGIN", database="postgres")
            postgres.sql(POSTFIXADMIN)
            postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO posthorn")
            old = self.take_over("postfixadmin", PORT=postgres.port, DATABASE="mail")
            self.assertIn("[pgsql.queries]", self.conf.read_text())
            self.assertNotIn("not checked here", self.conf.read_text())
            self.assertEqual((self.conf.parent / "pgsql-password").stat().st_mode & 0o777, 0o640)
            self.assert_same(old, ["alice@example.org", "ALICE+tag@Example.org", "team@example.org", "far@example.org", "off@example.org",
                                   "gone@example.org", "nobody@example.org", "bob@old.test", "nobody@old.test", "x@backup.test", "x@off.test",
                                   "o'hara@example.org", "100%@example.org"])

    def test_files(self):
        old = self.take_over("files")
        self.assert_same(old, ["alice@example.org", "bob@example.org", "Bob+x@example.org", "team@example.org", "away@example.org",
                               "nobody@example.org", "info@second.test", "anybody@second.test", "postmaster@example.org", "x@third.test"])

    def test_satellite(self):
        old = self.take_over("satellite")
        for sender, hop in (("shop@example.org", None), ("me@news.test", None), ("else@example.org", "[smtp.isp.test]:587")):
            with self.subTest(sender):
                domain = "@" + sender.split("@")[1]
                wanted = old.find("sender_dependent_relayhost_maps", sender) or old.find("sender_dependent_relayhost_maps", domain)
                self.assertEqual(wanted, hop or wanted)
                given = self.ask("relay", "friend@far.test", "--from", sender)
                self.assertEqual(given["outcome"], "taken", given)
                way = " ".join(recipient["way"] for recipient in given["recipients"])
                host, port = re.fullmatch(r"\[(.+)\]:(\d+)", wanted or "[smtp.isp.test]:587").groups()
                self.assertIn(host, way)
                self.assertIn(port, way)
        self.assertNotIn("secret-of-", self.told)
        self.assertRegex(self.told, r"smtpd_milters.*")


if __name__ == "__main__":
    unittest.main()
