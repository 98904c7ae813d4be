"""The examples in the documents, found by form: what is indented or fenced in Markdown, and what a manual
page shows as it is typed or written."""

import re
from dataclasses import dataclass
from pathlib import Path

from sandbox import REPOSITORY

MARKDOWN = sorted(path for pattern in ("*.md", "src/*.md", "src/*/*.md", "contrib/*/*.md")
                  for path in REPOSITORY.glob(pattern))
MANUALS = sorted(REPOSITORY.glob("man/*.[1-8]"))


@dataclass(frozen=True)
class Block:
    document: str  # "README.md", "postrider.8"
    line: int
    heading: str   # what it stands below
    text: str

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def place(self):
        return f"{self.document}:{self.line}"


def without_indent(lines):
    """Their common indent gone; no empty lines at the end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:] for line in lines) + "\n"


def markdown_blocks(path):
    """A block is fenced, or indented by four columns more than the text before it."""
    name = str(path.relative_to(REPOSITORY))
    lines = path.read_text().splitlines()
    found, heading, text_indent, at = [], "", 0, 0
    while at < len(lines):
        line = lines[at]
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            found.append(Block(name, at + 2, heading, without_indent(lines[at + 1:end])))
            at = end + 1
        elif line.strip() and indent >= text_indent + 4 and (
                not lines[at - 1].strip() or lines[at - 1].endswith("-->")):
            end = at
            while end < len(lines) and (not lines[end].strip()
                                        or len(lines[end]) - len(lines[end].lstrip()) >= text_indent + 4):
                end += 1
            found.append(Block(name, at + 1, heading, without_indent(lines[at:end])))
            at = end
        else:
            if line.startswith("#"):
                heading = line.lstrip("# ")
            if line.strip():
                item = re.match(r" *(?:\d+\.|[-*]) +", line)
                text_indent = len(item.group()) if item else indent
            at += 1
    return found


def plain(words):
    """A line of a manual page as a reader sees it."""
    words = re.sub(r"\\\((?:aq|dq)", lambda found: "'" if found.group()[-2:] == "aq" else '"', words)
    return re.sub(r"\\(.)", lambda found: {"e": "\\", "&": "", " ": " ", "-": "-"}[found.group(1)], words)


def manual_blocks(path):
    """.Dl and .Bd -literal or -unfilled; .Dl in a row, with nothing but .Pp between them, are one."""
    found, heading, at = [], "", 0
    lines = path.read_text().splitlines()
    while at < len(lines):
        line = lines[at]
        if line.startswith((".Sh ", ".Ss ")):
            heading = line[4:].strip('"')
        if line.startswith(".Dl "):
            end = at
            while end < len(lines) and lines[end].startswith(".Dl "):
                end += 1
            text = "".join(plain(one[4:]) + "\n" for one in lines[at:end])
            found.append(Block(path.name, at + 1, heading, text))
            at = end
        elif re.match(r"\.Bd .*-(literal|unfilled)", line):
            end = lines.index(".Ed", at)
            found.append(Block(path.name, at + 2, heading, without_indent(
                [plain(one) for one in lines[at + 1:end]])))
            at = end
        else:
            at += 1
    return found


def all_blocks():
    return [block for path in MARKDOWN for block in markdown_blocks(path)] + [
        block for path in MANUALS for block in manual_blocks(path)]
