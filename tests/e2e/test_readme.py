"""The README pages say what is so: their commands run, their settings, events, metrics, variables, files and links exist.

A page that names what the program does not have fails here.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import readme
from postgres import Postgres, make_server
from readme import ROOT
from support import POSTHORN, Server, free_port_base, message, wait_until

# Names with a dot that are no settings: files, folders, hosts.
OTHER_NAMES = re.compile(r".*\.(toml|pem|key|cf|conf|ext|sieve|orig|sql|sock|service|socket|md|yaml|regexp|log|py|xml|index|test|org|com|where|env)")


def ask(*words):
    done = subprocess.run([POSTHORN, *words], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings, section = {}, ""
        for line in ask("defaults").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
                if "." in section:  # a table of names
                    cls.settings[section] = "{}"
            elif " = " in line and not line.startswith("#"):
                key, value = line.split(" = ", 1)
                cls.settings[f"{section}.{key}"] = value
        cls.sections = {name.split(".")[0] for name in cls.settings}
        cls.events = {line.split()[0] for line in ask("events").splitlines()}
        cls.metrics = {}
        for line in ask("metrics").splitlines():
            name, kind, about = line.split(None, 2)
            cls.metrics[name.split("{")[0]] = (name.partition("{")[2].rstrip("}"), kind, about)
        cls.helps = {}

    def check(self, faults):
        self.assertEqual("\n".join(faults), "")

    def help_on(self, words):
        if words not in self.helps:
            self.helps[words] = ask("help", *words)
        return self.helps[words]

    def faults_of(self, words):
        """What the program does not know of "queue retry --all"."""
        path, options, rest = (), [], []
        for word in words:
            if word.startswith("-") and len(word) > 1:
                options.append(word.split("=")[0])
            elif not rest and self.has_commands(path):
                if self.help_on((*path, word)) is None:
                    return [f"there is no command {' '.join((*path, word))}"]
                path = (*path, word)
            else:
                rest.append(word)
        text = self.help_on(path) or ""
        known = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))
        return [f"posthorn {' '.join(path)} has no option {option}" for option in options if option not in known]

    def has_commands(self, path):
        text = self.help_on(path) or ""
        return "SUBCOMMAND" in text and path != ("help",)

    def all_commands(self):
        paths = [()]
        for path in paths:  # it grows
            listed = (self.help_on(path).partition("\nSubcommands:\n") + ("",))[2]
            paths += [(*path, name) for name in re.findall(r"(?m)^  (\S+)", listed)]
        return paths

    def test_commands_and_options_exist(self):
        faults, seen = [], 0
        for block in readme.blocks("sh"):
            for command in readme.commands(block.text):
                words = readme.words_of_posthorn(command)
                if words is not None:
                    seen += 1
                    faults += [f"{block}: {fault}" for fault in self.faults_of(words)]
        for place, code in readme.codes():
            if code.startswith("posthorn "):
                seen += 1
                faults += [f"{place}: {fault}" for fault in self.faults_of(shlex.split(code)[1:])]
        self.check(faults)
        self.assertGreater(seen, 100)

    def test_options_in_the_text_belong_to_a_program_that_is_named(self):
        # `--from-dms`, `--bits 4096`: an option alone must be one of posthorn's, or of the page's other programs.
        known = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", "".join(map(self.help_on, self.all_commands()))))
        known |= set(re.findall(r"--[a-z][\w-]*", "".join(
            (ROOT / name).read_text() for name in ("scripts/demo.py", "scripts/demo", "scripts/check", "scripts/setup", "deploy/roundcube/setup"))))
        known |= {"--deploy-hook", "--cacert", "--profile"}  # certbot, curl, docker compose
        known |= {"--allow-tell", "--virtual-config-dir"}  # spamd
        self.check([f"{place}: nobody knows {code}" for place, code in readme.codes()
                    if code.startswith("--") and code.split()[0] not in known])

    def test_settings_and_events_exist(self):
        faults, seen = [], 0
        for place, code in readme.codes():
            name = code.removeprefix("event=").split(" = ")[0]
            if re.fullmatch(r"\[[a-z_]+\]", code) and code != "[host]" and code[1:-1] not in self.sections:
                faults.append(f"{place}: there is no section {code}")
            if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", name):
                continue
            seen += 1
            if name not in self.settings and name not in self.events and not OTHER_NAMES.fullmatch(name):
                faults.append(f"{place}: there is no setting, event or file {name}")
        self.check(faults)
        self.assertGreater(seen, 150)

    def test_metrics_exist(self):
        faults = []
        for place, code in readme.codes():
            if re.fullmatch(r"posthorn_[a-z_]+[a-z]", code) and code.removesuffix("_total") not in self.metrics:
                faults.append(f"{place}: there is no metric {code}")
        self.check(faults)

    def test_the_table_of_metrics_is_whole(self):
        told = {f"posthorn_{row[0].strip('`')}": (row[1].replace(", ", ","), row[2])
                for _, _, rows in readme.tables() if rows[0][0].startswith("`posthorn_`") for row in rows[2:]}
        self.assertEqual(told, {name: (labels, about) for name, (labels, _, about) in self.metrics.items()})

    def test_tables_of_a_section_say_its_defaults(self):
        faults, seen = [], 0
        for page, number, rows in readme.tables():
            section = re.search(r"`\[([a-z0-9]+)\]`", rows[0][0])
            if section is None:
                continue
            for row in rows[2:]:
                for key in re.findall(r"`([a-z_]+)`", row[0]):
                    seen += 1
                    real = self.settings.get(f"{section[1]}.{key}")
                    if real != row[1].strip("`") and (real, row[1]) != ('"0B"', "`0`"):
                        faults.append(f"{page}:{number}: {section[1]}.{key} is {real}, not {row[1]}")
        self.check(faults)
        self.assertGreater(seen, 10)

    def test_variables_exist(self):
        sources = "".join(path.read_text() for folder in ("src", "deploy/container") for path in (ROOT / folder).rglob("*")
                          if path.is_file() and path.suffix in (".cc", ".h", ".sh", ".yaml", "") and path.name != "LAYERS")
        names = set(re.findall(r"[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+", sources))
        faults, seen = [], 0
        for place, code in readme.codes():
            name = code.split("=")[0]
            if not re.fullmatch(r"[A-Z][A-Z0-9]*(_+[A-Z0-9]+)+", name):
                continue
            seen += 1
            section = name.split("_")[1].lower()
            is_setting = name.startswith("POSTHORN_") and f"{section}.{'_'.join(name.split('_')[2:]).lower()}" in self.settings
            if name not in names and not is_setting:
                faults.append(f"{place}: nobody reads {name}")
        self.check(faults)
        self.assertGreater(seen, 50)

    def test_links_lead_somewhere(self):
        faults, reached = [], {readme.PAGES[0]}
        for page, number, target in readme.links():
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            reached.add(file)
            if not file.exists():
                faults.append(f"{page}:{number}: there is no {target}")
            elif anchor and anchor not in readme.anchors(file):
                faults.append(f"{page}:{number}: there is no heading {target}")
        self.check(faults)
        self.assertEqual(set(readme.PAGES) - reached, set())
        tracked = {path.relative_to(ROOT) for path in ROOT.glob("*/README.md")} | {pathlib.Path("README.md")}
        self.assertEqual(tracked - {page.relative_to(ROOT) for page in readme.PAGES}, set())

    def test_files_of_this_tree_exist(self):
        faults = []
        made = {"maps/sender-relays", "maps/friends", "maps/aliases.regexp"}  # by the administrator, and by init --from-dms
        for place, code in readme.codes():
            if re.fullmatch(r"(scripts|deploy|maps|src|tests|migrations)/[\w./-]+", code) and code not in made and not (ROOT / code).exists():
                faults.append(f"{place}: there is no {code}")
        for block in readme.blocks("sh"):
            for word in sum(readme.commands(block.text), []):
                if re.fullmatch(r"(scripts|deploy)/[\w./-]+", word) and not (ROOT / word).exists():
                    faults.append(f"{block}: there is no {word}")
        self.check(faults)

    def test_the_front_page_is_short(self):
        self.assertLess(len(readme.PAGES[0].read_text().splitlines()), 100)

    def test_no_block_escapes(self):
        known = {"sh", "toml", "text", "sql", "yaml", "zone"}
        self.check([f"{block}: what is a block of {block.language!r}?" for page in readme.PAGES
                    for block in readme.split(page)[0] if block.language not in known])
        self.check([f"{page}:{number}: an indented block is not read by any test" for page in readme.PAGES
                    for number, line in readme.split(page)[1] if line.startswith("    ")])


class Files(unittest.TestCase):
    """toml blocks and lines of tables, in an instance of their own each: posthorn check takes them."""

    def instance(self):
        server = Server(domains=("example.org",), users=("alice", "bob"))
        self.addCleanup(server.close)
        (server.root / "maps/patterns").write_text("/^x@example.org$/ alice@example.org\n")
        (server.root / "maps/friends").write_text("friend@elsewhere.test friend\n")
        for name in ("before", "after", "into-junk", "out-of-junk", "flags"):
            (server.root / f"sieve/{name}.sieve").write_text("keep;\n")
        (server.root / "conf/pgsql-password").write_text("secret\n")
        (server.root / "conf/pgsql-password").chmod(0o640)
        return server

    def put(self, server, section, key, value):
        server.set(f"{section}.{key}", value)

    def test_settings(self):
        server = self.instance()
        before, seen = server.conf.read_text(), 0
        for block in readme.blocks("toml"):
            if block.page.parent.name == "migrations":
                continue  # test_pgsql_queries runs them, with the tables that they ask
            with self.subTest(str(block)):
                section = ""
                for line in block.text.splitlines():
                    if line.startswith("["):
                        section = line.strip("[]")
                    elif "." in section:  # a table of names
                        server.conf.write_text(server.conf.read_text().replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
                    else:
                        key, value = line.split(" = ", 1)
                        self.put(server, section, key, value)
                server.run("check")
                seen += 1
            server.conf.write_text(before)
        self.assertGreater(seen, 5)

    def test_settings_in_the_text(self):
        server = self.instance()
        (server.root / "maps/sender-relays").write_text("")
        before, seen = server.conf.read_text(), 0
        for place, code in readme.codes():
            if setting := re.fullmatch(r"([a-z]+)\.([a-z_]+) = (.+)", code):
                with self.subTest(f"{place}: {code}"):
                    self.put(server, *setting.groups())
                    server.run("check")
                    seen += 1
                server.conf.write_text(before)
        self.assertGreater(seen, 5)

    def test_lines_of_tables(self):
        server = self.instance()
        names = {"aliases": "maps/aliases", "transport": "maps/transport", "relay-sasl": "maps/relay-sasl", "users": "conf/users"}
        seen = set()
        for block in readme.blocks("text"):
            if block.about in ("logrotate", "output"):
                continue
            with self.subTest(str(block)):
                file = server.root / names[block.about]
                before = file.read_text()
                file.write_text(block.text)
                told = server.run("check")
                # Nothing is odd about the lines themselves, either.
                self.assertEqual([line for line in (told.stdout + told.stderr).splitlines() if f"{file}:" in line], [])
                seen.add(block.about)
                file.write_text(before)
        self.assertEqual(seen, set(names))

    @unittest.skipUnless(shutil.which("logrotate"), "no logrotate here")
    def test_rules_for_logrotate(self):
        for block in readme.blocks("text"):
            if block.about == "logrotate":
                with tempfile.TemporaryDirectory() as folder:
                    rules = pathlib.Path(folder, "rules")
                    rules.write_text(block.text)
                    rules.chmod(0o644)
                    subprocess.run(["logrotate", "-d", "-s", f"{folder}/state", rules], check=True, capture_output=True, timeout=60)


# Stands before the program in the blocks: what needs a place, a port or a terminal is given one.
WRAPPER = r'''#!/bin/bash
set -uo pipefail
here=$(dirname "$(dirname "$0")")
asked="$*"
export POSTHORN_CONFIG=${POSTHORN_CONFIG:-SERVER_CONF}
case "$*" in
  init*) "PROGRAM" "$@" --listen 127.0.0.1 --port-base PORT_BASE --mail "$here/mail" ;;
  serve*)
    "PROGRAM" "$@" >"$here/log" 2>&1 &
    for i in $(seq 600); do [[ $(<"$here/log") == *"posthorn: ready"* ]] && break; kill -0 $! || break; sleep 0.1; done
    [[ $(<"$here/log") == *"posthorn: ready"* ]] || { cat "$here/log"; exit 1; }
    kill -TERM $!
    wait $! ;;
  "user add"*--password-stdin*) "PROGRAM" "$@" ;;
  "user add"*) "PROGRAM" user remove "${@:3}" >/dev/null 2>&1; echo secret | "PROGRAM" "$@" --password-stdin ;;
  migrate* | tables*) true ;;  # class Rows runs them
  "dns "*) "PROGRAM" "$@"; case $? in 0 | 1 | 75) ;; *) false ;; esac ;;  # nor the domain
  "dkim check"*) "PROGRAM" "$@"; [ $? = 1 ] ;;  # the DNS here does not know the key
  "import mbox FILE"*) shift 3; "PROGRAM" import mbox "$here/mbox" "$@" ;;
  "import maildir FOLDER"*) shift 3; "PROGRAM" import maildir "$here/maildir" "$@" ;;
  "export "*) format=$2; shift 3; "PROGRAM" export $format "$here/export-$format" "$@" ;;
  "queue show ID") "PROGRAM" queue show QUEUE_ID ;;
  *) "PROGRAM" "$@" ;;
esac
code=$?
echo "$asked -> $code" >>"$here/ran"
exit $code
'''
# Programs that are none of ours, or need a whole system: they do nothing; docker and runuser hand on.
STUBS = {"docker": '[ "$1" != exec ] || { shift 2; exec "$@"; }', "runuser": 'shift 3; [ "$1" != posthorn ] || exec "$@"; cat >/dev/null'}
OTHERS = ("apt-get", "systemctl", "openssl", "install", "sed", "cmake", "curl", "swaks", "grep", "scripts/setup", "deploy/debian/build")


class Running(unittest.TestCase):
    """The shell blocks with our commands, as they stand, against a running server."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=("alice", "bob"))
        cls.addClassCleanup(cls.server.close)
        cls.server.append_map("transport", "elsewhere.test smtp:[127.0.0.1]:1\n")
        (cls.server.root / "maps/patterns").write_text("/^team@example.org$/ alice@example.org\n")
        cls.server.start()
        cls.server.run("sieve", "put", "-", "--name", "holiday", "--user", "alice@example.org", input="keep;\n")
        cls.server.submit("alice", message(to="carol@elsewhere.test"), ["carol@elsewhere.test"])
        cls.queue_id = wait_until(cls.server.queued)[0]["id"]

    def run_block(self, block):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-readme-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        for name in ("bin", "scripts", "deploy/debian", "build/release", "maildir/cur", "maildir/new", "maildir/tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "filters.sieve").write_text("keep;\n")
        (folder / "password").write_text("correct horse\n")
        (folder / "api-key").write_text("SG.xxxxxxxx\n")
        (folder / "away.txt").write_text("Back in January.\n")
        (folder / "mbox").write_bytes(b"From x@example.org Thu Jan  1 00:00:00 2026\nSubject: old\n\nold\n\n")
        wrapper = WRAPPER
        for name, value in {"PROGRAM": POSTHORN, "SERVER_CONF": self.server.conf, "PORT_BASE": free_port_base(), "QUEUE_ID": self.queue_id}.items():
            wrapper = wrapper.replace(name, str(value))
        for name in OTHERS:
            path = folder / (name if "/" in name else f"bin/{name}")
            path.write_text(f"#!/bin/bash\n{STUBS.get(name, 'cat >/dev/null')}\n")
            path.chmod(0o755)
        for name, text in STUBS.items():
            (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        for path in (folder / "bin/posthorn", folder / "build/release/posthorn"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(wrapper)
            path.chmod(0o755)
        (folder / "build/ran").touch()
        text = block.text
        for place in ("/srv", "/etc/posthorn"):
            text = text.replace(place, f"{folder}{place}")
        (folder / "etc/posthorn/conf").mkdir(parents=True)
        (folder / "etc/posthorn/conf/pgsql-password").write_text("secret\n")
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"})
        ran = "".join((folder / place).read_text() for place in ("ran", "build/ran") if (folder / place).exists())
        self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout}{done.stderr}\n{ran}")
        return ran

    def test_each_block_runs(self):
        ran = ""
        for block in readme.blocks("sh"):
            words = [readme.words_of_posthorn(command) for command in readme.commands(block.text)]
            if any(words) and "swaks" not in block.text:  # that one: test_a_server_of_your_own
                with self.subTest(str(block)):
                    ran += self.run_block(block)
        for command in ("init", "serve", "user add", "postmap", "quota set", "dkim key", "ban add", "import maildir", "export mbox", "queue show",
                        "domain add", "events", "status", "sieve put", "sieve activate", "sieve remove", "vacation on", "vacation show"):
            self.assertRegex(ran, rf"(?m)^{command}\b.* -> 0$")

    def test_a_server_of_your_own(self):
        """The front page's two blocks, the second while the server of the first runs."""
        make, look = [block.text for block in readme.blocks("sh") if block.page == readme.PAGES[0]][1:]
        with tempfile.TemporaryDirectory(prefix="posthorn-readme-") as name:
            folder, base = pathlib.Path(name), free_port_base()
            folder.chmod(0o711)
            script = "\n".join(line for line in make.replace("/srv", f"{folder}/srv").splitlines() if not line.startswith(("scripts/", "cmake ")))
            script = script.replace("build/release/posthorn", POSTHORN).replace(" init ", f" init --port-base {base} --listen 127.0.0.1 ")
            script = re.sub(r"(\$P user add \S+)", r"echo secret | \1 --password-stdin", script).replace("$P serve", "exec $P serve")
            log = open(folder / "log", "w")
            server = subprocess.Popen(["bash", "-euc", script], stdout=log, stderr=log, cwd=ROOT)
            log.close()
            try:
                wait_until(lambda: "posthorn: ready" in (folder / "log").read_text() or server.poll() is not None, 60)
                self.assertIsNone(server.poll(), (folder / "log").read_text())
                (folder / "bin").mkdir()
                (folder / "bin/posthorn").symlink_to(POSTHORN)
                script = look.replace("/srv", f"{folder}/srv").replace("127.0.0.1", f"127.0.0.1:{base + 25}").replace("localhost/", f"localhost:{base + 995}/")
                script = script.replace("-u alice@example.org", "-sS --retry 20 --retry-delay 1 --retry-all-errors -u alice@example.org:secret")
                told = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=120,
                                      env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"})
                self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
                self.assertIn("running", told.stdout)
                self.assertIn("This is a test mailing", told.stdout.split("QUIT")[-1])
            finally:
                server.terminate()
                self.assertEqual(server.wait(60), 0)

    def test_ports_are_those_that_init_chooses(self):
        told = {int(port) for _, _, rows in readme.tables() if rows[0][:2] == ["service", "port"] for row in rows[2:] for port in row[1].split(",")}
        text = ask("defaults")
        self.assertEqual(told, {int(port) for port in re.findall(r'"0\.0\.0\.0:(\d+)"', text)})


class Rows(unittest.TestCase):
    """What the pages say of PostgreSQL, with a real one."""

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().__enter__()
        cls.addClassCleanup(cls.postgres.__exit__, None, None, None)
        cls.server = make_server(cls.postgres)
        cls.addClassCleanup(cls.server.close)

    def test_statements(self):
        self.postgres.sql("CREATE ROLE posthorn LOGIN")
        self.postgres.sql("INSERT INTO posthorn.domains (name) VALUES ('example.org') ON CONFLICT DO NOTHING")
        # Those of others' schemas are run where these are (test_pgsql_queries).
        for block in [block for block in readme.blocks("sql") if not block.about]:
            with self.subTest(str(block)):
                self.postgres.sql(block.text)
        self.assertEqual(self.server.run("postmap", "-q", "team@example.org", "pgsql:aliases").stdout.strip(), "alice@example.org, bob@example.org")

    def test_columns(self):
        rows = next(rows for _, _, rows in readme.tables() if rows[0][0].startswith("table in schema"))
        for name, key, value in rows[2:]:
            for column in (key, value):
                self.postgres.sql(f"SELECT {column.split('`')[1]} FROM posthorn.{name.strip('`')}")

    def test_commands(self):
        for place, code in readme.codes():
            if re.match(r"posthorn (migrate$|tables .*[a-z]+ [a-z]+$|postmap -q KEY pgsql)", code):
                with self.subTest(f"{place}: {code}"):
                    done = self.server.run(*code.split()[1:], check=False)
                    # diff: nothing differs after a copy, or something does; a key that is not there: 1, without a word.
                    self.assertIn(done.returncode, (0, 1) if "diff" in code or "-q" in code else (0,), done.stderr)
                    self.assertNotIn("posthorn:", done.stderr)


if __name__ == "__main__":
    unittest.main()
