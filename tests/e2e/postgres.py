"""A real PostgreSQL 15 (Debian's) in a temporary folder, on a Unix socket and a loopback port, for the end-to-end tests.

It can be stopped, started again, frozen (SIGSTOP of every one of its processes: it takes connections and answers
nothing) and thawed. Run by root it works as the account postgres.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from support import Server, free_port, wait_until

BIN = next(iter(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    def __init__(self, connections=30):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-pg-"))
        self.folder.chmod(0o755)
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.data = self.folder / "data"
        self.port = free_port()
        self.process = None
        self.frozen = []
        self.made = False
        self.own(self.folder)
        self.run_as("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        (self.data / "postgresql.auto.conf").write_text(
            f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n"
            f"fsync = off\nmax_connections = {connections}\nsuperuser_reserved_connections = 2\nshared_buffers = 16MB\n")

    def own(self, path):
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def who(self):
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []} if self.account else {}

    def run_as(self, program, *args):
        subprocess.run([BIN / program, *map(str, args)], check=True, capture_output=True, cwd=self.folder, **self.who())

    def conninfo(self, user="mail", database="mail"):
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def start(self):
        assert self.process is None
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([BIN / "postgres", "-D", self.data], stdout=log, stderr=log, cwd=self.folder,
                                        start_new_session=True, **self.who())
        log.close()

        def ready():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            return subprocess.run([BIN / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)]).returncode == 0

        wait_until(ready, 60)
        if not self.made:
            for text in ("CREATE ROLE mail LOGIN", "CREATE DATABASE mail OWNER mail"):
                self.sql(text, "postgres", "postgres")
            self.made = True
        return self

    def stop(self):
        """At once: connections are cut."""
        if self.process is not None:
            self.thaw()
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(20)
            self.process = None

    def freeze(self):
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)
        self.frozen = [pid]
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGSTOP)
                self.frozen.append(int(child))

    def thaw(self):
        for pid in reversed(self.frozen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = []

    def sql(self, text, user="postgres", database="mail"):
        """Runs it with psql; the answer's lines."""
        done = subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(user, database), "-c", text],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


TABLES = ("domains", "mailboxes", "aliases", "senders", "transport")


def use_pgsql(server, conninfo, **settings):
    server.set("pgsql.conninfo", f'"{conninfo}"')
    for table in TABLES:
        server.set(f"maps.{table}", '["pgsql:"]')
    server.set("maps.relay_sasl", '"pgsql:"')
    server.set("auth.users", '"pgsql"')
    for key, value in settings.items():
        server.set(f"pgsql.{key}", value)


def make_server(postgres, **settings):
    """A server whose only tables are PostgreSQL's; alice and bob are added by its own commands."""
    server = Server(users=())
    use_pgsql(server, postgres.conninfo(), **settings)
    server.run("migrate")
    server.run("domain", "add", "example.org")
    for user in ("alice", "bob"):
        server.add_user(f"{user}@example.org")
    for name in (*TABLES, "relay-sasl"):
        (server.root / "maps" / name).unlink()
    (server.root / "conf" / "users").unlink()
    return server
