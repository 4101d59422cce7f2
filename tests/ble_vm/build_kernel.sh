#!/bin/bash
# Build the test machine's kernel: build_kernel.sh FILE
#
# User-Mode Linux from Debian's kernel source (Debian's own user-mode-linux has no Bluetooth).
# Needs apt-get, gcc, make, flex, bison, bc, patch; no root. Takes 10 to 15 minutes of two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=$(realpath -m "$1")
package=linux-source-6.1
work=$file.build

rm -rf "$work"
mkdir -p "$work/package" "$work/source"
cd "$work"
echo "fetching $package" >&2
apt-get download -qq "$package" 2>apt.log || { cat apt.log >&2; exit 1; }
dpkg-deb -x "$package"_*.deb package
tar -xJf "package/usr/src/$package.tar.xz" --strip-components=1 -C source
rm -rf package "$package"_*.deb

cd source
patch -s -p1 <"$here/kernel.patch"
# Left out of User-Mode Linux for want of real ones; those that programs play work there, too.
sed -i '/depends on !UML/d' drivers/input/Kconfig
make -s ARCH=um KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig >/dev/null
# Kconfig drops in silence what depends on something that is missing.
missing=$(grep '^CONFIG' "$here/kernel.config" | grep -vxFf .config || true)
[ -z "$missing" ] || { echo "the kernel does not take: $missing" >&2; exit 1; }
echo "compiling $(make -s ARCH=um kernelversion)" >&2
nice -n 19 make -s ARCH=um -j"${JOBS:-2}" linux 2>"$work/make.log" || { tail -20 "$work/make.log" >&2; exit 1; }

strip -o "$file.new" linux
mv "$file.new" "$file"
cd /
rm -rf "$work"
