"""Static analysis of src: `make analyze`. Every finding of every tool is mended, or stands in
accepted.txt with the reason why it is none; a line there that matches nothing any more is an error,
so that the list never covers what nobody has looked at. The last line counts; exit status 1 when
anything is left.

analyze.py [TOOL...]    gcc, cppcheck, clang-tidy; all of them when nothing is said

COMPILE in the environment is the command that the Makefile compiles with.
"""

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ACCEPTED = Path(__file__).with_name("accepted.txt")
CORES = os.cpu_count() or 1

# Whole groups, without what is no fault here: functions that take two numbers, snprintf that cuts on
# purpose, "char c" that holds a byte, memcpy as such, pointers without const for what Berkeley DB
# only reads, and arrays of pointers, whose members "sizeof *array" measures rightly. There are no threads,
# so the group "concurrency" is not here.
TIDY = ("-*", "clang-analyzer-*", "bugprone-*", "cert-*", "misc-*", "performance-*", "portability-*",
        "-bugprone-easily-swappable-parameters", "-cert-err33-c", "-bugprone-narrowing-conversions",
        "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling",
        "-performance-no-int-to-ptr", "-bugprone-sizeof-expression")
# Optimised code shows the same faults, takes longer, and adds some that are none.
GCC = ("-O0", "-fanalyzer", "-c", "-o", "/dev/null")
# Of style only what may be a mistake; NULL is (void *)0 with every POSIX compiler, and what is known
# of a condition is mostly wrong where a function is called in between.
CPPCHECK = ("--enable=warning,performance,portability,style", "--std=c11", "--quiet",
            "--template={file}:{line}:0: warning: {message} [{id}]", "--suppress=variableScope",
            "--suppress=unusedStructMember", "--suppress=shadowFunction", "--suppress=varFuncNullUB",
            "--suppress=redundantInitialization", "--suppress=clarifyCalculation",
            "--suppress=knownConditionTrueFalse",
            "--suppress=missingIncludeSystem")

FINDING = re.compile(r"^(?P<file>\S+?):(?P<line>\d+):\d+: (?:warning|error): (?P<words>.*) "
                     r"\[-?W?(?P<check>[\w.,=-]+)\]$")


@dataclass(frozen=True)
class Finding:
    tool: str
    check: str
    file: str
    line: int
    words: str

    def text(self):
        lines = (REPOSITORY / self.file).read_text().splitlines()
        return lines[self.line - 1].strip() if 0 < self.line <= len(lines) else ""

    def __str__(self):
        return f"{self.file}:{self.line}: {self.words} [{self.tool} {self.check}]\n    {self.text()}"


@dataclass(frozen=True)
class Accepted:
    number: int
    tool: str
    check: str
    file: str
    text: str

    def matches(self, finding):
        return ((self.tool, self.check, self.file) == (finding.tool, finding.check, finding.file)
                and self.text in finding.text())


def accepted():
    """The entries of accepted.txt, and by tool the version that they were judged with."""
    entries, versions, has_reason = [], {}, False
    for number, line in enumerate(ACCEPTED.read_text().splitlines(), 1):
        words, _, text = line.partition(" | ")
        words = words.split()
        if not words:
            has_reason = False
        elif words[0] == "#":
            has_reason = True
        elif words[0] == "judged" and len(words) == 3:
            versions[words[1]] = words[2]
        elif len(words) == 3 and text.strip() and has_reason:
            entries.append(Accepted(number, *words, text.strip()))
        else:
            sys.exit(f"{ACCEPTED}:{number}: not \"TOOL CHECK FILE | TEXT\" under a reason")
    return entries, versions


def run(*argv):
    done = subprocess.run(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def sources():
    return sorted(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("src/*/*.c"))


def commands(tool):
    """One command for each source; the longest first, so that no core waits for the last one."""
    compiler = shlex.split(os.environ["COMPILE"])
    plain = [word for word in compiler[1:] if word.startswith(("-I", "-D", "-std="))]
    files = sorted(sources(), key=lambda file: -(REPOSITORY / file).stat().st_size)
    if tool == "gcc":
        return [["gcc", *compiler[1:], *GCC, file] for file in files]
    if tool == "clang-tidy":
        return [["clang-tidy", "--quiet", f"--checks={','.join(TIDY)}", file, "--", *plain]
                for file in files]
    # Its -D are all that it knows: without those of the compiler it would look at every #ifdef.
    return [["cppcheck", *CPPCHECK, "-D__linux__", "-D__GNUC__=12", *[w for w in plain if w[:2] == "-D"],
             "-Isrc", file] for file in files]


def version(tool):
    status, output = run(tool, "--version")
    found = re.search(r"(?:version|Cppcheck|\)) (\d+)", output)
    if status or not found:
        sys.exit(f"analyze: there is no {tool} here: sh contrib/bootstrap.sh check installs it")
    return found[1]


def findings(tool, command):
    """What a tool says of one source; that it could not look at it is a finding as well."""
    status, output = run(*command)
    found = set()
    for line in output.splitlines():
        match = FINDING.match(line)
        if not match:
            continue
        file = os.path.relpath(REPOSITORY / match["file"], REPOSITORY)
        words = re.sub(r" \[CWE-\d+\]$", "", match["words"])
        found.add(Finding(tool, match["check"], file, int(match["line"]), words))
    if status and not found:
        found.add(Finding(tool, "broken", command[-1] if tool != "clang-tidy" else command[3], 0,
                          f"ended with {status}: {output[-2000:]}"))
    return found


def main():
    tools = sys.argv[1:] or ["gcc", "cppcheck", "clang-tidy"]
    entries, versions = accepted()
    here = {tool: version(tool) for tool in tools}
    jobs = [(tool, command) for tool in tools for command in commands(tool)]
    found = set()
    with ThreadPoolExecutor(CORES) as pool:
        for some in pool.map(lambda job: findings(*job), jobs):
            found |= some
    used = {entry for entry in entries for finding in found if entry.matches(finding)}
    left = sorted((finding for finding in found
                   if not any(entry.matches(finding) for entry in entries)),
                  key=lambda finding: (finding.file, finding.line))
    # Another version has other mistakes: what it no longer says may be said elsewhere still.
    stale = [entry for entry in entries
             if entry.tool in tools and entry not in used and versions.get(entry.tool) == here[entry.tool]]
    for finding in left:
        print(finding)
    for entry in stale:
        print(f"{ACCEPTED.relative_to(REPOSITORY)}:{entry.number}: matches nothing any more")
    print(f"{', '.join(f'{tool} {here[tool]}' for tool in tools)}: {len(sources())} sources, "
          f"{len(found)} findings, {len(found) - len(left)} of them explained, "
          f"{len(stale)} explanations without one")
    return 1 if left or stale else 0


if __name__ == "__main__":
    sys.exit(main())
