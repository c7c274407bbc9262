"""Tables in schemas that other programs made: the examples of migrations/README.md, taken from that page as they stand there,
against the real PostgreSQL. Each answers what Postfix's own pgsql maps answer, with the queries of its guides; then a server
by PostfixAdmin's tables: logins, mail, commands, changes, an outage, and what `check` says of queries that are wrong."""

import contextlib
import crypt
import imaplib
import pathlib
import re
import smtplib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import readme
from postgres import Postgres
from support import ROOT, Server, message, wait_until

PAGE = ROOT / "migrations/README.md"


def hashed(password, method, scheme=""):
    return scheme + crypt.crypt(password, crypt.mksalt(method, rounds=32) if method is crypt.METHOD_BLOWFISH else crypt.mksalt(method))


# What each program's tables are, as far as queries see them, and rows that try every edge.
POSTFIXADMIN = f"""
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '', aliases int NOT NULL DEFAULT 0,
  mailboxes int NOT NULL DEFAULT 0, maxquota bigint NOT NULL DEFAULT 0, transport varchar(255), backupmx boolean NOT NULL DEFAULT false,
  active boolean NOT NULL DEFAULT true);
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL, name varchar(255) NOT NULL DEFAULT '',
  maildir varchar(255) NOT NULL, quota bigint NOT NULL DEFAULT 0, local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL,
  active boolean NOT NULL DEFAULT true);
CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL, active boolean NOT NULL DEFAULT true);
CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255) NOT NULL, active boolean NOT NULL DEFAULT true);
INSERT INTO domain (domain, backupmx, active) VALUES ('ALL', false, true), ('example.org', false, true), ('old.test', false, true),
  ('backup.test', true, true), ('off.test', false, false);
INSERT INTO mailbox (username, password, maildir, quota, local_part, domain, active) VALUES
  ('alice@example.org', '{hashed("pw-alice", crypt.METHOD_SHA512, "{SHA512-CRYPT}")}', 'example.org/alice/', 5242880, 'alice', 'example.org', true),
  ('bob@example.org', '{hashed("pw-bob", crypt.METHOD_MD5)}', 'example.org/bob/', 0, 'bob', 'example.org', true),
  ('carol@example.org', '{hashed("pw-carol", crypt.METHOD_BLOWFISH, "{BLF-CRYPT}")}', 'example.org/carol/', -1, 'carol', 'example.org', true),
  ('dora@example.org', '{{PLAIN}}pw-dora', 'example.org/dora/', 0, 'dora', 'example.org', true),
  ('gone@example.org', '{{PLAIN}}pw-gone', 'example.org/gone/', 0, 'gone', 'example.org', false),
  ('o''hara@example.org', '{{PLAIN}}x', 'example.org/o''hara/', 0, 'o''hara', 'example.org', true);
INSERT INTO alias (address, goto, domain, active) VALUES ('alice@example.org', 'alice@example.org', 'example.org', true),
  ('bob@example.org', 'bob@example.org', 'example.org', true), ('team@example.org', 'alice@example.org,bob@example.org', 'example.org', true),
  ('far@example.org', 'x@far.test', 'example.org', true), ('off@example.org', 'bob@example.org', 'example.org', false),
  ('x@off.test', 'bob@example.org', 'off.test', true), ('100%@example.org', 'bob@example.org', 'example.org', true), ('Upper@example.org', 'bob@example.org', 'example.org', true);
INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('old.test', 'example.org');
"""
VIRTUAL = """
CREATE TABLE virtual_domains (id serial PRIMARY KEY, name varchar(50) NOT NULL);
CREATE TABLE virtual_users (id serial PRIMARY KEY, domain_id int NOT NULL REFERENCES virtual_domains (id), email varchar(100) NOT NULL UNIQUE,
  password varchar(150) NOT NULL, quota bigint NOT NULL DEFAULT 0);
CREATE TABLE virtual_aliases (id serial PRIMARY KEY, domain_id int NOT NULL REFERENCES virtual_domains (id), source varchar(100) NOT NULL,
  destination varchar(100));
INSERT INTO virtual_domains (name) VALUES ('example.org'), ('second.test');
INSERT INTO virtual_users (domain_id, email, password) VALUES (1, 'alice@example.org', '{PLAIN}a'), (1, 'bob@example.org', '{PLAIN}b');
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'team@example.org', 'alice@example.org'),
  (1, 'team@example.org', 'bob@example.org'), (1, 'team@example.org', NULL), (1, 'null@example.org', NULL), (2, '@second.test', 'bob@example.org');
"""
VMAIL = """
CREATE TABLE domain (domain varchar(255) PRIMARY KEY, backupmx int2 NOT NULL DEFAULT 0, active int2 NOT NULL DEFAULT 1);
CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255) NOT NULL, active int2 NOT NULL DEFAULT 1);
CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL DEFAULT '', quota bigint NOT NULL DEFAULT 1024,
  active int2 NOT NULL DEFAULT 1);
CREATE TABLE forwardings (id serial PRIMARY KEY, address varchar(255) NOT NULL, forwarding varchar(255) NOT NULL, active int2 NOT NULL DEFAULT 1);
CREATE TABLE sender_relayhost (id serial PRIMARY KEY, account varchar(255) NOT NULL, relayhost varchar(255) NOT NULL);
INSERT INTO domain (domain, backupmx, active) VALUES ('example.org', 0, 1), ('backup.test', 1, 1), ('off.test', 0, 0);
INSERT INTO alias_domain VALUES ('old.test', 'example.org', 1), ('older.test', 'example.org', 0);
INSERT INTO mailbox (username, password, quota, active) VALUES ('alice@example.org', '{PLAIN}a', 1024, 1), ('bob@example.org', '{PLAIN}b', 0, 1),
  ('off@example.org', '{PLAIN}c', 0, 0);
INSERT INTO forwardings (address, forwarding, active) VALUES ('alice@example.org', 'alice@example.org', 1), ('team@example.org', 'alice@example.org', 1),
  ('team@example.org', 'x@far.test', 1), ('team@example.org', 'bob@example.org', 0);
INSERT INTO sender_relayhost (account, relayhost) VALUES ('alice@example.org', '[hub.test]:587'), ('@example.org', '[all.test]:25');
"""
TABLES = {"postfixadmin": POSTFIXADMIN, "virtual": VIRTUAL, "vmail": VMAIL}
# The same asked by Postfix, in the words of the guides.
POSTFIX = {
    "postfixadmin": {
        "domains": "SELECT domain FROM domain WHERE domain='%s' AND backupmx = false AND active = true",
        "mailboxes": "SELECT maildir FROM mailbox WHERE username='%s' AND active = true",
        "aliases": "SELECT goto FROM alias WHERE address='%s' AND active = true",
    },
    "virtual": {
        "domains": "SELECT 1 FROM virtual_domains WHERE name='%s'",
        "mailboxes": "SELECT 1 FROM virtual_users WHERE email='%s'",
        "aliases": "SELECT destination FROM virtual_aliases WHERE source='%s'",
    },
    "vmail": {
        "domains": "SELECT domain FROM domain WHERE domain='%s' AND backupmx=0 AND active=1"
                   " UNION SELECT alias_domain FROM alias_domain WHERE alias_domain='%s' AND active=1",
        "mailboxes": "SELECT 1 FROM mailbox WHERE username='%s' AND active=1",
        "aliases": "SELECT forwarding FROM forwardings WHERE address='%s' AND active=1",
        "sender_relays": "SELECT relayhost FROM sender_relayhost WHERE account='%s'",
    },
}
KEYS = ["example.org", "old.test", "older.test", "backup.test", "off.test", "second.test", "ALL", "EXAMPLE.org", "x.test", "@second.test",
        "@example.org", "@old.test"] + [
    f"{name}@example.org" for name in ("alice", "Alice", "bob", "carol", "gone", "team", "far", "off", "null", "upper", "100%", "o'hara", "nobody",
                                       "' OR '1'='1", "\\", "_____", "$1")]


def blocks_of(name):
    return [block for block in readme.split(PAGE)[0] if block.about == name or (block.language == "toml" and block.about == "")]


def apply(server, text):
    """A block of TOML: its lines in place of the file's."""
    section, queries = "", {}
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            section = line.strip()
        elif section in ("[pgsql.queries]", "[pgsql.lists]"):
            queries[section] = queries.get(section, "") + line
        elif " = " in line:
            key, value = line.split(" = ", 1)
            server.set(f"{section.strip('[]')}.{key}", value.strip())
    for header, lines in queries.items():
        conf = server.conf.read_text()
        assert f"{header}\n" in conf, header
        server.conf.write_text(conf.replace(f"{header}\n", f"{header}\n{lines}"))


def make_server(postgres, name):
    database = f"d_{name}"
    postgres.sql(f"CREATE DATABASE {database}", database="postgres")
    postgres.sql(TABLES[name], database=database)
    server = Server(users=())
    server.set("pgsql.conninfo", f'"{postgres.conninfo("posthorn", database)}"')
    for block in blocks_of(name):
        if block.language == "sql":
            postgres.sql(block.text, database=database)
        elif block.language == "toml":
            apply(server, block.text)
    return server, database


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.postgres = cls.stack.enter_context(Postgres())
        cls.postgres.sql("CREATE ROLE posthorn LOGIN", database="postgres")

    def tables_of_postfix(self, server, database, table, query):
        """As `postmap -q` answers with Postfix's own pgsql map: {key: value}."""
        folder = server.folder / "postfix"
        folder.mkdir(exist_ok=True)
        (folder / "main.cf").write_text("compatibility_level = 3.6\n")
        (folder / "master.cf").touch()
        map_file = folder / f"{table}.cf"
        map_file.write_text(f"hosts = 127.0.0.1:{self.postgres.port}\nuser = postgres\ndbname = {database}\nquery = {query}\n")
        done = subprocess.run(["postmap", "-c", folder, "-q", "-", f"pgsql:{map_file}"], input="\n".join(KEYS) + "\n", capture_output=True, text=True,
                              timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return dict(line.split("\t", 1) for line in done.stdout.splitlines())

    def test_each_answers_as_postfix_does(self):
        for name, queries in POSTFIX.items():
            server, database = make_server(self.postgres, name)
            self.addCleanup(server.close)
            check = server.run("check")
            self.assertEqual(check.stdout.splitlines()[-1], "no faults", check.stdout + check.stderr)
            for table, query in queries.items():
                with self.subTest(schema=name, table=table):
                    wanted = self.tables_of_postfix(server, database, table, query)
                    done = server.run("postmap", "-q", "-", f"pgsql:{table}", input="\n".join(KEYS) + "\n", check=False)
                    given = dict(line.split("\t", 1) for line in done.stdout.splitlines())
                    self.assertEqual(done.stderr, "")
                    # Domain aliases are entries of another map there; keys are folded by Postfix' programs, not by postmap.
                    given = {key: value for key, value in given.items() if key != "@old.test"}
                    wanted = {key: value for key, value in wanted.items() if key != "ALL"}
                    self.assertGreater(len(wanted), 0)
                    self.assertEqual({key.lower() for key in given}, {key.lower() for key in wanted})
                    if table not in ("domains", "mailboxes"):
                        split = lambda value: sorted(re.split(r",\s*", value))
                        self.assertEqual({key: split(given[key]) for key in wanted}, {key: split(value) for key, value in wanted.items()})


class PostfixAdmin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.postgres = cls.stack.enter_context(Postgres())
        cls.postgres.sql("CREATE ROLE posthorn LOGIN", database="postgres")
        cls.server, cls.database = make_server(cls.postgres, "postfixadmin")
        cls.server.set("pgsql.queries_cache", '"1s"')
        cls.stack.enter_context(cls.server)

    def sql(self, text):
        return self.postgres.sql(text, database=self.database)

    def rcpt(self, address):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("friend@elsewhere.test")
            return client.rcpt(address)[0]

    def tool(self, *args, **kwargs):
        done = self.server.run(*args, check=False, **kwargs)
        return done.returncode, done.stdout, done.stderr

    def test_logins_of_each_scheme_and_mail(self):
        for user in ("alice", "bob", "carol", "dora"):
            self.server.imap(user).logout()
            with self.assertRaises(imaplib.IMAP4.error):
                self.server.imap(user, "wrong")
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("gone", "pw-gone")
        self.server.submit("alice", message("by their rows"), ["team@example.org"])
        for user in ("alice", "bob"):
            self.server.wait_for("Subject: by their rows", user)
        for address, code in (("nobody@example.org", 550), ("gone@example.org", 550), ("off@example.org", 550), ("bob@old.test", 250),
                              ("nobody@old.test", 550), ("bob@backup.test", 554), ("x@off.test", 554), ("Team@Example.org", 250)):
            self.assertEqual(self.rcpt(address), code, address)
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.server.submit("alice", message(), ["bob@example.org"], sender="bob@example.org")
        self.assertIn("5M", self.server.run("quota", "list", "alice@example.org").stdout)

    def test_an_explanation_names_the_query(self):
        told = self.server.run("explain", "rcpt", "team@example.org").stdout
        self.assertIn("[pgsql query aliases]", told)
        code, told, _ = self.tool("explain", "login", "nobody@example.org")
        self.assertEqual(code, 1)
        self.assertIn("pgsql query users", told)
        self.assertNotIn("posthorn user add", told)

    def test_commands_read_and_never_write(self):
        self.assertEqual(self.tool("domain", "list")[1].splitlines(), ["example.org", "old.test"])
        self.assertEqual(self.tool("user", "list")[1].splitlines(),
                         [f"{name}@example.org" for name in ("alice", "bob", "carol", "dora", "o'hara")])
        self.assertIn("team@example.org alice@example.org,bob@example.org", self.tool("alias", "list")[1])
        before = self.sql("SELECT * FROM mailbox; SELECT * FROM alias; SELECT * FROM domain")
        for args in (("user", "add", "new@example.org", "--password-stdin"), ("user", "passwd", "bob@example.org", "--password-stdin"),
                     ("user", "remove", "bob@example.org", "--with-references"), ("alias", "add", "new@example.org", "bob@example.org"),
                     ("alias", "remove", "team@example.org"), ("domain", "add", "new.test"), ("quota", "set", "bob@example.org", "1G"),
                     ("tables", "copy", "text", "pgsql")):
            code, _, error = self.tool(*args, input="secret\n")
            self.assertEqual(code, 1, args)
            self.assertRegex(error, r"posthorn\.toml:\d+: pgsql\.queries\.\w+: a table that a query of your own asks is only read; change its rows", args)
        self.assertEqual(self.sql("SELECT * FROM mailbox; SELECT * FROM alias; SELECT * FROM domain"), before)
        self.assertEqual(self.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'posthorn'"), ["0"])

    def test_a_change_counts_soon_and_at_once_where_it_is_told(self):
        self.assertEqual(self.rcpt("fresh@example.org"), 550)
        self.sql("INSERT INTO alias (address, goto, domain) VALUES ('fresh@example.org', 'bob@example.org', 'example.org')")
        wait_until(lambda: self.rcpt("fresh@example.org") == 250)
        self.sql("UPDATE mailbox SET password = '{PLAIN}new' WHERE username = 'dora@example.org'")
        self.addCleanup(self.sql, "UPDATE mailbox SET password = '{PLAIN}pw-dora' WHERE username = 'dora@example.org'; NOTIFY posthorn, 'users'")

        def login():
            with contextlib.suppress(imaplib.IMAP4.error):
                self.server.imap("dora", "new").logout()
                return True

        wait_until(login)

    def test_while_the_database_is_down(self):
        self.assertEqual(self.rcpt("team@example.org"), 250)
        self.server.imap("bob").logout()
        self.postgres.stop()
        try:
            self.assertEqual(self.rcpt("team@example.org"), 250)
            self.server.imap("bob").logout()
            self.assertEqual(self.rcpt("never-asked@example.org"), 451)
            with self.assertRaisesRegex(imaplib.IMAP4.error, "UNAVAILABLE"):
                self.server.imap("never-asked", "x")
        finally:
            self.postgres.start()
        wait_until(lambda: self.rcpt("never-asked@example.org") == 550)


class Mistakes(unittest.TestCase):
    def test_they_are_told_with_their_lines_and_keep_the_server_from_starting(self):
        with Postgres() as postgres:
            postgres.sql("CREATE ROLE posthorn LOGIN", database="postgres")
            server, database = make_server(postgres, "postfixadmin")
            self.addCleanup(server.close)
            good = server.conf.read_text()

            def check(table, query):
                lines = good.splitlines()
                lines[lines.index("[pgsql.queries]") + [line.split(" ")[0] for line in lines[lines.index("[pgsql.queries]"):]].index(table)] = \
                    f'{table} = "{query}"'
                server.conf.write_text("\n".join(lines) + "\n")
                number = lines.index(f'{table} = "{query}"') + 1
                done = server.run("check", check=False)
                self.assertNotEqual(done.returncode, 0, query)
                self.assertIn(f"posthorn.toml:{number}: pgsql.queries.{table}: ", done.stderr, query)
                return done.stderr

            self.assertIn('"pasword" does not exist', check("users", "SELECT pasword FROM mailbox WHERE username = $1"))
            code = subprocess.run(server.command(), capture_output=True, text=True, timeout=60, env=server.env)
            self.assertNotEqual(code.returncode, 0)
            self.assertRegex(code.stdout + code.stderr, r"posthorn\.toml:\d+: pgsql\.queries\.users: .*pasword")
            self.assertIn("may only ask", check("users", "UPDATE mailbox SET active = true WHERE username = $1"))
            self.assertIn("no answer", check("users", "SELECT password FROM mailbox WHERE username = $1 || pg_sleep(60)::text")
                          .replace("canceling statement due to statement timeout", "no answer"))
            postgres.sql("REVOKE SELECT ON mailbox FROM posthorn", database=database)
            self.assertIn("GRANT SELECT", check("users", "SELECT password FROM mailbox WHERE username = $1 AND active AND true"))


if __name__ == "__main__":
    unittest.main()
