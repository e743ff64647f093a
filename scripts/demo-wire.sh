# shellcheck shell=bash
# The wire of the demo and of the test of operations: a router, Synward, and a LAN with a web server. A script sources this behind netns.sh, with the
# path of the program in $program.
# shellcheck disable=SC2034,SC2154 # variables go from one of these files to another

router=198.51.100.1 router6=2001:db8:51::1
web=198.51.100.80 web6=2001:db8:51::80
web_mac=02:00:00:00:00:80
scanners='1024:2:1460: 1024::: 65535:::'                 # in lists/scanners.txt: nmap -sS, masscan, zmap
neighbour=203.0.113.10                                   # on no list
blocked=203.0.113.130 blocked6=2001:db8:bad::130         # in lists/blocked.txt
customer=203.0.113.200 customer6=2001:db8:bad:c::200     # in lists/blocked.txt and in lists/customers.txt

### The network

build_network() {
    hosts synward-demo router wire lan
    cable router port0 02:00:00:00:00:01 wire outside0 02:00:00:00:00:02
    cable lan port0 $web_mac wire inside0 02:00:00:00:00:03
    local host
    for host in router lan; do
        full_checksums $host port0
        # What the kernel's own wire sends, a veth end takes only with GRO.
        on $host ethtool --offload port0 gro on >/dev/null
    done
    addresses router port0 $router/24 $router6/64
    addresses router lo $neighbour/32 $blocked/32 $customer/32 $blocked6/128 $customer6/128
    addresses lan port0 $web/24 $web6/64
    ip -n "$prefix-lan" route add default via $router
    ip -n "$prefix-lan" route add default via $router6
}

start_web_server() {
    mkdir "$folder/www"
    echo "a page of the lan" >"$folder/www/index.html"
    head --bytes=10M /dev/urandom >"$folder/www/10MB"
    start lan www.log python3 -m http.server --bind :: --directory "$folder/www" 80
    until_true 50 on lan curl --silent --output /dev/null --max-time 1 http://$web/
}

# On a silent wire masscan 1.3.2 may never end: its receiver sees the time only when a frame arrives.
start_background_traffic() { start router background.log ping -n -q -i 0.2 -c 600 $web; }

# The configuration names /run and /var/log, and by default a bpffs in /sys/fs/bpf; the program gets all three to itself, in $folder.
prepare_synward() {
    cp -r deploy/example "$folder/config"
    mkdir -p "$folder/run/synward" "$folder/log/synward" "$folder/bpf"
    mount -t bpf bpf "$folder/bpf"
    on_exit="umount $folder/bpf"
}

start_synward() {
    # shellcheck disable=SC2016 # for the inner shell
    start wire synward.log sh -ec 'mount --bind "$1/run" /run; mount --bind "$1/log" /var/log; mount --bind "$1/bpf" /sys/fs/bpf
        exec "$2" run -c "$1/config/synward.toml"' - "$folder" "$program"
    synward=$started
    until_true 100 grep --quiet forwarding "$folder/synward.log" && return
    echo 'synward did not start:' >&2
    cat "$folder/synward.log" >&2
    exit 1
}

### What an operator does

reloads() { metric "synward_reloads_total{result=\"$1\"}"; }

reloaded() { [[ $(reloads "$1") == "$2" ]]; }

# reload success|failure: sends SIGHUP and waits until it is counted as that.
reload() {
    local before
    before=$(reloads "$1")
    kill -HUP "$synward"
    until_true 50 reloaded "$1" $((before + 1))
}

enforce() {
    sed --in-place 's/^mode = "monitor"/mode = "enforce"/' "$folder/config/synward.toml"
    reload success
}

### What the hosts see: each prints a word or two

yes_or_no() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }

# pings FROM TO
pings() { yes_or_no on router ping -n -q -c 2 -i 0.2 -W 1 -I "$1" "$2"; }

# gets_page URL OPTION...
gets_page() {
    [[ $(on router curl --silent --globoff --max-time 3 "${@:2}" "$1") == "a page of the lan" ]] && echo yes || echo no
}

hash_of() { sha256sum | cut -c1-16; }

download() { on router curl --silent --max-time 20 http://$web/10MB | hash_of; }

# finds COMMAND...: a scanner's output names the open port. A scanner that fails has not found nothing: it has not looked.
finds() {
    local output
    # In the foreground Ctrl-C reaches the scanner too; masscan then writes paused.conf where it stands.
    output=$(cd "$folder" && timeout --foreground 20 ip netns exec "$prefix-router" "$@" 2>scanner.log </dev/null) ||
        { echo "error $?" && cat "$folder/scanner.log" >&2 && return; }
    if grep --quiet --extended-regexp "^open tcp 80 |^$web\$|^80/tcp +open" <<<"$output"; then echo open; else echo nothing; fi
}

masscan() {
    finds masscan --interface port0 --router-mac $web_mac --adapter-ip $router --ports 80 --rate 100 --wait 2 -oL - $web
}

# One seed of zmap 2.1.1 in 256 makes it abort where there is one target ("Assertion `index < con->root->count'"); 1 is a good one.
zmap() {
    finds zmap --quiet --config=/dev/null --blacklist-file=/dev/null --interface=port0 --gateway-mac=$web_mac --source-ip=$router \
        --seed=1 --target-port=80 --rate=100 --cooldown-time=2 $web
}

# nmap OPTION...
nmap() { finds nmap -n -Pn -p 80 --max-retries 1 --host-timeout 10s "$@"; }

### The table

rows=0 differ=0

section() { printf '\n%s\n' "$1"; }

# row WHAT EXPECTED SEEN
row() {
    local mark=ok
    [[ $2 == "$3" ]] || { mark=DIFFERS && differ=$((differ + 1)); }
    rows=$((rows + 1))
    printf '  %-58s %-30s %-30s %s\n' "$1" "$2" "$3" $mark
}

finish() {
    printf '\n%d of %d lines as expected, in %d s\n' $((rows - differ)) $rows $SECONDS
    ((differ == 0)) && return
    tail -n 40 "$folder/synward.log"
    exit 1
}
