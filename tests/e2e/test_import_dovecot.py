"""`posthorn import config` of Dovecot's files and docker-mailserver's: beside the real Dovecot the same logins succeed, and the same folders are listed."""

import imaplib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import POSTHORN, Server, free_port, free_port_base, run, wait_until

STOCK = pathlib.Path("/usr/share/dovecot")
USERS = """# accounts
anna@one.test:{{PLAIN}}pw-anna:{uid}:{gid}::{mail}/one.test/anna::userdb_quota_rule=*:storage=1G
ben@one.test:{{SHA512-CRYPT}}{hash}:{uid}:{gid}::{mail}/one.test/ben
carl@one.test:{{PLAIN}}pw-carl:{uid}:{gid}::{mail}/one.test/carl::nologin=y
dora@one.test:{{PLAIN}}pw-dora:{uid}:{gid}::{mail}/one.test/dora::allow_nets=10.0.0.0/8
emil@one.test:{{PLAIN}}pw-emil:{uid}:{gid}::{mail}/one.test/emil::allow_nets=127.0.0.0/8,10.1.0.0/16
Fritz@one.test:{{PLAIN}}pw-fritz:{uid}:{gid}::{mail}/one.test/fritz
g+x@one.test:{{PLAIN}}pw-g:{uid}:{gid}::{mail}/one.test/g
hugo@one.test::{uid}:{gid}::{mail}/one.test/hugo
anna@one.test:{{PLAIN}}second:{uid}:{gid}::{mail}/one.test/anna
ida@two.test:{{PLAIN}}pw-ida:{uid}:{gid}::{mail}/two.test/ida
out@two.test:{{PLAIN}}pw-out:{uid}:{gid}::{mail}/two.test/out
"""
LOCAL = """
# Nobody waits after a wrong password.
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
base_dir = {run}
state_dir = {run}
log_path = {folder}/dovecot.log
ssl = no
first_valid_uid = 1
auth_failure_delay = 0
mail_location = maildir:{mail}/%d/%n
protocols = imap
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
}}
passdb {{
  driver = passwd-file
  deny = yes
  args = {folder}/deny
}}
!include conf.d/auth-passwdfile.conf.ext
namespace inbox {{
  mailbox Drafts {{
    auto = subscribe
  }}
  mailbox Junk {{
    auto = subscribe
  }}
  mailbox Sent {{
    auto = subscribe
  }}
  mailbox Trash {{
    auto = subscribe
  }}
  mailbox Lists {{
    auto = create
  }}
}}
"""


class Imported(Server):
    """An instance that `posthorn import config` made."""

    def __init__(self, folder, *places):
        self.folder, self.root = folder, folder / "srv"
        self.base = free_port_base()
        self.one_process, self.process = False, None
        self.log_path, self.env = folder / "log", dict(os.environ)
        self.conf = self.root / "conf" / "posthorn.toml"
        self.output = self.run("import", "config", *map(str, places), "--into", str(self.root), "--hostname", "mx.one.test",
                               "--listen", "127.0.0.1", "--port-base", str(self.base), config=False).stdout
        self.set("dns.marks", "false")


def temp_folder(case):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-e2e-"))
    folder.chmod(0o755)
    case.addClassCleanup(shutil.rmtree, folder, ignore_errors=True) if isinstance(case, type) else case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def names(client):
    lines = client.list()[1]
    return sorted(re.search(rb' (\S+|"[^"]*")$', line)[1].decode().strip('"') for line in lines)


@unittest.skipUnless(shutil.which("dovecot") and os.geteuid() == 0, "needs Dovecot, and root to start it")
class BesideDovecot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = temp_folder(cls)
        etc, mail = cls.folder / "dovecot", cls.folder / "mail"
        shutil.copytree(STOCK / "conf.d", etc / "conf.d")
        shutil.copy(STOCK / "dovecot.conf", etc)
        # As an administrator makes a server of a users file.
        auth = etc / "conf.d/10-auth.conf"
        auth.write_text(auth.read_text().replace("!include auth-system.conf.ext", "#!include auth-system.conf.ext"))
        tls = etc / "conf.d/10-ssl.conf"  # the machine need have no certificate of its own
        tls.write_text(re.sub(r"(?m)^(ssl_cert|ssl_key) =", r"#\1 =", tls.read_text()))
        passwd_file = etc / "conf.d/auth-passwdfile.conf.ext"
        passwd_file.write_text(passwd_file.read_text().replace("/etc/dovecot/users", str(cls.folder / "users")))
        mail.mkdir()
        shutil.chown(mail, "vmail", "vmail")
        uid, gid = mail.stat().st_uid, mail.stat().st_gid
        hashed = run(["openssl", "passwd", "-6", "pw-ben"]).stdout.strip()
        (cls.folder / "users").write_text(USERS.format(uid=uid, gid=gid, mail=mail, hash=hashed))
        (cls.folder / "deny").write_text("out@two.test:\n")
        cls.port = free_port()
        (etc / "local.conf").write_text(LOCAL.format(folder=cls.folder, run=cls.folder / "run", mail=mail, port=cls.port))
        cls.dovecot = subprocess.Popen(["dovecot", "-F", "-c", str(etc / "dovecot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.end)
        wait_until(lambda: cls.knows("anna@one.test", "pw-anna"))
        cls.make_folders()
        cls.server = Imported(cls.folder, etc)
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    @classmethod
    def end(cls):
        cls.dovecot.terminate()
        cls.dovecot.wait(30)

    @classmethod
    def knows(cls, user, password):
        """Does Dovecot let them in?"""
        try:
            with imaplib.IMAP4("127.0.0.1", cls.port, timeout=20) as client:
                client.login(user, password)
                return True
        except (OSError, imaplib.IMAP4.error):
            return False

    @classmethod
    def make_folders(cls):
        with imaplib.IMAP4("127.0.0.1", cls.port, timeout=20) as client:
            client.login("anna@one.test", "pw-anna")
            for name in ("Work", "Work.Sub", "Entw&APw-rfe"):
                client.create(name)
                client.subscribe(name)
            client.append("Work", None, None, b"Subject: kept\r\n\r\nHello\r\n")
            cls.theirs = names(client)

    def test_the_same_logins_succeed(self):
        rows = [(name, f"pw-{name.split('@')[0].lower()}") for name in re.findall(r"^(\S+?@[a-z]+\.test):", USERS, re.M)]
        rows += [("anna@one.test", "second"), ("anna@one.test", "pw-ben"), ("ben@one.test", ""), ("hugo@one.test", ""), ("nobody@one.test", "x"),
                 ("ANNA@One.Test", "pw-anna"), ("anna", "pw-anna"), ("fritz@one.test", "pw-fritz"), ("g+x@one.test", "pw-g")]
        told, seen = {}, {}
        for user, password in rows:
            done = self.server.run("explain", "login", user, "--service", "imap", "--ip", "127.0.0.1", "--password-stdin", check=False, input=password + "\n")
            told[user, password] = done.returncode == 0
            seen[user, password] = self.knows(user, password)
        self.assertEqual(told, seen)
        self.assertEqual({user for (user, _), good in seen.items() if good},
                         {"anna@one.test", "ANNA@One.Test", "ben@one.test", "emil@one.test", "ida@two.test"})

    def test_the_same_folders_are_listed(self):
        with imaplib.IMAP4("localhost", self.server.port("imap"), timeout=20) as client:
            client.starttls(self.server.trust())
            client.login("anna@one.test", "pw-anna")
            self.assertEqual(names(client), self.theirs)
            self.assertEqual(client.select("Work", readonly=True), ("OK", [b"1"]))

    def test_it_told_what_it_did(self):
        for words in ("store.location", "Dovecot looks for names in lower case", "auth_username_chars", "conf/users: 8 accounts",
                      "the name stands in the file already"):
            self.assertIn(words, self.server.output)
        self.assertNotIn("pw-anna", self.server.output)


class Stock(unittest.TestCase):
    @unittest.skipUnless(STOCK.is_dir(), "needs dovecot-core's files")
    def test_debians_own_files_have_a_line_for_each_setting(self):
        folder = temp_folder(self)
        done = run([POSTHORN, "import", "config", str(STOCK / "dovecot.conf"), "--into", str(folder / "srv"), "--hostname", "mx.one.test", "--dry-run", "--json"])
        lines = json.loads(done.stdout)["lines"]
        told = {(pathlib.Path(line["file"]).name, line["line"]) for line in lines}
        for path in (STOCK / "dovecot.conf", *sorted((STOCK / "conf.d").glob("*.conf"))):
            for number, text in enumerate(path.read_text().splitlines(), 1):
                if re.match(r"\s*[a-z_]+\s*=", text):
                    self.assertIn((path.name, number), told, text)
        self.assertTrue(all(line["text"] for line in lines))
        self.assertFalse((folder / "srv").exists())

    def test_a_folder_without_its_files_is_told_of(self):
        done = run([POSTHORN, "import", "config", "/nowhere", "--dry-run"], check=(1,))
        self.assertIn("name the folder that holds one", done.stderr)


class FromDms(unittest.TestCase):
    def test_a_volume_end_to_end(self):
        folder = temp_folder(self)
        config, mail = folder / "config", folder / "mail-data"
        (mail / "one.test/anna/home/sieve").mkdir(parents=True)
        for name in ("cur", "new", "tmp"):
            (mail / "one.test/anna" / name).mkdir()
        (mail / "one.test/anna/cur/1.x:2,S").write_text("Subject: kept\n\nHello\n")
        (mail / "one.test/anna/home/sieve/mine.sieve").write_text("keep;\n")
        (mail / "one.test/anna/home/.dovecot.sieve").symlink_to("sieve/mine.sieve")
        if os.geteuid() == 0:
            run(["chown", "-R", "vmail:vmail", str(mail)])
        config.mkdir()
        for name, text in (("postfix-accounts.cf", "anna@one.test|{PLAIN}pw-anna\n"), ("postfix-virtual.cf", "info@one.test anna@one.test\n"),
                           ("dovecot-quotas.cf", "anna@one.test:1G\n"), ("dovecot.cf", "recipient_delimiter = -\ndisable_plaintext_auth = no\n"),
                           ("postfix-main.cf", "message_size_limit = 1\n"), ("user-patches.sh", "true\n"), ("before.dovecot.sieve", "keep;\n"),
                           ("mailserver.env", "OVERRIDE_HOSTNAME=mail.one.test\nENABLE_POP3=\nENABLE_MANAGESIEVE=1\n")):
            (config / name).write_text(text)
        server = Imported(folder, "--from-dms", config, "--mail", mail)
        self.addCleanup(server.close)
        text = server.conf.read_text()
        self.assertIn("pop3 = []", text)
        self.assertIn('recipient_delimiter = "-"', text)
        self.assertNotIn("allow_plaintext = true", text)
        self.assertIn("userdb_quota_rule=*:bytes=1G", (server.root / "conf/users").read_text())
        self.assertIn("* mine", server.run("sieve", "list", "--user", "anna@one.test").stdout)
        for name in ("postfix-main.cf", "user-patches.sh", "disable_plaintext_auth"):
            self.assertIn(name, server.output)
        server.start()
        with server.imap("anna@one.test") as client:
            self.assertEqual(client.select("INBOX", readonly=True), ("OK", [b"1"]))


if __name__ == "__main__":
    unittest.main()
