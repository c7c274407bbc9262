"""Mistakes that newcomers make: what is done to a fresh instance, which command is run then, how it ends, and what it says.

A row says nothing well that does not name the place (file and line, key, variable or address), the cause and what to do. Exit
codes: 0 fine or a warning, 1 a fault, 2 the command line, 3 `status` of a server that does not run, 75 and so on under sendmail's
names, 78 it cannot start so. Each row has a copy of one instance of its own, so none leans on another.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import POSTHORN, Server

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHORN", "MAIL_"))}


class Box:
    """A copy of the instance, for one row."""

    def __init__(self, model, folder):
        self.root, self.conf = folder, folder / "conf" / "posthorn.toml"
        subprocess.run(["cp", "-a", str(model), str(folder)], check=True)
        self.env = {}
        self.closing = []

    def path(self, name):
        return self.root / name

    def set(self, section_key, value):
        section, key = section_key.split(".")
        inside, lines = False, []
        for line in self.conf.read_text().splitlines():
            if line.startswith("["):
                inside = line == f"[{section}]"
            lines.append(f"{key} = {value.replace('ROOT', str(self.root))}" if inside and line.startswith(f"{key} =") else line)
        self.conf.write_text("\n".join(lines) + "\n")

    def write(self, name, text):
        """In place, so owner and mode stay; str or bytes."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def append(self, name, text):
        with open(self.path(name), "ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def run(self, command):
        words = [word.replace("ROOT", str(self.root)) for word in command.split(" ")] if isinstance(command, str) else list(command)
        given = None
        if "<" in words:
            at = words.index("<")
            words, given = words[:at], " ".join(words[at + 1:]) + "\n"
        plain = "-c" in words or words[:1] in (["init"], ["help"], ["version"], ["sendmail"]) or words[:1] == ["-C"]
        done = subprocess.run([POSTHORN, *words, *([] if plain else ["-c", str(self.conf)])], input=given if given is not None else "",
                              capture_output=True, text=True, errors="replace", timeout=120, cwd=self.root,
                              env={**ENVIRONMENT, **{name: value.replace("ROOT", str(self.root)) for name, value in self.env.items()}})
        return done.returncode, done.stdout + done.stderr

    def close(self):
        for thing in self.closing:
            thing.close()


# What is done


def nothing(_):
    pass


def key(section_key, value):
    return lambda box: box.set(section_key, value)


def write(name, text):
    return lambda box: box.write(name, text)


def append(name, text):
    return lambda box: box.append(name, text)


def replace(name, old, new):
    def edit(box):
        text = box.path(name).read_text()
        assert old in text, old
        box.write(name, text.replace(old, new, 1))
    return edit


def remove(name):
    def edit(box):
        path = box.path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return edit


def mode(name, bits):
    return lambda box: box.path(name).chmod(bits)


def owner(name, account, group="root", bits=None):
    def edit(box):
        shutil.chown(box.path(name), account, group)
        if bits is not None:
            box.path(name).chmod(bits)
    return edit


def folder(name):
    def edit(box):
        if box.path(name).exists():
            box.path(name).unlink()
        box.path(name).mkdir(parents=True)
    return edit


def link(name, target):
    def edit(box):
        box.path(name).unlink(missing_ok=True)
        box.path(name).symlink_to(target)
    return edit


def env(**variables):
    return lambda box: box.env.update(variables)


def both(*edits):
    def edit(box):
        for one in edits:
            one(box)
    return edit


def encode(name, encoding):
    return lambda box: box.write(name, box.path(name).read_text().encode(encoding))


def lines_of_dos(name):
    return lambda box: box.write(name, box.path(name).read_bytes().replace(b"\n", b"\r\n"))


def openssl(*args):
    """Run in the instance's folder tls."""
    def edit(box):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=box.path("tls"))
    return edit


def certificate(name="mail.example.test", days="90"):
    """A pair in place of init's, for that name."""
    def edit(box):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "new.pem", "-out", "cert.pem",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", days)(box)
        box.write("tls/key.pem", box.path("tls/new.pem").read_bytes())
    return edit


def swapped(box):
    cert, private = box.path("tls/cert.pem").read_bytes(), box.path("tls/key.pem").read_bytes()
    box.write("tls/cert.pem", private)
    box.write("tls/key.pem", cert)


def expired(box):
    openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:mail.example.test", "-out", "request.pem")(box)
    openssl("x509", "-req", "-in", "request.pem", "-signkey", "key.pem", "-days", "-1", "-copy_extensions", "copy", "-out", "cert.pem")(box)


def taken(service):
    def edit(box):
        held = socket.create_server(("127.0.0.1", 0))
        box.closing.append(held)
        box.set(f"listen.{service}", f'["127.0.0.1:{held.getsockname()[1]}"]')
    return edit


def replaced_key(*args):
    """The key made anew, or in another form: openssl's words, with OUT for where it goes."""
    def edit(box):
        openssl(*[word.replace("OUT", "other.pem") for word in args])(box)
        box.write("tls/key.pem", box.path("tls/other.pem").read_bytes())
    return edit


def pair(place, name, days="90", certificate="cert.pem", key="key.pem"):
    """A certificate and its key in a folder, as edge reads them; a name that is None is left out."""
    def edit(box):
        folder = box.path(place)
        folder.mkdir(parents=True, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "new.key"), "-out",
                str(folder / "new.crt"), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", days)(box)
        for made, wanted in (("new.crt", certificate), ("new.key", key)):
            if wanted is None:
                (folder / made).unlink()
            else:
                (folder / made).rename(folder / wanted)
        if key and os.geteuid() == 0:
            shutil.chown(folder / key, "root", "posthorn-tls")
            (folder / key).chmod(0o640)
    return edit


def chain_upside_down(box):
    box.write("tls/cert.pem", box.path("authority/cert.pem").read_text() + box.path("tls/cert.pem").read_text())


def make(name):
    return lambda box: box.path(name).mkdir(parents=True, exist_ok=True)


def file_for(name):
    """A file where a folder is."""
    def edit(box):
        shutil.rmtree(box.path(name), ignore_errors=True)
        box.write(name, "x\n")
    return edit


def own_port(box):
    return re.search(r'(?m)^smtp = \["127\.0\.0\.1:(\d+)"', box.conf.read_text())[1]


def relay_to(host):
    """With a login for it, so that nothing else is to be said."""
    def edit(box):
        hop = host.replace("PORT", own_port(box))
        box.set("relay.relayhost", f'"{hop}"')
        box.append("maps/relay-sasl", f"{hop} user:password\n")
    return edit


def signing_key(domain="example.test", bits="2048", account="posthorn-queue", mode=0o640):
    def edit(box):
        place = box.path(f"dkim/{domain}")
        place.mkdir()
        openssl("genrsa", "-out", str(place / "mail.pem"), bits)(box)
        shutil.chown(place / "mail.pem", "root", account)
        (place / "mail.pem").chmod(mode)
    return edit


def silent(box):
    for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "http", "https", "lmtp"):
        box.set(f"listen.{name}", "[]")
    box.set("submission.programs", '"off"')


def pgsql(conninfo, *more):
    return both(key("auth.users", '"pgsql"'), key("pgsql.conninfo", f'"{conninfo}"'), *more)


def regexp(text):
    return both(write("maps/patterns", text), key("maps.aliases", '["text:aliases", "regexp:patterns"]'))


TOML, USERS, ALIASES, MAILBOXES, DOMAINS, SCRIPT = ("conf/posthorn.toml", "conf/users", "maps/aliases", "maps/mailboxes", "maps/domains",
                                                    "sieve/default.sieve")
HASH = "{SHA512-CRYPT}$6$abcdefgh$" + "x" * 86
# In what is expected ":N:" is a line's number.
L = r":\d+: "
# Nothing is said; whose ports were free when the instance was made is another's business.
QUIET = r"\Ano faults\n(?:warning: .* is taken by another program; .*\n)*\Z"
NEW = "init ROOT/new --hostname mx.a.test --domain a.test "

# (what was done wrong, how, the command, its exit code, what it must say …)
SETTINGS = [
    ("nothing", nothing, "check", 0, QUIET),
    ("a key misspelt", replace(TOML, "banner =", "baner ="), "check", 78, rf"{TOML}{L}unknown key \"baner\", did you mean \"banner\"\?"),
    ("a section misspelt", replace(TOML, "[smtp]", "[smpt]"), "check", 78, rf"{TOML}{L}unknown section \"smpt\", did you mean \"smtp\"\?"),
    ("a key of nothing", append(TOML, "mydestination = 'x'\n"), "check", 78, L + "unknown key \"mydestination\"", "posthorn defaults"),
    ("a text without quotes", key("server.hostname", "mail.example.test"), "check", 78, L + "hostname has a value that is none; a text stands in quotes"),
    ("a flag misspelt", key("submission.require_tls", "fi"), "check", 78, L + "require_tls has a value that is none; .*true or false.*the parser says"),
    ("a flag in capitals", key("submission.require_tls", "True"), "check", 78, L + "require_tls has a value", "true or false"),
    ("yes", key("submission.require_tls", "yes"), "check", 78, L + "require_tls has a value", "true or false"),
    ("a flag in quotes", key("submission.require_tls", '"yes"'), "check", 78, L + "submission.require_tls must be true or false"),
    ("a number in quotes", key("smtp.recipients_max", '"100"'), "check", 78, L + "smtp.recipients_max must be a whole number"),
    ("a number too small", key("smtp.recipients_max", "5"), "check", 78, L + "smtp.recipients_max is 5, must be 100 to 100000"),
    ("a unit that is none", key("smtp.message_max", '"50 MiB"'), "check", 78, L + r"smtp.message_max must be a size, as 1024 or \"50MB\""),
    ("a size without quotes", key("smtp.message_max", "50MB"), "check", 78, L + r"message_max has a value that is none; a text stands in quotes \(\"50MB\""),
    ("a time without unit", key("queue.expire_after", "5"), "check", 78, L + r"queue.expire_after must be a time, as \"30s\""),
    ("a time too long", key("queue.expire_after", '"500d"'), "check", 78, L + "queue.expire_after must be 1s to 100d"),
    ("none of the words", key("relay.tls", '"yes"'), "check", 78, L + "relay.tls is \"yes\", must be one of: verify, encrypt, may, none"),
    ("a quote left open", key("smtp.banner", '"ESMTP'), "check", 78, L + "banner: a text without the quote at its end; write it"),
    ("a key twice", key("smtp.banner", '"a"\nbanner = "b"'), "check", 78, L + "banner stands in its section twice; take one"),
    ("a section twice", append(TOML, '[smtp]\nbanner = "x"\n'), "check", 78, L + "the section smtp stands in the file twice; put its keys below the first"),
    ("no equals sign", key("smtp.banner", '"a"\nhops_max 50'), "check", 78, L + "this is neither key = value, nor"),
    ("a colon, as in YAML", replace(TOML, "banner = ", "banner: "), "check", 78, L + "a quote in the middle of a word; the form is key = "),
    ("no value", replace(TOML, 'banner = "ESMTP Posthorn"', "banner ="), "check", 78, L + "banner has no value; write one behind the ="),
    ("quotes of a word processor", key("smtp.banner", "“ESMTP”"), "check", 78, L + ".*quotes are the plain \""),
    ("a list left open", key("listen.smtp", '["127.0.0.1:31025"'), "check", 78, L + r"a list that has no end.*\[\"one\", \"two\"\]"),
    ("a list without commas", key("listen.smtp", '["127.0.0.1:1" "127.0.0.1:2"]'), "check", 78, L + r"a quote in the middle.*\[\"one\", \"two\"\]"),
    ("a list of numbers", key("listen.smtp", "[25]"), "check", 78, L + "listen.smtp must hold texts in quotes"),
    ("a backslash", key("paths.mail", r'"C:\mail"'), "check", 78, L + "mail: a backslash in a text is written twice"),
    ("a file in UTF-16", encode(TOML, "utf-16"), "check", 78, rf"{TOML}:1: .*the file is in UTF-8"),
    ("a file in Latin-1", lambda box: box.append(TOML, b"# f\xfcr\n"), "check", 78, L + "the file is not in UTF-8; save it in that encoding"),
    ("line ends of DOS", lines_of_dos(TOML), "check", 0, QUIET),
    ("another comment", append(TOML, "// no\n"), "check", 78, L + "this is neither key = value.*comment with #"),
    ("a semicolon at the end", key("smtp.banner", '"x";'), "check", 78, L + "banner: something stands behind the value; only a comment with # may"),
    ("a section left open", replace(TOML, "[smtp]", "[smtp"), "check", 78, L + r"a section opens with its name in brackets: \[smtp\]"),
    ("no such file", nothing, "check -c /nowhere/posthorn.toml", 78, "/nowhere/posthorn.toml: there is no such file; `posthorn init FOLDER` makes one"),
    ("the folder of the file", nothing, "check -c ROOT", 78, "ROOT: this is a folder; name the file: ROOT/conf/posthorn.toml"),
    ("its folder conf", nothing, "check -c ROOT/conf", 78, "ROOT/conf: this is a folder; name the file: ROOT/conf/posthorn.toml"),
    ("Postfix's main.cf", write(TOML, "myhostname = mail.example.test\n"), "check", 78, rf"{TOML}:1: myhostname has a value that is none"),
    ("a port alone", key("listen.smtp", '["25"]'), "check", 1, L + r"listen.smtp: \"25\" is no address; write 127.0.0.1:25"),
    ("a port too high", key("listen.smtp", '["127.0.0.1:99999"]'), "check", 1, L + "listen.smtp: .*is no address; write"),
    ("IPv6 without brackets", key("listen.smtp", '["::1:2525"]'), "check", 1, L + r"listen.smtp: .*; write .*\[::1\]:25"),
    ("two services on one port", lambda box: box.set("listen.imap", re.search(r"(?m)^smtp = (\[.*)$", box.conf.read_text())[1]), "check", 1, L + r"listen\.\w+: 127.0.0.1:\d+ is the one of listen\.\w+, too; give each its own port"),
    ("nothing to serve", silent, "check", 1, L + r"listen.smtp: every list in \[listen\] is empty.*; write"),
    ("nothing to serve, started", silent, "serve", 78, L + r"listen.smtp: every list in \[listen\] is empty.*; write"),
    ("an open relay", key("smtp.relay_from", '["0.0.0.0/0"]'), "check", 1, L + "smtp.relay_from: .*everybody could send to anybody.*; name the networks that are yours"),
    ("an open relay, started", key("smtp.relay_from", '["0.0.0.0/0"]'), "serve", 78, L + "smtp.relay_from: .*; name the networks that are yours"),
    ("a network that is none", key("smtp.relay_from", '["10.0.0.0/33"]'), "check", 1, L + r"smtp.relay_from: \"10.0.0.0/33\" is no network, as 127.0.0.0/8"),
    ("a name as a network", key("limits.exempt", '["everyone"]'), "check", 1, L + "limits.exempt: \"everyone\" is no network, as"),
    ("a table of another kind", key("maps.aliases", '["mysql:aliases"]'), "check", 1, L + "maps.aliases: unknown table type mysql: .known: text"),
    ("a table that is not there", key("maps.aliases", '["text:alias"]'), "check", 1, "maps/alias:1: there is no such file; put it back; if it is to be empty: touch "),
    ("spamd without a port", key("filter.spamd", '"spamd"'), "check", 1, L + "filter.spamd: \"spamd\" is no address; write"),
    ("spamd not running", key("filter.spamd", '"127.0.0.1:9"'), "check", 0, "warning: .*" + L + "filter.spamd: nobody answers at .*refused.*; start spamd, or empty the key"),
    ("a relay without a login", key("relay.relayhost", '"[smtp.relay.test]:587"'), "check", 0, "warning: .*" + L + r"relay.relayhost: .* has no login in .*; add the line: \[smtp.relay.test\]:587 user:password"),
    ("a login for another port", both(key("relay.relayhost", '"[smtp.relay.test]:587"'), append("maps/relay-sasl", "[smtp.relay.test]:465 u:p\n")), "check", 0,
     "warning: .*maps/relay-sasl" + L + r"the login of .* is not used: .*; write \[smtp.relay.test\]:587 in both"),
    ("a relay as a URL", key("relay.relayhost", '"smtp://smtp.relay.test:587"'), "check", 1, L + "relay.relayhost: .* is no host; write "),
    ("a relay with a blank", key("relay.relayhost", '"smtp.relay.test 587"'), "check", 1, L + "relay.relayhost: .* is no host; write "),
    ("a relay without its colon", key("relay.relayhost", '"[smtp.relay.test]587"'), "check", 1, L + "relay.relayhost: .* is no host; write "),
    ("a fallback that is none", key("relay.fallback", '["smtp relay"]'), "check", 1, L + "relay.fallback: .* is no host; write"),
    ("an interface's name", key("relay.source_address", '"eth0"'), "check", 1, L + "relay.source_address: eth0 is no IPv4 or IPv6 address"),
    ("authorities that are not there", key("relay.trust_file", '"/nowhere/ca.pem"'), "check", 1, L + "relay.trust_file: /nowhere/ca.pem: there is no such file; name a PEM file"),
    ("a DNS server by name", key("relay.resolver", '"dns.google"'), "check", 1, L + "relay.resolver: .*dns.google.*; write addresses"),
    ("maildirs that are shared", key("store.location", '"{domain}"'), "check", 1, L + "store.location: accounts would share one folder; name {domain} and {user}"),
    ("Dovecot's %d/%n", key("store.location", '"%d/%n"'), "check", 1, L + "store.location: accounts would share one folder; name {domain} and {user}"),
    ("a placeholder misspelt", key("store.location", '"{usr}/{domain}"'), "check", 1, L + "store.location: .*placeholder other than {domain}, {user}"),
    ("a quota rule that is none", key("store.quota_rules", '["Trash 100M"]'), "check", 1, L + r"store.quota_rules: .*the form is \*:storage=1G"),
    ("INBOX for drafts", key("store.drafts", '"INBOX"'), "check", 1, L + "store.drafts: \"INBOX\" is no name of a folder beside INBOX; write one"),
    ("a folder with empty parts", key("store.also_create", '["a..b"]'), "check", 1, L + "store.also_create: \"a..b\" is no name of a folder.*; write one"),
    ("a domain of senders that is none", key("srs.domain", '"not a domain"'), "check", 1, L + "srs.domain: \"not a domain\" is no domain; write one"),
    ("a domain of senders that is not ours", key("srs.domain", '"elsewhere.test"'), "check", 0, "warning: .*" + L + "srs.domain: elsewhere.test is not in maps/domains: see that its MX"),
    ("a pattern for a domain", key("srs.exclude_domains", '["*.example.org"]'), "check", 1, L + r"srs.exclude_domains: .* is no domain; write example.org, or .example.org"),
    ("a host name with blanks", key("server.hostname", '"my host"'), "check", 1, L + "server.hostname: \"my host\" is no host name; write one as mail.example.org"),
    ("a URL as host name", key("server.hostname", '"https://mail.example.test"'), "check", 1, L + "server.hostname: .* is no host name; write"),
    ("another host name than the certificate's", key("server.hostname", '"mx.example.test"'), "check", 0, r"warning: .*cert\.pem:1: the certificate is for .*, not for server.hostname mx.example.test; .*; name this server as"),
    ("a default domain that is not ours", key("server.default_domain", '"other.test"'), "check", 0, "warning: .*" + L + "server.default_domain: other.test is not in maps/domains.*posthorn domain add other.test"),
    ("a default domain in UTF-8", both(append(DOMAINS, "müller.test ok\n"), key("server.default_domain", '"müller.test"')), "check", 0, QUIET),
    ("a default domain with its @", key("server.default_domain", '"@example.test"'), "check", 1, L + "server.default_domain: .* is no domain; write one"),
    ("a postmaster who is not there", key("server.postmaster", '"nobody@example.test"'), "check", 0, "warning: .*" + L + "server.postmaster: nobody@example.test is neither a mailbox nor an alias; the first mailbox gets its mail"),
    ("a postmaster that is no address", key("server.postmaster", '"not an address"'), "check", 1, L + "server.postmaster: .* is no address; write one"),
    ("a log that is a folder", key("log.file", '"/var/log"'), "check", 1, L + "log.file: /var/log is a folder; name a file in it"),
    ("a score in words", key("filter.spam_score", '"five"'), "check", 78, L + "filter.spam_score is \"five\", must be a number or empty"),
    ("a hash scheme of old", key("auth.default_scheme", '"MD5"'), "check", 78, L + "auth.default_scheme is \"MD5\", must be one of: SHA512-CRYPT"),
    ("a network of metrics", key("web.metrics_from", '["all"]'), "check", 1, L + "web.metrics_from: \"all\" is no network"),
    ("a certificate to download that is not there", key("web.authority", '"/nowhere.pem"'), "check", 1, L + "web.authority: /nowhere.pem: there is no such file; name a certificate"),
    ("an account that is not there", key("submission.programs_relay", '["nosuchone"]'), "check", 0, "warning: .*" + L + "submission.programs_relay: this machine has no account nosuchone; take it out"),
    ("a folder of sockets too long", key("paths.run", '"/run/' + "x" * 120 + '"'), "check", 1, L + "paths.run: .*is too long.*; name a shorter folder"),
    ("PostgreSQL without a place", pgsql("localhost"), "check", 1, L + "pgsql.conninfo: this is no connection string .*host="),
    ("a password in the connection", pgsql("host=127.0.0.1 dbname=x user=x password=y"), "check", 1, L + "pgsql.conninfo: a password does not belong here.*; use pgsql.password_file"),
    ("PostgreSQL not running", pgsql("host=127.0.0.1 port=9 dbname=x user=x"), "check", 1, L + "pgsql.conninfo: the database cannot be asked: .*refused.*; start it, or mend"),
    ("its password's file not there", pgsql("host=127.0.0.1 port=9 dbname=x user=x", key("pgsql.password_file", '"conf/pg"')), "check", 1, "conf/pg: there is no such file; .*pgsql.password_file"),
]

# Settings that are understood, and surely mean something else.
WARNING = r"no faults\n(?:.*\n)*warning: "
DOUBTS = [
    ("a host name without a dot", both(key("server.hostname", '"mail"'), key("listen.smtp", '["0.0.0.0:31025"]')), "check", 0, WARNING + ".*" + L + "server.hostname: \"mail\" is no full name: many servers refuse mail.*; write the name that"),
    ("localhost for the Internet", both(key("server.hostname", '"localhost"'), key("listen.smtp", '["0.0.0.0:31025"]')), "check", 0, WARNING + ".*" + L + "server.hostname: \"localhost\" is no full name"),
    ("localhost on loopback", key("server.hostname", '"localhost"'), "check", 0, QUIET),
    ("an address as host name", key("server.hostname", '"192.0.2.1"'), "check", 0, WARNING + ".*" + L + "server.hostname: 192.0.2.1 is an address and no name; write"),
    ("Postfix's words in the banner", key("smtp.banner", '"$myhostname ESMTP"'), "check", 0, WARNING + ".*" + L + r"smtp.banner: .*is taken as it is; leave the name out"),
    ("the name again in the banner", key("smtp.banner", '"mail.example.test ESMTP"'), "check", 0, WARNING + ".*" + L + r"smtp.banner: .*stands behind the host name"),
    ("a relay that is ourselves", relay_to("[mail.example.test]:PORT"), "check", 0, WARNING + ".*" + L + r"relay.relayhost: \[mail.example.test\]:\d+ is this server itself: mail would go round.*; name the server"),
    ("a relay that is ourselves on loopback", relay_to("[127.0.0.1]:PORT"), "check", 0, WARNING + ".*" + L + "relay.relayhost: .* is this server itself"),
    ("a relay on this machine", relay_to("[127.0.0.1]:25252"), "check", 0, QUIET),
    ("a fallback that is ourselves", lambda box: box.set("relay.fallback", f'["[localhost]:{own_port(box)}"]'), "check", 0, WARNING + ".*" + L + "relay.fallback: .* is this server itself"),
    ("a relay at 465", relay_to("[smtp.relay.test]:465"), "check", 0, WARNING + ".*" + L + "relay.relayhost: .*port 465 speaks TLS before any greeting.*; write port 587"),
    ("submission's port for MX hosts", both(key("relay.mx_port", "587"), key("relay.private_mx", "false")), "check", 0, WARNING + ".*" + L + "relay.mx_port: .*port 25, not 587"),
    ("a source that is elsewhere", key("relay.source_address", '"192.0.2.77"'), "check", 0, WARNING + ".*" + L + "relay.source_address: this machine has no address 192.0.2.77.*; `ip address`"),
    ("a listener that is elsewhere", key("listen.smtp", '["192.0.2.77:31025"]'), "check", 0, WARNING + ".*" + L + "listen.smtp: this machine does not have the address 192.0.2.77:31025.*; `ip address`"),
    ("a quota below a message", key("store.quota", '"1MB"'), "check", 0, WARNING + ".*" + L + "store.quota: an account holds .*, less than the largest message .*; mind the unit"),
    ("a quota without its unit", key("store.quota", '"500B"'), "check", 0, WARNING + ".*" + L + "store.quota: an account holds"),
    ("messages too small", key("smtp.message_max", '"50KB"'), "check", 0, WARNING + ".*" + L + "smtp.message_max: messages over .* are refused.*; 50MB is usual"),
    ("a first wait beyond the longest", both(key("queue.retry_first", '"2h"'), key("queue.retry_max", '"1h"')), "check", 0, WARNING + ".*" + L + "queue.retry_first: longer than queue.retry_max"),
    ("an end before the second attempt", both(key("queue.retry_first", '"5m"'), key("queue.expire_after", '"1m"')), "check", 0, WARNING + ".*" + L + "queue.expire_after: mail goes back before its second attempt"),
    ("spam thrown away below its score", both(key("filter.spam_score", '"6"'), key("filter.discard_score", '"3"')), "check", 0, WARNING + ".*" + L + "filter.discard_score: lower than filter.spam_score"),
    ("lessons for nobody", key("filter.learn", '"site"'), "check", 0, WARNING + ".*" + L + "filter.learn: there is no spamd to be taught; name one in filter.spamd"),
    ("taught as one, judged as another", both(key("filter.learn", '"user"'), key("filter.user", '"site"')), "check", 0, WARNING + ".*" + L + r"filter.learn: users teach spamd each for himself, and it judges as site \(filter.user\); write \"site\""),
    ("metrics for all", key("web.metrics_from", '["0.0.0.0/0"]'), "check", 0, WARNING + ".*" + L + "web.metrics_from: .*every address there is"),
    ("no bound for anybody", key("limits.exempt", '["0.0.0.0/0"]'), "check", 0, WARNING + ".*" + L + "limits.exempt: .*every address there is"),
    ("LMTP for the network", key("listen.lmtp", '["0.0.0.0:24024"]'), "check", 0, WARNING + ".*" + L + "listen.lmtp: others than this machine reach it, and it asks for no login"),
    ("passwords in clear", both(key("auth.allow_plaintext", "true"), key("listen.imap", '["0.0.0.0:31143"]')), "check", 0, WARNING + ".*" + L + "auth.allow_plaintext: passwords cross the network"),
    ("passwords in clear on loopback", key("auth.allow_plaintext", "true"), "check", 0, QUIET),
    ("everybody may log in", both(key("auth.any_user", '"local-part"'), key("listen.imaps", '["0.0.0.0:31993"]')), "check", 0, WARNING + ".*" + L + "auth.any_user: .*lets in whoever knows an address"),
    ("every domain is ours", both(key("route.any_domain", '"anyone"'), key("listen.smtp", '["0.0.0.0:31025"]')), "check", 0, WARNING + ".*" + L + "route.any_domain: mail for every domain there is ends here"),
    ("a letter as delimiter", key("maps.recipient_delimiter", '"ab"'), "check", 0, WARNING + ".*" + L + "maps.recipient_delimiter: .*each of these signs ends a name"),
    ("a host without a name", key("server.hostname", '""'), "check", 1, L + 'server.hostname: "" is no host name; write one as mail.example.org'),
    ("a log in no folder", key("log.file", '"/nowhere/posthorn.log"'), "check", 0, WARNING + ".*" + L + "log.file: there is no folder /nowhere, and a start makes one; make it"),
    ("mail in the queue's folder", key("paths.mail", '"var/spool/mail"'), "check", 0, "warning: .*" + L + "paths.mail: the maildirs and the queue lie in one another"),
    ("a role that is root", key("users.edge", '"root"'), "check", 0, "warning: .*" + L + "users.edge: the role would keep all of root's rights"),
    ("a host name for the Internet in a variable", both(key("listen.smtp", '["0.0.0.0:31025"]'), env(POSTHORN_SERVER_HOSTNAME="mail")), "check", 0, "POSTHORN_SERVER_HOSTNAME sets server.hostname", "warning: .*server.hostname: \"mail\" is no full name"),
]

TABLES = [
    ("no domain left", write(DOMAINS, ""), "check", 1, rf"{MAILBOXES}{L}the domain example.test of alice@example.test is not in maps/domains; `posthorn domain add example.test`"),
    ("a domain twice", append(DOMAINS, "example.test ok\n"), "check", 0, rf"warning: .*{DOMAINS}{L}example.test stands on line \d+ already; that one counts"),
    ("a domain as a URL", append(DOMAINS, "http://a.test ok\n"), "check", 0, rf"warning: .*{DOMAINS}{L}http://a.test is no domain.*; write the name alone"),
    ("an address as domain", append(DOMAINS, "a@b.test ok\n"), "check", 0, rf"warning: .*{DOMAINS}{L}a@b.test is no domain.*; write"),
    ("domains with commas", append(DOMAINS, "a.test,b.test\n"), "check", 1, rf"{DOMAINS}{L}\"a.test,b.test\" has no value; the form is: key value"),
    ("a mailbox without domain", append(MAILBOXES, "carol ok\n"), "check", 1, rf"{MAILBOXES}{L}carol has no domain; write NAME@DOMAIN"),
    ("a mailbox elsewhere", append(MAILBOXES, "carol@other.test ok\n"), "check", 1, rf"{MAILBOXES}{L}the domain other.test of .* is not in maps/domains; `posthorn domain add other.test`"),
    ("a mailbox nobody reads", append(MAILBOXES, "carol@example.test ok\n"), "check", 0, r"warning: .*nobody can read the mailbox carol@example.test: .*; `posthorn user add carol@example.test`"),
    ("an alias without target", append(ALIASES, "info@example.test\n"), "check", 1, rf"{ALIASES}{L}\"info@example.test\" has no value; the form is"),
    ("aliases in a circle", append(ALIASES, "a@example.test b@example.test\nb@example.test a@example.test\n"), "check", 1, rf"{ALIASES}{L}a@example.test never ends: a@example.test -> b.*; take one of these lines out"),
    ("an alias of nobody", append(ALIASES, "info@example.test nobody@example.test\n"), "check", 0, rf"warning: .*{ALIASES}{L}info@example.test leads to nobody@example.test, which is neither a mailbox nor an alias: its mail is refused"),
    ("/etc/aliases", append(ALIASES, "info: alice@example.test\n"), "check", 1, rf"{ALIASES}{L}info: has no domain; the form is NAME@DOMAIN TARGET, without the colon"),
    ("an address with a colon", append(ALIASES, "info@example.test: alice@example.test\n"), "check", 1, rf"{ALIASES}{L}the domain example.test: .*; take the colon out"),
    ("a program", append(ALIASES, 'info@example.test "|/usr/bin/vacation"\n'), "check", 1, rf"{ALIASES}{L}.*is no address; programs, files and lists are no targets here"),
    ("a file", append(ALIASES, "info@example.test /dev/null\n"), "check", 1, rf"{ALIASES}{L}/dev/null is no address; programs, files and lists"),
    ("a list", append(ALIASES, "info@example.test :include:/etc/list\n"), "check", 1, rf"{ALIASES}{L}.*is no address; programs, files and lists"),
    ("a target without domain", append(ALIASES, "info@example.test alice\n"), "check", 1, rf"{ALIASES}{L}alice is no address; write NAME@DOMAIN"),
    ("an arrow", append(ALIASES, "info@example.test => alice@example.test\n"), "check", 1, rf"{ALIASES}{L}= is no address; write NAME@DOMAIN"),
    ("a comment behind the line", append(ALIASES, "info@example.test alice@example.test # x\n"), "check", 1, rf"{ALIASES}{L}# is no address; a comment has a line of its own"),
    ("an alias elsewhere", append(ALIASES, "info@other.test alice@example.test\n"), "check", 1, rf"{ALIASES}{L}the domain other.test .* is not in maps/domains; `posthorn domain add"),
    ("a pattern in a text table", append(ALIASES, "/^info/ alice@example.test\n"), "check", 1, rf"{ALIASES}{L}/\^info/ has no domain; write"),
    ("aliases in UTF-16", encode(ALIASES, "utf-16"), "check", 1, rf"{ALIASES}:1: the file is in UTF-16; save it as UTF-8"),
    ("line ends of DOS in aliases", lines_of_dos(ALIASES), "check", 0, QUIET),
    ("no aliases", remove(ALIASES), "check", 1, rf"{ALIASES}:1: there is no such file; put it back; if it is to be empty: touch "),
    ("a link to nowhere", link(ALIASES, "/nowhere/aliases"), "check", 1, rf"{ALIASES}:1: there is no such file; put it back"),
    ("a transport that is none", append("maps/transport", "far.test relay:[h.test]:25\n"), "check", 1, rf"maps/transport{L}.* is no transport .known: smtp: error:.*write smtp:"),
    ("a login without password", append("maps/relay-sasl", "[h.test]:587 user\n"), "check", 1, rf"maps/relay-sasl{L}the value of \[h.test\]:587 is user:password"),
    ("a pattern left open", regexp("/^(a@/ alice@example.test\n"), "check", 1, r"maps/patterns:1: .*missing \)"),
    ("a pattern without slashes", regexp("^a@ alice@example.test\n"), "check", 1, "maps/patterns:1: the form is: /pattern/flags value"),
    ("a group that is not there", regexp("/^(a)@/ $2@example.test\n"), "check", 1, r"maps/patterns:1: \$2 names a group that the pattern does not have"),
    ("a folder all can change", mode("maps", 0o777), "check", 1, r"maps: every account of this machine can change it .mode 0777.; chmod o-w "),
    ("users without a colon", append(USERS, "carol@example.test\n"), "check", 1, rf"{USERS}{L}the form is user:{{SCHEME}}hash"),
    ("a password as it is", append(USERS, "carol@example.test:secret\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as carol@example.test: .*; `posthorn user passwd` makes a hash"),
    ("a scheme nobody logs in with", append(USERS, "carol@example.test:{CRAM-MD5}0123\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as .*CRAM-MD5.*; `posthorn user passwd`"),
    ("a user twice", append(USERS, f"alice@example.test:{HASH}\n"), "check", 1, rf"{USERS}{L}alice@example.test stands in the file already"),
    ("one folder for two", both(key("store.location", '"{user}"'), key("server.default_domain", '"example.test"'), append("maps/domains", "b.test ok\n"),
                                append("maps/mailboxes", "alice@b.test ok\n"), append(USERS, f"alice@b.test:{HASH}\n")), "check", 0,
     r"warning: .*maps/mailboxes:\d+: alice@b.test and alice@example.test have one folder, .*/mail/alice: who of them logs in first .*; store.location = "),
    ("a user without mailbox", append(USERS, f"carol@example.test:{HASH}\n"), "check", 0, "warning: .*carol@example.test may log in and has no mailbox; posthorn user add makes both; or a line"),
    ("a quota that is none", append(USERS, f"dora@example.test:{HASH}::::::userdb_quota_rule=*:storage=1X\n"), "check", 0, rf"warning: .*{USERS}{L}the quota rule .* needs a size, as 500M"),
    ("a cut hash", append(USERS, "dora@example.test:$6$abc$xyz\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: a hash that was cut or damaged: 3 letters where its kind has 86; `posthorn user passwd`"),
    ("a cut hash of a scheme", append(USERS, "dora@example.test:{SHA512-CRYPT}" + HASH[14:70] + "\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: a hash that was cut"),
    ("a cut bcrypt", append(USERS, "dora@example.test:{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuu\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: a hash that was cut"),
    ("a cut argon2", append(USERS, "dora@example.test:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: an argon2 hash that was cut"),
    ("an SSHA that is no base64", append(USERS, "dora@example.test:{SSHA}not base64!\n"), "check", 0, rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: a hash that is not written as its scheme says"),
    ("fields that Dovecot obeys", append(USERS, f"dora@example.test:{HASH}::::::allow_nets=10.0.0.0/33 userdb_mail=mbox:~/m\n"), "check", 0,
     rf"warning: .*{USERS}{L}nobody can log in as dora@example.test: allow_nets=10.0.0.0/33 names a network that is none", rf"note: .*{USERS}{L}the field userdb_mail is not used: mail lies where store.location says"),
    ("users in UTF-16", encode(USERS, "utf-16"), "check", 1, rf"{USERS}:1: the file is in UTF-16; save it as UTF-8"),
    ("users in Latin-1", append(USERS, b"m\xfcller@example.test:!\n"), "check", 0, rf"warning: .*{USERS}{L}not in UTF-8.*; save the file as UTF-8"),
    ("aliases in Latin-1", append(ALIASES, b"m\xfcller@example.test alice@example.test\n"), "check", 0, rf"warning: .*{ALIASES}{L}not in UTF-8.*; save the file as UTF-8"),
    ("a comment in Latin-1", append(ALIASES, b"# f\xfcr alle\n"), "check", 0, QUIET),
    ("a sender for nobody", append("maps/senders", "info@example.test nobody@example.test\n"), "check", 0, rf"warning: .*maps/senders{L}nobody@example.test is no account, so nobody may send as info@example.test by it; write the accounts as they log in"),
    ("a sender for a name", append("maps/senders", "info@example.test alice\n"), "check", 0, rf"warning: .*maps/senders{L}alice is no account.*; write the accounts as they log in, NAME@DOMAIN"),
    ("a sender without domain", append("maps/senders", "info alice@example.test\n"), "check", 0, rf"warning: .*maps/senders{L}info is never asked for: it has no domain; write NAME@DOMAIN"),
    ("a sender elsewhere", append("maps/senders", "info@elsewhere.test alice@example.test, bob@example.test\n"), "check", 0, QUIET),
    ("an alias domain that leads away", append(ALIASES, "@example.test @new.test\n"), "check", 0, rf"warning: .*{ALIASES}{L}@example.test leads to @new.test, which is not in maps/domains: every name of it is taken.*; `posthorn domain add new.test`"),
    ("an alias domain", both(append(DOMAINS, "old.test ok\n"), append(ALIASES, "@old.test @example.test\n")), "check", 0, QUIET),
    ("an alias over a mailbox", append(ALIASES, "alice@example.test bob@example.test\n"), "check", 0, rf"note: .*{ALIASES}{L}the mailbox alice@example.test gets no mail: the alias comes first, and leads to bob@example.test; to keep a copy there"),
    ("an alias that keeps a copy", append(ALIASES, "alice@example.test alice@example.test, bob@example.test\n"), "check", 0, QUIET),
    ("a transport for our own domain", append("maps/transport", "example.test smtp:[h.test]:25\n"), "check", 0, rf"warning: .*maps/transport{L}not used: example.test is in maps/domains, so its mail is delivered here; to send all of it on"),
    ("a transport by @", append("maps/transport", "@far.test smtp:[h.test]:25\n"), "check", 0, rf"warning: .*maps/transport{L}@far.test is never asked for.*; write far.test"),
    ("a transport by a star", append("maps/transport", "*.far.test smtp:[h.test]:25\n"), "check", 0, rf"warning: .*maps/transport{L}\*.far.test is never asked for.*; write .far.test"),
    ("a transport to ourselves", lambda box: box.append("maps/transport", f"far.test smtp:[mail.example.test]:{own_port(box)}\n"), "check", 0, rf"warning: .*maps/transport{L}.* is this server itself: mail would go round"),
    ("a transport whose bracket is open", append("maps/transport", "far.test smtp:[h.test\n"), "check", 1, rf"maps/transport{L}\"smtp:\[h.test\" is no transport .*; write smtp:\[host\]:port"),
    ("an empty password for a relay", append("maps/relay-sasl", "[h.test]:587 user:\n"), "check", 0, rf"warning: .*maps/relay-sasl{L}the login of \[h.test\]:587 has no password; the form is user:password"),
    ("a pattern that looks behind", regexp("/(?<=x)a@/ alice@example.test\n"), "check", 1, r"maps/patterns:1: a \*, \+ or \? with nothing in front.*looks ahead or behind.*RE2 says: "),
    ("a pattern with a class that is none", regexp("/[z-a]@/ alice@example.test\n"), "check", 1, r"maps/patterns:1: between \[ and \] .*a range goes upwards, a-z \(RE2 says: "),
    ("a pattern in UTF-16", both(regexp("/^a@/ alice@example.test\n"), encode("maps/patterns", "utf-16")), "check", 1, r"maps/patterns:1: the file is in UTF-16; save it as UTF-8"),
    ("a pattern that leads to a name", regexp("/^a@/ alice\n"), "check", 0, r"warning: .*maps/patterns:1: alice is no address; write NAME@DOMAIN"),
    ("logins for relays that all can read", both(append("maps/relay-sasl", "[h.test]:25 u:p\n"), mode("maps/relay-sasl", 0o644)), "check", 0, r"warning: .*maps/relay-sasl: every account of this machine can read the passwords in it; chmod o-r "),
    ("no login for all to read", mode("maps/relay-sasl", 0o644), "check", 0, QUIET),
    ("aliases all can change", mode(ALIASES, 0o666), "check", 1, rf"{ALIASES}: every account of this machine can change it .mode 0666.; chmod o-w "),
    ("a folder of settings all can change", mode("conf", 0o777), "check", 1, r"conf: every account of this machine can change it .mode 0777.; chmod o-w "),
    ("a folder of settings all can change, started", mode("conf", 0o777), "serve", 78, r"conf: every account of this machine can change it"),
    ("an instance all can change", mode("", 0o777), "check", 1, r"ROOT/?: every account of this machine can change it .mode 0777.; chmod o-w "),
    ("SMTP users all can read", both(write("conf/smtp-users", f"alice@example.test:{HASH}\n"), mode("conf/smtp-users", 0o644), key("paths.smtp_users", '"conf/smtp-users"')), "check", 0,
     r"warning: .*conf/smtp-users: every account of this machine can read the password hashes; chmod o-r "),
    ("no users", remove(USERS), "check", 1, rf"{USERS}:1: there is no such file; put it back; .*touch "),
    ("users all can read", mode(USERS, 0o644), "check", 0, rf"warning: .*{USERS}: every account of this machine can read the password hashes; chmod o-r "),
    ("users all can change", mode(USERS, 0o666), "check", 1, rf"{USERS}: every account of this machine can change it .mode 0666.; chmod o-w "),
]

SCRIPTS = [
    ("no semicolon", write(SCRIPT, "keep\n"), "check", 1, rf"{SCRIPT}{L}column 1: expected `;` or a block behind `keep`, found the end"),
    ("no require", write(SCRIPT, 'fileinto "Junk";\n'), "check", 1, rf"{SCRIPT}:1: column 1: `fileinto` needs `require .\"fileinto\".`"),
    ("a command of no Sieve", write(SCRIPT, 'forward "a@b.test";\n'), "check", 1, rf"{SCRIPT}:1: column 1: unknown command `forward`"),
    ("another server's extension", write(SCRIPT, 'require "vnd.dovecot.execute";\n'), "check", 1, rf"{SCRIPT}:1: column 9: .*vnd.dovecot.execute"),
    ("a brace left open", write(SCRIPT, "if true { keep;\n"), "check", 1, rf"{SCRIPT}:1: column 9: this block never ends: its `}}` is missing"),
    ("a brace too many", write(SCRIPT, "if true { keep; } }\n"), "check", 1, rf"{SCRIPT}:1: column 19: a `}}` that closes no block"),
    ("single quotes", write(SCRIPT, "require 'fileinto';\n"), "check", 1, rf"{SCRIPT}:1: column 9: unexpected character `'`"),
    ("else if", write(SCRIPT, "if true { keep; } else if false { discard; }\n"), "check", 1, rf"{SCRIPT}:1: column 24: a `;` is missing in front of `if`"),
    ("require too late", write(SCRIPT, 'keep;\nrequire "fileinto";\n'), "check", 1, rf"{SCRIPT}:2: column 1: `require` must stand at the beginning"),
    ("a comment of C++", write(SCRIPT, "// x\nkeep;\n"), "check", 1, rf"{SCRIPT}:1: column 1: unexpected character `/`"),
    ("procmail's rules", write(SCRIPT, ":0\n* ^Subject:.*x\n/dev/null\n"), "check", 1, rf"{SCRIPT}:1: column 1: a tag's name must follow the colon"),
    ("a string left open", write(SCRIPT, 'keep "\n'), "check", 1, rf"{SCRIPT}:1: column 6: this string never ends"),
    ("a script in UTF-16", encode(SCRIPT, "utf-16"), "check", 1, rf"{SCRIPT}:1: column 1: a NUL byte; save the script as UTF-8"),
    ("no default.sieve", remove(SCRIPT), "check", 0, rf"warning: .*{SCRIPT}:1: there is no such file: mail that was marked as spam stays in INBOX; put .*touch "),
    ("one user's script", write("sieve/users/alice@example.test.sieve", 'require "fileinto"\nkeep;'), "check", 1, r"sieve/users/alice@example.test.sieve:2: column 1: a `;` is missing in front of `keep`"),
    ("a redirect to no address", write(SCRIPT, 'keep;\nredirect "not an address";\n'), "check", 1, rf"{SCRIPT}:2: column 1: `redirect` needs an address, found .not an address"),
    ("a redirect to two", write(SCRIPT, 'redirect "a@b.test, c@d.test";\n'), "check", 1, rf"{SCRIPT}:1: column 1: `redirect` needs an address, found .a@b.test, c@d.test"),
    ("a redirect to one", write(SCRIPT, 'redirect "a@b.test";\n'), "check", 0, QUIET),
    ("a folder that cannot be", write(SCRIPT, 'require "fileinto";\nif header :contains "subject" "x" {\n  fileinto "a..b";\n}\n'), "check", 0, rf"warning: .*{SCRIPT}:3: no folder can be called \"a..b\": its mail stays in INBOX; write a name as"),
    ("a folder without a name", write(SCRIPT, 'require "fileinto";\nfileinto "";\n'), "check", 1, rf"{SCRIPT}:2: column 1: `fileinto` needs a mailbox, found "),
    ("a folder's name too long", write(SCRIPT, 'require "fileinto";\nfileinto "' + "x" * 300 + '";\n'), "check", 0, rf"warning: .*{SCRIPT}:2: no folder can be called \"x{{80}}\""),
    ("a folder in Latin-1", write(SCRIPT, b'require "fileinto";\nfileinto "Entw\xfcrfe";\n'), "check", 1, rf"{SCRIPT}:2: column 1: `fileinto` needs a mailbox, found "),
    ("a folder of Courier's", write(SCRIPT, 'require "fileinto";\nfileinto "INBOX/Test";\n'), "check", 0, QUIET),
    ("a script of nobody", write("sieve/users/carol@example.test.sieve", "keep;\n"), "check", 0, r"warning: .*sieve/users/carol@example.test.sieve: run for nobody: there is no mailbox carol@example.test; call it as the mailbox"),
    ("a script without its domain", write("sieve/users/alice.sieve", "keep;\n"), "check", 0, r"warning: .*sieve/users/alice.sieve: run for nobody: there is no mailbox alice"),
    ("a script without its end", write("sieve/users/alice@example.test", "keep;\n"), "check", 0, r"warning: .*sieve/users/alice@example.test: not run: its name lacks the end .sieve; mv "),
    ("a user's script beside the site's", write("sieve/alice@example.test.sieve", "keep;\n"), "check", 0, r"warning: .*sieve/alice@example.test.sieve: not run: scripts of single mailboxes lie in users/; mv "),
    ("a script in capitals", write("sieve/users/Alice@example.test.sieve", "keep;\n"), "check", 0, QUIET),
    ("a script all can change", mode(SCRIPT, 0o666), "check", 0, rf"warning: .*{SCRIPT}: every account of this machine can change it; chmod o-w "),
    ("a folder of scripts all can change", both(make("sieve/users"), mode("sieve/users", 0o777)), "check", 1, r"sieve/users: every account of this machine can change it .mode 0777."),
    ("a script that is not there", key("sieve.before", '["before.sieve"]'), "check", 1, r"sieve/before.sieve:1: there is no such file; put it there, or take its name out of \[sieve\]"),
]

CERTIFICATES = [
    ("no certificate", remove("tls/cert.pem"), "check", 1, r"cert\.pem:1: there is no such file; put one there, or `posthorn certificate renew`"),
    ("no key", remove("tls/key.pem"), "check", 1, r"key\.pem:1: there is no such file; put one there"),
    ("each in the other's place", swapped, "check", 1, r"cert\.pem:1: cannot be used as the certificate: it holds a key and no certificate; certificate and key have changed places"),
    ("an empty certificate", write("tls/cert.pem", ""), "check", 1, r"cert\.pem:1: cannot be used as the certificate: it holds nothing: the file is empty; copy it again"),
    ("no PEM", write("tls/key.pem", "nonsense\n"), "check", 1, r"key\.pem:1: cannot be used as the key: it holds nothing in PEM form .*; ask for that form .OpenSSL says"),
    ("the binary form", openssl("x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.pem"), "check", 1, r"cert\.pem:1: .*it holds the binary form .*; openssl x509 -inform DER"),
    ("a key with a passphrase", replaced_key("pkey", "-in", "key.pem", "-aes256", "-passout", "pass:x", "-out", "OUT"), "check", 1, r"key\.pem:1: .*a key with a passphrase.*; openssl pkey -in OLD"),
    ("a public key", replaced_key("pkey", "-in", "key.pem", "-pubout", "-out", "OUT"), "check", 1, r"key\.pem:1: .*a public key; the private one belongs here"),
    ("a request", openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=x", "-out", "cert.pem"), "check", 1, r"cert\.pem:1: .*a request for a certificate.*; put what it sends there"),
    ("another certificate's key", replaced_key("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "OUT"), "check", 1, r"key\.pem:1: the key is not the one of .*cert\.pem; put the two that belong together"),
    ("the chain upside down", chain_upside_down, "check", 1, r"key\.pem:1: the key is not the one of .*; put .*this server's own certificate before its chain"),
    ("a certificate that is cut", lambda box: box.write("tls/cert.pem", box.path("tls/cert.pem").read_text()[:400]), "check", 1, r"cert\.pem:1: .*a certificate that is cut or damaged; copy it again"),
    ("an expired certificate", expired, "check", 0, r"warning: .*cert\.pem:1: the certificate has expired: clients refuse it; renew it"),
    ("another's certificate", certificate("other.test"), "check", 0, r"warning: .*cert\.pem:1: the certificate is for other.test, not for server.hostname mail.example.test; "),
    ("a key all can read", mode("tls/key.pem", 0o644), "check", 1, r"key\.pem:1: every account of this machine can read this key; chmod o-r "),
    ("a link to nowhere", link("tls/cert.pem", "/nowhere/fullchain.pem"), "check", 1, r"cert\.pem:1: there is no such file; put one there"),
    ("a secret all can read", mode("conf/srs-secret", 0o644), "check", 1, r"conf/srs-secret: every account of this machine can read this secret .mode 0644.; chmod o-r "),
    ("an authority's key all can read", mode("authority/key.pem", 0o644), "check", 1, r"authority/key.pem: every account of this machine can read this secret .mode 0644.; chmod o-r "),
    ("a certificate that ends soon", certificate(days="5"), "check", 0, r"warning: .*cert\.pem:1: the certificate ends at 20.*; renew it where it was issued"),
    ("another certificate that ends soon", pair("tls/names/x.test", "x.test", days="5"), "check", 0, r"warning: .*tls/names/x.test/cert\.pem:1: the certificate ends at 20.*; renew it where"),
    ("a further certificate", pair("tls/names/x.test", "x.test"), "check", 0, QUIET),
    ("a further certificate without its key", pair("tls/names/x", "x.test", key=None), "check", 0, r"warning: .*tls/names/x: not used: the certificate has no key beside it; a folder for each pair holds fullchain.pem and privkey.pem"),
    ("a further key without certificate", pair("tls/names/x", "x.test", certificate=None), "check", 0, r"warning: .*tls/names/x: not used: the key has no certificate beside it"),
    ("a further pair in two forms", pair("tls/names/x", "x.test", certificate="fullchain.pem"), "check", 0, r"warning: .*tls/names/x: not used: certificate and key are named for two pairs"),
    ("a further pair with other names", pair("tls/names/x", "x.test", certificate="x.crt", key="x.key"), "check", 0, r"warning: .*tls/names/x: not used: no file in it has the name of one"),
    ("a further certificate that is to come", make("tls/names/x"), "check", 0, r"warning: .*tls/names/x: not used: the folder is empty"),
    ("a further pair without its folder", pair("tls/names", "x.test"), "check", 0, r"warning: .*tls/names/cert\.pem: not used: it lies in no folder of its own"),
    ("a further certificate of another", pair("tls/names/mail.x.test", "mail.y.test"), "check", 0, r"warning: .*mail.x.test/cert\.pem:1: the certificate is for mail.y.test, and its folder is called mail.x.test; clients that ask"),
    ("certbot's second of a name", pair("tls/names/mail.x.test-0001", "mail.x.test"), "check", 0, QUIET),
    ("a certificate for all below", pair("tls/names/x.test", "*.x.test"), "check", 0, QUIET),
    ("a signing key without its folder", write("dkim/mail.pem", "x"), "check", 0, r"warning: .*dkim/mail.pem: signs nothing: each domain's keys lie in a folder of its name; move it to .*dkim/DOMAIN/SELECTOR.pem"),
    ("OpenDKIM's name for a key", both(signing_key(), lambda box: box.path("dkim/example.test/mail.pem").rename(box.path("dkim/example.test/mail.private"))), "check", 0, QUIET),
    ("another name for a key", both(signing_key(), lambda box: box.path("dkim/example.test/mail.pem").rename(box.path("dkim/example.test/mail.key"))), "check", 0,
     r"warning: .*dkim/example.test/mail.key: example.test is not signed: no file there is called SELECTOR.pem; mv .*mail.key .*mail.pem"),
    ("a signing domain in capitals", signing_key("Example.Test"), "check", 0, r"warning: .*dkim/Example.Test: signs nothing: domains are looked for in small letters; mv .*dkim/example.test"),
    ("a signing key", signing_key(), "check", 0, QUIET),
    ("a signing folder all can change", both(signing_key(), mode("dkim/example.test", 0o777)), "check", 0, r"warning: .*dkim/example.test: every account of this machine can put a key of its own there; chmod o-w "),
    ("a small key for signatures", signing_key(bits="512"), "check", 1, r"dkim/example.test/mail.pem:1: an RSA key of 512 bits; it needs 1024"),
    ("a signing key all can read", signing_key(mode=0o644), "check", 1, r"mail.pem:1: every account of this machine can read this key; chmod o-rw "),
]

COMMANDS = [
    ("a typo", nothing, "chek", 2, 'there is no command "chek"; did you mean check'),
    ("an option that is none", nothing, "check --verbose", 2, "posthorn check: there is no option --verbose .`posthorn help check`"),
    ("the file as a word", nothing, "check ROOT/conf/posthorn.toml", 2, "posthorn check: .* is one word too many .`posthorn help check`"),
    ("init without a name", nothing, "init ROOT/new", 1, "name the server with --hostname"),
    ("init without a domain", nothing, "init ROOT/new --hostname mx.a.test", 1, "name a mail domain with --domain"),
    ("init with an underscore", nothing, "init ROOT/new --hostname my_host.a.test --domain a.test", 1, "--hostname: \"my_host.a.test\" is no host name: .*underscore"),
    ("init with a URL", nothing, "init ROOT/new --hostname mx.a.test --domain http://a.test", 1, "--domain: .*is no mail domain: neither a URL nor a port"),
    ("init with two domains in one", nothing, "init ROOT/new --hostname mx.a.test --domain a.test,b.test", 1, "--domain: .*; --domain may be given again"),
    ("init where a file is", nothing, "init ROOT/conf/users --hostname mx.a.test --domain a.test", 1, "nothing can be made in .*conf/users: Not a directory; .* posthorn init FOLDER"),
    ("init with a port beyond", nothing, NEW + "--port-base 70000", 2, "--port-base: .*range 0 to 61345"),
    ("init with a profile that is none", nothing, NEW + "--profile loca", 1, 'there is no profile "loca"; there are: default, dev, local, test'),
    ("init of nothing to take over", nothing, NEW + "--from-dms /nowhere", 1, "/nowhere holds none of docker-mailserver's files"),
    ("init with a filter that is none", nothing, NEW + "--spamd spamd", 1, '"spamd" is no address; write 127.0.0.1:25'),
    ("init again with other names", nothing, "init ROOT --hostname other.a.test --domain b.test", 0, r"not changed: .*posthorn\.toml:\d+: server.hostname is \"mail.example.test\", not \"other.a.test\"", "posthorn domain add b.test"),
    ("a user elsewhere", nothing, "user add carol@other.test --password-stdin < pw", 1, "the domain other.test is not in .*maps/domains"),
    ("a user twice", nothing, "user add alice@example.test --password-stdin < pw", 1, "alice@example.test is there already"),
    ("an empty password", nothing, "user add carol@example.test --password-stdin <", 1, "an empty password is not taken"),
    ("a password as a word", nothing, "user add carol@example.test secret", 2, '"secret" is one word too many'),
    ("a scheme that is none", nothing, "user add carol@example.test --scheme MD5 --password-stdin < pw", 1, "cannot hash with MD5"),
    ("a password of nobody", nothing, "user passwd carol@example.test --password-stdin < pw", 1, "there is no account carol@example.test"),
    ("a user that an alias names", append(ALIASES, "info@example.test alice@example.test\n"), "user remove alice@example.test", 1, rf"alice@example.test is still named, and nothing was changed:\n .*{ALIASES}{L}info@example.test leads to", "--with-references takes it out"),
    ("an alias elsewhere", nothing, "alias add a@other.test alice@example.test", 1, "the domain other.test is not in .*maps/domains"),
    ("an alias of nobody", nothing, "alias add a@example.test nobody@example.test", 1, "nobody@example.test is neither a mailbox nor an alias"),
    ("an alias without target", nothing, "alias add a@example.test", 2, "target is required .`posthorn help alias add`"),
    ("a domain as a URL", nothing, "domain add http://a.test", 1, '"http://a.test" is no domain'),
    ("a domain in use", nothing, "domain remove example.test", 1, rf"in use, and nothing was changed; remove these first.*\n .*{MAILBOXES}{L}alice@example.test"),
    ("a quota without unit", nothing, "quota set alice@example.test 1X", 1, '"1X" is no size, as 500M or 1G; none: no limit'),
    ("a quota of nobody", nothing, "quota set carol@example.test 1G", 1, "there is no account carol@example.test"),
    ("a signing key that is there", lambda box: box.run("dkim key example.test"), "dkim key example.test", 1, "mail.pem is there already; it is never overwritten"),
    ("no signing key", nothing, "dkim show example.test", 1, "has no key in .*; `posthorn dkim key example.test` makes one"),
    ("a key too small", nothing, "dkim key example.test --bits 100", 2, "--bits: 100 not in"),
    ("a table that is not there", nothing, "postmap ROOT/maps/nothing", 1, "maps/nothing: there is no such file"),
    ("a faulty table", append(ALIASES, "broken\n"), "postmap ROOT/maps/aliases", 1, rf"{ALIASES}{L}\"broken\" has no value; the form is"),
    ("a table of another kind asked", nothing, "postmap -q a@example.test mysql:x", 1, "unknown table type mysql: .known: text"),
    ("an mbox that is none", write("box", "hello\n"), "import mbox ROOT/box --user alice@example.test", 1, "does not begin with a From line: no mbox file"),
    ("an mbox that is not there", nothing, "import mbox ROOT/nothing --user alice@example.test", 1, "ROOT/nothing: No such file"),
    ("an import for nobody", write("box", "From a@b Thu Jan  1 00:00:00 1970\nSubject: x\n\nx\n"), "import mbox ROOT/box --user carol@example.test", 1, "carol@example.test has no mailbox .*maps/mailboxes"),
    ("an export over a file", write("out", "x"), "export mbox ROOT/out --user alice@example.test", 1, "ROOT/out is there"),
    ("status of none", nothing, "status", 3, "stopped"),
    ("reload of none", nothing, "reload", 1, "the server is not running"),
    ("stop of none", nothing, "stop", 1, "the server is not running"),
    ("restart of none", nothing, "restart", 1, "the server is not running"),
    ("migrate without PostgreSQL", nothing, "migrate", 1, L + "pgsql.conninfo says nothing of where PostgreSQL is"),
    ("a port that is taken", taken("imaps"), "serve", 1, L + r"listen.imaps: port \d+ is taken by .*; stop that, or change the key"),
    ("a start without TOML", write(TOML, "nonsense\n"), "serve", 78, rf"{TOML}:1: this is neither key = value"),
]

VARIABLES = [
    ("a name misspelt", env(POSTHORN_SMTP_BANER="x"), "check", 78, "POSTHORN_SMTP_BANER is no setting, did you mean POSTHORN_SMTP_BANNER"),
    ("a section left out", env(POSTHORN_BANNER="x"), "check", 78, "POSTHORN_BANNER is no setting, did you mean POSTHORN_SMTP_BANNER"),
    ("words for a number", env(POSTHORN_SMTP_RECIPIENTS_MAX="many"), "check", 78, "POSTHORN_SMTP_RECIPIENTS_MAX: smtp.recipients_max must be a whole number"),
    ("a flag that is none", env(POSTHORN_SUBMISSION_REQUIRE_TLS="maybe"), "check", 78, "POSTHORN_SUBMISSION_REQUIRE_TLS: submission.require_tls must be true or false"),
    ("a secret that is not mounted", env(POSTHORN_SMTP_BANNER__FILE="/nowhere"), "check", 78, "POSTHORN_SMTP_BANNER__FILE: there is no file /nowhere"),
    ("a value twice", env(POSTHORN_SMTP_BANNER__FILE="/nowhere", POSTHORN_SMTP_BANNER="x"), "check", 78, "holds both POSTHORN_SMTP_BANNER and POSTHORN_SMTP_BANNER__FILE"),
    ("a size in words", env(POSTFIX_MESSAGE_SIZE_LIMIT="abc"), "check", 78, "POSTFIX_MESSAGE_SIZE_LIMIT: smtp.message_max must be a size, as"),
    ("a relay's port in words", env(RELAY_HOST="h.test", RELAY_PORT="abc"), "check", 1, r"relay.relayhost: \"\[h.test\]:abc\" is no host; write"),
    ("a log level that is none", env(LOG_LEVEL="chatty"), "check", 0, "LOG_LEVEL changes nothing: it is none of trace, debug, info"),
    ("SRS without its domain", env(ENABLE_SRS="1"), "check", 0, "ENABLE_SRS changes nothing: name the domain of rewritten senders: SRS_DOMAINNAME"),
    ("a virus scanner", env(ENABLE_CLAMAV="1"), "check", 0, "ENABLE_CLAMAV changes nothing: mail is not looked through for viruses"),
    ("a network of containers that is none", env(PERMIT_DOCKER="all"), "check", 0, "PERMIT_DOCKER changes nothing: it is none of host, network"),
    ("certbot's pair without a name", env(SSL_TYPE="letsencrypt", HOSTNAME=""), "check", 0, "SSL_TYPE changes nothing: it takes /etc/letsencrypt/live/NAME, so set OVERRIDE_HOSTNAME"),
    ("certbot's pair that is not there", env(SSL_TYPE="letsencrypt", OVERRIDE_HOSTNAME="mail.example.test"), "check", 1, "/etc/letsencrypt/live/mail.example.test/fullchain.pem:1: there is no such file; put one there"),
    ("one's own pair without its files", env(SSL_TYPE="manual", SSL_CERT_PATH="/cert.pem"), "check", 0, "SSL_TYPE changes nothing: set SSL_CERT_PATH and SSL_KEY_PATH, both"),
    ("a kind of pair that is none", env(SSL_TYPE="self-signed"), "check", 0, "SSL_TYPE changes nothing: paths.certificate and paths.key name the files; it knows manual and letsencrypt"),
    ("a host name with a blank", env(OVERRIDE_HOSTNAME="my host"), "check", 1, "server.hostname: \"my host\" is no host name; write"),
    ("a profile misspelt", env(POSTHORN_PROFILE="lokal"), NEW.strip(), 1, 'there is no profile "lokal"; there are: default, dev'),
]

PLACES = [
    ("a file for the spool", file_for("var/spool"), "check", 1, r"var/spool: this is no folder, and one belongs here; move it away"),
    ("a file for the spool, started", file_for("var/spool"), "serve", 78, r"var/spool: this is no folder, and one belongs here; move it away"),
    ("a file for the mail", file_for("var/mail"), "check", 1, r"var/mail: this is no folder, and one belongs here"),
    ("a file for the sockets", file_for("var/run"), "check", 1, r"var/run: this is no folder, and one belongs here"),
    ("a file for the tables", file_for("maps"), "check", 1, r"ROOT/maps: this is no folder, and one belongs here"),
    ("a spool that is gone", both(write("var/state/lookup/x", "kept"), remove("var/spool")), "check", 0, r"warning: .*var/spool: there is no such folder any more, and a start makes an empty one; is its disk mounted\?"),
    ("a spool that is not there yet", remove("var/spool"), "check", 0, QUIET),
    ("mail that is gone", both(write("var/state/lookup/x", "kept"), remove("var/mail")), "check", 0, r"warning: .*var/mail: there is no such folder any more"),
    ("an mbox for a maildir", file_for("var/mail/example.test/alice"), "check", 0, r"warning: .*var/mail/example.test/alice: a file, where the maildir of alice@example.test belongs; move it away; if it is an mbox: `posthorn import mbox FILE --user alice@example.test`"),
    ("a file for a domain", file_for("var/mail/example.test"), "check", 0, r"warning: .*var/mail/example.test: a file, where the folder of alice@example.test belongs; move it away"),
]

# As root, who looks with the eyes of each role.
OWNERS = [
    ("tables of root alone", owner(ALIASES, "root", "root", 0o600), "check", 1, rf"{ALIASES}:1: .*Permission denied; the account posthorn-lookup cannot read it: chgrp posthorn-lookup \S+ && chmod g\+r "),
    ("a closed folder of tables", mode("maps", 0o700), "check", 1, rf"{DOMAINS}:1: .*; the account posthorn-lookup cannot read it: chgrp posthorn-lookup \S+/maps && chmod g\+x "),
    ("users of root alone", owner(USERS, "root", "root", 0o600), "check", 1, rf"{USERS}:1: .*posthorn-lookup cannot read it: chgrp posthorn-lookup "),
    ("a key of root alone", owner("tls/key.pem", "root", "root", 0o600), "check", 1, r"key\.pem:1: .*; the account posthorn-edge cannot read it: chgrp posthorn-tls \S+ && chmod g\+r "),
    ("a closed folder of certificates", mode("tls", 0o700), "check", 1, r"cert\.pem:1: .*posthorn-edge cannot read it: chgrp posthorn-tls \S+/tls && chmod g\+x "),
    ("a script of root alone", owner(SCRIPT, "root", "root", 0o600), "check", 1, rf"{SCRIPT}:1: .*; the account vmail cannot read it: chgrp vmail "),
    ("a signing key of root alone", signing_key(account="root", mode=0o600), "check", 1, r"mail.pem:1: .*posthorn-queue cannot read .*chgrp posthorn-queue "),
    ("another's spool", owner("var/spool", "vmail", "vmail"), "check", 1, r"var/spool: belongs to account number \d+, not to posthorn-queue; chown -R posthorn-queue "),
    ("another's spool, started", owner("var/spool", "vmail", "vmail"), "serve", 78, r"var/spool: belongs to account number \d+, not to posthorn-queue; chown"),
    ("a role without account", key("users.edge", '"nosuchone"'), "check", 1, r"there is no system account nosuchone; scripts/setup --accounts or the package makes it, or name another in \[users\]"),
    ("another's maildir", both(make("var/mail/example.test/alice/cur"), owner("var/mail/example.test", "vmail", "vmail", 0o700), owner("var/mail/example.test/alice", "nobody", "nogroup", 0o700)), "check", 0,
     r"warning: .*var/mail/example.test/alice: the account vmail cannot change it .account number \d+, mode 0700.; chown -R vmail "),
    ("root's mail in a maildir", both(make("var/mail/example.test/alice/cur"), owner("var/mail/example.test", "vmail", "vmail", 0o700), owner("var/mail/example.test/alice", "vmail", "vmail", 0o700),
                                      owner("var/mail/example.test/alice/cur", "root", "root", 0o700)), "check", 0, r"warning: .*example.test/alice/cur: the account vmail cannot change it"),
    ("a mail folder all can change", mode("var/mail", 0o777), "check", 1, "var/mail: every account of this machine can change it .mode 0777.; chmod o-w "),
]


class Mistakes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob"), domains=("example.test",), mx="mail.example.test")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-mistakes-"))
        cls.folder.chmod(0o711)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        shutil.rmtree(cls.folder)

    def run_row(self, number, row):
        box = Box(self.server.root, self.folder / f"{self._testMethodName}-{number}")
        try:
            row[1](box)
            code, text = box.run(row[2])
            return code, text.replace(str(box.root), "ROOT")
        finally:
            box.close()
            shutil.rmtree(box.root)

    def check(self, rows):
        self.assertEqual(len({row[0] for row in rows}), len(rows), "two rows of one name")
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for row, (code, text) in zip(rows, pool.map(self.run_row, range(len(rows)), rows)):
                with self.subTest(row[0]):
                    self.assertEqual(code, row[3], text)
                    for told in row[4:]:
                        self.assertRegex(text, told)
                    self.assertNotIn("Sanitizer", text)

    def test_settings(self):
        self.check(SETTINGS)

    def test_doubts(self):
        self.check(DOUBTS)

    def test_places(self):
        self.check(PLACES)

    def test_tables(self):
        self.check(TABLES)

    def test_scripts(self):
        self.check(SCRIPTS)

    def test_certificates(self):
        self.check(CERTIFICATES)

    def test_commands(self):
        self.check(COMMANDS)

    def test_variables(self):
        self.check(VARIABLES)

    @unittest.skipUnless(os.geteuid() == 0, "roles get accounts of their own from root alone")
    def test_owners(self):
        self.check(OWNERS)


if __name__ == "__main__":
    unittest.main()
