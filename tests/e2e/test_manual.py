"""The manual pages and the completion of shells: made of the program's own words, whole, and without a complaint of those
who read them (groff, mandoc, man; bash, zsh, fish)."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, ROOT


def run(*command, **more):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **more)


def posthorn(*words):
    done = run(POSTHORN, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands():
    """Every command as its words, with its help: {(): …, ("queue",): …, ("queue", "show"): …}."""
    found, todo = {}, [()]
    while todo:
        words = todo.pop()
        found[words] = posthorn("help", *words)
        listed = found[words].partition("\nSubcommands:\n")[2].split("\n\n")[0]
        todo += [(*words, name) for name in re.findall(r"(?m)^  (\S+)", listed)]
    return found


def options(text):
    """The options in a help's lists of them."""
    listed = text.partition("\nOptions:\n")[2]
    return [name for line in re.findall(r"(?m)^  (-\S+)", listed) for name in line.split(",")]


def subcommands(all_commands, words):
    return {name[-1] for name in all_commands if len(name) == len(words) + 1 and name[:-1] == words}


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-man-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        posthorn("man", "--to", cls.folder)
        cls.pages = {f"{path.stem}({path.suffix[1:]})": path for path in cls.folder.rglob("*") if path.is_file()}
        cls.commands = commands()

    def read(self, name):
        """A page as man shows it, in one line."""
        done = run("man", "-E", "UTF-8", "-l", self.pages[name], env={**os.environ, "MANWIDTH": "1000", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return " ".join(done.stdout.replace("\u2010", "-").split())

    def test_each_command_and_each_list_has_one(self):
        named = posthorn("man").split()
        self.assertEqual(sorted(named), sorted(self.pages))
        self.assertEqual(set(named), {f"posthorn-{words[0]}(1)" for words in self.commands if len(words) == 1} |
                         {"posthorn(1)", "posthorn.toml(5)", "posthorn-tables(5)", "posthorn-events(7)", "posthorn-metrics(7)"})

    def test_one_alone(self):
        for asked, name in (("queue", "posthorn-queue(1)"), ("posthorn-events", "posthorn-events(1)"), ("events(7)", "posthorn-events(7)"),
                            ("posthorn.toml", "posthorn.toml(5)"), ("posthorn", "posthorn(1)")):
            self.assertEqual(posthorn("man", asked), self.pages[name].read_text(), asked)
        done = run(POSTHORN, "man", "queues")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("there is no page queues", done.stderr)

    def test_who_reads_them_has_no_complaint(self):
        for name, path in self.pages.items():
            for reader in (("groff", "-ww", "-man", "-Tutf8", "-z"), ("groff", "-ww", "-man", "-Tascii", "-z"), ("mandoc", "-T", "lint", "-W", "warning"),
                           ("man", "--warnings", "-l")):
                with self.subTest(name, reader=reader[0]):
                    done = run(*reader, path)
                    told = done.stderr if reader[0] == "man" else done.stdout + done.stderr
                    self.assertEqual((done.returncode, told), (0, ""))
            self.assertTrue(path.read_text().isascii())

    def test_they_say_what_help_says(self):
        for words, text in self.commands.items():
            page = self.read(f"posthorn-{words[0]}(1)" if words else "posthorn(1)")
            about = " ".join(text.split("\n")[0].removeprefix("Posthorn: ").split())
            self.assertIn(about, page)
            self.assertIn(" ".join(("posthorn", *words)), page)
            for option in options(text):
                if not words or option not in ("-h", "--help", "--help-all"):
                    self.assertRegex(page, rf"(^| ){re.escape(option)}\b", words)

    def test_every_setting_event_and_metric(self):
        page, about = self.read("posthorn.toml(5)"), ""
        for line in posthorn("defaults").splitlines():
            if line.startswith("# "):
                about = line[2:].replace("`", "").replace("…", "...")
            elif line:
                self.assertIn(f"{line} {about}", page)
        page = self.read("posthorn-events(7)")
        for line in posthorn("events").splitlines():
            self.assertIn(" ".join(line.split()).replace("`", ""), page)
        page = self.read("posthorn-metrics(7)")
        for line in posthorn("metrics").splitlines():
            name, kind, about = line.split(None, 2)
            self.assertIn(f"{name.split('{')[0]} ({kind}) {about}", page)

    def test_every_table(self):
        page = self.read("posthorn-tables(5)")
        for path in (*ROOT.glob("maps/*"), ROOT / "conf/users", ROOT / "conf/smtp_users"):
            if path.suffix != ".md":
                self.assertIn(f"{path.relative_to(ROOT)} {' '.join(path.read_text().split())}", page)

    def test_a_build_can_be_repeated(self):
        done = run(POSTHORN, "man", "posthorn", env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"})
        self.assertIn('"2001-09-09"', done.stdout)

    def test_the_build_has_made_them(self):
        made = pathlib.Path(POSTHORN).parent / "share"
        if not made.is_dir():
            self.skipTest("not the program of a build folder")
        for name, path in self.pages.items():
            self.assertTrue((made / "man" / f"{path.relative_to(self.folder)}.gz").is_file(), name)
        for shell in ("bash", "zsh", "fish"):
            self.assertEqual((made / "completion" / shell).read_text(), posthorn("completion", shell))


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-completion-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for shell in ("bash", "zsh", "fish"):
            (cls.folder / shell).write_text(posthorn("completion", shell))
        cls.commands = commands()

    def bash(self, *lines):
        """What Tab offers behind each of these lines of words."""
        script = f'. {self.folder}/bash\ncomplete -p posthorn >/dev/null || exit 1\n'
        for words in lines:
            script += f"COMP_WORDS=({' '.join(map(repr, words))}) COMP_CWORD={len(words) - 1}\n_posthorn\necho \"${{COMPREPLY[*]}}\"\n"
        done = run("bash", "--norc", "-u", "-c", script)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [set(line.split()) for line in done.stdout.split("\n")[:-1]]

    def test_bash_offers_each_command_and_option(self):
        places = list(self.commands)
        offered = self.bash(*(("posthorn", *words, "") for words in places))
        for words, names in zip(places, offered):
            if subs := subcommands(self.commands, words):
                self.assertEqual(names, subs, words)
        offered = self.bash(*(("posthorn", *words, "-") for words in places))
        for words, names in zip(places, offered):
            self.assertEqual(names, set(options(self.commands[words])), words)

    def test_bash_knows_where_one_is(self):
        self.assertEqual(self.bash(("posthorn", "que"), ("posthorn", "queue", "re"), ("posthorn", "queue", "-c", "FILE", "re"),
                                   ("posthorn", "queue", "retry", "--a"), ("posthorn", "user", "add", "queue", "--s"),
                                   ("posthorn", "dkim", "key", "--bits", ""), ("posthorn", "tables", "copy", "text", "p"),
                                   ("posthorn", "init", "--hostname", ""), ("posthorn", "completion", "z")),
                         [{"queue"}, {"release", "retry"}, {"release", "retry"}, {"--all"}, {"--scheme"}, {"2048", "4096"}, {"pgsql"}, set(), {"zsh"}])

    @unittest.skipUnless(shutil.which("fish"), "no fish here")
    def test_fish(self):
        def offers(line):
            done = run("fish", "--no-config", "-c", f"source {self.folder}/fish; complete -C '{line}'", env={**os.environ, "HOME": str(self.folder)})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return {row.split("\t")[0]: row.partition("\t")[2] for row in done.stdout.splitlines()}

        for words in self.commands:
            if subs := subcommands(self.commands, words):
                self.assertEqual(set(offers(" ".join(("posthorn", *words, "")))), subs)
        self.assertEqual(offers("posthorn queue retry --al"), {"--all": "Every message"})
        self.assertEqual(set(offers("posthorn dkim key --bits ")), {"2048", "4096"})

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_zsh(self):
        script = f"""
compdef() {{ :; }}
_describe() {{ local name; for name in ${{(P)2}}; do print -r -- "${{name%%:*}}"; done; }}
_files() {{ print files; }}
compadd() {{ shift; print -l -- $@; }}
. {self.folder}/zsh
PREFIX=$1; shift
words=(posthorn "$@" "$PREFIX"); CURRENT=$#words
_posthorn
"""

        def offers(*line):
            done = run("zsh", "-f", "-c", script, "zsh", line[-1], *line[:-1])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return set(done.stdout.split())

        for words, text in self.commands.items():
            if subs := subcommands(self.commands, words):
                self.assertEqual(offers(*words, ""), subs)
            self.assertEqual(offers(*words, "-"), set(options(text)))
        self.assertEqual(offers("dkim", "key", "--bits", ""), {"2048", "4096"})
        self.assertEqual(offers("init", "--spool", ""), {"files"})


if __name__ == "__main__":
    unittest.main()
