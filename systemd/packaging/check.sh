#!/usr/bin/env bash
# Installs both packages on a clean Debian, uses, upgrades, removes and purges them.
#
# As root; needs debootstrap and Debian's packages. SUITE (bookworm) is the release, MIRROR where it
# comes from, ROOTS a folder in which the clean system is kept for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."

suite="${SUITE:-bookworm}"
mirror="${MIRROR:-http://deb.debian.org/debian}"
scratch=$(mktemp -d)
root="$scratch/root"
port=18443
provider=
gateway=

clean_up() {
    for process in $provider $gateway; do kill "$process" 2>/dev/null || true; done
    # What is mounted must not be emptied.
    if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
    rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT

step() { printf '== %s (%d s so far)\n' "$1" "$SECONDS"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: $2, expected $3"; }
here() { chroot "$root" "$@"; }
as() { chroot --userspec="$1:$1" "$root" "${@:2}"; }
# In a process of its own, which is the program itself: what is killed is no shell.
program() { exec chroot --userspec="$1:$1" "$root" "${@:2}"; }
of() { here stat -c '%U:%G %a' "$1"; }

step "two versions of both packages"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
for revision in 1 2; do
    systemd/packaging/build.sh --deb-version "$version-$revision" -o "$scratch/$revision/"
done

step "a clean $suite"
roots="${ROOTS:-$scratch}"
mkdir -p "$roots"
if [ ! -e "$roots/$suite.tar" ]; then
    debootstrap --variant=minbase --include=systemd,udev "$suite" "$scratch/new" "$mirror" >"$scratch/log" ||
        { tail "$scratch/log"; fail debootstrap; }
    tar -C "$scratch/new" -cf "$roots/$suite.tar" .
fi
mkdir "$root"
tar -C "$root" -xf "$roots/$suite.tar"
mount -t proc proc "$root/proc"
list() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./run -o -path ./var/log -o -path ./var/cache -o -path ./tmp \) -prune -o -print | sort); }
list >"$scratch/before"

step "install"
cp -r "$scratch/1" "$scratch/2" "$root/tmp/"
here dpkg -i $(cd "$root" && ls -d tmp/1/*.deb | sed 's|^|/|')
for path in /etc/dcnet-gateway /etc/dcnet-provider /etc/dcnet-witness; do expect "$path" "$(of $path)" "${path#/etc/}:${path#/etc/} 750"; done
for path in /var/lib/dcnet-gateway /var/lib/dcnet-provider /var/lib/dcnet-witness; do
    expect "$path" "$(of $path)" "${path#/var/lib/}:${path#/var/lib/} 700"
done
here id -nG dcnet-gateway | grep -qw dialout || fail "dcnet-gateway is not in dialout"
for file in \
    usr/bin/dcnet-gateway usr/bin/dcnet \
    usr/lib/systemd/system/dcnet-gateway.service usr/lib/systemd/system/dcnet-provider.service \
    usr/lib/systemd/system/dcnet-witness.service usr/lib/sysusers.d/dcnet-witness.conf \
    usr/lib/udev/rules.d/61-dcnet-gateway.rules \
    usr/lib/sysusers.d/dcnet-gateway.conf usr/lib/tmpfiles.d/dcnet-provider.conf \
    usr/share/man/man1/dcnet-gateway-run.1.gz usr/share/man/man1/dcnet-serve.1.gz \
    usr/share/bash-completion/completions/dcnet usr/share/zsh/vendor-completions/_dcnet-gateway \
    usr/share/fish/vendor_completions.d/dcnet.fish \
    usr/share/doc/dcnet-gateway/examples/household.yaml usr/share/doc/dcnet-provider/copyright \
    etc/systemd/system/multi-user.target.wants/dcnet-gateway.service; do
    [ -e "$root/$file" ] || [ -L "$root/$file" ] || fail "$file is missing"
done
[ -L "$root/etc/systemd/system/multi-user.target.wants/dcnet-witness.service" ] && fail "the witness is enabled"
[ ! -e "$root/usr/share/man/man1/dcnet-gateway.1.gz" ] && fail "no page of dcnet-gateway"
here dpkg -L dcnet-provider | grep -q dcnet-gateway && fail "dcnet-provider has files of dcnet-gateway"
expect "conffiles" "$(here dpkg-query -W -f '${Conffiles}' dcnet-provider | awk '{print $1}')" /etc/dcnet-provider/server.yaml
here systemd-analyze verify --man=no dcnet-gateway.service dcnet-provider.service dcnet-witness.service
for unit in gateway provider witness; do
    here systemd-analyze security --offline=true --threshold=20 --no-pager "dcnet-$unit.service" | tail -n 1
done
if here udevadm verify --help >/dev/null 2>&1; then
    here udevadm verify /usr/lib/udev/rules.d/61-dcnet-gateway.rules
else
    echo "(udevadm of $suite cannot verify rules)"
fi

step "a laboratory, with the installed programs"
etc="$root/etc"
here dcnet pki init /root/ca
here dcnet pki issue /root/ca house-1 --out /root/house-1
here dcnet pki provider /root/keys --name 127.0.0.1
cp "$root"/root/keys/provider-{tls,tls.key,signing.key}.pem "$etc/dcnet-provider/"
cp "$root/root/ca/ca.pem" "$etc/dcnet-provider/gateway-ca.pem"
cp -r "$root"/root/house-1/. "$etc/dcnet-gateway/"
cp "$root/root/keys/provider-ca.pem" "$etc/dcnet-gateway/"
cp "$root/root/ca/ca.pem" "$etc/dcnet-gateway/gateway-ca.pem"
cat >"$etc/dcnet-gateway/gateway.yaml" <<END
meter: { name: test, source: { sml: { device: /dev/ttyUSB0 } } }
evaluation: { taf: 7, slots: [{ obis: 1.8.0, unit: Wh, scale: -1 }] }
communication:
  provider: https://127.0.0.1:$port
  net: bench
  provider_ca: provider-ca.pem
  gateway_ca: gateway-ca.pem
  tls: { certificate: tls.pem, key: tls.key.pem }
  signature: { certificate: sig.pem, key: sig.key.pem }
state: /var/lib/dcnet-gateway
END
for who in gateway provider; do here chown -R "dcnet-$who:dcnet-$who" "/etc/dcnet-$who"; done
as dcnet-gateway dcnet-gateway check /etc/dcnet-gateway/gateway.yaml
serve=(--store /var/lib/dcnet-provider/dcnet.sqlite3)
keys=(--gateway-ca /etc/dcnet-provider/gateway-ca.pem --signing-key /etc/dcnet-provider/provider-signing.key.pem)
as dcnet-provider dcnet net create bench "${serve[@]}" "${keys[@]}" >"$scratch/net"

check=(dcnet serve --check "${serve[@]}" "${keys[@]}" --tls-cert /etc/dcnet-provider/provider-tls.pem)
expect "the check" "$(as dcnet-provider "${check[@]}" --tls-key /etc/dcnet-provider/provider-tls.key.pem)" "ready to serve"
as dcnet-provider "${check[@]}" --tls-key /etc/dcnet-provider/none.pem 2>/dev/null && fail "a missing key passed"
expect "the exit code" "$?" 78
as dcnet-witness dcnet witness init /var/lib/dcnet-witness --name w-1
as dcnet-witness dcnet witness status /var/lib/dcnet-witness >/dev/null

start() {
    program dcnet-provider dcnet serve "${serve[@]}" "${keys[@]}" --listen "127.0.0.1:$port" \
        --tls-cert /etc/dcnet-provider/provider-tls.pem --tls-key /etc/dcnet-provider/provider-tls.key.pem \
        --config /etc/dcnet-provider/server.yaml >"$scratch/provider.log" 2>&1 &
    provider=$!
    program dcnet-gateway dcnet-gateway run /etc/dcnet-gateway/gateway.yaml >"$scratch/gateway.log" 2>&1 &
    gateway=$!
    for ((i = 0; i < 100; i++)); do
        grep -q 'this gateway is joining' "$scratch/gateway.log" && return
        sleep 0.2
    done
    cat "$scratch/gateway.log" "$scratch/provider.log"
    fail "the gateway did not register"
}
stop() {
    kill "$gateway" "$provider"
    wait "$gateway" || { cat "$scratch/gateway.log"; fail "the gateway ended with $?"; }
    wait "$provider" || { cat "$scratch/provider.log"; fail "the provider ended with $?"; }
    gateway= provider=
}
start
grep -q 'this gateway is registering' "$scratch/gateway.log" || fail "it knew the net before"
members() { as dcnet-provider dcnet net show bench "${serve[@]}" | grep '^members'; }
members >"$scratch/members"
grep -q ' 1 registered' "$scratch/members" || fail "the gateway is not registered: $(cat "$scratch/members")"
expect "the status" "$(as dcnet-gateway dcnet-gateway status --json /etc/dcnet-gateway/gateway.yaml |
    grep -o '"phase": *"[a-z]*"' | tr -d ' ')" '"phase":"joining"'
stop
state() { (cd "$root" && find var/lib/dcnet-* etc/dcnet-* -type f -exec sha256sum {} + | sort); }
echo '# changed by the owner' >>"$etc/dcnet-provider/server.yaml"
state >"$scratch/state"

step "upgrade"
here dpkg -i --force-confold $(cd "$root" && ls -d tmp/2/*.deb | sed 's|^|/|')
expect "the version" "$(here dpkg-query -W -f '${Version}' dcnet-gateway)" "$version-2"
state | diff "$scratch/state" - || fail "the upgrade touched state or configuration"
start
# A gateway that had lost its keys would be a second registration, and one to be looked at.
members | diff "$scratch/members" - || fail "the gateway came back as another"
stop

step "removal keeps what belongs to the owner"
state >"$scratch/state"
here dpkg -r dcnet-gateway dcnet-provider
state | diff "$scratch/state" - || fail "the removal touched state or configuration"

step "purge leaves nothing"
here dpkg -P dcnet-gateway dcnet-provider
rm -rf "$root"/root/{ca,keys,house-1} "$root"/tmp/{1,2}
list | diff "$scratch/before" - || fail "this is left, or gone"
here getent passwd dcnet-gateway dcnet-provider dcnet-witness && fail "the users are still there"
here getent group dcnet-gateway dcnet-provider dcnet-witness && fail "the groups are still there"
step "all is well"
