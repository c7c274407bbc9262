"""The queue: retries, bounces, refused logins at the smarthost, a spamd that is away, and the queue's commands."""

import contextlib
import json
import os
import pathlib
import pty
import smtplib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, Smarthost, assert_fits, free_port, message, wait_until

QUICK = {"queue.retry_first": '"1s"', "queue.retry_max": '"2s"', "relay.tls": '"none"'}


def nowhere(**more):
    return {"relay.relayhost": f'"[127.0.0.1]:{free_port()}"', **QUICK, **more}


class Relay(unittest.TestCase):
    def test_each_recipient_gets_its_own_outcome(self):
        script = {"RCPT TO:<no@": "550 5.1.1 nobody of that name", "RCPT TO:<later@": "451 4.2.0 busy"}
        with Smarthost(script=script) as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"127.0.0.1:{relay.port} apikey:secret\n")
            with server:
                server.submit("alice", message("Three", "marker three\r\n"), ["yes@far.test", "no@far.test", "later@far.test"])
                self.assertEqual(relay.wait_for("marker three")[1], ["yes@far.test"])
                bounce = server.wait_for("nobody of that name", "alice")
                self.assertIn(b"multipart/report", bounce)
                self.assertIn(b"Final-Recipient: rfc822; no@far.test", bounce.replace(b"rfc822;no", b"rfc822; no"))
                self.assertIn(b"Status: 5.1.1", bounce)
                self.assertNotIn(b"yes@far.test", bounce.split(b"message/delivery-status")[1].split(b"rfc822-headers")[0])
                script.pop("RCPT TO:<later@")
                wait_until(lambda: [m for m in relay.received if m[1] == ["later@far.test"]])
                self.assertEqual(len([m for m in relay.received if "yes@far.test" in m[1]]), 1)
                wait_until(lambda: server.queued() == [])

    def test_a_refused_login_keeps_the_queue_and_bounces_nothing(self):
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:old\n")
            with server:
                server.submit("alice", message("Kept", "marker kept\r\n"), ["friend@far.test"])
                wait_until(lambda: "level=error" in server.log() and "login" in server.log())
                self.assertEqual(len(server.queued()), 1)
                self.assertEqual(server.fetch_all("alice"), [])
                server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
                server.run("reload")
                server.run("queue", "retry", "--all")
                relay.wait_for("marker kept")
                self.assertEqual(server.fetch_all("alice"), [])

    def test_a_dead_relay_delays_nobody_else_and_expires(self):
        server = Server(settings=nowhere(**{"queue.expire_after": '"6s"'}))
        with server:
            server.submit("alice", message("Dead", "marker dead\r\n"), ["friend@far.test"])
            server.send(message("Alive", "marker alive\r\n"))
            server.wait_for("marker alive", seconds=5)
            bounce = server.wait_for("marker dead" if False else "friend@far.test", "alice", seconds=40)
            self.assertIn(b"Action: failed", bounce)
            wait_until(lambda: server.queued() == [])

    def test_the_null_sender_is_never_answered(self):
        with Smarthost(script={"RCPT": "550 5.1.1 no"}) as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.append_map("aliases", "out@example.org friend@far.test\n")
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                server.send(message("Null", "marker null\r\n"), sender="", to=["out@example.org"])
                wait_until(lambda: "RCPT" in " ".join(relay.dialogs))
                wait_until(lambda: server.queued() == [])
                self.assertEqual(relay.received, [])

    def test_unknown_outcome_is_tried_again(self):
        with Smarthost(script={"EOD": "DROP"}) as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                server.submit("alice", message("Unclear", "marker unclear\r\n"), ["friend@far.test"])
                wait_until(lambda: relay.dialogs.count("DATA") >= 1)
                relay.script.clear()
                relay.wait_for("marker unclear")

    def test_a_relay_without_tls_gets_nothing_when_tls_is_required(self):
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**{**QUICK, "relay.tls": '"verify"'}))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                server.submit("alice", message("Private", "marker private\r\n"), ["friend@far.test"])
                wait_until(lambda: "EHLO" in " ".join(relay.dialogs))
                wait_until(lambda: "queue.deferred" in server.log())
                self.assertNotIn("AUTH", " ".join(relay.dialogs))
                self.assertEqual(relay.received, [])


class Commands(unittest.TestCase):
    @staticmethod
    def relay_of(server):
        """As a listing names the smarthost that nobody listens at."""
        line = next(line for line in server.conf.read_text().splitlines() if line.startswith("relayhost ="))
        host, port = line.split('"')[1].split("]:")
        return f"{host[1:]}[{host[1:]}]:{port}"

    def test_the_listing_is_what_its_schema_says(self):
        with Server(settings=nowhere()) as server:
            server.submit("alice", message("Two", "marker two\r\n"), ["friend@far.test", "other@far.test"])
            server.submit("alice", message("Held", "marker held\r\n"), ["friend@far.test"])
            wait_until(lambda: len([entry for entry in server.queued() if entry["tries"] > 0]) == 2)
            server.run("queue", "hold", server.queued()[0]["id"])
            entries = server.queued()
            self.assertEqual({entry["next"] is None for entry in entries}, {True, False})
            self.assertEqual({to["relay"] for entry in entries for to in entry["recipients"]}, {self.relay_of(server)})
            assert_fits("queue_list", *entries)
            with self.assertRaisesRegex(AssertionError, r"\$\.size"):
                assert_fits("queue_list", {**entries[0], "size": "12"})

    def test_list_show_hold_release_delete(self):
        server = Server(settings=nowhere())
        with server:
            server.submit("alice", message("Waiting", "marker waiting\r\n"), ["friend@far.test"])
            entry = wait_until(lambda: server.queued())[0]
            self.assertIn("friend@far.test", server.run("queue", "list").stdout)
            shown = server.run("queue", "show", entry["id"]).stdout
            self.assertIn("friend@far.test", shown)
            self.assertIn("marker waiting", shown)
            server.run("queue", "hold", entry["id"])
            self.assertIn("hold", server.run("queue", "list").stdout.lower() + server.run("queue", "list").stdout)
            server.run("queue", "release", entry["id"])
            server.run("queue", "delete", entry["id"])
            self.assertEqual(server.queued(), [])
            self.assertNotEqual(server.run("queue", "show", entry["id"], check=False).returncode, 0)
            self.assertEqual(server.fetch_all("alice"), [])

    def test_show_tells_each_attempt_of_each_recipient(self):
        script = {"RCPT TO:<no@": "550 5.1.1 nobody of that name", "RCPT TO:<later@": "451 4.2.0 busy"}
        with Smarthost(script=script) as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"127.0.0.1:{relay.port} apikey:secret\n")

            def attempts(recipient):
                shown = server.run("queue", "show", queue_id).stdout.split("\n\n")[0]
                lines = shown.split(f"to         {recipient}\n")[1].split("\nto  ")[0].splitlines()
                return [line.split(None, 4)[1:] for line in lines if line.startswith("attempt ")]

            with server:
                server.submit("alice", message("Three", "marker attempts\r\n"), ["yes@far.test", "no@far.test", "later@far.test"])
                queue_id = wait_until(lambda: server.queued())[0]["id"]
                wait_until(lambda: len(attempts("later@far.test")) >= 2)
                for recipient, outcome, said in (("yes@far.test", "delivered", "250"), ("no@far.test", "failed", "550 5.1.1 nobody of that name"),
                                                 ("later@far.test", "deferred", "451 4.2.0 busy")):
                    first = attempts(recipient)[0]
                    self.assertRegex(first[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                    self.assertEqual(first[1:3], [outcome, f"127.0.0.1[127.0.0.1]:{relay.port}"])
                    self.assertTrue(first[3].startswith(said), first)
                self.assertEqual(len(attempts("yes@far.test")), 1)
                before = attempts("later@far.test")
                shown = json.loads(server.run("queue", "show", queue_id, "--json").stdout)
                assert_fits("queue_show", shown)
                self.assertEqual([to["outcome"] for to in shown["recipients"]], ["delivered", "failed", "waiting"])
                self.assertEqual([tried["reply"] for tried in shown["recipients"][1]["attempts"]], ["550 5.1.1 nobody of that name"])
                self.assertEqual(self.asked_of(shown)[:len(before)], [words[:3] for words in before])
                self.assertEqual(server.stop(), 0)
                server.start()
                self.assertEqual(attempts("later@far.test")[:len(before)], before)

    @staticmethod
    def asked_of(shown):
        return [[tried["at"], tried["outcome"], tried["relay"]] for tried in shown["recipients"][2]["attempts"]]

    def test_the_queue_survives_a_restart(self):
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:wrong\n")
            with server:
                server.submit("alice", message("Patience", "marker patience\r\n"), ["friend@far.test"])
                wait_until(lambda: server.queued())
                self.assertEqual(server.stop(), 0)
                server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
                server.start()
                relay.wait_for("marker patience")


class Filters(unittest.TestCase):
    """Which messages a command means: filters joined by AND, ids, or all; never nothing, never two of them."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings=nowhere(**{"queue.retry_first": '"1h"', "queue.retry_max": '"1h"'}))
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        server = self.server
        for subject, user, to in (("one", "alice", ["x@far.test", "y@near.test"]), ("two", "alice", ["z@far.test"]), ("three", "bob", ["x@far.test"])):
            server.submit(user, message(subject, f"marker {subject}\r\n", sender=f"{user}@example.org"), to)
        # A notice: its own address, the null sender's.
        wait_until(lambda: len([entry for entry in server.queued() if entry["tries"] > 0]) == 3)
        self.ids = {}
        for entry in server.queued():
            shown = json.loads(server.run("queue", "show", entry["id"], "--json").stdout)
            self.ids[shown["text"].split("Subject: ")[1].split("\r\n")[0]] = entry["id"]

    def tearDown(self):
        self.server.run("queue", "delete", "--all", "--yes")
        self.assertEqual(self.server.queued(), [])

    def found(self, *filters):
        entries = [json.loads(line) for line in self.server.run("queue", "list", "--json", *filters).stdout.splitlines()]
        names = {queue_id: name for name, queue_id in self.ids.items()}
        return {names[entry["id"]] for entry in entries}

    def counted(self, *words, status=0):
        done = self.server.run("queue", *words, "--json", check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        counts = json.loads(done.stdout)
        assert_fits("queue_change", counts)
        return counts

    def test_each_filter_and_several(self):
        everything = {"one", "two", "three"}
        port = Commands.relay_of(self.server).split(":")[1]
        for filters, expected in (((), everything), (("--from", "ALICE@example.org"), {"one", "two"}), (("--from", "@example.org"), everything),
                                  (("--from", "<>"), set()), (("--to", "X@far.test"), {"one", "three"}), (("--domain", "NEAR.test"), {"one"}),
                                  (("--from", "bob@example.org", "--domain", "far.test"), {"three"}),
                                  (("--from", "bob@example.org", "--domain", "near.test"), set()),
                                  (("--relay", "127.0.0.1"), everything), (("--relay", f"[127.0.0.1]:{port}"), everything),
                                  (("--relay", "[127.0.0.1]:1"), set()), (("--relay", "local"), set()),
                                  (("--reason", "connection REFUSED"), everything), (("--reason", "greylisted"), set()),
                                  (("--older", "1d"), set()), (("--older", "0s"), everything),
                                  (("--state", "deferred"), everything), (("--state", "hold"), set())):
            with self.subTest(filters):
                self.assertEqual(self.found(*filters), expected)

    def test_the_null_sender(self):
        server = self.server
        server.append_map("aliases", "out@example.org friend@far.test\n")
        server.run("reload")
        server.send(message("notice", "marker notice\r\n"), sender="", to=["out@example.org"])
        wait_until(lambda: len(server.queued()) == 4)
        entries = server.run("queue", "list", "--json", "--from", "<>").stdout.splitlines()
        self.assertEqual([json.loads(entry)["recipients"][0]["address"] for entry in entries], ["friend@far.test"])

    def test_hold_release_and_retry_take_what_the_filters_name(self):
        self.assertEqual(self.counted("hold", "--from", "alice@example.org"), {"action": "hold", "done": 2, "gone": 0, "not_for_now": 0, "failed": 0})
        self.assertEqual(self.found("--state", "hold"), {"one", "two"})
        self.assertEqual(self.counted("retry", "--all"), {"action": "retry", "done": 1, "gone": 0, "not_for_now": 2, "failed": 0})
        wait_until(lambda: json.loads(self.server.run("queue", "list", "--json", "--from", "bob@example.org").stdout)["tries"] == 2)
        self.assertEqual(self.counted("release", "--to", "z@far.test")["done"], 1)
        self.assertEqual(self.found("--state", "hold"), {"one"})
        self.assertEqual(self.counted("release", "--all")["done"], 1)
        self.assertEqual(self.counted("hold", "--from", "nobody@example.org")["done"], 0)
        self.assertIn("1 message to be tried now", self.server.run("queue", "retry", "--domain", "near.test").stdout)

    def test_ids_several_and_from_standard_input(self):
        self.assertEqual(self.counted("hold", self.ids["one"], self.ids["two"])["done"], 2)
        self.assertEqual(self.counted("release", self.ids["one"], "0123456789ABC", status=1), {"action": "release", "done": 1, "gone": 1, "not_for_now": 0, "failed": 0})
        done = self.server.run("queue", "release", self.ids["three"], check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "posthorn: it is not held\n"))
        done = self.server.run("queue", "retry", self.ids["two"], check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "posthorn: it is held: release it first\n"))
        done = self.server.run("queue", "delete", "-", input=f"{self.ids['one']}* 123 Mon\n\n{self.ids['two']}\n")
        self.assertIn("2 messages deleted", done.stdout)
        self.assertEqual(self.found(), {"three"})

    def test_without_a_selection_nothing_is_done(self):
        for words, said in ((["delete"], "say which messages"), (["hold"], "say which messages"), (["retry"], "say which messages"),
                            (["delete", self.ids["one"], "--domain", "far.test"], "either queue ids or filters"),
                            (["delete", self.ids["one"], "--all"], "--all means every message"),
                            (["release", "--all", "--older", "1d"], "--all means every message")):
            with self.subTest(words):
                done = self.server.run("queue", *words, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)
        for words, said in ((["--older", "yesterday"], 'older: "yesterday" is no time'), (["--state", "stuck"], 'state: "stuck" is none of'),
                            (["--relay", ":25"], "names no host")):
            done = self.server.run("queue", "hold", *words, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)
        self.assertEqual(self.found("--state", "deferred"), {"one", "two", "three"})

    def test_delete_says_what_it_takes_and_without_a_terminal_refuses(self):
        done = self.server.run("queue", "delete", "--from", "alice@example.org", check=False, input="y\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("2 messages would be deleted", done.stderr)
        self.assertRegex(done.stderr, rf"{self.ids['one']}  <alice@example.org> to <x@far.test>, <y@near.test>, here for \d+s")
        self.assertIn("with --yes it is not asked", done.stderr)
        self.assertEqual(self.found(), {"one", "two", "three"})
        done = self.server.run("queue", "delete", "--from", "alice@example.org", "--yes")
        self.assertEqual(done.stdout, "2 messages deleted\n")
        self.assertEqual(self.found(), {"three"})
        self.assertEqual(self.counted("delete", "--from", "alice@example.org", "--yes")["done"], 0)

    def ask_on_a_terminal(self, answer, *filters, before_answer=lambda: None):
        """What was written on the terminal, and the exit status."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(POSTHORN, [POSTHORN, "queue", "delete", *filters, "-c", str(self.server.conf)], self.server.env)
        seen = b""
        deadline = time.monotonic() + 30
        while b"[y/N]" not in seen and time.monotonic() < deadline:
            seen += os.read(terminal, 4096)
        before_answer()
        os.write(terminal, answer.encode() + b"\n")
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while piece := os.read(terminal, 4096):
                seen += piece
        os.close(terminal)
        return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_on_a_terminal_it_asks_and_takes_only_what_it_has_shown(self):
        seen, status = self.ask_on_a_terminal("n", "--from", "alice@example.org")
        self.assertIn("nothing was deleted", seen)
        self.assertEqual((status, self.found()), (1, {"one", "two", "three"}))

        def another_comes():
            self.server.submit("alice", message("late", "marker late\r\n", sender="alice@example.org"), ["x@far.test"])
            self.server.run("queue", "delete", self.ids["one"])
            wait_until(lambda: [entry for entry in self.server.queued() if entry["id"] not in self.ids.values() and entry["tries"] > 0])

        seen, status = self.ask_on_a_terminal("y", "--from", "alice@example.org", before_answer=another_comes)
        self.assertIn("1 message deleted", seen)
        self.assertIn("1 message not there (any more)", seen)
        self.assertEqual(status, 0)
        left = self.server.queued()
        self.assertEqual(sorted(entry["sender"] for entry in left), ["alice@example.org", "bob@example.org"])
        self.assertNotIn(self.ids["two"], [entry["id"] for entry in left])

    def test_a_long_queue_shows_ten_and_counts_the_rest(self):
        server = self.server
        with smtplib.SMTP_SSL("localhost", server.port("submissions"), context=server.trust(), timeout=30) as client:
            client.login("alice@example.org", server.password("alice"))
            for n in range(12):
                client.sendmail("alice@example.org", ["x@long.test"], message(f"n{n}"))
        done = server.run("queue", "delete", "--domain", "long.test", check=False)
        self.assertIn("12 messages would be deleted", done.stderr)
        self.assertEqual(done.stderr.count("here for"), 10)
        self.assertIn("  and 2 more", done.stderr)


# dkimpy is Debian's, run by the system's Python.
SIGN = """
import base64, dkim, subprocess, sys
key = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
text = sys.stdin.buffer.read()
sys.stderr.write("v=DKIM1; p=" + base64.b64encode(public).decode())
sys.stdout.buffer.write(dkim.sign(text, b"s", b"elsewhere.test", key, include_headers=[b"From", b"Subject", b"To"]) + text)
"""
VERIFY = "import dkim, sys; sys.exit(not dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda *_, **__: sys.argv[1].encode()))"


def dkim_signed(raw):
    done = subprocess.run(["/usr/bin/python3", "-c", SIGN], input=raw, check=True, capture_output=True)
    return done.stdout, done.stderr.decode()


def dkim_holds(raw, record):
    return subprocess.run(["/usr/bin/python3", "-c", VERIFY, record], input=raw, check=False).returncode == 0


class Filter(unittest.TestCase):
    def test_spamd_away_delivers_unscanned_and_says_so(self):
        settings = {"filter.retry": '"200ms"', "filter.tries_max": "2"}
        with Server(spamd=f"127.0.0.1:{free_port()}", settings=settings) as server:
            server.send(message("Unscanned", "marker unscanned\r\n"))
            raw = server.wait_for("marker unscanned")
            self.assertIn(b"X-Spam-Status: unknown", raw)
            server.submit("alice", message("Own", "marker own\r\n"), ["bob@example.org"])
            self.assertNotIn(b"X-Spam-", server.wait_for("marker own"))

    def test_what_a_stranger_says_of_himself_is_not_believed(self):
        """Fields that the filter is known by go, scanned or not: the mail is not filed as spam for them, and its signature holds."""
        settings = {"filter.retry": '"200ms"', "filter.tries_max": "2", "filter.message_max": '"4KB"'}
        forged = b"X-Spam-Flag: YES\r\nx-spam-flag : YES\r\nX-Spam-Status:\r\n Yes, score=99\r\nX-Spam-Level: *****\r\n"
        with Server(spamd=f"127.0.0.1:{free_port()}", settings=settings) as server:
            for name, lines, reason in (("small", 1, "unavailable"), ("large", 100, "size")):
                with self.subTest(name):
                    raw = message(name, f"marker {name}\r\n" + ("x" * 60 + "\r\n") * lines)
                    signed, record = dkim_signed(raw)
                    server.send(forged + signed)
                    got = server.wait_for(f"marker {name}")
                    self.assertIn(f"X-Spam-Status: unknown, reason={reason}\r\n".encode(), got)
                    self.assertEqual(got.lower().count(b"x-spam-"), 1)
                    self.assertEqual(server.fetch_all("bob", "Junk"), [])
                    self.assertTrue(dkim_holds(got, record))
                    line = wait_until(lambda: [line for line in server.log().splitlines() if f"reason={reason}" in line])[0]
                    self.assertIn("event=queue.scanned", line)
                    self.assertIn("spam=unscanned", line)

    def test_spamd_away_can_mean_wait(self):
        settings = {"filter.retry": '"200ms"', "filter.tries_max": "2", "filter.when_down": '"wait"'}
        with Server(spamd=f"127.0.0.1:{free_port()}", settings=settings) as server:
            server.send(message("Wait", "marker wait\r\n"))
            server.submit("alice", message("Own", "marker passes by\r\n"), ["bob@example.org"])
            server.wait_for("marker passes by")
            self.assertEqual(len(server.queued()), 1)


if __name__ == "__main__":
    unittest.main()
