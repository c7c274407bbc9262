"""`posthorn status` and /health: what the administrator sees of a server that is well, of one that is not, and of none; as text,
as JSON that its schemas describe, and as a page."""
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
import unittest

from support import POSTHORN, Dns, Server, Smarthost, assert_fits, free_port, message, wait_until
from test_web import ask


def told(server, *words):
    done = server.run("status", *words, check=False)
    return done.returncode, done.stdout


def page(server):
    return json.loads(told(server, "--json")[1])


def role(server, name):
    return next(one for one in page(server)["roles"] if one["role"] == name)


class Well(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())

    def test_one_verdict_and_what_runs(self):
        code, text = told(self.server)
        self.assertEqual((code, text.splitlines()[0]), (0, "everything works"), text)
        self.assertRegex(text, rf"(?m)^posthorn +\S+ on mx\.example\.org, running since .*, pid {self.server.process.pid}$")
        self.assertRegex(text, rf"(?m)^ports +smtp +127\.0\.0\.1:{self.server.port('smtp')}$")
        for name, pid in self.server.roles().items():
            self.assertRegex(text, rf"(?m)^(roles)? +{name} +up \d+[sm].*, pid {pid}$")
        self.assertRegex(text, r"(?m)^certificates +certificate ends \d{4}-\d\d-\d\d \(\d+ days\), of \S")
        self.assertRegex(text, r"(?m)^ +on smtp .*imaps.* https: as it lies on disk$")
        self.assertRegex(text, r"(?m)^queue +0 messages, 0 deferred, 0 held$")
        self.assertRegex(text, r"(?m)^(disk)? +spool +[\d.]+ \w+ free of ")
        self.assertNotIn("\x1b", text)

    def test_json_is_as_its_schemas_say(self):
        status, health = page(self.server), json.loads(ask(self.server, "/health").text)
        assert_fits("status", status, health)
        assert_fits("health", health)
        self.assertEqual(f"posthorn {status['version']}\n", self.server.run("version", config=False).stdout)
        self.assertEqual(status["pid"], self.server.process.pid)
        ports = {one["service"]: one["port"] for one in status["listen"]}
        for service in ("smtp", "submission", "submissions", "imap", "imaps", "https"):
            self.assertEqual(ports[service], self.server.port(service))
        self.assertEqual({one["role"]: one["pid"] for one in status["roles"]}, self.server.roles())
        entries = {one["name"].rsplit("/", 1)[1]: one["entries"] for one in status["tables"]["list"]}
        self.assertEqual((entries["domains"], entries["mailboxes"]), (1, 2))
        moving = ("uptime_seconds", "roles", "disks", "trail")
        for key in status.keys() - set(moving):  # one page, whoever asks
            self.assertEqual(status[key], health[key], key)
        self.assertEqual(status.keys(), health.keys())

    def test_a_browser_gets_a_page(self):
        answer = ask(self.server, "/health", headers={"Accept": "text/html,*/*;q=0.8"})
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        text = answer.text.decode()
        self.assertIn('<h1 class="ok">everything works</h1>', text)
        self.assertNotRegex(text, r"<script|(?:src|href)=\"(?!data:)")

    def test_watched_on_a_pipe_it_comes_block_by_block(self):
        for words, end in ((("--watch", "0.3"), "\n\n"), (("--watch", "0.3", "--json"), "\n")):
            with subprocess.Popen([POSTHORN, "status", *words, "-c", str(self.server.conf)], stdout=subprocess.PIPE, text=True) as watching:
                time.sleep(4)
                watching.send_signal(signal.SIGINT)
                text = watching.communicate(timeout=60)[0]
                self.assertEqual(watching.returncode, 0)
            self.assertGreaterEqual(text.count("everything works"), 2, text)
            self.assertTrue(text.endswith(end))
            if "--json" in words:
                assert_fits("status", *map(json.loads, text.splitlines()))

    def on_terminal(self, *words, **env):
        main, other = pty.openpty()
        with contextlib.closing(os.fdopen(main, "rb", 0)) as reader:
            subprocess.run([POSTHORN, "status", *words, "-c", str(self.server.conf)], stdout=other, env={**os.environ, **env}, timeout=60, check=True)
            os.close(other)
            text = b""
            with contextlib.suppress(OSError):  # the end, of a terminal
                while piece := reader.read(4096):
                    text += piece
            return text

    def test_colours_are_for_a_terminal_that_wants_them(self):
        self.assertTrue(self.on_terminal(NO_COLOR="").startswith(b"\x1b[32meverything works\x1b[0m"))
        self.assertNotIn(b"\x1b", self.on_terminal(NO_COLOR="1"))

    def test_wrong_words_are_refused(self):
        for words in (("--watch", "0"), ("--watch", "-1"), ("--watch", "soon")):
            self.assertEqual(told(self.server, *words)[0], 2, words)


class Unwell(unittest.TestCase):
    def test_none(self):
        server = Server()
        self.addCleanup(server.close)
        code, text = told(server)
        self.assertEqual((code, text.splitlines()[0]), (3, "stopped: the server does not run"))
        code, text = told(server, "--json")
        self.assertEqual(code, 3)
        assert_fits("status", json.loads(text))

    def test_a_role_that_dies_and_one_that_hangs(self):
        with Server() as server:
            store = server.roles()["store"]
            os.kill(store, signal.SIGKILL)
            wait_until(lambda: role(server, "store")["restarts"] == 1 and role(server, "store")["state"] == "up", 60)
            again = role(server, "store")
            self.assertEqual((again["last_end"], again["pid"]), ("signal 9", server.roles()["store"]))
            wait_until(lambda: told(server)[0] == 0, 30)
            self.assertRegex(told(server)[1], r"(?m)^ +store +up .*, 1 restart, the last after signal 9$")
            os.kill(again["pid"], signal.SIGSTOP)
            try:
                code, text = told(server)
                self.assertEqual(code, 1)
                self.assertRegex(text, rf"^red: the role store \(pid {again['pid']}\) does not answer\n +-> posthorn restart")
                self.assertEqual(ask(server, "/health").status, 503)
                assert_fits("health", json.loads(ask(server, "/health").text))
            finally:
                os.kill(again["pid"], signal.SIGCONT)

    def test_a_certificate_that_is_not_the_one_on_disk(self):
        with Server() as server, Server() as other:
            shown = page(server)["certificates"][0]
            shutil.copy(other.root / "tls/cert.pem", server.root / "tls/cert.pem")  # its key did not come along
            self.assertNotEqual(server.run("reload", check=False).returncode, 0)
            code, text = told(server)
            self.assertEqual(code, 1, text)
            self.assertRegex(text, r"^red: certificates: .*\n +-> \S")
            self.assertRegex(text, r"(?m)^warning +certificate \(.*\) is shown on smtp .* as it was before: the file holds another one$")
            now = page(server)["certificates"][0]
            self.assertEqual((now["fingerprint"], now["on_disk"]), (shown["fingerprint"], "other"))
            assert_fits("status", page(server))

    def test_a_relay_that_refuses_the_login(self):
        with Smarthost() as relay:
            server = Server(settings=relay.settings(**{"queue.retry_first": '"1s"', "queue.retry_max": '"2s"'}))
            server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:wrong\n")
            with server:
                server.submit("alice", message("Kept", "marker status\r\n"), ["friend@far.test"])
                wait_until(lambda: page(server)["relay"]["faults"])
                status = page(server)
                assert_fits("status", status)
                fault = status["relay"]["faults"][0]
                self.assertEqual((fault["state"], status["queue"]["messages"]), ("login refused", 1))
                self.assertIn(str(relay.port), fault["relay"])
                self.assertIn("535", fault["reason"])
                self.assertIn("535", status["queue"]["oldest_reason"])
                code, text = told(server)
                self.assertEqual(code, 0)  # mail still comes in
                self.assertRegex(text, rf"^warning: the relay .*:{relay.port}.* refuses the login: .*535.*\n +-> mend its line in maps/relay-sasl")
                self.assertRegex(text, rf"(?m)^ +the oldest, {status['queue']['oldest_id']}, since \d+s: .*535")
                server.write_map("relay-sasl", f"[127.0.0.1]:{relay.port} apikey:secret\n")
                server.run("reload")
                server.run("queue", "retry", "--all")
                relay.wait_for("marker status")
                wait_until(lambda: page(server)["relay"]["faults"] == [] or None)

    def test_a_filter_and_a_relay_that_are_down(self):
        server = Server(spamd=f"127.0.0.1:{free_port()}", settings={"relay.relayhost": f'"[127.0.0.1]:{free_port()}"', "relay.tls": '"none"'})
        with server:
            server.submit("alice", message("Kept", "marker down\r\n"), ["friend@far.test"])
            wait_until(lambda: page(server)["relay"]["faults"])
            status = page(server)
            assert_fits("status", status)
            self.assertEqual((status["relay"]["faults"][0]["state"], status["spamd"]["state"], status["status"]), ("down", "down", "warning"))
            text = told(server)[1]
            self.assertRegex(text, r"^warning: spamd does not answer at .*: mail passes unscanned")
            self.assertRegex(text, r"(?m)^warning +the relay .* cannot be reached: ")
            answer = ask(server, "/health", headers={"Accept": "text/html"})
            self.assertEqual(answer.status, 200)
            self.assertIn('<li class="warning">the relay', answer.text.decode())

    def test_in_one_process_the_page_is_the_same(self):
        with Server(one_process=True) as server:
            status = page(server)
            assert_fits("status", status)
            self.assertEqual({one["pid"] for one in status["roles"]}, {server.process.pid})
            self.assertEqual(status["status"], "ok")


class Marks(unittest.TestCase):
    def test_the_dns_is_asked_and_judged(self):
        with Dns() as dns:
            server = Server(settings={"dns.marks": "true", "relay.resolver": f'"{dns.address}"'})
            self.addCleanup(server.close)
            record = server.run("dkim", "key", "example.org").stdout
            key = "".join(re.findall(r'"([^"]*)"', record))
            dns.records.update({("example.org", "MX"): [(10, "mx.example.org")], ("example.org", "TXT"): [["v=spf1 mx -all"]],
                                ("_dmarc.example.org", "TXT"): [["v=DMARC1; p=none"]],
                                ("mail._domainkey.example.org", "TXT"): [[key[i:i + 255] for i in range(0, len(key), 255)]]})
            server.start()
            self.assertEqual(server.run("status", "--dns").returncode, 0)
            status = page(server)
            assert_fits("status", status)
            marks = {one["record"]: (one["name"], one["outcome"]) for one in status["dns"]["marks"]}
            self.assertEqual(marks, {"A": ("mx.example.org", "missing"), "MX": ("example.org", "good"), "SPF": ("example.org", "good"),
                                     "DKIM": ("mail._domainkey.example.org", "good"), "DMARC": ("example.org", "good")})
            self.assertRegex(told(server)[1], r"^warning: DNS: A of mx\.example\.org: it has no address\n +-> publish: mx\.example\.org\. A ")
            dns.records[("mail._domainkey.example.org", "TXT")] = [["v=DKIM1; k=rsa; p=QUJD"]]
            dns.records[("example.org", "MX")] = "SERVFAIL"
            asked = len(dns.asked)
            told(server)
            self.assertEqual(len(dns.asked), asked)  # the page shows what was asked before
            text = told(server, "--dns")[1]
            self.assertGreater(len(dns.asked), asked)
            self.assertRegex(text, r"(?m)^ +unknown +MX of example\.org: ")
            self.assertRegex(text, r"(?m)^ +wrong +DKIM of mail\._domainkey\.example\.org: the record is of another key$")

    def test_a_silent_dns_keeps_neither_mail_nor_page_nor_stop_waiting(self):
        domains = ("example.org", "b.test", "c.test", "d.test")  # a round of 25 seconds, the most that there is
        silent = {(host, kind): "DROP" for host in ("mx.example.org", *domains) for kind in ("A", "AAAA", "MX", "TXT")}
        silent |= {(f"_dmarc.{domain}", "TXT"): "DROP" for domain in domains}
        with Dns(silent) as dns, contextlib.ExitStack() as ends:
            server = Server(domains=domains, settings={"dns.marks": "true", "relay.resolver": f'"{dns.address}"'})
            self.addCleanup(server.close)
            server.start()
            asks = ends.enter_context(subprocess.Popen(
                [POSTHORN, "status", "--dns", "-c", str(server.conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            ends.callback(asks.kill)
            wait_until(lambda: ("mx.example.org", "A") in dns.asked)
            begin = time.monotonic()
            server.send(message("while-it-waits"))
            server.wait_for("while-it-waits")
            self.assertRegex(told(server)[1], r"(?m)^dns +not asked yet$")
            self.assertLess(time.monotonic() - begin, 8)
            self.assertIsNone(asks.poll())
            begin = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - begin, 8)

    def test_switched_off_nothing_is_asked(self):
        with Dns() as dns, Server(settings={"relay.resolver": f'"{dns.address}"'}) as server:
            done = server.run("status", "--dns", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("dns.marks is off", done.stderr)
            self.assertRegex(told(server)[1], r"(?m)^dns +not asked \(dns\.marks\)$")
            assert_fits("status", page(server))
            self.assertEqual(dns.asked, [])


if __name__ == "__main__":
    unittest.main()
