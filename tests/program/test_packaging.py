"""Packages for other systems than Debian, as far as that can be proved here: an RPM package is built; what
Alpine and containers run is read by a shell, and agrees with what is installed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from listening import Listening
from sandbox import REPOSITORY
from smtpfake import FakeServer

CONTRIB = REPOSITORY / "contrib"
VERSION = re.search(r"^VERSION *= (\S+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1]
SPOOL = "/var/spool/postrider"


def run(*argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", check=False, **options)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


# --- RPM -----------------------------------------------------------------------------------------


# It is built once.
RPM = pytest.mark.xdist_group("rpm")


@pytest.fixture(scope="module")
def rpm(tmp_path_factory):
    """Of what is compiled already, which the flags are the same for."""
    top = tmp_path_factory.mktemp("rpm")
    words = {"_topdir": top, "_tmppath": top, "_dbpath": top / "db", "optflags": "-O2 -g", "build_ldflags": "%{nil}",
             "debug_package": "%{nil}", "_build_id_links": "none"}
    defines = [word for name, value in words.items() for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "-bb", "--nodeps", "--build-in-place", "--noprep", *defines,
        CONTRIB / "rpm" / "postrider.spec", cwd=REPOSITORY)
    (found,) = top.glob("RPMS/*/*.rpm")
    return found


@RPM
def test_rpm_has_what_make_install_puts(rpm, tmp_path):
    run("make", f"DESTDIR={tmp_path}", "LOGROTATEDIR=/etc/logrotate.d", "install", cwd=REPOSITORY)
    installed = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if not path.is_dir()}
    packed = set(run("rpm", "-qpl", rpm).split())
    # Names that others have, too, are links to these: alternatives makes them.
    others = {path for path in installed if re.search(r"/(sendmail|mailq|newaliases)(\.\d)?$", path)}
    assert len(others) == 7 and installed - others <= packed
    for path in others - {"/usr/lib/sendmail"}:
        folder, _, name = path.rpartition("/")
        first, dot, rest = name.partition(".")
        assert f"{folder}/{first}.postrider{dot}{rest}" in packed


@RPM
def test_rpm_has_owners_and_bits(rpm):
    lines = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME}\\n]", rpm)
    modes = dict(line.split(" ", 1) for line in lines.splitlines())
    assert modes["/usr/sbin/postrider"] == "-rwxr-sr-x root:postrider"
    assert modes["/usr/libexec/postrider/postrider-local"] == "-rwsr-x--- root:postrider"
    assert modes["/usr/libexec/postrider/postrider-run"] == "-rwxr-xr-x root:root"
    assert modes["/etc/postrider/credentials.conf"] == "-rw------- postrider:postrider"
    assert modes[SPOOL] == "drwx--x--- postrider:postrider"
    assert modes[f"{SPOOL}/spool"] == "drwxrws--T postrider:postrider"
    for name in ("journal", "corrupt", "hops", "runs", "filter"):
        assert modes[f"{SPOOL}/{name}"] == "drwxr-s--- postrider:postrider"
    settings = run("rpm", "-qp", "--configfiles", rpm).split()
    assert settings == ["/etc/logrotate.d/postrider", "/etc/postrider/credentials.conf",
                        "/etc/postrider/postrider.conf"]


@RPM
def test_rpm_is_of_this_version_and_stands_for_a_mail_program(rpm):
    assert run("rpm", "-qp", "--qf", "%{VERSION}", rpm) == VERSION
    assert {"MTA", "smtpdaemon", "server(smtp)", "/usr/sbin/sendmail"} <= set(run("rpm", "-qp", "--provides", rpm).split())
    assert {"shadow-utils", "util-linux", "libgnutls.so.30()(64bit)"} <= set(run("rpm", "-qp", "--requires", rpm).split())
    for script in re.split(r"^\w+ scriptlet .*:$", run("rpm", "-qp", "--scripts", rpm), flags=re.MULTILINE)[1:]:
        run("sh", "-n", "-c", script)


# --- Alpine --------------------------------------------------------------------------------------


def test_alpine_scripts_are_in_order():
    for path in (CONTRIB / "alpine").iterdir():
        run("sh", "-n", path)
    shown = run("sh", "-c", '. "$0"; printf "%s\\n" "$pkgname" "$pkgver" "$options" $source $install',
                CONTRIB / "alpine" / "APKBUILD").split()
    assert shown[:3] == ["postrider", VERSION, "suid"]
    for name in shown[4:]:
        assert (CONTRIB / "alpine" / name).is_file()


MUSL_HEADERS = ("gnutls", "gsasl.h", "gsasl-mech.h", "gsasl-version.h", "ini.h", "idn2.h", "seccomp.h",
                "seccomp-syscalls.h", "db.h", "crypt.h", "linux", "asm", "asm-generic")
# What libcrypt's header on this system wants of its C library.
CDEFS = "#define __BEGIN_DECLS\n#define __END_DECLS\n#define __THROW\n#define __nonnull(x)\n#define __wur\n"


@pytest.mark.once
def test_alpines_c_library_has_what_we_call(tmp_path):
    """No function and no constant that musl has not: all is read by a compiler with its headers."""
    for name in MUSL_HEADERS:
        for folder in ("/usr/include", *Path("/usr/include").glob("*-linux-gnu")):
            if (Path(folder) / name).exists() and not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(Path(folder) / name)
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "cdefs.h").write_text(CDEFS)
    flags = shlex.split((REPOSITORY / "build" / "flags").read_text())
    macros = [word for word in flags if word.startswith("-DPOSTRIDER_")]
    run("musl-gcc", "-std=c11", "-D_GNU_SOURCE", "-Isrc", "-isystem", tmp_path, *macros, "-Wall", "-Wextra", "-Werror",
        "-fsyntax-only", *sorted(REPOSITORY.glob("src/*/*.c")), cwd=REPOSITORY)


# --- containers ----------------------------------------------------------------------------------


def instructions():
    """Of the Containerfile: name and words."""
    text = (CONTRIB / "container" / "Containerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def test_containerfile_is_in_order():
    known = {"FROM", "RUN", "COPY", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    found = instructions()
    assert {name for name, _ in found} == known
    assert [words.split()[-1] for name, words in found if name == "FROM"][0] == "build"
    assert sum(name == "FROM" for name, _ in found) == 2
    for name, words in found:
        if name == "RUN":
            run("sh", "-n", "-c", words)
    # It builds what building needs, as bootstrap has it.
    build = re.search(r'build_packages="([^"]*)"', (CONTRIB / "bootstrap.sh").read_text())[1].split()
    wanted = {name.replace("pkg-config", "pkgconf") for name in build}
    assert wanted <= set(" ".join(words for name, words in found if name == "RUN").split())
    run("sh", "-n", CONTRIB / "container" / "start.sh")


def test_mail_goes_from_a_container_through_the_machine(make_sandbox):
    """Two installations of a user, with the settings of the document, but for addresses."""
    with FakeServer() as provider, Listening(
            smarthost=f"host = 127.0.0.1:{provider.port}\ntls = off\nauth = off") as host:
        container = make_sandbox(mail="hostname = box.example\ndomain = example.org\nlocal_domains = box.example",
                                 smarthost=f"host = 127.0.0.1:{host.port}\ntls = off\nauth = off")
        container.sendmail("you@far.example", stdin="Subject: out of it\n\nx\n", check=0)
        (message,) = provider.wait()
        assert b"Subject: out of it" in message.data and message.sender.endswith("@example.org")
