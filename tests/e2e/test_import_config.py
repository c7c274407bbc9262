"""`posthorn import config`: of Postfix's files a server that answers as the old one did. What the old one answered is asked of Debian's
own postconf, postmap and postalias, which read the same files."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support import POSTHORN, assert_fits, free_port_base

SHARED = pathlib.Path("/usr/share/postfix")
PASSWD = ("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
          "alice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\n")

# As the package's "Internet Site" leaves it.
INTERNET_SITE = """
myhostname = mx.example.org
alias_maps = hash:{etc}/aliases
alias_database = hash:{etc}/aliases
myorigin = {etc}/mailname
mydestination = $myhostname, example.org, mx.example.org, localhost.example.org, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
"""
DEBIAN = ((SHARED / "main.cf.debian").read_text() + (SHARED / "main.cf.tls").read_text() + INTERNET_SITE,
          {"aliases": "postmaster: root\nroot: alice\nteam: alice, bob,\n\tfriend@elsewhere.test\nprog: |/usr/bin/prog\n",
           "mailname": "example.org\n"},
          ["alice@example.org", "Bob@mx.example.org", "alice+tag@example.org", "root@example.org", "team@example.org",
           "nobody@example.org", "alice@elsewhere.test", "alice@sub.example.org"])

# A container of virtual domains that sends by a relay: spamd behind the queue, users in Dovecot's file.
CONTAINER = ("""
myhostname = mail.example1.com
relayhost = [smtp.sendgrid.net]:587
virtual_mailbox_domains = example1.com example2.com
virtual_mailbox_maps = hash:{etc}/postfix/mailboxes
virtual_alias_maps = hash:{etc}/postfix/aliases
virtual_transport = lmtp:unix:private/dovecot-lmtp
mydestination =
recipient_delimiter = +
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:{etc}/postfix/relay-sasl
smtp_sasl_security_options = noanonymous
smtp_tls_security_level = encrypt
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/ssl/cert.pem
smtpd_tls_key_file = /etc/ssl/key.pem
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
content_filter = spamassassin
""", {"postfix/aliases": "support@example1.com adam@example1.com,\n  bob@example1.com\n@example1.com adam@example1.com\n"
                         "bob@example1.com bob@example1.com\ninfo@example2.com support@example1.com\n",
      "postfix/mailboxes": "adam@example1.com adam\nbob@example1.com bob\neve@example2.com eve\n",
      "postfix/relay-sasl": "[smtp.sendgrid.net]:587 username:passw0rd\n"},
             ["adam@example1.com", "adam+x@example1.com", "bob@example1.com", "support@example1.com", "anything@example1.com",
              "info@example2.com", "eve@example2.com", "eve+x@example2.com", "nobody@example2.com", "x@example3.com"])

# Domains of every kind, patterns between texts, and recipients that are closed.
MIXED = ("""
myhostname = mx.example.net
mydomain = example.net
myorigin = $mydomain
mydestination = $myhostname, $mydomain
alias_maps = hash:{etc}/aliases
virtual_alias_domains = aliased.test
virtual_mailbox_domains = boxes.test
virtual_mailbox_maps = hash:{etc}/postfix/boxes
virtual_alias_maps = hash:{etc}/postfix/first, regexp:{etc}/postfix/patterns, hash:{etc}/postfix/second
recipient_delimiter = +
mynetworks = 127.0.0.0/8
""", {"aliases": "root: alice\n",
      "postfix/boxes": "ann@boxes.test x\nben@boxes.test x\n",
      "postfix/first": "sales@aliased.test ann@boxes.test\nalice ben@boxes.test\n",
      "postfix/patterns": "/^p[0-9]+@aliased\\.test$/ ben@boxes.test\n/^sales@/ ben@boxes.test\n",
      "postfix/second": "p1@aliased.test ann@boxes.test\nq@aliased.test p7@aliased.test\n"},
         ["sales@aliased.test", "p1@aliased.test", "p99@aliased.test", "q@aliased.test", "x@aliased.test", "ann@boxes.test",
          "ann+t@boxes.test", "nobody@boxes.test", "alice@example.net", "root@mx.example.net", "bob@example.net", "bob@other.test"])


class Old:
    """Files of an old server, and what Postfix answers of them."""

    def __init__(self, main, files, master=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-old-"))
        self.folder.chmod(0o711)
        self.etc = self.folder / "etc"
        self.postfix = self.etc / "postfix"
        self.postfix.mkdir(parents=True)
        (self.postfix / "main.cf").write_bytes(main.replace("{etc}", str(self.etc)).encode())
        (self.postfix / "master.cf").write_text(master or (SHARED / "master.cf.dist").read_text())
        (self.etc / "passwd").write_text(PASSWD)
        for name, text in files.items():
            (self.etc / name).write_text(text)
        self.base = free_port_base()
        self.root = self.folder / "srv"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def bring(self, *words):
        return subprocess.run([POSTHORN, "import", "config", str(self.postfix), "--into", str(self.root), "--listen", "127.0.0.1",
                               "--port-base", str(self.base), *words], capture_output=True, text=True, timeout=120)

    def explain(self, address):
        done = subprocess.run([POSTHORN, "explain", "rcpt", address, "--json", "-c", str(self.root / "conf" / "posthorn.toml")],
                              capture_output=True, text=True, timeout=60)
        if done.returncode not in (0, 1):
            raise AssertionError(done.stdout + done.stderr)
        told = json.loads(done.stdout)
        return {one["address"] for one in told["recipients"]} if done.returncode == 0 else None

    # What Postfix says

    def words(self, name):
        done = subprocess.run(["postconf", "-c", str(self.postfix), "-x", "-h", name], capture_output=True, text=True, check=True)
        return [word for word in done.stdout.replace(",", " ").split() if word]

    def ask(self, name, key, program="postmap"):
        for table in self.words(name):
            kind, _, file = table.partition(":")
            if kind == "hash":  # its source, which is asked uncompiled; aliases(5) have a form of their own
                if program == "postmap":
                    table = "texthash:" + file
                else:
                    subprocess.run([program, table], check=True, capture_output=True)
            done = subprocess.run([program, "-q", key, table], capture_output=True, text=True)
            if done.returncode == 0:
                return done.stdout.strip()
        return None

    def answer(self, address):
        """Whom mail for it reaches in the end; None: nobody of this server."""
        reached = self.follow(address.lower(), set())
        return reached or None

    def follow(self, address, seen, top=True):
        if address in seen:
            return set()
        seen = seen | {address}
        local, _, domain = address.rpartition("@")
        bare = local.partition("+")[0]
        own = {"mydestination": domain in self.words("mydestination"), "virtual_alias_domains": domain in self.words("virtual_alias_domains"),
               "virtual_mailbox_domains": domain in self.words("virtual_mailbox_domains")}
        if top and not any(own.values()):
            return set()
        origin = (self.etc / "mailname").read_text().strip() if (self.etc / "mailname").exists() else self.words("myorigin")[0]
        keys = [address, f"{bare}@{domain}"] + ([local, bare] if own["mydestination"] or domain == origin else []) + [f"@{domain}"]
        for key in keys:
            found = self.ask("virtual_alias_maps", key)
            if found is None:
                continue
            targets = [one if "@" in one else f"{one}@{origin}" for one in found.replace(",", " ").split()]
            if targets == [address] or targets == [f"{bare}@{domain}"]:
                break  # itself: the mailbox
            return set().union(*(self.follow(one.lower(), seen, top=False) for one in targets))
        if own["mydestination"]:
            found = self.ask("alias_maps", bare, "postalias")
            if found is not None:
                targets = [one if "@" in one else f"{one}@{domain}" for one in found.replace(",", " ").split() if not one.startswith(("|", "/"))]
                return set().union(*(self.follow(one.lower(), seen, top=False) for one in targets)) if targets else set()
            # Accounts of people, and root.
            return {f"{bare}@{domain}"} if bare in ("alice", "bob", "root") else set()
        if own["virtual_mailbox_domains"]:
            return {f"{bare}@{domain}"} if self.ask("virtual_mailbox_maps", f"{bare}@{domain}") is not None else set()
        return set() if own["virtual_alias_domains"] else {address}


class ImportConfig(unittest.TestCase):
    def compare(self, main, files, addresses):
        with Old(main, files) as old:
            done = old.bring()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("no faults", done.stdout)
            self.assertNotIn("passw0rd", done.stdout + done.stderr)
            taken = 0
            for address in addresses:
                said = old.explain(address)
                plain = said and {f"{one.rpartition('@')[0].partition('+')[0]}@{one.rpartition('@')[2]}" for one in said}
                self.assertEqual(plain and {one.lower() for one in plain}, old.answer(address), address)
                taken += plain is not None
            self.assertTrue(0 < taken < len(addresses), "both answers are among them")

    def test_debians_internet_site(self):
        self.compare(*DEBIAN)

    def test_a_container_of_virtual_domains(self):
        self.compare(*CONTAINER)

    def test_domains_of_every_kind(self):
        self.compare(*MIXED)

    def test_a_trial_writes_nothing_and_tells_everything(self):
        main, files, _ = CONTAINER
        with Old(main, files) as old:
            done = old.bring("--dry-run", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertFalse(old.root.exists())
            told = json.loads(done.stdout)
            assert_fits("import_config", told)
            names = {one["name"] for one in told["lines"]}
            for line in main.splitlines():
                if "=" in line and not line.startswith(" "):
                    self.assertIn(line.partition("=")[0].strip(), names)
            self.assertNotIn("passw0rd", done.stdout)
            done = old.bring("--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            assert_fits("import_config", json.loads(done.stdout))

    def test_a_second_time_nothing_that_was_written_changes(self):
        main, files, _ = CONTAINER
        with Old(main, files) as old:
            self.assertEqual(old.bring().returncode, 0)
            aliases = old.root / "maps" / "aliases"
            aliases.write_text(aliases.read_text().replace("support@example1.com adam@example1.com", "support@example1.com bob@example1.com"))
            before = {path: path.read_bytes() for path in old.root.rglob("*") if path.is_file() and path.suffix != ".db"}
            done = old.bring()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(before, {path: path.read_bytes() for path in before})

    def test_files_as_they_are_found(self):
        """Nothing of it stops the import, and what could not be read is named."""
        site = "myhostname = mx.example.org\nvirtual_mailbox_domains = example.org\n"
        kinds = {"missing": "virtual_alias_maps = hash:{etc}/none\n", "folder": "virtual_alias_maps = hash:{etc}\n",
                 "loop": "virtual_alias_maps = hash:{etc}/loop\n", "itself": "virtual_alias_maps = $virtual_alias_maps $a\na = $a\n",
                 "many": "".join(f"none_{i} = {i}\n" for i in range(1000)), "hash": "smtpd_banner = a # b\n",
                 "foreign": "virtual_alias_maps = mysql:{etc}/postfix/x.cf ldap:x\n"}
        for name, more in kinds.items():
            with self.subTest(name), Old("\ufeff" + (site + more).replace("\n", "\r\n"), {}) as old:
                (old.etc / "loop").symlink_to("loop")
                done = old.bring("--dry-run")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("virtual_mailbox_domains", done.stdout)
                if name in ("missing", "folder", "loop", "foreign"):
                    self.assertIn("Not possible", done.stdout)

    def test_what_cannot_be_imported_says_what_to_name(self):
        with Old("", {}) as old:
            (old.postfix / "main.cf").unlink()
            done = old.bring()
            self.assertEqual(done.returncode, 1)
            self.assertIn("main.cf", done.stderr)
            self.assertFalse(old.root.exists())


if __name__ == "__main__":
    unittest.main()
