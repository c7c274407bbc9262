# Sourced by what needs a clean Debian: a chroot made by debootstrap, cached below build/chroot, and a copy of it for each
# use. Commands in the copy run in their own namespaces (network, mounts, processes, host name): the usual ports are free,
# nothing stays mounted, and no process outlives its command.
#   $chroot_suite                which Debian (bookworm, if nothing else is said)
#   $chroot_tree                 a folder that commands see as /src, if it is set
#   chroot_make NAME             a fresh copy; sets $root. Returns 77 (skipped) if no mirror can be reached.
#   chroot_keep NAME             the copy of before, or a fresh one
#   chroot_install PACKAGE…      apt-get install with the host's network; what is downloaded is kept for the next time
#   chroot_network COMMAND…      with the host's network
#   chroot_run COMMAND…          without the outer network
#   chroot_end                   removes the copy
chroot_cache=${DEBIAN_CHROOTS:-$PWD/build/chroot}
chroot_mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
chroot_suite=bookworm
chroot_tree=
skipped=77

# Sets $base.
chroot_base() {
  base=$chroot_cache/$chroot_suite
  if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "SKIPPED: a chroot needs root and debootstrap (scripts/setup --full)"
    return $skipped
  fi
  if ! unshare --net --mount --pid --uts --fork true 2>/dev/null; then
    echo "SKIPPED: no namespaces may be made here"
    return $skipped
  fi
  mkdir -p "$chroot_cache"
  exec 8>"$chroot_cache/lock"
  flock 8
  if [ ! -e "$base.done" ]; then
    rm -rf --one-file-system "$base"
    echo "a Debian $chroot_suite below $base, once: a minute or two"
    if ! timeout 900 debootstrap --variant=minbase --include=iproute2,ca-certificates "$chroot_suite" "$base" "$chroot_mirror" >"$base.log" 2>&1; then
      tail -n 5 "$base.log"
      echo "SKIPPED: debootstrap could not reach $chroot_mirror"
      return $skipped
    fi
    cp /etc/resolv.conf "$base/etc/resolv.conf"
    # The same state of the archive as the host's: what is built here runs there.
    rm -f "$base/etc/apt/sources.list"
    for place in debian:$chroot_suite debian:$chroot_suite-updates debian-security:$chroot_suite-security; do
      echo "deb ${chroot_mirror%/debian}/${place%%:*} ${place#*:} main" >>"$base/etc/apt/sources.list"
    done
    chroot "$base" apt-get update -qq || return 1
    touch "$base.done"
  fi
  flock -u 8
}

chroot_make() {
  chroot_base || return
  root=$chroot_cache/$1
  rm -rf --one-file-system "$root"
  cp -a --reflink=auto "$base" "$root"
}

chroot_keep() {
  chroot_base || return
  root=$chroot_cache/$1
  [ ! -e "$root/kept" ] || return 0
  rm -rf --one-file-system "$root"
  cp -a --reflink=auto "$base" "$root" && touch "$root/kept"
}

chroot_command() { # NET COMMAND…
  local net=$1
  shift
  unshare $net --mount --pid --uts --fork --kill-child bash -c '
    root=$1
    shift
    hostname "$(cat "$root/etc/hostname")"
    [ -z "'"$net"'" ] || ip link set lo up
    mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" || exit 1
    [ -z "'"$chroot_tree"'" ] || { mkdir -p "$root/src" && mount --bind "'"$chroot_tree"'" "$root/src"; } || exit 1
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" 2>/dev/null
    exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
      DEBIAN_FRONTEND=noninteractive "$@"' chroot "$root" "$@" </dev/null
}

chroot_run() { chroot_command --net "$@"; }

chroot_network() {
  timeout 1800 bash -c "$(declare -f chroot_command); root='$root' chroot_tree='$chroot_tree'; chroot_command '' \"\$@\"" run "$@"
}

chroot_install() {
  local status=0
  chroot_network apt-get install -y -qq --no-install-recommends -o APT::Keep-Downloaded-Packages=true "$@" || status=$?
  cp -n "$root"/var/cache/apt/archives/*.deb "$base/var/cache/apt/archives/" 2>/dev/null
  return $status
}

chroot_end() { rm -rf --one-file-system "$root"; }
