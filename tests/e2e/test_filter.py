"""What a real spamd says of a mail stands in the log: the rules that hit, with their points where it tells them; and whom it was not asked about."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import TELL_POINTS, Server, Spamd, assert_fits, free_port, message, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
DEBUG = {"log.level": '"debug"'}


def told(server, marker, folder="INBOX"):
    """The fields of queue.scanned of the mail to bob that was sent last, once it has arrived."""
    server.wait_for(marker, folder=folder)
    accepted = [line for line in server.log().splitlines() if "event=queue.accepted" in line][-1]
    return scanned(server, re.search(r" q=(\S+)", accepted)[1])


def scanned(server, queue_id):
    line = wait_until(lambda: [line for line in server.log().splitlines() if "event=queue.scanned" in line and f"q={queue_id} " in line])[0]
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S*)', line)}


def explained(server, queue_id):
    """What `posthorn spam explain ID` says, once the trail has what was done with the mail: its exit status, text and JSON."""
    def known():
        done = server.run("spam", "explain", queue_id, "--json", check=False)
        if done.returncode > 1:
            return None
        told = json.loads(done.stdout)
        return told if told["then"] else None

    told = wait_until(known)
    assert_fits("explain_spam", told)
    done = server.run("spam", "explain", queue_id, check=False)
    return done.returncode, done.stdout, told


def rules(fields):
    """{name: points or None}"""
    return {name: points or None for name, _, points in (rule.partition("=") for rule in fields["tests"].split(","))}


class AStockSpamd(unittest.TestCase):
    def test_names_of_rules(self):
        with Spamd() as spamd, Server(spamd=spamd.address, settings=DEBUG | {"filter.message_max": '"8KB"'}) as server:
            server.send(message("Lunch", "marker ham\r\n"))
            ham = told(server, "marker ham")
            self.assertEqual((ham["spam"], ham["required"], ham["by"]), ("no", "5.0", "spamd"))
            self.assertLess(float(ham["score"]), 5)
            self.assertTrue(rules(ham))
            self.assertNotIn("GTUBE", rules(ham))
            server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"))
            spam = told(server, "marker gtube", "Junk")
            self.assertEqual((spam["spam"], spam["by"]), ("yes", "spamd"))
            self.assertGreater(float(spam["score"]), 900)
            self.assertIsNone(rules(spam)["GTUBE"])
            code, text, json_told = explained(server, spam["q"])
            self.assertEqual((code, json_told["spam"], json_told["by"]), (1, True, "spamd"))
            self.assertRegex(text, r"(?m)^ +\? GTUBE$")
            self.assertIn("_TESTSSCORES_", text)
            self.assertIn("decided by: spamd's own bound", text)
            self.assertIn("then: bob@example.org: filed in Junk", text)

            server.send(message("Large", "marker large\r\n" + ("x" * 60 + "\r\n") * 200))
            large = told(server, "marker large")
            self.assertEqual((large["spam"], large["reason"], large["by"]), ("unscanned", "size", "filter.message_max"))
            code, text, json_told = explained(server, large["q"])
            self.assertEqual((code, json_told["spam"], json_told["filter"], json_told["reason"]), (0, None, "unscanned", "size"))
            self.assertRegex(text, r'decided by: filter\.message_max = "8KB" \(.*posthorn\.toml:\d+\)')
            server.submit("alice", message("Own", "marker own\r\n"), ["bob@example.org"])
            own = told(server, "marker own")
            self.assertEqual((own["spam"], own["reason"], own["by"]), ("skipped", "user", "filter.scan_submissions"))
            text = explained(server, own["q"])[1]
            self.assertIn("a user of this server sent it", text)
            self.assertIn("decided by: filter.scan_submissions = false (the default)", text)
            self.assertEqual(server.run("spam", "explain", "1NOSUCHMAIL00", check=False).returncode, 2)


class WithPoints(unittest.TestCase):
    def test_points_of_rules(self):
        spamd = Spamd(options=["--cf=" + TELL_POINTS])
        with spamd, Server(spamd=spamd.address, settings={"filter.spam_score": '"4.9"', "filter.discard_score": '"2000"'}) as server:
            server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"))
            spam = told(server, "marker gtube", "Junk")
            self.assertEqual((spam["spam"], spam["required"], spam["by"]), ("yes", "4.9", "filter.spam_score"))
            self.assertTrue(spam["tests"].startswith("GTUBE=1000,"), "what counts most stands in front")
            self.assertTrue(all(re.fullmatch(r"-?[0-9.]+", points) for points in rules(spam).values()), spam["tests"])
            code, text, json_told = explained(server, spam["q"])
            self.assertEqual((code, json_told["rules"][0]), (1, {"name": "GTUBE", "points": "1000", "description": ""}))
            self.assertRegex(text, r"(?m)^ *1000 GTUBE$")
            self.assertRegex(text, r'decided by: filter\.spam_score = "4\.9" \(.*posthorn\.toml:\d+\)')
            by_message_id = re.search(rb"(?im)^Message-ID: *(\S+)", server.wait_for("marker gtube", folder="Junk"))[1].decode()
            self.assertEqual(server.run("spam", "explain", by_message_id, check=False).stdout, text)
            server.send(message("Lunch", "marker ham\r\n"))
            ham = told(server, "marker ham")
            self.assertAlmostEqual(sum(float(points) for points in rules(ham).values()), float(ham["score"]), delta=0.11)

    def test_spam_that_is_thrown_away(self):
        spamd = Spamd(options=["--cf=" + TELL_POINTS])
        with spamd, Server(spamd=spamd.address, settings={"filter.discard_score": '"500"'}) as server:
            server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"))
            line = wait_until(lambda: [line for line in server.log().splitlines() if "event=queue.discarded" in line])[0]
            spam = scanned(server, re.search(r" q=(\S+)", line)[1])
            self.assertEqual((spam["spam"], spam["by"]), ("yes", "filter.discard_score"))
            self.assertIn("by=filter.discard_score", line)
            self.assertEqual(rules(spam)["GTUBE"], "1000")
            text = explained(server, spam["q"])[1]
            self.assertIn("then: thrown away: its score reaches filter.discard_score", text)
            self.assertRegex(text, r'decided by: filter\.discard_score = "500" \(.*posthorn\.toml:\d+\)')


class WithoutAFilter(unittest.TestCase):
    def test_off_and_away(self):
        with Server(settings=DEBUG) as server:
            server.send(message("Off", "marker off\r\n"))
            off = told(server, "marker off")
            self.assertEqual((off["spam"], off["reason"], off["by"]), ("skipped", "off", "filter.spamd"))
        settings = {"filter.retry": '"200ms"', "filter.tries_max": "2"}
        with Server(spamd=f"127.0.0.1:{free_port()}", settings=settings) as server:
            server.send(message("Away", "marker away\r\n"))
            away = told(server, "marker away")
            self.assertEqual((away["spam"], away["reason"], away["by"]), ("unscanned", "unavailable", "filter.when_down"))
            self.assertIn("spamd: connect", away["error"])


if __name__ == "__main__":
    unittest.main()
