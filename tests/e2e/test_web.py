"""The web role: its pages with curl and by hand, /metrics with a strict reader while mail flows, /health when things break."""

import contextlib
import html.parser
import http.client
import json
import os
import pathlib
import plistlib
import poplib
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import openmetrics
from support import ROOT, SHOTS, Server, Spamd, message, server_tls, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


def ask(server, path, method="GET", body=None, headers=None, service="http"):
    if service == "https":
        connection = http.client.HTTPSConnection("localhost", server.port("https"), timeout=20, context=server.trust())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port("http"), timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.text = response.read()
        return response


def raw(server, data, seconds=20):
    """Everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port("http")), timeout=seconds) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def health(server):
    response = ask(server, "/health")
    found = json.loads(response.text)
    return response.status, {check["name"]: check["state"] for check in found["checks"]}, found


def metrics(server):
    response = ask(server, "/metrics")
    assert response.status == 200, response.status
    return openmetrics.read(response.text.decode())


def value(samples, name, **labels):
    return samples[(name, tuple(labels.items()))]


class Balance(html.parser.HTMLParser):
    VOID = {"meta", "link", "input", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("example.org", "example.net"), settings={"web.request_timeout": '"1s"'})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        wait_until(lambda: b"example.net" in ask(cls.server, "/").text)

    def test_the_start_page(self):
        page = ask(self.server, "/")
        self.assertEqual((page.status, page.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        text = page.text.decode()
        for part in ("mx.example.org", "example.org", str(self.server.port("imaps")), str(self.server.port("submissions"))):
            self.assertIn(part, text)
        parser = Balance()
        parser.feed(text)
        self.assertEqual(parser.open, [])
        self.assertNotIn("script", {tag for tag, _ in parser.seen})
        for tag, attributes in parser.seen:  # nothing comes from elsewhere
            for name in ("src", "href", "action"):
                self.assertFalse(attributes.get(name, "").startswith(("http", "//")), attributes)
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])

    def test_curl_gets_it_over_tls(self):
        done = subprocess.run(["curl", "-sS", "--fail", "--cacert", str(self.server.root / "tls/cert.pem"),
                               f"https://localhost:{self.server.port('https')}/"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("mx.example.org", done.stdout)

    def test_head_is_get_without_the_body(self):
        for path in ("/", "/ca.crt", "/nothing", "/mail/config-v1.1.xml"):
            get, head = ask(self.server, path), ask(self.server, path, "HEAD")
            self.assertEqual((get.status, get.headers["Content-Length"]), (head.status, head.headers["Content-Length"]), path)
            self.assertEqual(head.text, b"")

    def test_what_is_not_there(self):
        for path in ("/nothing", "/../conf/users", "/ca.crt/", "/%2e%2e/tls/key.pem", "/tls/key.pem", "//"):
            self.assertEqual(ask(self.server, path).status, 404, path)
        response = ask(self.server, "/", "POST", b"x")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(ask(self.server, "/", "PATCHWORK").status, 501)

    def test_the_certificate(self):
        got = ask(self.server, "/ca.crt")
        self.assertEqual(got.headers["Content-Type"], "application/x-x509-ca-cert")
        self.assertNotIn(b"PRIVATE", got.text)
        told = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=got.text, capture_output=True, check=True)
        self.assertIn(told.stdout.split(b"=")[1].strip(), ask(self.server, "/").text)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # it makes the server trusted
            file.write(got.text)
            file.flush()
            context = ssl.create_default_context(cafile=file.name)
            connection = http.client.HTTPSConnection("localhost", self.server.port("https"), timeout=20, context=context)
            with contextlib.closing(connection):
                connection.request("GET", "/ca.crt")
                self.assertEqual(connection.getresponse().read(), got.text)

    def test_a_challenge_that_certbot_put_down_is_served_and_nothing_else_of_the_folder(self):
        webroot = self.server.root / "var/webroot"
        folder = webroot / ".well-known/acme-challenge"
        folder.mkdir(parents=True)
        (folder / "to-ken_1").write_text("to-ken_1.thumbprint")
        (folder / "link").symlink_to(self.server.root / "maps/domains")
        (folder / "dir").mkdir()
        (webroot / "index.html").write_text("not served")
        (folder / "large").write_text("x" * 5000)
        (folder / "closed").write_text("x")
        (folder / "closed").chmod(0o600)
        got = ask(self.server, "/.well-known/acme-challenge/to-ken_1")
        self.assertEqual((got.status, got.text), (200, b"to-ken_1.thumbprint"))
        for name in ("link", "dir", "large", "absent", "../../index.html", "%2e%2e", ""):
            self.assertEqual(ask(self.server, f"/.well-known/acme-challenge/{name}").status, 404, name)
        self.assertEqual(ask(self.server, "/index.html").status, 404)
        if os.geteuid() == 0:
            self.assertEqual(ask(self.server, "/.well-known/acme-challenge/closed").status, 404)
            self.assertIn("http.challenge.unread", self.server.log())

    def test_thunderbird(self):
        for path in ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"):
            got = ask(self.server, path + "?emailaddress=alice%40example.net")
            provider = xml.etree.ElementTree.fromstring(got.text).find("emailProvider")
            self.assertEqual(provider.findtext("domain"), "example.net")
            found = {(s.get("type"), s.findtext("port"), s.findtext("socketType")) for s in provider if s.get("type")}
            self.assertIn(("imap", str(self.server.port("imaps")), "SSL"), found)
            self.assertIn(("smtp", str(self.server.port("submission")), "STARTTLS"), found)
        self.assertEqual(ask(self.server, "/mail/config-v1.1.xml?emailaddress=a%40elsewhere.test").status, 404)

    def test_outlook(self):
        def post(address, path="/autodiscover/autodiscover.xml", head=""):
            body = (f'<?xml version="1.0"?>{head}<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/'
                    f'requestschema/2006"><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>')
            return ask(self.server, path, "POST", body, {"Content-Type": "text/xml"})
        space = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
        for path in ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"):
            root = xml.etree.ElementTree.fromstring(post("alice@example.org", path).text)
            found = {p.findtext(space + "Type"): p.findtext(space + "Port") for p in root.iter(space + "Protocol")}
            self.assertEqual(found, {"IMAP": str(self.server.port("imaps")), "POP3": str(self.server.port("pop3s")),
                                     "SMTP": str(self.server.port("submissions"))})
        for bad in (post("a@elsewhere.test"), post("&e;", head='<!DOCTYPE x [<!ENTITY e "alice@example.org">]>')):
            self.assertIn(b"<ErrorCode>600<", bad.text)
        self.assertEqual(post("a" * 20000).status, 413)

    def test_apple(self):
        got = ask(self.server, "/posthorn.mobileconfig?email=alice%40example.org")
        self.assertEqual(got.headers["Content-Type"], "application/x-apple-aspen-config; charset=utf-8")
        profile = plistlib.loads(got.text)
        kinds = {payload["PayloadType"]: payload for payload in profile["PayloadContent"]}
        mail = kinds["com.apple.mail.managed"]
        self.assertEqual(mail["IncomingMailServerPortNumber"], self.server.port("imaps"))
        self.assertEqual(mail["EmailAddress"], "alice@example.org")
        self.assertTrue(mail["OutgoingMailServerUseSSL"])
        der = ssl.PEM_cert_to_DER_cert((self.server.root / "tls/cert.pem").read_text())
        self.assertEqual(kinds["com.apple.security.root"]["PayloadContent"], der)
        self.assertNotIn("EmailAddress", plistlib.loads(ask(self.server, "/posthorn.mobileconfig").text)["PayloadContent"][-1])
        self.assertEqual(ask(self.server, "/posthorn.mobileconfig?email=%3Cscript%3E").status, 404)

    def test_host_games(self):
        for host in (b"", b"Host: a\r\nHost: b\r\n", b"Host: <script>\r\n", b"Host: a@b\r\n", b"Host: a b\r\n"):
            self.assertTrue(raw(self.server, b"GET / HTTP/1.1\r\n" + host + b"\r\n").startswith(b"HTTP/1.1 400 "), host)
        for path in ("/", "/mail/config-v1.1.xml", "/posthorn.mobileconfig"):  # a stranger's host leads nobody astray
            got = ask(self.server, path, headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"})
            self.assertEqual(got.status, 200)
            self.assertNotIn(b"evil", got.text)
            self.assertNotIn("evil", str(got.headers))

    def test_requests_that_two_programs_read_differently(self):
        for request in (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                        b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32) + b"\n"):
            answer = raw(self.server, request)
            self.assertRegex(answer[:14], rb"^HTTP/1.1 (400|501)", request)
            self.assertEqual(answer.count(b"HTTP/1.1"), 1, request)

    def test_oversize(self):
        self.assertIn(b" 414 ", raw(self.server, b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\n")[:20])
        self.assertIn(b" 431 ", raw(self.server, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 30000)[:20])
        self.assertIn(b" 431 ", raw(self.server, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n")[:20])
        self.assertIn(b" 413 ", raw(self.server, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"a" * 50000)[:20])

    def test_slow_ones_do_not_hold_anything(self):
        started = time.monotonic()
        self.assertIn(b" 408 ", raw(self.server, b"GET / HT")[:20])
        with socket.create_connection(("127.0.0.1", self.server.port("http")), timeout=20) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(OSError):  # a byte now and then does not extend the time
                for _ in range(40):
                    slow.sendall(b"A")
                    slow.settimeout(0.1)
                    try:
                        self.assertIn(b" 408 ", slow.recv(1000)[:20])
                        break
                    except TimeoutError:
                        continue
                else:
                    self.fail("it was never ended")
            self.assertEqual(ask(self.server, "/").status, 200)
        self.assertLess(time.monotonic() - started, 10)

    def test_one_connection_many_requests(self):
        request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = raw(self.server, request * 5 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 404 "), 5)
        self.assertTrue(answer.endswith(b"</html>\n"))
        self.assertEqual(raw(self.server, request * 150).count(b"HTTP/1.1 404 "), 100)  # then it has had its turn
        old = raw(self.server, b"GET /nothing HTTP/1.0\r\n\r\n")
        self.assertIn(b"Connection: close", old)

    def test_a_new_certificate_is_in_use_at_once(self):
        before = ssl.get_server_certificate(("127.0.0.1", self.server.port("https")))
        with tempfile.TemporaryDirectory() as folder:
            server_tls(folder)
            for name in ("key", "cert"):
                target = self.server.root / "tls" / f"{name}.pem"
                old = target.stat()
                shutil.copyfile(pathlib.Path(folder) / f"localhost.{name}.pem", target.with_suffix(".new"))
                os.chown(target.with_suffix(".new"), old.st_uid, old.st_gid)
                target.with_suffix(".new").chmod(old.st_mode & 0o777)
                target.with_suffix(".new").rename(target)
        new = (self.server.root / "tls/cert.pem").read_text()
        self.assertNotEqual(before.strip(), new.strip())
        wait_until(lambda: ssl.get_server_certificate(("127.0.0.1", self.server.port("https"))).strip() == new.strip())
        wait_until(lambda: ask(self.server, "/ca.crt").text.decode().strip() == new.strip())


class Numbers(unittest.TestCase):
    def test_they_move_as_mail_flows(self):
        with Spamd() as spamd, Server(spamd=spamd.address) as server:
            before = metrics(server)
            self.assertEqual(value(before, "posthorn_role_up", role="edge"), 1)
            self.assertEqual(value(before, "posthorn_queue_messages", state="active"), 0)
            server.send(message("One", "marker one\r\n"))
            server.send(message("Spam", "marker two\r\n" + GTUBE))
            server.wait_for("marker one")
            server.wait_for("marker two", folder="Junk")
            with server.smtp() as client, self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.sendmail("friend@elsewhere.test", ["nobody@example.org"], message())
            with server.smtp() as client, self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.sendmail("friend@elsewhere.test", ["a@elsewhere.test"], message())
            with self.assertRaises(Exception):
                server.imap("bob", "wrong")
            server.submit("alice", message("Two", "marker three\r\n"), ["bob@example.org"])
            server.wait_for("marker three")
            with contextlib.closing(poplib.POP3_SSL("localhost", server.port("pop3s"), context=server.trust(), timeout=30)) as drop:
                drop.user("bob@example.org")
                drop.pass_(server.password("bob@example.org"))
                drop.retr(1)
                drop.retr(2)
                drop.top(1, 0)
                drop.dele(1)
                drop.quit()
            client = server.imap("bob")
            client.select("INBOX")
            time.sleep(1.1)  # what the roles said is not asked for again within a second
            after = metrics(server)
            client.logout()

            def moved(name, **labels):
                return value(after, name, **labels) - value(before, name, **labels)

            self.assertEqual(moved("posthorn_messages_accepted_total", protocol="smtp"), 2)
            self.assertEqual(moved("posthorn_messages_accepted_total", protocol="submission"), 1)
            self.assertEqual(moved("posthorn_sessions_total", protocol="smtp"), 4)
            self.assertEqual(moved("posthorn_sessions_total", protocol="submission"), 1)
            self.assertGreaterEqual(moved("posthorn_sessions_total", protocol="imap"), 4)
            self.assertEqual(moved("posthorn_sessions_total", protocol="pop3"), 1)
            self.assertEqual(moved("posthorn_authentications_total", service="pop3", result="ok"), 1)
            self.assertEqual(moved("posthorn_pop3_messages_total", action="retrieved"), 2)
            self.assertEqual(moved("posthorn_pop3_messages_total", action="deleted"), 1)
            self.assertEqual(moved("posthorn_refusals_total", reason="unknown_recipient"), 1)
            self.assertEqual(moved("posthorn_refusals_total", reason="relaying"), 1)
            self.assertEqual(moved("posthorn_authentications_total", service="imap", result="refused"), 1)
            self.assertEqual(moved("posthorn_authentications_total", service="smtp", result="ok"), 1)
            self.assertGreaterEqual(moved("posthorn_authentications_total", service="imap", result="ok"), 3)
            self.assertEqual(moved("posthorn_filter_verdicts_total", verdict="spam"), 1)
            self.assertEqual(moved("posthorn_filter_verdicts_total", verdict="ham"), 1)
            self.assertEqual(moved("posthorn_filter_seconds_count"), 2)
            self.assertGreater(moved("posthorn_filter_seconds_sum"), 0)
            self.assertEqual(moved("posthorn_deliveries_total", transport="local", result="delivered"), 3)
            self.assertEqual(moved("posthorn_store_deliveries_total", result="stored"), 3)
            self.assertGreaterEqual(moved("posthorn_http_requests_total", code="2xx"), 1)
            self.assertGreaterEqual(value(after, "posthorn_tables_generation"), 1)
            self.assertEqual(value(after, "posthorn_sessions_open", protocol="imap"), 1)
            self.assertEqual(value(after, "posthorn_store_sessions"), 1)
            self.assertEqual(value(after, "posthorn_store_mailboxes_open"), 1)
            self.assertGreater(value(after, "posthorn_certificate_not_after_seconds"), time.time())
            listed = server.run("metrics", config=False).stdout
            families = {line.split(" ")[2] for line in ask(server, "/metrics").text.decode().splitlines() if line.startswith("# TYPE")}
            self.assertEqual(families - {"posthorn_build"}, {line.split()[0].split("{")[0] for line in listed.splitlines()})
            readme = (ROOT / "deploy/README.md").read_text()
            for line in listed.splitlines():
                name, labels = (line.split()[0].rstrip("}").split("{") + [""])[:2]
                self.assertIn(f"| `{name.removeprefix('posthorn_')}` | {labels.replace(',', ', ')} |", readme)

            # A role that is started anew takes nothing back.
            edge = server.roles()["edge"]
            os.kill(edge, signal.SIGKILL)
            wait_until(lambda: server.roles().get("edge", edge) != edge, 30)
            wait_until(lambda: health(server)[0] == 200, 30)
            time.sleep(1.1)
            again = metrics(server)
            self.assertEqual(value(again, "posthorn_sessions_open", protocol="imap"), 0)
            for key, number in after.items():
                if key[0].endswith(("_total", "_count", "_bucket")):
                    self.assertGreaterEqual(again[key], number, key)

    def test_only_those_named_may_read_them(self):
        with Server(users=(), settings={"web.metrics_from": '["192.0.2.0/24"]', "filter.spamd": '"127.0.0.1:1"'}) as server:
            self.assertEqual(ask(server, "/metrics").status, 403)
            for headers in ({}, {"Accept": "text/html"}, {"Accept": "application/json"}):
                answer = ask(server, "/health", headers=headers)  # spamd is away, and mail goes on without it
                self.assertEqual((answer.status, answer.text), (200, b"ok\n"))

    def test_one_process_counts_once(self):
        with Server(one_process=True) as server:
            before = metrics(server)
            server.send(message("One", "marker one\r\n"))
            server.wait_for("marker one")
            time.sleep(1.1)
            name = "posthorn_messages_accepted_total"
            self.assertEqual(value(metrics(server), name, protocol="smtp") - value(before, name, protocol="smtp"), 1)
            self.assertEqual(health(server)[0], 200)


class Health(unittest.TestCase):
    def test_red_when_spamd_is_gone_and_green_again(self):
        with Spamd() as spamd, Server(users=("bob",), spamd=spamd.address, settings={"filter.when_down": '"wait"'}) as server:
            status, checks, whole = health(server)
            self.assertEqual(status, 200, whole)
            self.assertEqual(set(checks), {"role.lookup", "role.queue", "role.store", "role.edge", "role.web", "role.trail", "trail", "tables", "spool", "spamd",
                                           "mail", "scripts", "certificate"})
            self.assertEqual(whole["status"], "ok")
            spamd.stop()
            wait_until(lambda: health(server)[0] == 503)
            status, checks, whole = health(server)
            self.assertEqual([name for name, state in checks.items() if state == "red"], ["spamd"])
            self.assertRegex(whole["verdict"], r"^spamd does not answer at .*: mail waits")
            self.assertIn("systemctl start spamd", whole["remedy"])
            self.assertIn("event=health.changed s=- q=- red=spamd", server.log())
            spamd.start()
            wait_until(lambda: health(server)[0] == 200)

    def test_red_for_tables_spool_and_roles(self):
        with Server(users=("bob",)) as server:
            self.assertEqual(health(server)[0], 200)
            aliases = (server.root / "maps/aliases").read_text()
            server.append_map("aliases", "a@example.org b@example.org\nb@example.org a@example.org\n")
            wait_until(lambda: health(server)[1].get("tables") == "red")
            self.assertEqual(value(metrics(server), "posthorn_tables_faults") > 0, True)
            server.write_map("aliases", aliases)
            wait_until(lambda: health(server)[0] == 200)

            users = (server.root / "conf/users").read_text()
            with open(server.root / "conf/users", "a") as file:
                file.write("a line without a hash\n")
            wait_until(lambda: health(server)[1].get("tables") == "red")
            self.assertIn("conf/users", health(server)[2]["verdict"])
            self.assertEqual(value(metrics(server), "posthorn_tables_faults") > 0, True)
            with open(server.root / "conf/users", "w") as file:
                file.write(users)
            wait_until(lambda: health(server)[0] == 200)

            incoming = server.root / "var/spool/incoming"
            incoming.rename(incoming.with_name("gone"))
            wait_until(lambda: health(server)[1].get("spool") == "red")
            incoming.with_name("gone").rename(incoming)
            wait_until(lambda: health(server)[0] == 200)

            # A role that hangs is as bad as one that is gone; the page itself still answers.
            store = server.roles()["store"]
            os.kill(store, signal.SIGSTOP)
            try:
                wait_until(lambda: health(server)[1].get("role.store") == "red")
                self.assertEqual(ask(server, "/").status, 200)
            finally:
                os.kill(store, signal.SIGCONT)
            wait_until(lambda: health(server)[0] == 200)

    def test_red_when_the_certificate_has_ended(self):
        server = Server(users=())
        self.addCleanup(server.close)
        tls = server.root / "tls"
        asked = subprocess.run(["openssl", "req", "-new", "-key", str(tls / "key.pem"), "-subj", "/CN=localhost"], check=True,
                               capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-signkey", str(tls / "key.pem"), "-days", "-1", "-out", str(tls / "cert.pem")],
                       input=asked.stdout, check=True, capture_output=True)
        server.start()
        status, checks, _ = health(server)
        self.assertEqual((status, checks["certificate"]), (503, "red"))

    def test_every_worker_is_asked(self):
        with Server(settings={"edge.workers": "2", "store.workers": "2"}) as server:
            status, checks, _ = health(server)
            self.assertEqual(status, 200)
            self.assertLessEqual({"role.edge", "role.edge-1", "role.store", "role.store-1"}, set(checks))
            before = metrics(server)
            self.assertEqual([value(before, "posthorn_role_up", role=role) for role in ("edge", "store", "queue")], [2, 2, 1])
            for i in range(6):  # they share the port: the sum counts, whoever took one
                server.send(message(str(i), f"marker {i}\r\n"), to=("alice@example.org", "bob@example.org"))
            for i in range(6):
                server.wait_for(f"marker {i}")
                server.wait_for(f"marker {i}", user="alice")
            time.sleep(1.1)
            after = metrics(server)
            self.assertEqual(value(after, "posthorn_sessions_total", protocol="smtp"), 6)
            self.assertEqual(value(after, "posthorn_store_deliveries_total", result="stored"), 12)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_it_has_an_account_of_its_own(self):
        with Server(users=()) as server:
            status = pathlib.Path(f"/proc/{server.roles()['web']}/status").read_text()
            account = pwd.getpwnam("posthorn-web")
            self.assertIn("\nUid:\t" + "\t".join([str(account.pw_uid)] * 4) + "\n", status)
            owners = {path.stat().st_uid for path in (server.root / "var/run").glob("*.web.sock")}
            self.assertEqual(owners, {account.pw_uid})

    def test_no_pages_no_role(self):
        with Server(users=(), settings={"listen.http": "[]", "listen.https": "[]"}) as server:
            self.assertNotIn("web", server.roles())
            self.assertFalse(list((server.root / "var/run").glob("*.web.sock")))


@unittest.skipUnless(shutil.which("chromium"), "no browser is installed")
class Browser(unittest.TestCase):
    def test_it_shows_the_page_at_both_widths(self):
        keep = SHOTS
        with Server(domains=("example.org", "example.net"), users=()) as server, tempfile.TemporaryDirectory() as folder:
            wait_until(lambda: b"example.net" in ask(server, "/").text)
            for width in (1280, 390):
                shot = pathlib.Path(keep or folder) / f"start-{width}.png"
                done = subprocess.run(
                    ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--user-data-dir={folder}/profile-{width}", f"--window-size={width},1500", f"--screenshot={shot}",
                     "--virtual-time-budget=2000", f"http://127.0.0.1:{server.port('http')}/"],
                    capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                self.assertGreater(shot.stat().st_size, 10_000)
                self.assertNotIn("Content Security Policy", done.stderr)


if __name__ == "__main__":
    unittest.main()
