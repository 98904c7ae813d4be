# Postrider. `make` builds into build/, `make check` proves it, `make install` puts it in place.
# Every variable below can be given on the command line: make PREFIX=/usr/local install

VERSION    = 0.1.0

DESTDIR    =
PREFIX     = /usr
SYSCONFDIR = /etc
SPOOLDIR   = /var/spool/postrider
MAILDIR    = /var/mail
SBINDIR    = $(PREFIX)/sbin
BINDIR     = $(PREFIX)/bin
LIBDIR     = $(PREFIX)/lib
LIBEXECDIR = $(PREFIX)/libexec/postrider
MANDIR     = $(PREFIX)/share/man
CONFDIR    = $(SYSCONFDIR)/postrider
# What other programs read of us, each in its own folder; empty: that one is not put. Units only lie
# there until they are enabled. The last three are for packages: there, what is in them is settings,
# which `make install` would write over, and a profile of AppArmor counts from the next start on.
UNITDIR      = $(PREFIX)/lib/systemd/system
SYSUSERSDIR  = $(PREFIX)/lib/sysusers.d
TMPFILESDIR  = $(PREFIX)/lib/tmpfiles.d
BASHCOMPDIR  = $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR   = $(PREFIX)/share/zsh/site-functions
LOGROTATEDIR =
CRONDIR      =
APPARMORDIR  =
RUNUSER    = postrider

CC         = cc
AR         = ar
PKG_CONFIG = pkg-config
CFLAGS     = $(if $(COVERAGE),-O0,-O2) -g
SANITIZE   =
# FUZZ=1 builds with clang, for the targets in tests/fuzz alone; COVERAGE=1 counts the lines that are
# run, VALGRIND=1 is for valgrind: see `make coverage` and `make valgrind`.
FUZZ       =
COVERAGE   =
VALGRIND   =
# V=1 shows whole commands.
V          =
QUIET      = $(if $(V),,@)
SAY        = @$(if $(V),:,echo)
BUILD      = $(or $(if $(FUZZ),build/fuzz),$(if $(SANITIZE),build/sanitize),\
                  $(if $(COVERAGE),build/coverage),$(if $(VALGRIND),build/valgrind),build)

ifneq ($(FUZZ),)
  CC := clang
endif

# --- Libraries: found here, or the build stops and names the Debian package ----------------------

# $(call library,PKG-CONFIG NAME,DEBIAN PACKAGE)
library = $(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,\
            $(error $(1) is missing: apt-get install $(2)))
compiles = $(shell echo '$(1)' | $(CC) -x c -o /dev/null - $(2) >/dev/null 2>&1 && echo yes)
# The compiler's option, if it has it.
option = $(if $(call compiles,int main(void) { return 0; },-O2 -Werror $(1)),$(1))

ifneq ($(filter-out clean uninstall dist deb check-deb format,$(or $(MAKECMDGOALS),all)),)
  ifeq ($(shell command -v $(CC)),)
    $(error no C compiler named $(CC): apt-get install gcc)
  endif
  ifeq ($(shell command -v $(PKG_CONFIG)),)
    $(error $(PKG_CONFIG) is missing: apt-get install pkg-config)
  endif
  $(call library,gnutls,libgnutls28-dev)
  $(call library,libgsasl,libgsasl-dev)
  $(call library,inih,libinih-dev)
  $(call library,libidn2,libidn2-dev)
  $(call library,libseccomp,libseccomp-dev)
  $(call library,libxcrypt,libcrypt-dev)
  # Berkeley DB has no pkg-config file.
  ifeq ($(call compiles,int main(void) { return !db_create; },-include db.h -ldb),)
    $(error Berkeley DB (db.h, -ldb) is missing: apt-get install libdb-dev)
  endif

  # The front door gets no library that speaks to the network: naming one there fails to link.
  # It opens libidn2 when it needs it; who is locked in by then has it from the start.
  # Where there is a static inih it takes that one: a submission is a process each, and loading a
  # library takes more of it than writing the message.
  INIH       := $(shell $(PKG_CONFIG) --libs inih)
  # For the same reason it is two segments and not four, each a mapping to make and to fill.
  FRONT_LIBS := $(or $(filter /%,$(shell $(CC) -print-file-name=libinih.a)),$(INIH)) -ldl \
                $(call option,-z noseparate-code)
  RUN_LIBS   := $(INIH) -ldl -ldb $(shell $(PKG_CONFIG) --libs gnutls libgsasl libseccomp) -lresolv \
                -Wl,--no-as-needed $(shell $(PKG_CONFIG) --libs libidn2) -Wl,--as-needed
  LISTEN_LIBS := $(RUN_LIBS) $(shell $(PKG_CONFIG) --libs libxcrypt)
  LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags gnutls libgsasl inih libidn2 libseccomp)

  ifneq ($(FUZZ),)
    HARDEN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
              -fno-omit-frame-pointer
  else ifneq ($(COVERAGE),)
    HARDEN := --coverage
  else ifeq ($(SANITIZE),)
    HARDEN := -U_FORTIFY_SOURCE $(or $(call option,-D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2) \
              $(call option,-fstack-protector-strong) $(call option,-fstack-clash-protection) \
              $(call option,-fcf-protection)
  else
    HARDEN := -fsanitize=address,undefined -fsanitize-undefined-trap-on-error \
              -fno-omit-frame-pointer \
              -DPOSTRIDER_REPORTS='"$(CURDIR)/$(BUILD)/reports"'
  endif
endif

# --- Flags ---------------------------------------------------------------------------------------

PATHS = -DPOSTRIDER_VERSION='"$(VERSION)"' \
        -DPOSTRIDER_CONFIG='"$(CONFDIR)/postrider.conf"' \
        -DPOSTRIDER_ALIASES='"$(SYSCONFDIR)/aliases"' \
        -DPOSTRIDER_MAILNAME='"$(SYSCONFDIR)/mailname"' \
        -DPOSTRIDER_MAILDIR='"$(MAILDIR)"' \
        -DPOSTRIDER_SPOOL='"$(SPOOLDIR)"' \
        -DPOSTRIDER_SBINDIR='"$(SBINDIR)"' \
        -DPOSTRIDER_BINDIR='"$(BINDIR)"' \
        -DPOSTRIDER_LIBDIR='"$(LIBDIR)"' \
        -DPOSTRIDER_LIBEXECDIR='"$(LIBEXECDIR)"' \
        -DPOSTRIDER_USER='"$(RUNUSER)"'
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -Isrc $(PATHS) -Wall -Wextra $(HARDEN) -fPIE \
          $(LIB_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK    = $(CC) $(HARDEN) $(CFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# --- What is built from what ---------------------------------------------------------------------

# Each program is its room's main.c and, from the archive of all other rooms, what that needs; the
# privileged helper is its own room and nothing else.
SOURCES  := $(sort $(wildcard src/*/*.c))
LOCAL    := $(sort $(wildcard src/local/*.c))
MODULES  := $(filter-out $(wildcard src/*/main.c) $(LOCAL),$(SOURCES))
PROGRAMS := $(addprefix $(BUILD)/,postrider postrider-run postrider-listen postrider-local)
# In LIBEXECDIR.
HELPERS  := postrider-run postrider-listen postrider-local postrider-mailbox
NAMES    := $(addprefix $(BUILD)/,sendmail mailq newaliases)
ARCHIVE  := $(BUILD)/modules.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
TRACER   := tests/crash/tracer.c tests/crash/record.c
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
MANUALS  := $(sort $(wildcard man/*.[1-8]))
SERVICES := $(sort $(wildcard contrib/*.service contrib/*.socket contrib/*.timer contrib/*.path))
PROFILES := $(sort $(wildcard contrib/apparmor/*))
# $(call extra,VARIABLE OF THE FOLDER,FILE,NAME THERE): FILE:TARGET, or nothing.
extra     = $(if $($(1)),$(2):$($(1))/$(3))
EXTRAS   := $(foreach unit,$(SERVICES),$(call extra,UNITDIR,$(unit),$(notdir $(unit)))) \
            $(foreach file,$(PROFILES),$(call extra,APPARMORDIR,$(file),$(notdir $(file)))) \
            $(call extra,SYSUSERSDIR,contrib/postrider.sysusers,postrider.conf) \
            $(call extra,TMPFILESDIR,contrib/postrider.tmpfiles,postrider.conf) \
            $(call extra,BASHCOMPDIR,contrib/completion/postrider.bash,postrider) \
            $(call extra,ZSHCOMPDIR,contrib/completion/_postrider,_postrider) \
            $(call extra,LOGROTATEDIR,contrib/postrider.logrotate,postrider) \
            $(call extra,CRONDIR,contrib/postrider.cron,postrider)
# In these files our own paths stand instead of the usual ones, and the name of our user.
OUR_USER  = /^ *\#/!s/\([ =]\)postrider\( \|$$\)/\1$(RUNUSER)\2/g
PLACES    = -e 's|/usr/sbin/postrider|$(SBINDIR)/postrider|g' \
            -e 's|/usr/libexec/postrider|$(LIBEXECDIR)|g' \
            -e 's|/var/spool/postrider|$(SPOOLDIR)|g' \
            -e 's|/etc/postrider|$(CONFDIR)|g' -e '$(OUR_USER)' -e '$(OUR_USER)'
# Linked into every program of a build that is watched; what takes the sandbox away not into units,
# which prove it.
WATCHER  := $(addprefix $(BUILD)/object/tests/,$(if $(SANITIZE),sanitize.o) \
              $(if $(COVERAGE),coverage/coverage.o))
UNWATCHED := $(if $(COVERAGE)$(VALGRIND),$(BUILD)/object/tests/unconfined.o)
object    = $(patsubst %.c,$(BUILD)/object/%.o,$(1))

all: $(PROGRAMS) $(NAMES) $(BUILD)/postrider-mailbox

$(BUILD)/postrider: $(call object,src/sendmail/main.c) $(WATCHER) $(UNWATCHED) $(ARCHIVE)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^ $(FRONT_LIBS)

$(BUILD)/postrider-run: $(call object,src/run/main.c) $(WATCHER) $(UNWATCHED) $(ARCHIVE)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^ $(RUN_LIBS)

$(BUILD)/postrider-listen: $(call object,src/listen/main.c) $(WATCHER) $(UNWATCHED) $(ARCHIVE)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^ $(LISTEN_LIBS)

$(BUILD)/postrider-local: $(call object,$(LOCAL)) $(WATCHER) $(UNWATCHED)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^

# The helper once more, under a name that never gets a set-ID bit: for users' own settings.
$(BUILD)/postrider-mailbox: $(BUILD)/postrider-local
	cp $< $@

$(NAMES): $(BUILD)/postrider
	ln -sf postrider $@

$(ARCHIVE): $(call object,$(MODULES))
	@rm -f $@
	$(QUIET)$(AR) qcs $@ $^

# A change of flags or paths builds everything anew.
$(BUILD)/object/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) 'compile $<'
	$(QUIET)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/flags: always
	@mkdir -p $(@D) $(if $(SANITIZE),&& install -d -m 1777 $(BUILD)/reports)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" > $@
export FLAGS = $(COMPILE) $(LINK)

$(BUILD)/unit/%: $(BUILD)/object/tests/unit/%.o $(WATCHER) $(ARCHIVE)
	@mkdir -p $(@D)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^ $(LISTEN_LIBS) -lcmocka

units: $(UNITS)

# The client against a scripted server in the same program.
HOSTILE := $(call object,$(sort $(wildcard tests/hostile/*.c)))
$(BUILD)/hostile: $(HOSTILE) $(WATCHER) $(ARCHIVE)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -pthread -o $@ $^ $(LISTEN_LIBS)

# Kills and fails what it runs, for tests/crash.
$(BUILD)/tracer: $(call object,$(TRACER)) $(WATCHER)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -o $@ $^ -lseccomp

$(BUILD)/scarce.so: tests/crash/scarce.c
	$(SAY) 'link    $@'
	$(QUIET)$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra $(CFLAGS) -shared -fPIC -o $@ $<

$(BUILD)/fuzz_%: $(BUILD)/object/tests/fuzz/fuzz_%.o $(ARCHIVE)
	$(SAY) 'link    $@'
	$(QUIET)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LISTEN_LIBS)

# With FUZZ=1.
fuzzers: $(FUZZERS)

-include $(patsubst %.o,%.d,$(call object,$(SOURCES) $(wildcard tests/unit/*.c tests/fuzz/*.c tests/crash/*.c \
            tests/hostile/*.c)))

# --- Using it ------------------------------------------------------------------------------------

check:
	@tests/run

# contrib/ansible by Ansible itself, as root: needs ansible-core, which the check has no use for.
check-ansible: all
	/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/program/ansible_playbook.py

# Static analysis; TOOLS: only these of gcc, cppcheck and clang-tidy.
TOOLS =
analyze: export COMPILE := $(COMPILE)
analyze:
	@python3 tests/analysis/analyze.py $(TOOLS)

# How much of src the tests run, by room, and where they run the least.
coverage:
	@$(MAKE) COVERAGE=1 all units
	@python3 tests/coverage/report.py $(TESTS)
TESTS =

# Looks for new inputs that break a parser's promises, each target for so many seconds; what it has
# learned stays in build/fuzz/corpus for the next time.
SECONDS = 60
fuzz:
	@$(MAKE) FUZZ=1 fuzzers
	@python3 tests/fuzz/run.py --seconds $(SECONDS)

# memcheck over units and programs; takes half an hour. TESTS: only these of tests/program.
valgrind:
	@$(MAKE) VALGRIND=1 all units
	@python3 tests/valgrind/run.py $(TESTS)

.PHONY: analyze coverage hostile crash fault valgrind soak bench bench-quick

# A hundred thousand dialogues of the client with a smarthost that does what it should not, and some
# thousands of the listener with clients that do.
hostile: $(BUILD)/hostile all
	@$<
	@/usr/bin/python3 tests/hostile/clients.py

# Every scenario killed at each of its system calls, and left by the power at each moment; then each
# system call failing, and each allocation. About ten minutes each on two cores.
crash: all $(BUILD)/tracer
	@/usr/bin/python3 tests/crash/run.py kills power mutants
fault: all $(BUILD)/tracer $(BUILD)/scarce.so
	@/usr/bin/python3 tests/crash/run.py faults memory

# A mixed load with accidents for so many seconds, and then an account of every message.
soak: all
	@/usr/bin/python3 tests/soak/run.py --seconds $(SECONDS)

# Postrider beside its peers; sh contrib/bootstrap.sh bench gets those. As root; for a while.
# BENCH=--readme puts what comes of it into the README, too.
bench: all
	@/usr/bin/python3 tests/bench/peers.py $(BENCH)
bench-quick: all
	@/usr/bin/python3 tests/bench/peers.py --quick $(BENCH)
BENCH =

demo: all
	@contrib/demo.sh

# The picture in the README, by running what it shows. As root.
picture: all
	@/usr/bin/python3 contrib/picture.py

# As root and without DESTDIR this also makes the account, gives files their owners and set-ID
# bits, and moves another program's sendmail aside (contrib/install-names.sh says how).
install: all
	install -d $(addprefix $(DESTDIR),$(SBINDIR) $(BINDIR) $(LIBDIR) $(LIBEXECDIR) $(CONFDIR))
	sh contrib/install-names.sh check "$(DESTDIR)" "$(SBINDIR)" "$(BINDIR)" "$(LIBDIR)" "$(FORCE)"
	install -m 0755 $(BUILD)/postrider $(DESTDIR)$(SBINDIR)/postrider
	install -m 0755 $(addprefix $(BUILD)/,$(HELPERS)) $(DESTDIR)$(LIBEXECDIR)
	for page in $(MANUALS); do \
	    install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	for extra in $(EXTRAS); do \
	    install -D -m 0644 $${extra%%:*} $(DESTDIR)$${extra#*:} && \
	    sed -i $(PLACES) $(DESTDIR)$${extra#*:} || exit 1; \
	done
	test -e $(DESTDIR)$(CONFDIR)/postrider.conf || \
	    install -m 0644 etc/postrider.conf $(DESTDIR)$(CONFDIR)/postrider.conf
	test -e $(DESTDIR)$(CONFDIR)/credentials.conf || \
	    install -m 0600 etc/credentials.conf $(DESTDIR)$(CONFDIR)/credentials.conf
	sh contrib/install-accounts.sh "$(DESTDIR)" "$(RUNUSER)" "$(SBINDIR)" "$(LIBEXECDIR)" \
	    "$(CONFDIR)" "$(SPOOLDIR)"
	sh contrib/install-names.sh install "$(DESTDIR)" "$(SBINDIR)" "$(BINDIR)" "$(LIBDIR)" "$(FORCE)"

# Leaves the settings, the queue and the account; gives a displaced sendmail its name back, and root his
# mailbox, which another mail program may want to be his own.
uninstall:
	sh contrib/install-names.sh uninstall "$(DESTDIR)" "$(SBINDIR)" "$(BINDIR)" "$(LIBDIR)" ""
	rm -f $(DESTDIR)$(SBINDIR)/postrider
	rm -f $(addprefix $(DESTDIR)$(LIBEXECDIR)/,$(HELPERS))
	-rmdir $(DESTDIR)$(LIBEXECDIR)
	rm -f $(foreach extra,$(EXTRAS),$(DESTDIR)$(word 2,$(subst :, ,$(extra))))
	for page in $(MANUALS); do \
	    rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; \
	done
	if [ "$$(stat -c %U $(DESTDIR)$(MAILDIR)/root 2>/dev/null)" = "$(RUNUSER)" ]; then \
	    chown -h root $(DESTDIR)$(MAILDIR)/root; \
	fi

# The same commit gives the same bytes on every machine.
DIST = postrider-$(VERSION)
dist:
	@mkdir -p build
	git archive --format=tar --prefix=$(DIST)/ HEAD | gzip -9 -n > build/$(DIST).tar.gz
	cd build && sha256sum $(DIST).tar.gz > $(DIST).tar.gz.sha256
	@cat build/$(DIST).tar.gz.sha256

# Debian packages, into build/deb.
deb:
	@sh contrib/make-deb.sh $(VERSION)

# Builds and tries them on nothing but what debootstrap makes of that release of Debian.
SUITE = bookworm
check-deb:
	@tests/check-deb $(SUITE)

format:
	clang-format -i src/*/*.[ch] tests/*/*.[ch]

clean:
	rm -rf build

.PHONY: all units check check-ansible fuzz fuzzers demo picture install uninstall dist deb check-deb format clean always
.DELETE_ON_ERROR:
.SECONDARY:
