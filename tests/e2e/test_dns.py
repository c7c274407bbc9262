"""`posthorn dns`: the records to publish for a domain, beside what a real DNS server says; what it prints is what unbound serves
and what it then finds good."""

import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, assert_fits, free_port, wait_until

ADDRESS, ADDRESS6 = "192.0.2.1", "2001:db8::1"


class Unbound:
    """unbound on a loopback port: zones by their files' text, further records, and names of which it says SERVFAIL or nothing."""

    def __init__(self, zones=None, data=(), servfail=(), silent=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-unbound-"))
        lines = ["server:", "use-syslog: no", 'chroot: ""', 'username: ""', 'pidfile: ""', f'directory: "{self.folder}"', "do-daemonize: no",
                 "num-threads: 1", "qname-minimisation: no", "do-not-query-localhost: no", "unblock-lan-zones: yes", 'module-config: "iterator"',
                 "access-control: 127.0.0.0/8 allow", f'local-zone: "." {"deny" if "." in silent else "static"}']
        lines += [f'local-zone: "{name}." transparent' for name in [*(zones or {}), *servfail]]
        lines += [f'local-zone: "{name}." deny' for name in silent if name != "."]
        lines += [f"local-data: '{one}'" for one in data]
        head = "{0}. 60 IN SOA ns.{0}. x.{0}. 1 60 60 60 60\n{0}. 60 IN NS ns.{0}.\n"
        files = {name: head.format(name) + text for name, text in (zones or {}).items()}
        files |= {name: f"x.{name}. 60 IN TXT x\n" for name in servfail}  # no zone, without its SOA
        for number, (name, text) in enumerate(files.items()):
            (self.folder / f"zone{number}").write_text(text)
            up, down = ("no", "yes") if name in servfail else ("yes", "no")  # by the iterator aliases are followed into other zones
            lines += ["auth-zone:", f'name: "{name}."', f'zonefile: "zone{number}"', f"for-upstream: {up}", f"for-downstream: {down}"]
        self.lines = lines
        self.process = None

    def __enter__(self):
        for _ in range(5):  # another's server may have the port by now
            port = free_port()
            self.address = f"127.0.0.1:{port}"
            conf = self.folder / "unbound.conf"
            conf.write_text("\n".join([self.lines[0], "interface: 127.0.0.1", f"port: {port}", *self.lines[1:]]) + "\n")
            self.log = open(self.folder / "log", "w+")
            self.process = subprocess.Popen(["/usr/sbin/unbound", "-d", "-c", conf], stderr=self.log, stdout=self.log)

            def answers():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    return True
                return self.process.poll() is not None
            wait_until(answers)
            if self.process.poll() is None:
                return self
        raise AssertionError((self.folder / "log").read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


class DnsTest(unittest.TestCase):
    def make(self, domain="example.org", mx="mx.example.org", addresses=(ADDRESS, ADDRESS6), **settings):
        server = Server(domains=(domain,), users=(), mx=mx, settings={
            "dns.addresses": json.dumps(list(addresses)), "dns.block_lists": '["bl.test"]', "dns.port_25_probe": '""',
            "mta_sts.mode": '"off"', **{name.replace("__", "."): value for name, value in settings.items()}})
        self.addCleanup(server.close)
        server.run("dkim", "key", domain)
        return server

    def ask(self, server, dns, domain="example.org"):
        """The exit status and the marks."""
        server.env["POSTHORN_RELAY_RESOLVER"] = dns.address
        done = server.run("dns", domain, "--json", check=False)
        self.assertIn(done.returncode, (0, 1, 75), done.stderr)
        self.answer = json.loads(done.stdout)
        assert_fits("dns", self.answer)
        self.assertEqual(self.answer["verdict"], {0: "good", 1: "faults", 75: "unknown"}[done.returncode])
        return done.returncode, self.answer["marks"]

    def zone(self, server, dns, domain="example.org"):
        """The zone file, and what it has for other zones."""
        server.env["POSTHORN_RELAY_RESOLVER"] = dns.address
        text = server.run("dns", domain, "--zone").stdout
        return text, re.findall(r"(?m)^;(\S+\. IN .*)$", text)

    def outcomes(self, marks):
        found = {}
        for mark in marks:
            found.setdefault(mark["record"], set()).add(mark["outcome"])
        return found

    def zones(self, domain, zone, others):
        """The domain's zone, and that of the host where it is another."""
        host = [one for one in others if ".arpa. " not in one]
        return {domain: zone, **({host[0].split(". ")[0]: "".join(f"{one}\n" for one in host)} if host else {})}

    def assert_round(self, domain="example.org", ascii_domain=None, **how):
        """What is printed makes everything good."""
        ascii_domain = ascii_domain or domain
        server = self.make(ascii_domain, **how)
        with Unbound() as empty:
            zone, others = self.zone(server, empty, domain)
            status, marks = self.ask(server, empty, domain)
            self.assertEqual(status, 1)
            self.assertLessEqual({"SPF", "DKIM", "DMARC"}, {one["record"] for one in marks if one["outcome"] == "missing"})
        with Unbound(self.zones(ascii_domain, zone, others), data=[one for one in others if ".arpa. " in one]) as dns:
            status, marks = self.ask(server, dns, domain)
            self.assertEqual([one for one in marks if one["outcome"] not in ("good",)], [])
            self.assertEqual(status, 0)
            again, _ = self.zone(server, dns, domain)
            self.assertEqual(again, zone)
        return marks

    def test_what_is_printed_makes_everything_good(self):
        marks = self.assert_round(acme__directory='"letsencrypt"', acme__agree_terms="true")
        self.assertLessEqual({"A", "PTR", "MX", "SPF", "DKIM", "DMARC", "TLS-RPT", "SRV", "CNAME", "CAA", "block list"},
                             {one["record"] for one in marks})

    def test_so_it_does_for_domains_of_other_kinds(self):
        for name, how in {
            "letters of another script": {"domain": "müller.example", "ascii_domain": "xn--mller-kva.example"},
            "a domain below another": {"domain": "lists.example.org"},
            "a host in another domain": {"mx": "mx.hosting.test"},
            "IPv6 only": {"addresses": [ADDRESS6]},
            "the host is the domain": {"domain": "mx.example.org"},
            "by a relay": {"relay__relayhost": '"[smtp.sendgrid.net]:587"'},
        }.items():
            with self.subTest(name):
                self.assert_round(**how)

    def test_each_record_that_is_another_is_wrong(self):
        server = self.make(mta_sts__mode='"testing"')
        with Unbound() as empty:
            zone, others = self.zone(server, empty)
        key = re.search(r"p=[A-Za-z0-9+/]{20}", zone).group()
        for pattern, other in ((r"MX 10 mx", "MX 10 elsewhere"), (r"v=spf1 mx", "v=spf1 ip4:198.51.100.1"), (re.escape(key), "p=" + "A" * 20),
                               (r"v=DMARC1; p=none", "v=DMARC1; p=maybe"), (r"id=[0-9a-f]+", "id=1"), (r"3 1 1 [0-9a-f]{8}", "3 1 1 00000000"),
                               (r"rua=mailto:postmaster@example.org\"\n\n; DANE", "rua=\"\n\n; DANE"), (r"(SRV \d+ 1) \d+ mx", r"\1 9 mx"),
                               (r"autoconfig.example.org. IN CNAME mx.example.org.", "autoconfig.example.org. IN A 198.51.100.1")):
            zone, count = re.subn(pattern, other, zone)
            self.assertGreater(count, 0, pattern)
        # The page of the policy is asked for, at no address but loopback's.
        zone = zone.replace("mta-sts.example.org. IN CNAME mx.example.org.", "mta-sts.example.org. IN A 127.0.0.1")
        zone += "elsewhere.example.org. IN A 198.51.100.1\nexample.org. IN CAA 0 issue \"other.test\"\n"
        zone = zone.replace(f"mx.example.org. IN A {ADDRESS}", "mx.example.org. IN A 198.51.100.7")
        others = ["7.100.51.198.in-addr.arpa. IN PTR pool.isp.test.", "1.2.0.192.bl.test. IN A 127.0.0.2"]
        server.set("acme.directory", '"letsencrypt"')
        server.set("acme.agree_terms", "true")
        with Unbound({"example.org": zone}, data=others) as dns:
            status, marks = self.ask(server, dns)
        self.assertEqual(status, 1)
        wrong = {one["record"] for one in marks if one["outcome"] == "wrong"}
        self.assertEqual(wrong - {"TLSA"}, {"A", "PTR", "MX", "SPF", "DKIM", "DMARC", "MTA-STS", "policy", "TLS-RPT", "SRV", "CNAME", "CAA", "block list"})
        self.assertTrue(all(one.get("remedy") for one in marks if one["outcome"] in ("wrong", "missing")))

    def test_dane_of_another_key_is_wrong(self):
        server = self.make()
        with Unbound() as empty:
            zone, others = self.zone(server, empty)
        with Unbound({"example.org": re.sub(r"3 1 1 [0-9a-f]{8}", "3 1 1 00000000", zone)}, data=others) as dns:
            status, marks = self.ask(server, dns)
        self.assertEqual((status, self.outcomes(marks)["TLSA"]), (1, {"wrong"}))

    def test_what_nobody_could_say_is_unknown(self):
        server = self.make(mta_sts__mode='"testing"')
        for how in ({"servfail": ["example.org", "in-addr.arpa", "ip6.arpa", "bl.test"]}, {"silent": [".", "test"]}):
            with self.subTest(how), Unbound(**how) as dns:
                status, marks = self.ask(server, dns)
                self.assertEqual((status, {one["outcome"] for one in marks}), (75, {"unknown"}), marks)

    def test_what_else_stands_there_is_minded(self):
        server = self.make()
        with Unbound() as empty:
            zone, others = self.zone(server, empty)
        spf = "v=spf1 include:_spf.google.com -all"
        mail = re.sub(r'"v=spf1 [^"]*"', f'"{spf}"', zone)
        for name, text, record, outcome in (
                ("another provider's SPF", mail, "SPF", "wrong"),
                ("two of them", zone + f'example.org. IN TXT "{spf}"\n', "SPF", "wrong"),
                ("null MX", zone.replace("MX 10 mx.example.org.", "MX 0 ."), "MX", "wrong"),
                ("an alias at the name", "example.org. IN CNAME site.example.org.\nsite.example.org. IN A 198.51.100.1\n", "CNAME", "wrong"),
                ("a wildcard", '*.example.org. IN TXT "hello"\n*.example.org. IN A 198.51.100.1\n', "DMARC", "missing"),
                ("eleven lookups", zone.replace("v=spf1 mx", "v=spf1 mx " + " ".join(f"a:a{i}.test" for i in range(10))), "SPF", "wrong"),
                ("a policy that nobody serves", zone + '_mta-sts.example.org. IN TXT "v=STSv1; id=7"\n', "MTA-STS", "wrong")):
            with self.subTest(name):
                how = {"zones": {"example.org": text}, "data": others}
                if name == "an alias at the name":  # no zone file could have it
                    how = {"data": text.splitlines()}
                with Unbound(**how) as dns:
                    status, marks = self.ask(server, dns)
                    self.assertEqual(status, 1)
                    self.assertIn(outcome, self.outcomes(marks)[record], marks)
                    if name == "another provider's SPF":
                        self.assertEqual(re.findall(r'"(v=spf1[^"]*)"', self.zone(server, dns)[0]), ["v=spf1 include:_spf.google.com mx -all"])

    def test_a_list_that_refuses_to_answer_lists_nobody(self):
        server = self.make()
        with Unbound(data=["1.2.0.192.bl.test. IN A 127.255.255.254"]) as dns:
            self.assertEqual(self.outcomes(self.ask(server, dns)[1])["block list"], {"unknown", "good"})  # IPv6 is not listed

    def test_port_25_of_others_is_tried(self):
        with Unbound(data=["big.test. IN MX 10 mx.big.test."]) as dns, socket.create_server(("127.0.0.1", 0)) as other:
            for probe, outcome in ((f"127.0.0.1:{other.getsockname()[1]}", "good"), ("127.0.0.1:1", "wrong"), ("big.test", "unknown"),
                                   ("absent.test", "unknown")):
                with self.subTest(probe):
                    server = self.make(dns__port_25_probe=f'"{probe}"')
                    self.assertEqual(self.outcomes(self.ask(server, dns)[1])["port 25"], {outcome})

    def test_the_text_is_for_people(self):
        server = self.make()
        with Unbound() as dns:
            server.env["POSTHORN_RELAY_RESOLVER"] = dns.address
            done = server.run("dns", "example.org", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"(?m)^missing  MX of example\.org: there is none\n +-> publish: example\.org\. MX 10 mx\.example\.org\.$")
            self.assertIn("\nexample.org. IN MX 10 mx.example.org.\n", done.stdout)
            done = server.run("dns", "no domain", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("posthorn domain list", done.stderr)


if __name__ == "__main__":
    unittest.main()
