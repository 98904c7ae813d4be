#!/bin/sh
# Debian packages of what is in this folder, committed or not, in build/deb. Called by `make deb`:
#
#     make-deb.sh VERSION [ARGUMENT OF dpkg-buildpackage...]
#
# A copy of the tree gets contrib/debian as its debian/, and a changelog of this version, whose date is that
# of the last commit, so that the same commit gives the same package. With OBJECTS=build what is compiled
# there is taken if Debian's flags are set to the same, for tests in a hurry: no source package then.
set -eu
cd "$(dirname "$0")/.."

version=$1
shift

for program in dpkg-buildpackage dh dh_apparmor; do
    if ! command -v "$program" >/dev/null; then
        echo "make deb: $program is missing: sh contrib/bootstrap.sh deb" >&2
        exit 1
    fi
done

rm -rf build/deb
tree=build/deb/postrider-$version
mkdir -p "$tree"
tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ . | tar -x -C "$tree"
mv "$tree/contrib/debian" "$tree/debian"

# Without a repository, as from the tarball of a release, in which all files are of that time.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)}"
export SOURCE_DATE_EPOCH
maintainer=$(sed -n 's/^Maintainer: //p' "$tree/debian/control")
cat >"$tree/debian/changelog" <<END
postrider ($version) unstable; urgency=medium

  * Version $version.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END

if [ -n "${OBJECTS-}" ]; then
    mkdir "$tree/build"
    cp -a "$OBJECTS/flags" "$OBJECTS/object" "$tree/build"
    set -- -b -nc "$@"
else
    set -- -tc "$@"
fi
cd "$tree"
dpkg-buildpackage -us -uc "$@"
