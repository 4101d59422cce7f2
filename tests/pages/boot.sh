#!/bin/bash
# Run as the first process of new namespaces: files of its own over this machine's, then systemd.
# boot.sh WORLD UID HOME PYTHON PACKAGES PROJECT
set -eu
world=$1 uid=$2 home=$3 python=$4 packages=$5 project=$6

mount --make-rprivate /
mount -t tmpfs world "$world"
mkdir "$world"/{upper,work,root}
root=$world/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$world/upper,workdir=$world/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for folder in run tmp home opt var/lib; do
  mount -t tmpfs "$folder" "$root/$folder"
done
chmod 1777 "$root/tmp"

# What a person has there after the first two commands of the page: an environment of its own, made
# of the Python and the packages that run the test.
program=/opt/buttplug-forwarder
mkdir -p "$root"/opt/{python,packages} "$root$program/bin" "$root$home/buttplug-forwarder"
mount --bind "$python" "$root/opt/python"
mount --bind "$packages" "$root/opt/packages"
mount --bind "$project" "$root$home/buttplug-forwarder"
version=$(basename "$(readlink -f "$python/bin/python3")")
site=$root$program/lib/$version/site-packages
mkdir -p "$site"
cp -r "$project/forwarder" "$project/relay" "$site"
echo /opt/packages > "$site/packages.pth"
echo "home = /opt/python/bin" > "$root$program/pyvenv.cfg"
ln -s "/opt/python/bin/$version" "$root$program/bin/python"
for name in forwarder relay; do
  cat > "$root$program/bin/$name" <<END
#!$program/bin/python
from $name.__main__ import main
main()
END
  chmod 755 "$root$program/bin/$name"
done
echo /opt/python/lib > "$root/etc/ld.so.conf.d/python.conf"
chroot "$root" ldconfig
mkdir -p "$root$home/.local/bin"
ln -s "$program"/bin/{forwarder,relay} "$root$home/.local/bin/"

cat > "$root/tmp/sudo" <<'END'
#!/bin/sh
if [ "$1" = -u ]; then
  user=$2
  shift 2
  home=$(getent passwd "$user" | cut -d: -f6)
  exec setpriv --reuid="$user" --regid="$user" --init-groups env HOME="$home" USER="$user" "$@"
fi
exec "$@"
END
install -D -m 755 "$root/tmp/sudo" "$root/usr/local/bin/sudo"

getent passwd "$uid" > /dev/null || echo "somebody:x:$uid:$uid::$home:/bin/sh" >> "$root/etc/passwd"
getent group "$uid" > /dev/null || echo "somebody:x:$uid:" >> "$root/etc/group"
chown "$uid:$uid" "$root$home" "$root$home/.local" "$root$home/.local/bin"

# Nothing of what this machine starts, but what the units need, and somebody's own systemd.
cat > "$root/etc/systemd/system/session.service" <<END
[Unit]
DefaultDependencies=no
[Service]
Type=notify
User=$uid
Environment=XDG_RUNTIME_DIR=/run/user/$uid HOME=$home
Environment=PATH=$home/.local/bin:/usr/bin:/bin
ExecStartPre=+/bin/mkdir -p /run/user/$uid
ExecStartPre=+/bin/chown $uid:$uid /run/user/$uid
ExecStart=/lib/systemd/systemd --user
Delegate=yes
END
# Whether this machine lets systemd lock a service in at all, and whether what was installed starts
# there: where not, nothing can be shown here.
cat > "$root/etc/systemd/system/probe.service" <<END
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
User=$uid
StateDirectory=probe
ExecStart=$program/bin/forwarder --version
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
SystemCallFilter=@system-service
MemoryMax=256M
TasksMax=64
END
cat > "$root/etc/systemd/system/up.service" <<'END'
[Unit]
DefaultDependencies=no
Requires=session.service probe.service
After=session.service probe.service
[Service]
Type=oneshot
ExecStart=/bin/touch /run/first-is-up
END
cat > "$root/etc/systemd/system/first.target" <<'END'
[Unit]
DefaultDependencies=no
Requires=systemd-journald.service
Wants=session.service up.service
END
mkdir "$root/before"
cd "$root"
pivot_root . before
umount --lazy /before
container=first exec /lib/systemd/systemd --system --unit=first.target --log-target=console
