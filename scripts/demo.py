"""The show of scripts/demo: a server, spamd and a smarthost; four mails; and where they lie, read by IMAP."""

import gzip
import pathlib
import signal
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from support import TELL_POINTS, Server, Smarthost, Spamd, message, server_tls

EXAMPLES = pathlib.Path("/usr/share/doc/spamassassin/examples")
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def sample(name):
    """A mail that SpamAssassin's own package ships, with CRLF lines."""
    for path in (EXAMPLES / name, EXAMPLES / (name + ".gz")):
        if path.exists():
            raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
            return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sys.exit(f"demo: {name} is not below {EXAMPLES}")


def subject(raw):
    return next((line[9:].decode("utf-8", "replace") for line in raw.split(b"\r\n") if line.lower().startswith(b"subject: ")), "-")


def show(title, mails):
    print(f"\n{title}")
    for raw in mails:
        status = next((line.decode() for line in raw.split(b"\r\n") if line.startswith(b"X-Spam-Status:")), "")
        print(f"    {subject(raw)[:60]:<60}  {status[:48]}")


def main():
    with tempfile.TemporaryDirectory() as folder, Spamd(options=["--cf=" + TELL_POINTS]) as spamd:
        pathlib.Path(folder).chmod(0o755)
        tls, authority = server_tls(folder)
        with Smarthost(tls=tls) as smarthost:
            server = Server(spamd=spamd.address, settings={
                "relay.relayhost": f'"[localhost]:{smarthost.port}"', "relay.trust_file": f'"{authority}"'})
            server.write_map("relay-sasl", f"[localhost]:{smarthost.port} apikey:secret\n")
            with server:
                run(server, spamd, smarthost)


def run(server, spamd, smarthost):
    print(f"demo: the server runs below {server.root}")
    nonspam, spam = sample("sample-nonspam.txt"), sample("sample-spam.txt")
    server.send(nonspam, to=["alice@example.org"])
    server.send(spam, to=["alice@example.org"])
    server.send(message("A GTUBE mail", GTUBE + "\r\n"), to=["bob@example.org"])
    server.submit("alice", message("Greetings from alice", "Through the smarthost.\r\n", to="friend@elsewhere.test"),
                  ["friend@elsewhere.test"])

    server.wait_for(subject(nonspam), "alice", "INBOX", 60)
    server.wait_for(subject(spam), "alice", "Junk", 60)
    server.wait_for("GTUBE", "bob", "Junk", 60)
    sender, to, raw, was_tls, account = smarthost.wait_for("Through the smarthost", 60)

    show("alice's INBOX", server.fetch_all("alice", "INBOX"))
    show("alice's Junk", server.fetch_all("alice", "Junk"))
    show("bob's Junk", server.fetch_all("bob", "Junk"))
    print(f"\nThe smarthost took from {sender} for {', '.join(to)} (TLS: {'yes' if was_tls else 'no'}, login: {account})")
    print(f"    {subject(raw)}")
    print(f"""
Client settings
    accounts    alice@example.org / pw-alice     bob@example.org / pw-bob
    IMAP        localhost:{server.port('imaps')} (TLS)   localhost:{server.port('imap')} (STARTTLS)
    submission  localhost:{server.port('submissions')} (TLS)   localhost:{server.port('submission')} (STARTTLS)
    SMTP        localhost:{server.port('smtp')}
    certificate {server.root}/tls/cert.pem
    log         {server.log_path}
    queue       {ROOT}/build/release/posthorn queue list -c {server.conf}""")
    if "--once" in sys.argv:
        print("\ndemo: every mail lies where it should")
        return
    print("\ndemo: running until Ctrl-C", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    main()
