"""What the README pages hold, as test_readme checks it: code blocks, code in the text, tables, links, headings."""

import dataclasses
import pathlib
import re
import shlex

from support import ROOT

PAGES = [ROOT / name for name in ("README.md", "conf/README.md", "maps/README.md", "migrations/README.md", "sieve/README.md",
                                  "deploy/README.md", "src/README.md", "tests/README.md")]


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int
    language: str  # "sh", "toml", "text", …
    about: str     # behind the language: "text aliases"
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def split(page):
    """A page's blocks, and its other lines as (number, text)."""
    blocks, prose, block = [], [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```") and block is None:
            language, _, about = line[3:].partition(" ")
            block = Block(page, number, language, about, "")
        elif line.startswith("```"):
            blocks.append(block)
            block = None
        elif block is not None:
            block.text += line + "\n"
        else:
            prose.append((number, line))
    assert block is None, f"{page}: a block without an end"
    return blocks, prose


def blocks(language):
    return [block for page in PAGES for block in split(page)[0] if block.language == language]


def codes():
    """What stands in `…` outside of blocks: (place, text). A span may go over a line's end."""
    for page in PAGES:
        prose = split(page)[1]
        text, starts = "", []
        for number, line in prose:
            starts.append((len(text), number))
            text += line + "\n"
        for span in re.finditer(r"`([^`]+)`", text):
            number = max(number for start, number in starts if start <= span.start())
            yield f"{page.relative_to(ROOT)}:{number}", " ".join(span[1].split())


def slug(heading):
    """As GitHub makes the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page):
    return {slug(line.lstrip("#")) for _, line in split(page)[1] if re.match(r"#+ ", line)}


def links():
    for page in PAGES:
        for number, line in split(page)[1]:
            for target in re.findall(r"\]\(([^)]+)\)", line):
                yield page, number, target


def tables():
    """Every table: (page, number of its first line, rows of cells without their backticks)."""
    for page in PAGES:
        rows, start = [], 0
        for number, line in [*split(page)[1], (0, "")]:
            if line.startswith("|"):
                start = start if rows else number
                rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
            elif rows:
                yield page, start, rows
                rows = []


def commands(script):
    """The commands of a shell script as lists of words: without comments, here-documents and what quotes hold."""
    lines, end = [], None
    for line in script.replace("\\\n", " ").splitlines():
        if end is not None:
            end = None if line.strip() == end else end
            continue
        if here := re.search(r"<<-?'?(\w+)'?", line):
            end = here[1]
        lines.append(re.sub(r"(^|\s)#.*", "", line))
    words = shlex.shlex("\n".join(lines), posix=True, punctuation_chars="();<>|&\n")
    words.whitespace, words.commenters, words.whitespace_split = " \t", "", True
    command = []
    for word in [*words, ";"]:
        if set(word) <= set("();|&\n"):
            if command:
                yield command
            command = []
        else:
            command.append(word)


def words_of_posthorn(command):
    """What is behind "posthorn" in a command, however it is started; None: it is another program's."""
    for at, word in enumerate(command):
        if word in ("posthorn", "$P"):
            return command[at + 1:]
        if "=" not in word and word not in ("docker", "exec", "mail", "runuser", "-u", "--", "posthorn-lookup"):
            return None
    return None
