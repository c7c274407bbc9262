"""What the end-to-end tests stand on: a complete server in a temporary folder, a stand-in smarthost, spamd, and clients.

Everything listens on loopback high ports and ends with the test. Nothing here is mocked but the smarthost, which is a
small strict SMTP server of its own that keeps what it was sent.
"""

import contextlib
import email.utils
import imaplib
import json
import os
import pathlib
import random
import shutil
import signal
import smtplib
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import base64

ROOT = pathlib.Path(__file__).resolve().parents[2]
POSTHORN = os.environ.get("POSTHORN", str(ROOT / "build" / "dev" / "posthorn"))
# Taken out of the environment: the server refuses POSTHORN_ names that are no settings of its own.
FULL = os.environ.pop("POSTHORN_FULL", "") == "1"
SHOTS = os.environ.pop("POSTHORN_SHOTS", "")
KEEP = os.environ.pop("POSTHORN_KEEP", "") != ""
ACCOUNTS = ("posthorn-edge", "posthorn-lookup", "posthorn-queue", "posthorn-web", "posthorn-trail", "posthorn-acme", "vmail")
PORTS = {"smtp": 25, "lmtp": 24, "submissions": 465, "submission": 587, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995,
         "http": 80, "https": 443, "managesieve": 4190}


def wait_until(what, seconds=20.0, step=0.05):
    """Calls what() until it gives something true; its value, or an AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {getattr(what, '__name__', what)}")
        time.sleep(step)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port_base():
    for _ in range(200):
        base = random.randrange(20000, 30000, 7)
        if all(port_is_free(base + port) for port in PORTS.values()):
            return base
    raise AssertionError("no free range of ports")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def message(subject="A test", body="Hello.\r\n", sender="alice@example.org", to="bob@example.org", **headers):
    lines = [f"From: <{sender}>", f"To: <{to}>", f"Subject: {subject}",
             f"Message-ID: {email.utils.make_msgid(domain='example.org')}", f"Date: {email.utils.formatdate()}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


# jsonschema is Debian's, run by the system's Python.
VALIDATE = """
import json, jsonschema, pathlib, sys
path = pathlib.Path(sys.argv[1])
schema = json.loads(path.read_text())
jsonschema.Draft202012Validator.check_schema(schema)
resolver = jsonschema.RefResolver(path.as_uri(), schema)
validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
for number, value in enumerate(json.load(sys.stdin)):
    for fault in validator.iter_errors(value):
        print(f"value {number}: {fault.json_path}: {fault.message}")
"""


def assert_fits(schema, *values):
    """Each value, as json.loads gave it, is what tests/schemas/SCHEMA.json describes ("queue_list"); at least one there is."""
    assert values, f"nothing to compare with {schema}"
    command = ["/usr/bin/python3", "-c", VALIDATE, str(ROOT / "tests" / "schemas" / f"{schema}.json")]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or done.stdout:
        raise AssertionError(f"{schema}.json: {done.stdout}{done.stderr}")


class Server:
    """One Posthorn, made by `posthorn init`, run by `posthorn serve`."""

    def __init__(self, domains=("example.org",), users=("alice", "bob"), spamd="", settings=None, one_process=False,
                 mx="mx.example.org", profile=None, env=None, init=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-e2e-"))
        self.folder.chmod(0o711)
        self.root = self.folder / "srv"
        self.base = free_port_base()
        self.one_process = one_process
        self.process = None
        self.log_path = self.folder / "log"
        self.env = {**os.environ, **{name: str(value).replace("{folder}", str(self.folder)) for name, value in (env or {}).items()}}
        args = ["init", str(self.root), "--hostname", mx, "--listen", "127.0.0.1", "--port-base", str(self.base)]
        for domain in domains:
            args += ["--domain", domain]
        if profile:
            args += ["--profile", profile]
        if spamd:
            args += ["--spamd", spamd]
        self.init_output = self.run(*args, *init, config=False).stdout
        self.conf = self.root / "conf" / "posthorn.toml"
        self.set("dns.marks", "false")  # no question leaves the machine; a test that has a DNS of its own says so
        for section_key, value in (settings or {}).items():
            self.set(section_key, value)
        for user in users:
            self.add_user(user if "@" in user else f"{user}@{domains[0]}")

    # Set-up and commands

    def run(self, *args, config=True, check=True, input=None):
        command = [POSTHORN, *args] + (["-c", str(self.conf)] if config else [])
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=60, env=self.env)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def set(self, section_key, value):
        """set("relay.relayhost", '"[127.0.0.1]:2525"'): replaces the key's line in its section."""
        section, key = section_key.split(".")
        inside, lines, done = False, [], False
        text = self.conf.read_text()
        if f"[{section}.{key}]" in text:  # a table of names: it goes into the line
            text = text.replace(f"[{section}.{key}]\n", "").replace(f"[{section}]\n", f"[{section}]\n{key} = {{}}\n")
        for line in text.splitlines():
            if line.startswith("["):
                inside = line.strip() == f"[{section}]"
            if inside and line.startswith(f"{key} ="):
                line, done = f"{key} = {value}", True
            lines.append(line)
        assert done, f"no key {section_key}"
        self.conf.write_text("\n".join(lines) + "\n")

    def add_user(self, address, password=None):
        self.run("user", "add", address, "--password-stdin", input=(password or self.password(address)) + "\n")

    @staticmethod
    def password(address):
        return "pw-" + address.split("@")[0]

    def write_map(self, name, text):
        (self.root / "maps" / name).write_text(text)

    def append_map(self, name, text):
        with open(self.root / "maps" / name, "a") as table:
            table.write(text)

    # Life

    def command(self):
        return [POSTHORN, "serve", "-c", str(self.conf)] + (["--one-process"] if self.one_process else [])

    def roles(self):
        """The processes of the roles: {"edge": pid, …}."""
        found = {}
        pid = self.process.pid
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for word in pathlib.Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0"):
                    if word.startswith("--role="):
                        found[word.split("=")[1]] = int(child)
        return found

    def start(self, launcher=(), **popen):
        """launcher: a command that goes before the program's own; popen: what subprocess.Popen shall get besides."""
        assert self.process is None
        log = open(self.log_path, "ab")
        command = [*launcher, *self.command()]
        before = self.log_path.stat().st_size
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **{"env": self.env, **popen})
        log.close()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.process.returncode}\n{self.log()[-4000:]}")
            return "posthorn: ready" in self.log(before)

        wait_until(ready, 60)
        return self

    def stop(self, seconds=60):
        if self.process is None:
            return None
        self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not end\n" + self.log()[-4000:])
        self.process = None
        return code

    def kill(self):
        """kill -9 of everything at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def close(self):
        try:
            code = self.stop()
            if code not in (None, 0):
                raise AssertionError(f"the server ended with {code}\n{self.log()[-6000:]}")
            for mark in ("AddressSanitizer", "runtime error:", "LeakSanitizer", "assertion.failed"):
                if mark in self.log():
                    raise AssertionError(f"{mark} in the log\n" + self.log()[-8000:])
        finally:
            self.kill()
            if sys.exc_info()[0] is None or not KEEP:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # Looking

    def log(self, start=0):
        if not self.log_path.exists():  # never started
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace")

    def port(self, service):
        return self.base + PORTS[service]

    def trust(self):
        context = ssl.create_default_context(cafile=str(self.root / "tls" / "cert.pem"))
        return context

    def smtp(self, **kwargs):
        return smtplib.SMTP("127.0.0.1", self.port("smtp"), local_hostname="client.test", timeout=30, **kwargs)

    def submit(self, user, raw, to, sender=None):
        address = user if "@" in user else f"{user}@example.org"
        with smtplib.SMTP_SSL("localhost", self.port("submissions"), context=self.trust(), timeout=30) as client:
            client.login(address, self.password(address))
            return client.sendmail(sender or address, to, raw)

    def send(self, raw, sender="friend@elsewhere.test", to=("bob@example.org",)):
        with self.smtp() as client:
            client.sendmail(sender, to, raw)

    def imap(self, user="bob", password=None):
        address = user if "@" in user else f"{user}@example.org"
        client = imaplib.IMAP4_SSL("localhost", self.port("imaps"), ssl_context=self.trust(), timeout=30)
        client.login(address, password or self.password(address))
        return client

    def maildir(self, user, domain="example.org"):
        return self.root / "var" / "mail" / domain / user

    def queued(self):
        return [json.loads(line) for line in self.run("queue", "list", "--json").stdout.splitlines()]

    def fetch_all(self, user="bob", folder="INBOX"):
        """The messages of a folder, in UID order, as bytes (CRLF)."""
        client = self.imap(user)
        try:
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            kind, data = client.uid("SEARCH", None, "ALL")
            assert kind == "OK", data
            found = []
            for uid in data[0].split():
                kind, parts = client.uid("FETCH", uid, "(BODY.PEEK[])")
                assert kind == "OK", parts
                found.append(parts[0][1])
            return found
        finally:
            with contextlib.suppress(Exception):
                client.logout()

    def wait_for(self, marker, user="bob", folder="INBOX", seconds=20):
        """The first message of the folder that holds the bytes."""
        if isinstance(marker, str):
            marker = marker.encode()

        def arrived():
            return next((raw for raw in self.fetch_all(user, folder) if marker in raw), None)

        arrived.__name__ = f"{marker!r} in {user}'s {folder}"
        try:
            return wait_until(arrived, seconds, 0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-5000:]}") from None


class Wire:
    """A dialog line by line, with whatever a client may say; trust: a TLS context, for a port that begins with TLS."""

    def __init__(self, port, trust=None, source=None, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if trust:
            self.socket = trust.wrap_socket(self.socket, server_hostname="localhost")
        self.lines = self.socket.makefile("rb")

    def line(self):
        """The next line without its end; "" when the connection is closed."""
        with contextlib.suppress(ConnectionError):
            return self.lines.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
        return ""

    def reply(self):
        """The last line of the next reply of SMTP, or the next line of another protocol."""
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def say(self, data):
        """A line of text, or bytes as they are."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data if isinstance(data, bytes) else data.encode() + b"\r\n")

    def ask(self, data):
        self.say(data)
        return self.reply()

    def is_closed(self):
        try:
            return self.lines.readline() == b""
        except OSError:
            return True

    def close(self):
        self.lines.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run(command, check=(0,), env=None, **kwargs):
    """Another program, to its end; its exit status must be one of check, where that is not None."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})}, **kwargs)
    if check is not None and done.returncode not in check:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Smarthost:
    """A small, strict SMTP server that stands in for the relay: STARTTLS, AUTH, and refusals on demand."""

    def __init__(self, user="apikey", password="secret", tls=None, require_auth=True, script=None):
        self.user, self.password, self.tls, self.require_auth = user, password, tls, require_auth
        self.received = []  # (sender, [recipients], bytes, was_tls, account)
        self.script = script or {}  # "RCPT x@y" or a verb -> the reply that is given instead
        self.dialogs = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(ConnectionError, ssl.SSLError, ValueError, OSError):
                    outer._serve(self.connection)

        class Threaded(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Threaded(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @classmethod
    @contextlib.contextmanager
    def with_tls(cls, **kwargs):
        """One that offers STARTTLS with a certificate of its own for localhost."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder).chmod(0o755)
            tls, cert = server_tls(folder)
            with cls(tls=tls, **kwargs) as smarthost:
                smarthost.cert = cert
                yield smarthost

    def settings(self, **more):
        """What a server is told that relays through it."""
        if self.tls:
            return {"relay.relayhost": f'"[localhost]:{self.port}"', "relay.trust_file": f'"{self.cert}"', **more}
        return {"relay.relayhost": f'"[127.0.0.1]:{self.port}"', "relay.tls": '"none"', **more}

    def _serve(self, connection):
        connection.settimeout(60)
        state = {"tls": False, "account": None, "sender": None, "to": []}
        stream = connection.makefile("rb")
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        say(self.script.get("GREETING", "220 smarthost.test ESMTP"))
        while True:
            raw = stream.readline(8192)
            if not raw:
                return
            assert raw.endswith(b"\r\n"), f"a line without CRLF: {raw!r}"
            line = raw[:-2].decode("utf-8", "surrogateescape")
            self.dialogs.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            given = next((reply for key, reply in self.script.items() if line.upper().startswith(key.upper())), None)
            if given == "HANG":
                time.sleep(30)
                return
            if given == "DROP":
                connection.close()
                return
            if given is not None:
                say(given)
                continue
            if verb in ("EHLO", "HELO", "LHLO"):
                lines = ["smarthost.test", "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000000"]
                if self.tls and not state["tls"]:
                    lines.append("STARTTLS")
                if state["tls"] or not self.tls:
                    lines.append("AUTH PLAIN LOGIN")
                for text in lines[:-1]:
                    say("250-" + text)
                say("250 " + lines[-1])
            elif verb == "STARTTLS" and self.tls:
                say("220 go ahead")
                connection = self.tls.wrap_socket(connection, server_side=True)
                stream = connection.makefile("rb")
                say = lambda text, c=connection: c.sendall(text.encode() + b"\r\n")
                state.update(tls=True, account=None)
            elif verb == "AUTH":
                words = line.split(" ")
                if words[1].upper() == "PLAIN":
                    if len(words) < 3:
                        say("334 ")
                        words.append(stream.readline(8192).strip().decode())
                    _, user, password = base64.b64decode(words[2]).decode().split("\0")
                else:
                    say("334 VXNlcm5hbWU6")
                    user = base64.b64decode(stream.readline(8192)).decode()
                    say("334 UGFzc3dvcmQ6")
                    password = base64.b64decode(stream.readline(8192)).decode()
                if (user, password) == (self.user, self.password):
                    state["account"] = user
                    say("235 2.7.0 ok")
                else:
                    say("535 5.7.8 Bad credentials")
            elif verb == "MAIL":
                if self.require_auth and not state["account"]:
                    say("530 5.7.0 Authentication required")
                else:
                    state.update(sender=line.split("<", 1)[1].split(">")[0], to=[])
                    say("250 2.1.0 ok")
            elif verb == "RCPT":
                state["to"].append(line.split("<", 1)[1].split(">")[0])
                say("250 2.1.5 ok")
            elif verb == "DATA":
                if not state["to"]:
                    say("503 5.5.1 no recipients")
                    continue
                say("354 go")
                body = []
                while True:
                    part = stream.readline(1 << 20)
                    if not part:
                        return
                    assert part.endswith(b"\r\n") and b"\r" not in part[:-2], f"not a CRLF line: {part!r}"
                    if part == b".\r\n":
                        break
                    body.append(part[1:] if part.startswith(b".") else part)
                after = self.script.get("EOD")
                if after == "DROP":
                    connection.close()
                    return
                if after is None:
                    self.received.append((state["sender"], list(state["to"]), b"".join(body), state["tls"], state["account"]))
                say(after or "250 2.0.0 taken")
            elif verb == "RSET":
                state.update(sender=None, to=[])
                say("250 2.0.0 ok")
            elif verb == "NOOP":
                say("250 2.0.0 ok")
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("502 5.5.1 what?")

    def wait_for(self, marker, seconds=20):
        marker = marker.encode() if isinstance(marker, str) else marker
        return wait_until(lambda: next((m for m in self.received if marker in m[2]), None), seconds)


def server_tls(folder, name="localhost"):
    """A server-side TLS context with a fresh certificate for the name, and the certificate's path."""
    cert, key = pathlib.Path(folder) / f"{name}.cert.pem", pathlib.Path(folder) / f"{name}.key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", str(key),
                    "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    cert.chmod(0o644)
    return context, cert


# The line of local.cf by which spamd tells each rule's points beside its name, as conf/README.md has it.
TELL_POINTS = "add_header all Status _YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTSSCORES_ autolearn=_AUTOLEARN_ version=_VERSION_"


class Spamd:
    """A real spamd on a loopback port, local rules only. learns: with a Bayes database of its own, which judges after three mails of each."""

    def __init__(self, learns=False, options=()):
        self.learns = learns
        self.options = list(options)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-spamd-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(home, "nobody")
        self.process = subprocess.Popen(
            ["/usr/sbin/spamd", "--local", "--nouser-config", "--listen", "127.0.0.1", "--port", str(self.port),
             "--max-children", "2", "--syslog", str(self.folder / "log"), "--helper-home-dir", str(home),
             "--pidfile", str(self.folder / "pid")] + self.options + self.bayes(home) + user,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

        def listening():
            assert self.process.poll() is None, "spamd ended: " + (self.folder / "log").read_text(errors="replace")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listening, 60)
        return self

    def bayes(self, home):
        if not self.learns:
            return []
        lines = ["use_bayes 1", "bayes_auto_learn 0", "bayes_min_spam_num 3", "bayes_min_ham_num 3", f"bayes_path {home}/bayes"]
        return ["--allow-tell"] + [f"--cf={line}" for line in lines]

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Dns:
    """A DNS server on a loopback port, over UDP and TCP: answers what it is told, NXDOMAIN for the rest.

    records: {("far.test", "MX"): [(10, "mx.far.test")], ("mx.far.test", "A"): ["127.0.0.1"], ("x.test", "MX"): "SERVFAIL" | "DROP"}
    """

    TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
    CODES = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}

    def __init__(self, records=None):
        self.records = records or {}
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.tcp.close()

    @staticmethod
    def name(text):
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"

    def _answer(self, query, may_cut):
        end = query.index(b"\0", 12)
        labels, at = [], 12
        while at < end:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name = ".".join(labels).lower()
        kind = next((k for k, number in self.TYPES.items() if number == int.from_bytes(query[end + 1:end + 3], "big")), "?")
        self.asked.append((name, kind))
        question = query[12:end + 5]
        known = any(key[0] == name for key in self.records)
        found = self.records.get((name, kind), [] if known else "NXDOMAIN")
        if found == "DROP":
            return None
        if isinstance(found, str):
            return query[:2] + (0x8180 | self.CODES[found]).to_bytes(2, "big") + b"\0\1\0\0\0\0\0\0" + question
        answers = b""
        for item in found:
            if kind == "MX":
                data = item[0].to_bytes(2, "big") + self.name(item[1])
            elif kind == "TXT":  # a record's strings
                data = b"".join(bytes([len(text)]) + text.encode() for text in item)
            elif kind in ("A", "AAAA"):
                data = socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, item)
            else:
                data = self.name(item)
            answers += b"\xc0\x0c" + self.TYPES[kind].to_bytes(2, "big") + b"\0\1\0\0\0\1" + len(data).to_bytes(2, "big") + data
        if may_cut and len(answers) > 400:  # TC: come again over TCP
            return query[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question
        return query[:2] + b"\x81\x80\0\1" + len(found).to_bytes(2, "big") + b"\0\0\0\0" + question + answers

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.udp.recvfrom(4096)
                if answer := self._answer(query, True):
                    self.udp.sendto(answer, peer)

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection, contextlib.suppress(OSError, ValueError, IndexError):
                    connection.settimeout(10)
                    size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                    if answer := self._answer(connection.recv(size, socket.MSG_WAITALL), False):
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)
