"""posthorn trace: a mail's life as one story, found by queue id, Message-ID and address, whatever became of it."""

import email
import json
import pathlib
import re
import smtplib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, Wire, assert_fits, free_port, message, wait_until

QUICK = {"queue.retry_first": '"1s"', "queue.retry_max": '"2s"', "relay.tls": '"none"'}


def told(server, *words, until=""):
    """What `posthorn trace` prints, once it holds that text and nothing is added: each role's words come a moment later."""
    told_before = []

    def text():
        done = server.run("trace", *words, check=False)
        told_before.append(done.stdout)
        is_settled = len(told_before) > 8 and len(set(told_before[-8:])) == 1
        return done.stdout if done.returncode == 0 and until in done.stdout and is_settled else ""

    try:
        return wait_until(text)
    except AssertionError as error:
        done = server.run("trace", *words, check=False)
        raise AssertionError(f"{error}: {until!r} is not in\n{done.stdout}{done.stderr}") from None


def as_json(server, *words):
    page = json.loads(server.run("trace", *words, "--json", check=False).stdout)
    assert_fits("trace", page)
    return page


def refusal(deed):
    """The code that the server refuses with."""
    try:
        deed()
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))[0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    raise AssertionError("it was taken")


class Lives(unittest.TestCase):
    def test_a_mail_is_one_story_by_queue_id_message_id_and_address(self):
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.append_map("aliases", "sales@example.org bob@example.org friend@far.test\n")
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                raw = message("One", "marker one\r\n")
                server.send(raw, to=["sales@example.org"])
                by_address = told(server, "sales@example.org", until="it left the queue")
                queue_id = by_address.split(",")[0]
                self.assertRegex(queue_id, "^[0-9A-Z]{13}$")
                message_id = email.message_from_bytes(raw)["Message-ID"]
                for words in ([queue_id], [message_id], [message_id.strip("<>")], ["friend@elsewhere.test"], ["bob@example.org"],
                              ["FRIEND@far.test"], ["sales@example.org", "--from", "friend@elsewhere.test", "--since", "1h"]):
                    self.assertEqual(told(server, *words), by_address, words)
                title, *lines = by_address.splitlines()
                self.assertIn("from friend@elsewhere.test to sales@example.org (bob@example.org, friend@far.test): delivered", title)
                self.assertEqual(lines[0], f"Message-ID: {message_id}")
                order = ["brought it", "leads to bob@example.org and friend@far.test", "The queue took it from a stranger at 127.0.0.1",
                         "It lies in INBOX of bob@example.org, UID 1", "it left the queue"]
                places = [by_address.index(text) for text in order]
                self.assertEqual(places, sorted(places), by_address)
                self.assertRegex(by_address, r'127\.0\.0\.1:\d+ took it for friend@far\.test: "250 2\.0\.0 taken"|:\d+ took it for friend')
                self.assertNotIn("marker one", by_address)
                page = as_json(server, queue_id)
                self.assertEqual([mail["id"] for mail in page["mails"]], [queue_id])
                self.assertEqual(page["mails"][0]["ending"], "delivered")
                self.assertEqual(page["mails"][0]["named"], ["sales@example.org"])

    def test_what_is_put_off_is_one_line_and_bounces_in_the_end(self):
        with Smarthost(script={"RCPT TO:<later@": "451 4.2.0 busy", "RCPT TO:<no@": "550 5.1.1 nobody"}) as relay:
            server = Server(settings=relay.settings(**{**QUICK, "queue.expire_after": '"5s"'}))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                server.submit("alice", message("Later", "x\r\n"), ["later@far.test"])
                text = told(server, "later@far.test", until=" attempts until ")
                self.assertIn(": waiting", text.splitlines()[0])
                self.assertEqual(text.count("451 4.2.0 busy"), 1)
                self.assertIn("the next attempt is at", text)
                self.assertIn("logged in as alice@example.org", text)
                text = told(server, "later@far.test", until="it left the queue")
                self.assertIn(": not delivered", text.splitlines()[0])
                self.assertIn("later@far.test could not be reached for ", text)
                child = re.search(r"is told that it was not delivered \(mail ([0-9A-Z]{13})\)", text).group(1)
                self.assertRegex(text, rf"→ {child}, from <> to alice@example\.org: ")
                bounce = told(server, child, until="It lies in INBOX")
                self.assertIn(f"It came of the mail {text.split(',')[0]}.", bounce)
                self.assertIn("a notice of our own", bounce)

                server.submit("alice", message("No", "x\r\n"), ["no@far.test"])
                text = told(server, "no@far.test", "--refused", until="it left the queue")
                self.assertIn('refused no@far.test for good: "550 5.1.1 nobody"', text)
                mail = as_json(server, "no@far.test")["mails"][0]
                self.assertEqual(mail["ending"], "not delivered")
                self.assertEqual([child["id"] for child in mail["came_of_it"]], mail["children"])

    def test_what_a_script_does_is_told_with_its_line_and_its_children_by_their_parent(self):
        script = ('require ["fileinto", "mailbox", "copy", "vacation"];\n'
                  'vacation :subject "Away" "I am away";\n'
                  'redirect :copy "friend@far.test";\n'
                  'fileinto :create "Work";\n')
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.append_map("aliases", "sales@example.org bob@example.org\n")
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            server.run("sieve", "put", "-", "--name", "rules", "--activate", "--user", "bob@example.org", input=script)
            with server:
                raw = message("Script", "marker script\r\n", sender="alice@example.org", to="sales@example.org")
                server.submit("alice", raw, ["sales@example.org"])
                text = told(server, "sales@example.org", until="it left the queue")
                queue_id = text.split(",")[0]
                self.assertRegex(text, r"sales@example\.org leads to bob@example\.org \(\S*maps/aliases:\d+")
                self.assertRegex(text, r'It lies in Work of bob@example\.org, UID 1, file .*: Sieve, script ".*rules" line 4')
                redirect = re.search(r'script ".*rules" line 3 sent it on to friend@far\.test \(mail ([0-9A-Z]{13})\)', text).group(1)
                answer = re.search(r"Vacation of bob@example\.org answered alice@example\.org \(mail ([0-9A-Z]{13})\)", text).group(1)
                for child, end in ((redirect, "took it for friend@far.test"), (answer, "It lies in INBOX of alice@example.org")):
                    self.assertIn(f"It came of the mail {queue_id}.", told(server, child, until=end))
                text = told(server, queue_id, until="took it for friend@far.test")
                self.assertRegex(text, rf"→ {redirect}, from .* to friend@far\.test: ")
                self.assertRegex(text, rf"→ {answer}, from .* to alice@example\.org: ")
                self.assertEqual(sorted(as_json(server, queue_id)["mails"][0]["children"]), sorted([redirect, answer]))
                self.assertNotIn("I am away", text)

    def test_what_the_smarthost_was_told_at_the_login_is_never_told_again(self):
        with Smarthost(password="s3cr3t-word", script={"RCPT TO:<echo@": "450 4.2.0 you said s3cr3t-word"}) as relay:
            server = Server(settings=relay.settings(**QUICK))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:s3cr3t-word\n")
            with server:
                server.submit("alice", message("Echo", "x\r\n"), ["echo@far.test"])
                text = told(server, "echo@far.test", until="you said [hidden]")
                for shown in (text, server.log(), server.run("queue", "list").stdout):
                    self.assertIn("you said [hidden]", shown)
                    self.assertNotIn("s3cr3t", shown)
                for file in (server.root / "var/state/trail").iterdir():
                    self.assertNotIn(b"s3cr3t", file.read_bytes(), file)

    def test_what_left_the_queue_unrecorded_is_not_told_as_waiting(self):
        """As after a kill of the queue in the moment in which it was done with a mail: the trail has no end, and the queue no mail."""
        with Smarthost(script={"RCPT TO:<later@": "451 4.2.0 busy"}) as relay:
            server = Server(settings=relay.settings(**{"relay.tls": '"none"', "queue.retry_first": '"1h"'}))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
            with server:
                server.submit("alice", message("Later", "x\r\n"), ["later@far.test"])
                text = told(server, "later@far.test", until="the next attempt is at")
                queue_id = text.split(",")[0]
                self.assertIn(": waiting", text.splitlines()[0])
                server.stop()
                for path in (server.root / "var/spool/active").glob(queue_id + "*"):
                    path.unlink()
                self.assertIn(": waiting", server.run("trace", queue_id).stdout, "nobody can be asked")
                server.start()
                title, *lines = server.run("trace", queue_id).stdout.splitlines()
                self.assertTrue(title.endswith(": no longer in the queue"), title)
                self.assertIn("  it is not in the queue any more; what became of it at the end was not recorded (the queue was killed)", lines)
                self.assertEqual(as_json(server, queue_id)["mails"][0]["ending"], "no longer in the queue")

    def test_a_mail_that_the_filter_never_saw(self):
        server = Server(spamd=f"127.0.0.1:{free_port()}", settings={"filter.retry": '"1s"', "filter.tries_max": "2"})
        with server:
            server.send(message("Unseen", "marker unseen\r\n"))
            text = told(server, "bob@example.org", until="it left the queue")
            self.assertIn("spamd could not be asked", text)
            self.assertIn("The spam filter did not look at it: unavailable", text)


class Refusals(unittest.TestCase):
    def test_each_stage_tells_why(self):
        server = Server(settings={"smtp.message_max": "'64KB'", "submission.messages_per_hour_max": "1"})
        with server:
            self.assertEqual(refusal(lambda: server.send(message(), to=["nobody@example.org"])), 550)
            self.assertIn("nobody has this address: refused with 550 5.1.1", told(server, "nobody@example.org", until="refused"))
            self.assertEqual(refusal(lambda: server.send(message(), to=["far@elsewhere.test"])), 554)
            self.assertIn("not ours, and this client may not send on through us", told(server, "far@elsewhere.test", until="refused"))
            self.assertEqual(refusal(lambda: server.submit("alice", message(), ["bob@example.org"], sender="bob@example.org")), 553)
            self.assertIn("alice@example.org at 127.0.0.1 may not send as bob@example.org",
                          told(server, "alice@example.org", "--refused", until="may not send"))
            self.assertEqual(refusal(lambda: server.send(message(body="x" * 70 + "\r\n" * 40000), sender="big@far.test")), 552)
            self.assertIn("was refused", told(server, "big@far.test", until="larger"))
            with smtplib.SMTP_SSL("localhost", server.port("submissions"), context=server.trust(), timeout=30) as client:
                with self.assertRaises(smtplib.SMTPAuthenticationError):
                    client.login("bob@example.org", "wrong")
            self.assertIn("The login of bob@example.org for submission", told(server, "bob@example.org", "--refused", until="The login"))
            server.submit("bob", message(), ["alice@example.org"])
            self.assertEqual(refusal(lambda: server.submit("bob", message(), ["alice@example.org"])), 452)
            self.assertIn("bob@example.org has sent as much as one account may", told(server, "bob@example.org", until="as much as"))
            # By the client's address, and all at once: more than five are a list.
            listed = told(server, "127.0.0.1", "--refused", until="Session ")
            self.assertIn("`posthorn trace ID` tells one of them in full", listed)
            session = re.search(r"Session ([0-9A-Z]+)", listed).group(1)
            self.assertTrue(told(server, session).startswith(f"Session {session}"))
            self.assertGreater(len(as_json(server, "--refused", "--max", "200")["mails"]), 5)

    def test_a_client_that_was_turned_away_at_the_door_is_found_by_its_address(self):
        server = Server(settings={"limits.connections_per_service_max": "1"})
        with server:
            with Wire(server.port("smtp"), source="127.0.0.7") as first:
                self.assertIn("220", first.reply())
                with Wire(server.port("smtp"), source="127.0.0.7") as second:
                    self.assertIn("421", second.reply())
            self.assertIn("127.0.0.7 was turned away", told(server, "127.0.0.7", "--refused", until="turned away"))

    def test_what_nobody_knows_is_said_with_how_far_the_trail_goes(self):
        server = Server()
        with server:
            done = server.run("trace", "gone@example.org", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("the trail holds nothing of gone@example.org", done.stderr)
            self.assertEqual(as_json(server, "gone@example.org")["mails"], [])
            self.assertEqual(server.run("trace", check=False).returncode, 2)
            for since in ("yesterday", "2026-02-30", "2026-13-01", "1h30"):
                self.assertEqual(server.run("trace", "x", "--since", since, check=False).returncode, 2, since)
            done = server.run("trace", "gone@example.org", "--since", "1h30m", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("try it without --since", done.stderr)
            for left_out in ("--from", "--refused", "What it lost"):
                self.assertNotIn(left_out, done.stderr)
            self.assertNotIn("without --", server.run("trace", "gone@example.org", check=False).stderr)
            for words in (["<>"], [""], ["--to", "<>"], ["<>", "--since", "1h"]):
                done = server.run("trace", *words, check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""), words)
                self.assertIn("name a queue id, a Message-ID or an address", done.stderr)

    def test_the_database_is_read_where_no_server_runs(self):
        server = Server()
        with server:
            server.send(message("Kept", "x\r\n"))
            text = told(server, "bob@example.org", until="it left the queue")
            server.stop()
            self.assertEqual(server.run("trace", "bob@example.org").stdout, text)
            self.assertIn("the server is not running", server.run("trace", "gone", check=False).stderr)


if __name__ == "__main__":
    unittest.main()
