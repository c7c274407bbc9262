"""The whole server under the same clients as its neighbours: Posthorn, and where they are installed Postfix with Dovecot.

Each server runs in a temporary folder on loopback high ports. Mail comes in by SMTP over several connections; the time is taken until the
last 250 and until the last message lies in the maildir. Then one IMAP client reads it back: the header fields that a mail program asks for,
twice, every message whole, and a search in headers and in texts; and puts messages in by APPEND. Last, what many sessions that only
wait for news (IDLE) take of memory, in all processes of the server together.
"""

import argparse
import imaplib
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("POSTHORN", str(ROOT / "build" / "release" / "posthorn"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from support import Server, free_port, wait_until  # noqa: E402

FIELDS = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)])"


def letter(number, size):
    head = (f"From: Ann <ann@elsewhere.test>\r\nTo: bob@example.org\r\nSubject: letter {number}\r\n"
            f"Message-ID: <{number}@elsewhere.test>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n")
    line = "A line of mail as it is, seventy-some bytes long, and another word or two.\r\n"
    return (head + line * (size // len(line)) + f"The number is {number}.\r\n").encode()


class Posthorn:
    name = "Posthorn"

    def __init__(self):
        self.server = Server(settings={"auth.allow_plaintext": "true", "smtp.messages_max": "1000000", "imap.connections_per_user_max": "10000"})
        self.server.start()
        self.smtp_port, self.imap_port, self.imaps_port = map(self.server.port, ("smtp", "imap", "imaps"))
        self.imap_pid = self.server.process.pid
        self.login = ("bob@example.org", "pw-bob")

    def maildir(self):
        return self.server.maildir("bob")

    def close(self):
        self.server.close()


class Neighbours:
    """Postfix and Dovecot as a small site has them: virtual mailboxes by LMTP, one process a connection at most of what they fork."""
    name = "Postfix + Dovecot"

    @staticmethod
    def are_here():
        return os.geteuid() == 0 and shutil.which("postfix") and shutil.which("dovecot") and pathlib.Path("/usr/lib/dovecot/lmtp").exists()

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-bench-"))
        self.folder.chmod(0o755)
        self.smtp_port, self.imap_port, self.imaps_port = free_port(), free_port(), free_port()
        self.login = ("bob@example.org", "pw-bob")
        self._start_dovecot()
        self._start_postfix()
        self.imap_pid = self.dovecot.pid
        for port in (self.smtp_port, self.imap_port, self.imaps_port):
            wait_until(lambda: is_open(port))

    def maildir(self):
        return self.folder / "mail" / "bob"

    def _start_dovecot(self):
        vmail = pwd.getpwnam("vmail")
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, vmail.pw_uid, vmail.pw_gid)
        (self.folder / "users").write_text(f"bob@example.org:{{PLAIN}}pw-bob:{vmail.pw_uid}:{vmail.pw_gid}::{mail}/home::\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"], capture_output=True, check=True)
        conf = self.folder / "dovecot.conf"
        conf.write_text(f"""
base_dir = {self.folder}/run
log_path = {self.folder}/dovecot.log
protocols = imap lmtp
ssl = yes
ssl_cert = <{self.folder}/cert.pem
ssl_key = <{self.folder}/key.pem
disable_plaintext_auth = no
mail_max_userip_connections = 10000
default_process_limit = 10000
default_client_limit = 30000
mail_location = maildir:{mail}/%n
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {self.folder}/users
}}
userdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {self.imaps_port}
  }}
}}
service lmtp {{
  unix_listener {self.folder}/lmtp {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
""")
        self.dovecot = subprocess.Popen(["dovecot", "-F", "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: (self.folder / "lmtp").exists())

    def _start_postfix(self):
        etc = self.folder / "postfix"
        etc.mkdir()
        for name in ("queue", "data"):
            (self.folder / name).mkdir()
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        (etc / "main.cf").write_text(f"""
compatibility_level = 3.6
myhostname = mx.example.org
mydestination =
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = static:bob
virtual_transport = lmtp:unix:{self.folder}/lmtp
maillog_file = {self.folder}/postfix.log
maillog_file_prefixes = {self.folder}
smtpd_recipient_restrictions = reject_unauth_destination
""")
        master = pathlib.Path("/etc/postfix/master.cf").read_text().splitlines()
        lines = [line for line in master if line and line[0] not in "# \t" and not line.startswith("smtp      inet")]
        lines = [" ".join(line.split()[:4] + ["n"] + line.split()[5:]) for line in lines if line.split()[1] in ("unix", "unix-dgram") and "pipe" not in line]
        (etc / "master.cf").write_text("\n".join([f"127.0.0.1:{self.smtp_port} inet n - n - - smtpd"] + lines) + "\n")
        self.etc = etc
        started = subprocess.run(["postfix", "-c", str(etc), "start"], capture_output=True, text=True, timeout=60)
        if started.returncode != 0:
            log = self.folder / "postfix.log"
            raise SystemExit(f"postfix: {started.stdout}{started.stderr}{log.read_text() if log.exists() else ''}")

    def close(self):
        subprocess.run(["postfix", "-c", str(self.etc), "stop"], capture_output=True, timeout=60)
        self.dovecot.send_signal(signal.SIGTERM)
        self.dovecot.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def send(server, count, clients, size):
    """Seconds until the last 250, and until the last file lies in the maildir."""
    def client(number):
        wire = socket.create_connection(("127.0.0.1", server.smtp_port))
        lines = wire.makefile("rb")

        def ask(data, code):
            wire.sendall(data)
            while True:
                line = lines.readline()
                assert line[:3] == code, line
                if line[3:4] == b" ":
                    return

        ask(b"", b"220")
        ask(b"EHLO client.test\r\n", b"250")
        for i in range(number, count, clients):
            ask(b"MAIL FROM:<ann@elsewhere.test>\r\n", b"250")
            ask(b"RCPT TO:<bob@example.org>\r\n", b"250")
            ask(b"DATA\r\n", b"354")
            ask(letter(i, size) + b".\r\n", b"250")
        ask(b"QUIT\r\n", b"221")
        wire.close()

    begin = time.monotonic()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - begin

    def files():
        root = server.maildir()
        return sum(len(list((root / name).iterdir())) for name in ("new", "cur") if (root / name).exists())

    wait_until(lambda: files() >= count, seconds=300, step=0.01)
    return accepted, time.monotonic() - begin


def read(server, size):
    """Seconds of each thing an IMAP client does with what lies there."""
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(*server.login)
    figures = {}

    def timed(name, call):
        begin = time.monotonic()
        status, data = call()
        assert status == "OK", data
        figures[name] = time.monotonic() - begin
        return data

    timed("SELECT, the first", lambda: client.select())
    timed("header fields of all, first", lambda: client.fetch("1:*", FIELDS))
    timed("header fields of all, again", lambda: client.fetch("1:*", FIELDS))
    timed("ENVELOPE of all, first", lambda: client.fetch("1:*", "ENVELOPE"))
    timed("ENVELOPE of all, again", lambda: client.fetch("1:*", "ENVELOPE"))
    timed("BODYSTRUCTURE of all, first", lambda: client.fetch("1:*", "BODYSTRUCTURE"))
    timed("BODYSTRUCTURE of all, again", lambda: client.fetch("1:*", "BODYSTRUCTURE"))
    timed("every message whole", lambda: client.fetch("1:*", "BODY.PEEK[]"))
    timed("SEARCH SUBJECT", lambda: client.search(None, "SUBJECT", '"letter 17"'))
    timed("SEARCH FROM", lambda: client.search(None, "FROM", '"nobody@"'))
    timed("SEARCH HEADER", lambda: client.search(None, "HEADER", "Message-ID", '"<17@"'))
    timed("SEARCH BODY", lambda: client.search(None, "BODY", '"The number is 17."'))
    timed("STORE \\Seen on all", lambda: client.store("1:*", "+FLAGS.SILENT", "\\Seen"))
    client.create("Copies")
    timed("COPY of all", lambda: client.copy("1:*", "Copies"))

    def append():
        for i in range(100):
            status, data = client.append("Copies", None, None, letter(i, size))
            if status != "OK":
                return status, data
        return "OK", []

    timed("100 APPENDs", append)
    client.logout()
    return figures


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def memory(pid):
    """KiB that the process and those below it have, shared ones counted in parts."""
    own = sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
    return own + sum(memory(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split())


def idle(kind, count, context):
    """KiB that each of so many sessions takes that have selected INBOX and wait. In a server of its own: what an earlier one gave back
    would be taken again uncounted."""
    server, held = kind(), []

    def session():
        wire = socket.create_connection(("127.0.0.1", server.imaps_port if context else server.imap_port))
        wire = context.wrap_socket(wire, server_hostname="localhost") if context else wire
        lines = wire.makefile("rb")
        for command, end in (("", b"* OK"), ("a LOGIN {} {}\r\n".format(*server.login), b"a OK"), ("b SELECT INBOX\r\n", b"b OK"), ("c IDLE\r\n", b"+ ")):
            wire.sendall(command.encode())
            while not (line := lines.readline()).startswith(end):
                assert line, command
        return wire

    try:
        held += [session() for _ in range(10)]  # what the first ones open stays
        time.sleep(2)
        before = memory(server.imap_pid)
        held += [session() for _ in range(count)]
        time.sleep(2)
        return (memory(server.imap_pid) - before) / count
    finally:
        for wire in held:
            wire.close()
        server.close()


def run(kind, options):
    server = kind()
    try:
        figures = {}
        accepted, delivered = send(server, options.messages, options.clients, options.size)
        figures[f"{options.messages} messages accepted"] = accepted
        figures[f"{options.messages} messages delivered"] = delivered
        figures.update(read(server, options.size))
    finally:
        server.close()
    if options.sessions > 0:
        figures[f"KiB of {options.sessions} idle sessions, each"] = idle(kind, options.sessions, None)
        figures["… and with TLS"] = idle(kind, options.sessions, ssl._create_unverified_context())
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--size", type=int, default=4096, help="bytes a message")
    parser.add_argument("--sessions", type=int, default=200, help="that only wait; 0: none")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kinds = [Posthorn] + ([Neighbours] if Neighbours.are_here() else [])
    results = [run(kind, options) for kind in kinds]
    print(f"{'seconds':36}" + "".join(f"{kind.name:>20}" for kind in kinds) + ("" if len(kinds) < 2 else f"{'ratio':>8}"))
    for name, first in results[0].items():
        row = f"{name:36}" + "".join(f"{result[name]:20.3f}" for result in results)
        print(row + ("" if len(kinds) < 2 else f"{first / results[1][name]:8.2f}"))


if __name__ == "__main__":
    main()
