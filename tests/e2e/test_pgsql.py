"""Tables and logins from a real PostgreSQL: the whole way of a mail, a changed row that is live at once, and the operator's
commands on either backend."""

import contextlib
import imaplib
import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres, make_server, use_pgsql
from support import POSTHORN, Server, Smarthost, message, server_tls, wait_until

class Path(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.postgres = cls.stack.enter_context(Postgres())
        cls.server = make_server(cls.postgres)
        cls.hub_tls, trust = server_tls(cls.server.folder)
        cls.server.set("relay.trust_file", f'"{trust}"')
        cls.stack.enter_context(cls.server)

    def rcpt(self, address, sender="friend@elsewhere.test"):
        with self.server.smtp() as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt(address)[0]

    def test_a_mail_and_a_login(self):
        self.server.submit("alice", message("by rows", body="through PostgreSQL\r\n"), ["bob@example.org"])
        self.assertIn(b"through PostgreSQL", self.server.wait_for("through PostgreSQL"))
        self.assertEqual(self.rcpt("nobody@example.org"), 550)
        self.assertEqual(self.rcpt("x@elsewhere.test"), 554)
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("bob", "wrong")
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.server.submit("alice", message(), ["bob@example.org"], sender="bob@example.org")

    def test_an_explanation_names_the_row(self):
        self.postgres.sql("INSERT INTO posthorn.aliases (address, targets) VALUES ('why@example.org', 'bob@example.org')")
        [row] = self.postgres.sql("SELECT id FROM posthorn.aliases WHERE address = 'why@example.org'")
        wait_until(lambda: self.rcpt("why@example.org") == 250)
        told = self.server.run("explain", "rcpt", "why@example.org").stdout
        self.assertIn(f"why@example.org is in aliases: bob@example.org [pgsql aliases row id={row}]", told)

    def test_a_row_is_live_at_once(self):
        sql = self.postgres.sql
        for address in ("fresh@example.org", "sales@example.org"):
            self.assertEqual(self.rcpt(address), 550)  # and that is kept as an answer
        sql("INSERT INTO posthorn.mailboxes (address) VALUES ('fresh@example.org');"
            "INSERT INTO posthorn.aliases (address, targets) VALUES ('sales@example.org', 'bob@example.org, alice@example.org')")
        begun = time.monotonic()
        wait_until(lambda: self.rcpt("fresh@example.org") == 250)
        self.assertEqual(self.rcpt("sales@example.org"), 250)
        self.assertLess(time.monotonic() - begun, 15)
        self.server.send(message("to all"), to=("sales+x@example.org",))
        for user in ("alice", "bob"):
            self.server.wait_for("Subject: to all", user)
        sql("DELETE FROM posthorn.mailboxes WHERE address = 'fresh@example.org'")
        wait_until(lambda: self.rcpt("fresh@example.org") == 550)
        sql("INSERT INTO posthorn.domains (name) VALUES ('second.test');"
            "INSERT INTO posthorn.aliases (address, targets) VALUES ('@second.test', 'bob@example.org')")
        wait_until(lambda: self.rcpt("any@second.test") == 250)
        sql("DELETE FROM posthorn.aliases WHERE address = '@second.test'; DELETE FROM posthorn.domains WHERE name = 'second.test'")
        wait_until(lambda: self.rcpt("any@second.test") == 554)

    def test_a_limit_is_live_at_once(self):
        self.server.submit("alice", message("limited", body="x" * 3000 + "\r\n"), ["bob@example.org"])
        self.server.wait_for("Subject: limited")
        self.addCleanup(self.postgres.sql, "DELETE FROM posthorn.quotas")
        self.postgres.sql("INSERT INTO posthorn.quotas (name, rules) VALUES ('bob@example.org', '*:storage=2K')")
        wait_until(lambda: self.rcpt("bob@example.org") == 552, 10)
        imap = self.server.imap("bob")
        wait_until(lambda: re.search(r"STORAGE \d+ 2\)", str(imap.getquotaroot("INBOX"))), 10)
        imap.logout()
        self.assertIn("*:storage=1G", self.server.run("quota", "set", "bob@example.org", "1G").stdout)
        self.assertEqual(self.postgres.sql("SELECT rules FROM posthorn.quotas"), ["*:storage=1G"])
        wait_until(lambda: self.rcpt("bob@example.org") == 250, 10)
        self.server.run("quota", "set", "bob@example.org", "default")
        self.assertEqual(self.postgres.sql("SELECT rules FROM posthorn.quotas"), [])

    def test_a_password_is_live_at_once(self):
        self.server.add_user("carol@example.org", "one")
        self.server.imap("carol", "one").logout()
        self.server.run("user", "passwd", "carol@example.org", "--password-stdin", input="two\n")
        self.server.imap("carol", "two").logout()
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("carol", "one")
        self.server.run("user", "remove", "carol@example.org")
        with self.assertRaises(imaplib.IMAP4.error):
            self.server.imap("carol", "two")
        self.assertEqual(self.rcpt("carol@example.org"), 550)

    def test_nothing_becomes_sql(self):
        before = self.postgres.sql("SELECT count(*) FROM posthorn.users")
        for name in ("'; DROP TABLE posthorn.users;--", "\\", "\\'", "a' OR '1'='1", "%", "_____@example.org", "%d", "$1",
                     "' UNION SELECT hash FROM posthorn.users--", "é" * 900):
            with self.subTest(name=name):
                client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
                with self.assertRaises(imaplib.IMAP4.error) as refused:
                    client.authenticate("PLAIN", lambda _: ("\0" + name + "\0x").encode())
                self.assertIn("AUTHENTICATIONFAILED", str(refused.exception))
                client.logout()
        for local in ('"\'; DROP TABLE posthorn.mailboxes;--"', '"\\\\"', "o'hara", '"a\\"b"', "%", "$1"):
            self.assertIn(self.rcpt(f"{local}@example.org"), (550, 553), local)
        self.postgres.sql("INSERT INTO posthorn.aliases (address, targets) VALUES ('o''brien@example.org', 'bob@example.org')")
        wait_until(lambda: self.rcpt("o'brien@example.org") == 250)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM posthorn.users"), before)
        self.assertNotIn("pw-", self.server.log())

    def test_relay_and_transport(self):
        with Smarthost(tls=self.hub_tls) as hub:
            self.postgres.sql(
                f"INSERT INTO posthorn.transport (pattern, nexthop) VALUES ('far.test', 'smtp:[localhost]:{hub.port}'),"
                f" ('bad.test', 'error:not here');"
                f"INSERT INTO posthorn.relay_sasl (nexthop, login) VALUES ('[localhost]:{hub.port}', 'apikey:secret')")
            self.postgres.sql("INSERT INTO posthorn.senders (address, accounts) VALUES ('@team.test', 'alice@example.org')")
            self.server.submit("alice", message("leaves"), ["you@far.test"], sender="me@team.test")
            self.assertEqual(hub.wait_for("Subject: leaves")[4], "apikey")


class Rows(unittest.TestCase):
    """What is wrong with rows is told by the running server, too, and holds up nothing."""

    FAULTY = ("INSERT INTO posthorn.aliases (address, targets) VALUES ('a@example.org', 'b@example.org'), ('b@example.org', 'a@example.org'),"
              " ('gone@example.org', 'nobody@example.org');"
              "INSERT INTO posthorn.users (name, hash) VALUES ('cut@example.org', '$6$abc$xyz')")
    TOLD = (r"pgsql:aliases:\d+: a@example.org never ends", r"pgsql:aliases:\d+: gone@example.org leads to nobody@example.org",
            r"pgsql:users:\d+: nobody can log in as cut@example.org: a hash that was cut")

    def setUp(self):
        self.postgres = self.enterContext(Postgres())
        self.server = make_server(self.postgres)

    def findings(self):
        return [f"{one['weight']} {one['text']}" for one in json.loads(self.server.run("status", "--json", check=False).stdout)["findings"] if "pgsql:" in one["text"]]

    def await_all(self):
        wait_until(lambda: len(self.findings()) >= 4, 60)
        found = "\n".join(self.findings())
        for told in self.TOLD:
            self.assertRegex(found, told)
            self.assertRegex(self.server.log(), told)
        self.assertRegex(found, r"fault pgsql:aliases:\d+: a@example.org never ends")
        self.assertRegex(found, r"warning pgsql:users:\d+")

    def test_at_the_start_and_when_they_are_mended(self):
        self.postgres.sql(self.FAULTY)
        with self.server:
            self.await_all()
            self.assertRegex(self.server.run("status").stdout, r"(?m)^warning:? +rows: ")
            self.server.send(message("past them"), to=("bob@example.org",))
            self.server.wait_for("Subject: past them")
            self.postgres.sql("DELETE FROM posthorn.aliases; DELETE FROM posthorn.users WHERE name = 'cut@example.org'")
            wait_until(lambda: not self.findings(), 60)

    def test_after_a_change(self):
        with self.server:
            self.assertEqual(self.findings(), [])
            self.postgres.sql(self.FAULTY)
            self.await_all()

    def test_when_the_database_comes_back(self):
        self.postgres.sql(self.FAULTY)
        self.postgres.stop()
        with self.server:
            self.assertEqual(self.findings(), [])
            self.postgres.start()
            self.await_all()


class Tools(unittest.TestCase):
    """The operator's commands; no server runs unless a test starts it."""

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().start()
        cls.addClassCleanup(cls.postgres.close)

    def setUp(self):
        with contextlib.suppress(AssertionError):
            self.postgres.sql("DROP SCHEMA posthorn CASCADE")
        self.server = Server(users=("alice", "bob"))
        self.addCleanup(self.server.close)
        self.server.set("pgsql.conninfo", f'"{self.postgres.conninfo()}"')

    def run_tool(self, *args, input=None):
        done = self.server.run(*args, check=False, input=input)
        return done.returncode, done.stdout, done.stderr

    def use_pgsql(self):
        use_pgsql(self.server, self.postgres.conninfo())

    def test_migrate(self):
        self.use_pgsql()
        code, _, error = self.run_tool("check")
        self.assertEqual(code, 1)
        self.assertIn("lacks 0001_tables; run: posthorn migrate", error)
        with self.assertRaisesRegex(AssertionError, "posthorn migrate"):
            self.server.start()
        self.server.kill()
        two = [subprocess.Popen([POSTHORN, "migrate", "-c",
                                 str(self.server.conf)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        texts = [process.communicate(timeout=60)[0] for process in two]
        self.assertEqual([process.returncode for process in two], [0, 0])
        for name in ("0001_tables", "0002_quotas_and_relays", "0003_rows_as_lines"):
            self.assertEqual("".join(texts).count(f"applied {name}\n"), 1, texts)
        self.assertEqual("".join(texts).count("nothing to do"), 1, texts)
        self.assertEqual(self.run_tool("migrate")[:2], (0, "nothing to do: 0003_rows_as_lines is applied\n"))
        code, text, _ = self.run_tool("check")
        self.assertEqual(code, 0)
        self.assertIn("PostgreSQL: 0003_rows_as_lines, 0 domains, 0 mailboxes, ", text)
        self.postgres.sql("INSERT INTO posthorn.migrations VALUES (4, '0004_of_tomorrow')")
        for command in (("migrate",), ("check",), ("user", "list")):
            code, _, error = self.run_tool(*command)
            self.assertNotEqual(code, 0)
            self.assertIn("newer", error)

    def test_copy_and_diff_both_ways(self):
        self.server.run("migrate")
        self.server.append_map("domains", "second.test .\n")
        self.server.append_map("aliases", "# the team\nteam@example.org  alice@example.org,\n   bob@example.org\n@second.test bob@example.org\n"
                                          "o'hara@example.org bob@example.org\n\\n@example.org bob@example.org\n")
        self.server.append_map("senders", "@second.test alice@example.org\n")
        self.server.append_map("transport", "bad.test error:no such place \\ here\n")
        self.server.write_map("sender-relays", "@second.test [hub.test]:587\n")
        self.server.append_map("relay-sasl", "[hub.test]:587 api:se:cr\\et\n")
        self.server.write_map("vusers", "sales alice\n@ vmail\n")
        self.server.run("quota", "set", "alice@example.org", "5M")
        code, text, _ = self.run_tool("tables", "diff", "text", "pgsql")
        self.assertEqual(code, 1)
        self.assertIn("+vusers sales alice\n", text)
        self.assertIn("+sender-relays @second.test [hub.test]:587\n", text)
        self.assertIn("+quotas alice@example.org *:storage=5M\n", text)
        self.assertIn("+aliases team@example.org alice@example.org, bob@example.org\n", text)
        self.assertIn("+users alice@example.org (hidden)\n", text)
        self.assertNotIn("cr\\et", text)
        self.assertEqual(self.run_tool("tables", "copy", "text", "pgsql")[0], 0)
        self.assertEqual(self.run_tool("tables", "diff", "text", "pgsql")[:2], (0, ""))
        self.assertEqual(self.run_tool("tables", "diff", "pgsql", "text")[:2], (0, ""))
        self.assertEqual(self.postgres.sql("SELECT address FROM posthorn.aliases ORDER BY id"),
                         ["team@example.org", "@second.test", "o'hara@example.org", "\\n@example.org"])
        self.assertEqual(self.postgres.sql("SELECT name, account FROM posthorn.vusers ORDER BY id"), ["sales|alice", "@|vmail"])
        # Other rows, then back into the files, whose comments stay.
        self.postgres.sql("UPDATE posthorn.aliases SET targets = 'bob@example.org' WHERE address = 'team@example.org';"
                          "DELETE FROM posthorn.aliases WHERE address = '@second.test';"
                          "UPDATE posthorn.quotas SET rules = '*:storage=6M';"
                          "INSERT INTO posthorn.aliases (address, targets) VALUES ('new@example.org', 'alice@example.org')")
        code, text, _ = self.run_tool("tables", "diff", "pgsql", "text")
        self.assertEqual((code, sorted(text.splitlines())), (1, [
            "+aliases new@example.org alice@example.org", "+aliases team@example.org bob@example.org",
            "+quotas alice@example.org *:storage=6M", "-aliases @second.test bob@example.org",
            "-aliases team@example.org alice@example.org, bob@example.org", "-quotas alice@example.org *:storage=5M"]))
        modes = {path: path.stat().st_mode for path in (self.server.root / "maps").iterdir()}
        self.assertEqual(self.run_tool("tables", "copy", "pgsql", "text")[0], 0)
        self.assertEqual({path: path.stat().st_mode for path in (self.server.root / "maps").iterdir()}, modes)
        self.assertEqual(self.run_tool("tables", "diff", "pgsql", "text")[:2], (0, ""))
        aliases = (self.server.root / "maps/aliases").read_text()
        self.assertEqual(self.run_tool("postmap", "-q", "New@example.org", "pgsql:aliases")[:2], (0, "alice@example.org\n"))
        self.assertEqual(self.run_tool("postmap", "-q", "-", "pgsql:aliases", input="x@example.org\nnew@example.org\n")[:2],
                         (0, "new@example.org\talice@example.org\n"))
        self.assertEqual(self.run_tool("postmap", "-q", "x", "pgsql:aliases")[0], 1)
        self.assertIn("# the team\nteam@example.org bob@example.org\n", aliases)
        self.assertNotIn("@second.test", aliases)
        self.assertEqual(self.run_tool("check")[0], 0)
        # All or nothing: a row that PostgreSQL refuses takes back the whole copy.
        self.server.append_map("mailboxes", "stray@nowhere.test x\n")
        self.server.append_map("senders", "x@example.org alice@example.org\n")
        code, _, error = self.run_tool("tables", "copy", "text", "pgsql")
        self.assertEqual(code, 1)
        self.assertIn("nowhere.test", error)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM posthorn.senders"), ["1"])

    def test_the_same_commands_on_either(self):
        self.server.run("migrate")
        said = []
        for backend in ("text", "pgsql"):
            if backend == "pgsql":
                # The same beginning.
                self.server.run("tables", "copy", "text", "pgsql")
                self.use_pgsql()
            said.append(list(self.walk()))
            self.assertEqual(self.run_tool("check")[0], 0)
        places = [[re.sub(r"(?:/\S*/maps/|posthorn\.)(\w+)(?::\d+)?", r"\1", str(answer)) for answer in answers] for answers in said]
        self.assertEqual(places[0], places[1])

    def walk(self):
        """What each command answers; in the end all is as it was."""
        tool = self.run_tool
        steps = [
            (0, "domain", "list"), (0, "domain", "add", "New.test"), (1, "domain", "add", "new.test"), (1, "domain", "add", "no domain"),
            (0, "domain", "list"), (1, "user", "add", "x@unknown.test", "--password-stdin"), (0, "user", "add", "Carol@new.test", "--password-stdin"),
            (1, "user", "add", "carol@new.test", "--password-stdin"), (1, "user", "add", "'; DROP TABLE posthorn.users;--@new.test", "--password-stdin"),
            (0, "user", "list"), (0, "user", "passwd", "carol@new.test", "--password-stdin"), (1, "user", "passwd", "dora@new.test", "--password-stdin"),
            (0, "alias", "add", "info@new.test", "carol@new.test"), (0, "alias", "add", "Info@new.test", "you@far.test", "carol@new.test"),
            (1, "alias", "add", "info@new.test", "nobody@new.test"), (1, "alias", "add", "info@unknown.test", "carol@new.test"),
            (1, "alias", "add", "info", "carol@new.test"), (1, "alias", "add", "info@new.test", "carol"), (0, "alias", "add", "@new.test", "info@new.test"),
            (0, "alias", "list"), (1, "domain", "remove", "new.test"), (0, "alias", "remove", "info@new.test", "you@far.test"),
            (1, "alias", "remove", "info@new.test", "you@far.test"), (0, "alias", "list"), (0, "alias", "remove", "@new.test"),
            (0, "alias", "remove", "info@new.test"), (1, "alias", "remove", "info@new.test"),
            (0, "alias", "add", "one@new.test", "carol@new.test", "you@far.test"), (0, "alias", "add", "two@new.test", "one@new.test"),
            (1, "alias", "add", "one@new.test", "two@new.test"), (1, "alias", "remove", "one@new.test"), (1, "user", "remove", "carol@new.test"),
            (0, "alias", "remove", "one@new.test", "--with-references"), (0, "alias", "list"),
            (0, "alias", "add", "one@new.test", "carol@new.test", "you@far.test"), (0, "alias", "add", "two@new.test", "carol@new.test"),
            (0, "quota", "set", "Carol@new.test", "1G"), (0, "quota", "set", "carol@new.test", "5M", "--messages", "7"), (0, "quota", "list"),
            (1, "quota", "set", "dora@new.test", "1G"), (1, "quota", "set", "carol@new.test", "'; DROP"), (1, "user", "remove", "carol@new.test"),
            (0, "user", "remove", "carol@new.test", "--with-references"), (0, "alias", "list"), (0, "alias", "remove", "one@new.test"),
            (1, "user", "remove", "carol@new.test"), (0, "user", "list"), (0, "domain", "remove", "new.test"), (1, "domain", "remove", "new.test"),
            (0, "domain", "list"), (0, "alias", "list"),
        ]
        for code, *args in steps:
            answer = tool(*args, input="secret\n" if "--password-stdin" in args else None)
            self.assertEqual(answer[0], code, (args, answer))
            yield args, answer

    def test_a_password_over_tcp(self):
        secret = "s3same' \\ x"
        self.postgres.sql("ALTER ROLE mail PASSWORD '" + secret.replace("'", "''") + "'")
        hba = self.postgres.data / "pg_hba.conf"
        before = hba.read_text()
        self.addCleanup(lambda: (hba.write_text(before), self.postgres.sql("SELECT pg_reload_conf()")))
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.postgres.sql("SELECT pg_reload_conf()")
        conninfo = f"host=127.0.0.1 port={self.postgres.port} user=mail dbname=mail sslmode=disable"
        use_pgsql(self.server, conninfo)
        code, _, error = self.run_tool("migrate")
        self.assertEqual(code, 1)
        self.assertIn("password", error)
        password = self.server.root / "conf" / "pgsql-password"
        password.write_text(secret + "\n")
        password.chmod(0o640)
        if os.geteuid() == 0:
            shutil.chown(password, "root", "posthorn-lookup")
        self.server.set("pgsql.password_file", '"conf/pgsql-password"')
        self.server.run("migrate")
        self.server.run("tables", "copy", "text", "pgsql")
        self.server.start()
        self.server.imap("bob").logout()
        self.assertNotIn("s3same", self.server.log())
        self.server.stop()
        password.chmod(0o644)
        code, _, error = self.run_tool("check")
        self.assertEqual(code, 1)
        self.assertIn("can read this secret", error)
        password.chmod(0o640)
        self.server.set("pgsql.conninfo", f'"{conninfo} password=s3same"')
        code, text, error = self.run_tool("check")
        self.assertEqual(code, 1)
        self.assertIn("password_file", error)
        self.assertNotIn("s3same", text + error)

    def test_tls_and_a_password_file_of_libpq(self):
        """Over TCP with a verified certificate and .pgpass, the role behind its fence."""
        secret = "0ther:s3same"
        self.postgres.sql(f"ALTER ROLE mail PASSWORD '{secret}'")
        _, trust = server_tls(self.server.folder)
        _, other = server_tls(self.server.folder, "other.test")
        names = {"pg_hba.conf": "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n",
                 "server.crt": trust.read_text(), "server.key": trust.with_name("localhost.key.pem").read_text()}
        before = (self.postgres.data / "pg_hba.conf").read_text()
        for name, text in names.items():
            path = self.postgres.data / name
            path.write_text(text)
            path.chmod(0o600)
            self.postgres.own(path)
        self.postgres.sql("ALTER SYSTEM SET ssl = on")
        self.postgres.sql("SELECT pg_reload_conf()")
        self.addCleanup(lambda: ((self.postgres.data / "pg_hba.conf").write_text(before), self.postgres.sql("ALTER SYSTEM RESET ssl"),
                                 self.postgres.sql("SELECT pg_reload_conf()")))
        folder = self.server.root / "pgsql"
        folder.mkdir()
        (folder / "ca.pem").write_text(trust.read_text())
        (folder / "other.pem").write_text(other.read_text())
        (folder / ".pgpass").write_text(f"localhost:{self.postgres.port}:*:mail:{secret.replace(':', chr(92) + ':')}\n")
        (folder / ".pgpass").chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(folder / ".pgpass", "posthorn-lookup")
        conninfo = f"host=localhost port={self.postgres.port} user=mail dbname=mail sslmode=verify-full passfile={folder}/.pgpass"
        use_pgsql(self.server, f"{conninfo} sslrootcert={folder}/ca.pem")
        wait_until(lambda: self.run_tool("migrate")[0] == 0)  # the reload takes a moment
        self.server.run("tables", "copy", "text", "pgsql")
        self.server.start()
        self.server.imap("bob").logout()
        self.assertEqual(self.postgres.sql("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                                           " WHERE application_name = 'posthorn'"), ["t"])
        self.assertRegex(self.server.run("status").stdout, r"(?m)^database +up$")
        self.assertNotIn("s3same", self.server.log())
        self.server.stop()
        use_pgsql(self.server, f"{conninfo} sslrootcert={folder}/other.pem")
        code, text, error = self.run_tool("check")
        self.assertEqual(code, 1)
        self.assertIn("certificate verify failed", error)
        self.assertNotIn("s3same", text + error)

    def test_init_for_postgresql(self):
        """posthorn init --pgsql, then the three commands that it names; here with the profile test, whose rules are rows then."""
        def fetch(server):
            with imaplib.IMAP4_SSL("localhost", server.port("imaps"), ssl_context=server.trust(), timeout=30) as client:
                client.login("anna", "read")
                client.select("INBOX", readonly=True)
                return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in client.search(None, "ALL")[1][0].split()]

        env = {"SMTP_USER": "mailer", "SMTP_PASSWD": "send"}
        with contextlib.ExitStack() as stack:
            server = Server(users=(), profile="test", env=env, init=("--pgsql", self.postgres.conninfo()))
            stack.callback(server.close)
            self.assertRegex(server.init_output, r"(?s)Next:\n.*posthorn migrate .*\n +posthorn tables copy text pgsql .*\n +posthorn user add ")
            server.run("migrate")
            server.run("tables", "copy", "text", "pgsql")
            self.assertEqual(self.postgres.sql("SELECT name, account FROM posthorn.vusers"), ["@|vmail"])
            server.run("user", "add", "anna@example.org", "--password-stdin", input="read\n")
            self.assertEqual(server.run("check").stdout.splitlines()[-1], "no faults")
            stack.enter_context(server)
            with server.smtp() as client:
                client.starttls(context=server.trust())
                client.login("mailer", "send")
                client.sendmail("mailer@example.org", ["anna@any.where.test"], message("by a row"))
            wait_until(lambda: b"by a row" in b"".join(fetch(server)), 20)
            self.postgres.sql("INSERT INTO posthorn.vusers (name, account) VALUES ('sales', 'anna')")
            with server.smtp() as client:
                client.starttls(context=server.trust())
                client.login("mailer", "send")
                client.sendmail("mailer@example.org", ["sales@any.test"], message("to sales"))
            wait_until(lambda: b"to sales" in b"".join(fetch(server)), 20)
        code, text, error = self.run_tool("init", str(self.server.folder / "other"), "--hostname", "a.test", "--domain", "a.test", "--pgsql",
                                          "host=localhost password=s3same")
        self.assertEqual(code, 1)
        self.assertIn("password_file", error)
        self.assertNotIn("s3same", text + error)


if __name__ == "__main__":
    unittest.main()
