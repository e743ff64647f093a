# shellcheck shell=bash
# Hosts made of network namespaces, and cables made of veth pairs between them. A script sources this, calls `hosts` once,
# and leaves nothing behind however it ends: its processes are ended by pid, its namespaces and its folder are removed.

# hosts PREFIX NAME...: one namespace a name, called PREFIX-PID-NAME. Sets $folder, a temporary folder of the script's own. What is written
# into $on_exit is run before the folder is removed.
hosts() {
    [[ $(id -u) == 0 ]] || { echo "$0: needs root, for network namespaces" >&2 && exit 1; }
    prefix=$1-$$
    host_names=("${@:2}")
    jobs=() on_exit=
    folder=$(mktemp --directory --tmpdir "$prefix.XXXXXX")
    trap leave_nothing EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    local name
    for name in "${host_names[@]}"; do
        ip netns add "$prefix-$name"
        on "$name" sysctl --quiet --write net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
        ip -n "$prefix-$name" link set lo up
    done
}

# on HOST COMMAND...: runs it there.
on() { ip netns exec "$prefix-$1" "${@:2}"; }

# start HOST LOG COMMAND...: runs it there in the background, its output in $folder/LOG, its pid in $started.
start() {
    : >"$folder/$2"
    # setsid and `ip netns exec` become the command: the pid is the command's own. Ctrl-C does not reach it: it is ended last.
    setsid ip netns exec "$prefix-$1" "${@:3}" >"$folder/$2" 2>&1 </dev/null &
    started=$!
    jobs+=("$started")
}

# stop PID: ends a process of ours, and answers with its exit status.
stop() {
    kill "$1" 2>/dev/null
    until_true 50 not_running "$1" || kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

# until_true N COMMAND...: tries it N times, 0.1 s apart.
until_true() {
    local tries
    for ((tries = $1; tries > 0; tries--)); do
        "${@:2}" && return
        sleep 0.1
    done
    return 1
}

# cable HOST PORT MAC HOST PORT MAC: a veth pair of two queues, both ends up.
cable() {
    ip link add "$2" netns "$prefix-$1" address "$3" numrxqueues 2 numtxqueues 2 \
        type veth peer name "$5" netns "$prefix-$4" address "$6" numrxqueues 2 numtxqueues 2
    ip -n "$prefix-$1" link set "$2" up
    ip -n "$prefix-$4" link set "$5" up
}

# full_checksums HOST PORT: the kernel leaves the checksum of a frame between two veth ends to a card that is not there;
# a frame that AF_XDP or a capture takes on the way would keep it blank.
full_checksums() { on "$1" ethtool --offload "$2" tx off >/dev/null; }

# addresses HOST PORT CIDR...
addresses() {
    local cidr
    for cidr in "${@:3}"; do
        ip -n "$prefix-$1" address add "$cidr" dev "$2"
    done
}

# metric NAME{LABELS}: its value at the Synward on the host `wire`, nothing where there is none.
metric() { (on wire curl --silent --max-time 2 http://127.0.0.1:9469/metrics || true) | awk -v name="$1" '$1 == name {print $2}'; }

leave_nothing() {
    local status=$? pid name
    set +e
    trap '' INT TERM HUP
    for pid in "${jobs[@]}"; do stop "$pid"; done
    for name in "${host_names[@]}"; do
        # What a command of ours started and left there; nobody else knows these namespaces.
        for pid in $(ip netns pids "$prefix-$name" 2>/dev/null); do kill -KILL "$pid"; done
        ip netns delete "$prefix-$name" 2>/dev/null
    done
    $on_exit
    rm -rf "$folder"
    exit "$status"
}
