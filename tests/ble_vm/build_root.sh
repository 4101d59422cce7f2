#!/bin/bash
# Build the test machine's files: build_root.sh FOLDER SUITE REQUIREMENT...
#
# Debian packages are unpacked, not configured; the Python REQUIREMENTs come as wheels. Bumble comes
# without its dependencies, which are for radios on USB and serial lines. Needs mmdebstrap and pip.
set -euo pipefail
folder=$(realpath -m "$1") suite=$2
shift 2
declare -A python=([bookworm]=3.11 [trixie]=3.13)
work=$folder.build

rm -rf "$work"
mkdir -p "$work/site" "$work/root"
cd "$work"
wheels() {
  "${PYTHON:-python3}" -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-compile --upgrade \
    --target site --only-binary=:all: --python-version "${python[$suite]}" \
    --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 "$@"
}
echo "fetching Python packages" >&2
wheels "$@"
wheels --no-deps bumble

echo "fetching Debian $suite" >&2
# As a tar file, so that whoever runs this owns the files, whichever way mmdebstrap finds to work.
nice -n 19 mmdebstrap --quiet --variant=extract --aptopt='APT::Install-Recommends "false"' \
  --include=bash,busybox-static,coreutils,dbus-daemon,bluez,python3 \
  --extract-hook='mkdir -p "$1/opt"' --extract-hook="copy-in $work/site /opt" \
  --extract-hook="chroot \"\$1\" python3 -m compileall -q -j2 /usr/lib/python3 /usr/lib/python${python[$suite]} /opt/site" \
  "$suite" root.tar ${MIRROR:+"$MIRROR"} 2>mmdebstrap.log || { tail -20 mmdebstrap.log >&2; exit 1; }
tar -xf root.tar -C root --no-same-owner --exclude='./dev/*' --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale'

cd root
mkdir -p dev proc sys run tmp root mnt/tree mnt/out var/lib/bluetooth
[ -e bin/sh ] || ln -s bash bin/sh
rm -rf var/run var/lib/apt var/cache/apt
ln -s /run var/run
printf '%s\n' 'root:x:0:0::/root:/bin/bash' 'messagebus:x:101:101::/nonexistent:/usr/sbin/nologin' >etc/passwd
printf '%s\n' 'root:x:0:' 'messagebus:x:101:' 'bluetooth:x:102:' >etc/group
echo '127.0.0.1 localhost machine' >etc/hosts
echo 0123456789abcdef0123456789abcdef >etc/machine-id

rm -rf "$folder"
mv "$work/root" "$folder"
rm -rf "$work"
