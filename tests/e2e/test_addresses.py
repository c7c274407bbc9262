"""Addresses by the whole way: alias domains, targets that are gone, postmaster and abuse at the host, and rows of PostgreSQL that
no line could hold; what `check` says of each."""

import contextlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from postgres import Postgres, make_server
from support import Server, message, wait_until


def rcpt(server, address, sender="friend@elsewhere.test"):
    with server.smtp() as client:
        client.ehlo()
        client.mail(sender)
        code, text = client.rcpt(address)
        return code, text.decode()


class Addresses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.server = Server(domains=("example.org", "old.test", "older.test"), users=("alice", "bob"),
                            settings={"server.hostname": '"mail.example.org"'})
        cls.server.append_map("aliases", "@old.test @example.org\n@older.test @old.test\n"
                                         "team@example.org gone@example.org, bob@example.org\n"
                                         "none@example.org gone@example.org\n")
        cls.stack.enter_context(cls.server)

    def test_an_alias_domain(self):
        self.server.send(message("old", "marker old\r\n"), to=("alice@older.test",))
        self.server.wait_for("marker old", "alice")
        code, text = rcpt(self.server, "nobody@older.test")
        self.assertEqual(code, 550)
        self.assertIn("nobody@older.test", text)
        self.server.submit("alice", message("as", "marker as\r\n", sender="alice@old.test"), ["bob@example.org"], sender="alice@old.test")
        self.server.wait_for("marker as", "bob")

    def test_a_target_that_is_gone(self):
        self.server.send(message("team", "marker team\r\n"), to=("team@example.org",))
        self.server.wait_for("marker team", "bob")
        self.assertIn("event=route.target.gone", self.server.log())
        code, text = rcpt(self.server, "none@example.org")
        self.assertEqual(code, 550)
        self.assertNotIn("gone@", text)
        checked = self.server.run("check", check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("team@example.org leads to gone@example.org, which is neither a mailbox nor an alias", checked.stderr)

    def test_postmaster_and_abuse(self):
        for address in ("postmaster@mail.example.org", "postmaster@[127.0.0.1]", "Postmaster", "ABUSE@mail.example.org",
                        "abuse@old.test", "postmaster@older.test"):
            self.assertEqual(rcpt(self.server, address)[0], 250, address)
        for address in ("alice@mail.example.org", "postmaster@[192.0.2.1]", "postmaster@elsewhere.test"):
            self.assertEqual(rcpt(self.server, address)[0], 554, address)
        self.server.send(message("host", "marker host\r\n"), to=("postmaster@[127.0.0.1]",))
        self.server.wait_for("marker host", "alice")


class Rows(unittest.TestCase):
    def test_rows_are_believed_no_more_than_lines(self):
        with Postgres() as postgres:
            server = make_server(postgres)
            # As a database from before the checks holds them.
            postgres.sql("ALTER TABLE posthorn.domains DROP CONSTRAINT domains_name_is_a_word;"
                         "ALTER TABLE posthorn.aliases DROP CONSTRAINT aliases_targets_are_addresses")
            postgres.sql("INSERT INTO posthorn.aliases (address, targets) VALUES"
                         " ('lines@example.org', E'bob@example.org\\n'), ('name@example.org', 'Bob <bob@example.org>; alice@example.org')")
            with server:
                for address in ("lines@example.org", "name@example.org"):
                    self.assertEqual(rcpt(server, address)[0], 250, address)
                checked = server.run("check", check=False)
                self.assertEqual(checked.returncode, 0, checked.stderr)
                postgres.sql("INSERT INTO posthorn.domains (name) VALUES ('blank.test ');"
                             "INSERT INTO posthorn.aliases (address, targets) VALUES ('blanks@example.org', ' '),"
                             " ('a@example.org', 'b@example.org'), ('b@example.org', 'a@example.org'),"
                             " ('gone@example.org', 'nobody@example.org');"
                             "INSERT INTO posthorn.users (name, hash) VALUES ('dora@example.org', 'secret')")
                checked = server.run("check", check=False)
                self.assertEqual(checked.returncode, 1)
                for said in ('"blank.test " has a blank', "nobody can log in as dora@example.org"):
                    self.assertIn(said, checked.stderr)
                postgres.sql("DELETE FROM posthorn.domains WHERE name = 'blank.test '")
                checked = server.run("check", check=False)
                self.assertEqual(checked.returncode, 1)
                for said in ("blanks@example.org leads to no address", "a@example.org never ends: a@example.org -> b@example.org",
                             "warning: pgsql:aliases:"):
                    self.assertIn(said, checked.stderr)
                self.assertEqual(wait_until(lambda: rcpt(server, "gone@example.org")[0]), 550)
                self.assertEqual(rcpt(server, "blanks@example.org")[0], 451)


if __name__ == "__main__":
    unittest.main()
