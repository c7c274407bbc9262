"""Certificates by ACME against Debian's pebble: its validation comes over the wire to our ports, its nonces are bad half the time.

What pebble 2.4 lacks (renewal information, Retry-After, rate limits) tests/unit/acme does with a directory of its own.
"""

import contextlib
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Dns, Server, assert_fits, free_port, server_tls, wait_until

NAME = "mx.example.org"
EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def openssl(*args, input=None):
    return subprocess.run(["openssl", *map(str, args)], input=input, capture_output=True, text=True, timeout=60).stdout


class Pebble:
    """An authority on loopback, whose challenges go to the ports that it is told."""

    def __init__(self, dns, http, tls, env=None, **config):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-pebble-"))
        self.folder.chmod(0o755)
        _, self.trust = server_tls(self.folder, "localhost")
        self.dns, self.port, self.management = dns, free_port(), free_port()
        self.log_path = self.folder / "log"
        (self.folder / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.trust), "privateKey": str(self.folder / "localhost.key.pem"),
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": False, **config}}))
        self.env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0", **(env or {})}
        self.process = None

    @property
    def directory(self):
        return f"https://localhost:{self.port}/dir"

    def get(self, path, port=None):
        context = ssl.create_default_context(cafile=str(self.trust))
        with urllib.request.urlopen(f"https://localhost:{port or self.management}{path}", context=context, timeout=30) as answer:
            return answer.read().decode()

    def start(self):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(["pebble", "-config", self.folder / "config.json", "-dnsserver", self.dns.address],
                                        stdout=log, stderr=subprocess.STDOUT, env=self.env)
        log.close()

        def answers():
            with contextlib.suppress(OSError):
                return self.get("/dir", self.port)
            self.assert_running()
        wait_until(answers, 30)
        return self

    def assert_running(self):
        if self.process.poll() is not None:
            raise AssertionError("pebble ended\n" + self.log())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Acme(unittest.TestCase):
    """A server, a DNS and pebble, made anew a test."""

    def make(self, settings=None, records=None, env=None, pebble=None, hostname=NAME, trust=None):
        self.dns = Dns({(NAME, "A"): ["127.0.0.1"], **(records or {})})
        self.dns.__enter__()
        self.addCleanup(self.dns.__exit__)
        self.server = Server(users=("alice",), mx=hostname, settings={"relay.resolver": f'"{self.dns.address}"'})
        self.addCleanup(self.server.close)
        self.pebble = Pebble(self.dns, self.server.port("http"), self.server.port("https"), env, **(pebble or {})).start()
        self.addCleanup(self.pebble.close)
        for key, value in {"directory": f'"{self.pebble.directory}"', "authority": f'"{trust or self.pebble.trust}"', "agree_terms": "true",
                           "email": '"admin@example.org"', "web_names": "false", **(settings or {})}.items():
            self.server.set(f"acme.{key}", value)
        self.folder = self.server.root / "tls/acme"
        self.pair = self.folder / f"{NAME}.pem"
        return self.server

    def state(self, name=NAME):
        with contextlib.suppress(OSError, ValueError):
            for one in json.loads((self.folder / "state.json").read_text())["certificates"]:
                if one["name"] == name:
                    return one
        return {"attempted": 0, "error": "", "issued": 0, "ends": 0}

    def control(self, line):
        """One question on acme-control.sock, as a program of the administrator asks it."""
        import socket
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(60)
            channel.connect(str(self.server.root / "var/run/acme-control.sock"))
            channel.sendall(f"1\t{line}\n".encode())
            return channel.makefile().readline()

    def issued(self, after=0, name=NAME, attempted=0):
        """The state once it is issued after that; attempted: when the one before was, whose error still stands there."""
        def done():
            state = self.state(name)
            if state["error"] and state["attempted"] > max(after, attempted) and "cut off" not in state["error"]:
                raise AssertionError(f"not issued: {state['error']}\n{self.pebble.log()[-3000:]}")
            return state["issued"] > after and state
        return wait_until(done, 60)

    def failed(self, after=0):
        return wait_until(lambda: (lambda s: s["attempted"] > after and s["error"] and "cut off" not in s["error"] and s)(self.state()), 60)

    def shown(self, service="imaps", name=NAME):
        chain = openssl("s_client", "-connect", f"127.0.0.1:{self.server.port(service)}", "-servername", name, input="")
        return openssl("x509", "-noout", "-serial", "-issuer", "-ext", "subjectAltName", input=chain)

    def key(self):
        return openssl("pkey", "-in", self.pair, "-pubout")


class Issuing(Acme):
    def test_by_http_with_bad_nonces_renewed_revoked_and_a_failure_keeps_the_pair(self):
        """One server's life, for each start costs seconds."""
        self.make(env={"PEBBLE_WFE_NONCEREJECT": "40"}, settings={"names": '["mail.example.org"]', "challenges": '["http-01"]'},
                  records={("mail.example.org", "A"): ["127.0.0.1"]})
        self.server.start()
        first = self.issued()
        self.assertEqual(first["names"], [NAME, "mail.example.org"])
        wait_until(lambda: "Pebble" in self.shown(), 30)
        shown = self.shown()
        self.assertIn("DNS:mail.example.org", shown)
        self.assertEqual(self.pair.stat().st_mode & 0o777, 0o640)
        accounts = list(self.folder.glob("account-*.json"))
        self.assertEqual([one.stat().st_mode & 0o777 for one in accounts], [0o600])
        self.assertIn("event=acme.issued", self.server.log())
        self.assertIn("reject 40% of good nonces", self.pebble.log())

        # The status page tells of it.
        page = json.loads(self.server.run("status", "--json", check=False).stdout)
        assert_fits("status", page)
        self.assertEqual(page["acme"]["certificates"][0]["name"], NAME)

        # Renewed when somebody asks: another certificate, another key (no TLSA record says otherwise), the same account.
        key, text = self.key(), self.pair.read_text()
        self.assertIn("begun=" + NAME, self.control("renew"))
        second = self.issued(after=first["issued"])
        wait_until(lambda: self.shown() not in ("", shown), 30)
        self.assertNotEqual(self.key(), key)
        self.assertEqual((self.folder / f"retired/{NAME}.pem").read_text(), text)
        self.assertEqual(list(self.folder.glob("account-*.json")), accounts)

        # Revoked, and got anew at once.
        serial = openssl("x509", "-in", self.pair, "-noout", "-serial").strip().split("=")[1].lower()
        self.assertIn("\tok", self.control(f"revoke\tname={NAME}\treason=key_compromise"))
        third = self.issued(after=second["issued"])
        self.assertIn("Revoked", self.pebble.get(f"/cert-status-by-serial/{serial}"))
        self.assertIn("event=acme.revoked", self.server.log())

        # The names lead elsewhere now: the pair stays, the reason is told, and postmaster hears of it.
        text = self.pair.read_text()
        self.dns.records[("mail.example.org", "A")] = "SERVFAIL"
        self.assertIn("\tok", self.control("renew"))
        failed = self.failed(after=third["attempted"])
        self.assertIn("mail.example.org", failed["error"])
        self.assertTrue(failed["remedy"])
        self.assertEqual(self.pair.read_text(), text)
        wait_until(lambda: "event=acme.told" in self.server.log(), 30)
        self.assertIn("event=acme.failed", self.server.log())
        self.assertGreater(failed["next"], failed["attempted"] + 9 * 60_000)

        # The authority has forgotten all (pebble keeps nothing): the account is made again, by itself.
        self.dns.records[("mail.example.org", "A")] = ["127.0.0.1"]
        self.pebble.stop()
        self.pebble.start()
        self.assertIn("\tok", self.control("renew"))
        self.issued(after=third["issued"], attempted=failed["attempted"])

    def test_by_tls_alpn_and_the_names_of_a_domain_that_lead_here(self):
        here = ["127.0.0.1"]
        self.make(settings={"challenges": '["tls-alpn-01"]', "web_names": "true"}, env={"PEBBLE_AUTHZREUSE": "100"},
                  records={("mta-sts.example.org", "A"): here, ("autoconfig.example.org", "A"): here,
                           ("autodiscover.example.org", "A"): ["192.0.2.7"]})
        self.server.start()
        self.issued()
        other = self.issued(name="mta-sts.example.org")
        self.assertEqual(other["names"], ["mta-sts.example.org", "autoconfig.example.org"])
        wait_until(lambda: "DNS:autoconfig.example.org" in self.shown("https", "autoconfig.example.org"), 30)
        # kill -9 of all, and nothing is asked for again: pair, account and state are there.
        before = self.pair.read_text()
        self.server.kill()
        self.server.start()
        wait_until(lambda: "state=good" in self.control("status"), 30)
        self.assertEqual(self.pair.read_text(), before)
        self.assertEqual(self.server.log().count("event=acme.issued"), 2)

    def test_another_way_is_tried_where_one_fails(self):
        self.make(pebble={"httpPort": free_port()})  # nobody listens there
        self.server.start()
        self.issued()
        self.assertIn("Pebble", self.pair.read_text() and openssl("x509", "-in", self.pair, "-noout", "-issuer"))


class Refusing(Acme):
    def test_an_authority_that_nobody_vouches_for_is_not_asked(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-other-"))
        folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, folder)
        _, other = server_tls(folder, "localhost")
        self.make(trust=other)
        self.server.start()
        failed = self.failed()
        self.assertIn("SSL", failed["error"])
        self.assertIn("acme.authority", failed["remedy"])
        self.assertNotIn("new-acct", self.pebble.log())
        self.assertFalse(self.pair.exists())

    def test_customers_alone_and_names_that_are_blocked(self):
        self.make(pebble={"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": EAB_KEY},
                          "domainBlocklist": ["blocked.example.org"]})
        self.server.start()
        first = self.failed()
        self.assertIn("acme.eab_key_id", first["remedy"])
        self.server.stop()
        key = self.server.root / "conf/eab.key"
        key.write_text(EAB_KEY + "\n")
        key.chmod(0o644)
        self.server.set("acme.eab_key_id", '"kid-1"')
        self.server.set("acme.eab_key_file", f'"{key}"')
        self.server.start()
        self.control("renew")
        issued = self.issued(after=first["attempted"])
        self.server.stop()
        before = self.pair.read_text()
        self.server.set("acme.names", '["blocked.example.org"]')
        self.server.start()
        refused = self.failed(after=issued["attempted"])
        self.assertIn("rejectedIdentifier", refused["error"])
        self.assertIn("acme.names", refused["remedy"])
        self.assertEqual(self.pair.read_text(), before)


if __name__ == "__main__":
    unittest.main()
