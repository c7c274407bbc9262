"""A small Internet in network namespaces: the DNS (unbound, with zones that a test writes), an authority of certificates (pebble),
a big provider (Postfix), and a machine of one's own where nothing is set up yet.

Each has one address, all ports are the real ones, and no packet leaves the namespaces. Root is needed: NEEDS says what is missing.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support import wait_until

NET, HERE, BIG = "net", "here", "big"
ADDRESSES = {NET: "203.0.113.1", HERE: "203.0.113.2", BIG: "203.0.113.3"}  # RFC 5737
NAMES = {NET: "ca.test", HERE: "mail.first.test", BIG: "mx.big.test"}
DIRECTORY = "https://ca.test:14000/dir"
BLOCKED = "blocked.first.test"  # the authority refuses this one

ZONES = {
    ".": "",
    "113.0.203.in-addr.arpa": "".join(f"{address.split('.')[3]} IN PTR {NAMES[where]}.\n" for where, address in ADDRESSES.items()),
    "ca.test": f"@ IN A {ADDRESSES[NET]}\n",
    "big.test": f"@ IN MX 10 mx\nmx IN A {ADDRESSES[BIG]}\n@ IN TXT \"v=spf1 mx -all\"\n",
    "first.test": "",  # its owner has bought it, and written nothing into it
}

POSTFIX = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.big.test
mydestination =
inet_interfaces = {address}, 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = big.test
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_received_header = yes
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = nexthop, hostname
smtp_tls_CAfile = {trusted}
smtp_tls_loglevel = 1
smtp_host_lookup = dns
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
"""

MASTER = """
smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def find_hindrance():
    """Why there can be none here; empty: there can."""
    if os.geteuid() != 0:
        return "root is needed for network namespaces"
    for program in ("ip", "unbound", "pebble", "postfix", "nsenter", "openssl", "curl"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"{program} is not installed"
    name = f"posthorn-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode != 0:
        return f"no network namespaces here: {tried.stderr.strip()}"
    linked = subprocess.run(["ip", "-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two"], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return f"no virtual links here: {linked.stderr.strip()}" if linked.returncode != 0 else ""


def make_authority(folder):
    """An authority of its own for what is not the authority's: its directory's TLS, and the big provider's."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test authority",
                    "-keyout", folder / "ca-key.pem", "-out", folder / "ca.pem"], check=True, capture_output=True)


def issue(folder, name, into):
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}", "-keyout", into / "key.pem", "-out", into / "request.pem"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", into / "request.pem", "-CA", folder / "ca.pem", "-CAkey", folder / "ca-key.pem", "-days", "2",
                    "-copy_extensions", "copy", "-out", into / "cert.pem"], check=True, capture_output=True)


class Internet:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-internet-"))
        self.folder.chmod(0o711)
        self.stack = contextlib.ExitStack()
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.holders, self.dns = {}, None
        self.zones = dict(ZONES)
        self.root = self.folder / "root.pem"  # what the authority's certificates are trusted by
        self.trusted = self.folder / "trusted.pem"  # what the provider trusts
        self.ca = self.folder / "ca.pem"
        self.etc = self.folder / "etc"  # of the machine where nothing is set up

    def __enter__(self):
        try:
            self._make_links()
            make_authority(self.folder)
            self.load()
            self._start_authority()
            self._start_provider()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    # Machines

    def _make_links(self):
        def ip(*words):
            subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

        spaces = {where: f"posthorn-{where}-{os.getpid()}" for where in ADDRESSES}
        for where, space in spaces.items():
            ip("netns", "add", space)
            self.stack.callback(subprocess.run, ["ip", "netns", "delete", space], capture_output=True)
            files = pathlib.Path("/etc/netns") / space
            files.mkdir(parents=True)
            self.stack.callback(shutil.rmtree, files, ignore_errors=True)
            (files / "resolv.conf").write_text(f"nameserver {ADDRESSES[NET]}\noptions timeout:2 attempts:2\n")
            (files / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESSES[where]} {NAMES[where]}\n")
            ip("-n", space, "link", "set", "lo", "up")
        for one, other in ((NET, HERE), (NET, BIG), (HERE, BIG)):
            ip("-n", spaces[one], "link", "add", other, "type", "veth", "peer", "name", one, "netns", spaces[other])
            for near, far in ((one, other), (other, one)):
                ip("-n", spaces[near], "addr", "add", ADDRESSES[near], "peer", ADDRESSES[far] + "/32", "dev", far)
                ip("-n", spaces[near], "link", "set", far, "up")
        for where, space in spaces.items():
            holder = subprocess.Popen(["ip", "netns", "exec", space, "unshare", "--uts", "sh", "-c", f"hostname {NAMES[where]}; exec sleep 1000"])
            self.stack.callback(self._end, holder)
            wait_until(lambda pid=holder.pid: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
            self.holders[where] = holder.pid
        self._empty()

    def _empty(self):
        """The machine where nothing is set up has an /etc of its own, and nothing in /var and /run."""
        subprocess.run(["cp", "-a", "/etc", self.folder / "etc"], check=True)
        shutil.rmtree(self.etc / "posthorn", ignore_errors=True)
        for name in ("resolv.conf", "hosts"):
            (self.etc / name).unlink(missing_ok=True)
            (self.etc / name).write_text(self.run(HERE, "cat", f"/etc/{name}").stdout)
        self.run(HERE, "sh", "-c", 'mount --bind "$1" /etc && mount -t tmpfs none /var && mount -t tmpfs none /run', "sh", self.etc)

    @staticmethod
    def _end(process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)

    def on(self, where, *command):
        """The words that run a command on that machine."""
        return ["nsenter", "-t", str(self.holders[where]), "-n", "-m", "-u", *map(str, command)]

    def run(self, where, *command, check=True, input=None):
        done = subprocess.run(self.on(where, *command), input=input, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, where, *command, log, env=None):
        """Runs until the test ends."""
        with open(log, "ab") as out:
            process = subprocess.Popen(self.on(where, *command), stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        self.stack.callback(self._end, process)
        return process

    def python(self, where, code, *arguments):
        return self.run(where, "/usr/bin/python3", "-c", code, *arguments).stdout

    # The DNS

    def load(self, zone=None, text=None):
        """Makes text the zone's content, and has the DNS answer by it."""
        if zone:
            self.zones[zone] = text
        folder = self.folder / "dns"
        folder.mkdir(exist_ok=True)
        conf = ["server:", f"  interface: {ADDRESSES[NET]}", "  access-control: 0.0.0.0/0 allow", "  do-daemonize: no", '  chroot: ""', '  username: ""',
                f"  directory: {folder}", f"  pidfile: {folder}/pid", "  use-syslog: no", '  logfile: ""', '  module-config: "iterator"', "  num-threads: 1",
                '  local-zone: "test." nodefault', '  local-zone: "113.0.203.in-addr.arpa." nodefault', "remote-control:", "  control-enable: no"]
        for name, content in self.zones.items():
            file = folder / ("root" if name == "." else name)
            origin = "." if name == "." else name + "."
            file.write_text(f"$ORIGIN {origin}\n$TTL 60\n@ IN SOA ns.test. host.ns.test. 1 60 60 600 1\n@ IN NS ns.test.\n{content}")
            conf += ["auth-zone:", f'  name: "{origin}"', f'  zonefile: "{file}"', "  for-downstream: yes", "  for-upstream: yes", "  fallback-enabled: no"]
        (folder / "unbound.conf").write_text("\n".join(conf) + "\n")
        if self.dns:
            self._end(self.dns)
        log = self.folder / "dns.log"
        before = log.stat().st_size if log.exists() else 0
        self.dns = self.start(NET, "unbound", "-d", "-c", folder / "unbound.conf", log=log)
        self._await_line(self.dns, log, "start of service", before)

    @staticmethod
    def _await_line(process, log, line, before=0):
        def said():
            text = log.read_bytes()[before:].decode("utf-8", "replace")
            if process.poll() is not None:
                raise AssertionError(f"it ended: {text}")
            return line in text

        wait_until(said)

    # The authority

    def _start_authority(self):
        folder = self.folder / "pebble"
        folder.mkdir()
        issue(self.folder, NAMES[NET], folder)
        (folder / "conf.json").write_text("""{"pebble": {"listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
            "certificate": "%s/cert.pem", "privateKey": "%s/key.pem", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "",
            "externalAccountBindingRequired": false, "domainBlocklist": ["%s"]}}""" % (folder, folder, BLOCKED))
        log = self.folder / "pebble.log"
        pebble = self.start(NET, "pebble", "-config", folder / "conf.json", "-dnsserver", ADDRESSES[NET] + ":53", "-strict", log=log,
                            env={"PEBBLE_VA_NOSLEEP": "1"})
        self._await_line(pebble, log, "ACME directory available")
        self.root.write_text(self.run(NET, "curl", "-s", "--cacert", self.ca, "https://ca.test:15000/roots/0").stdout)

    def authority_knows(self, serial):
        """What the authority says of a certificate: "Valid", "Revoked"."""
        said = self.run(NET, "curl", "-s", "--cacert", self.ca, f"https://ca.test:15000/cert-status-by-serial/{serial}").stdout
        return said.split('"Status": "')[1].split('"')[0] if '"Status": "' in said else said

    # The provider

    def _start_provider(self):
        folder = self.folder / "postfix"
        for part, owner in (("", "root"), ("queue", "root"), ("data", "postfix"), ("mail", "vmail")):
            (folder / part).mkdir(exist_ok=True)
            shutil.chown(folder / part, owner)
        issue(self.folder, NAMES[BIG], folder)
        self.trusted.write_text(self.root.read_text())
        ids = (folder / "mail").stat()
        (folder / "main.cf").write_text(POSTFIX.format(folder=folder, address=ADDRESSES[BIG], trusted=self.trusted, uid=ids.st_uid, gid=shutil._get_gid("vmail")))
        (folder / "master.cf").write_text(MASTER)
        self.run(BIG, "postfix", "-c", folder, "start")
        self.stack.callback(self.run, BIG, "postfix", "-c", folder, "stop", check=False)

    def provider_log(self):
        log = self.folder / "postfix/log"
        return log.read_text() if log.exists() else ""

    def provider_mail(self):
        """Every message that lies in the provider's one mailbox."""
        return [file.read_bytes() for file in sorted((self.folder / "postfix/mail/new").glob("*"))]
