# shellcheck shell=bash
# A real Prometheus on the host `wire`, beside the Synward there, with the files of deploy/prometheus. A script sources this behind netns.sh.
# shellcheck disable=SC2154 # of netns.sh

# shorten FILE: as an hour of an operator would be too long for a test, seconds stand for minutes. Nothing else is changed.
shorten() {
    sed --regexp-extended 's/_interval: .*/_interval: 1s/; s/for: .*/for: 1s/; s/\[1m\]/[5s]/g; s/\[5m\]/[10s]/g; s/\[15m\]/[20s]/g; s/\[1h\] offset 1d/[20s] offset 40s/' "$1"
}

is_scraped() { [[ $(query 'up{job="synward"}') == 1 ]]; }

# start_prometheus: until it has scraped Synward, which it begins with some seconds after its start.
start_prometheus() {
    local file
    mkdir "$folder/prometheus"
    for file in prometheus.yml synward.rules.yml; do
        shorten "deploy/prometheus/$file" >"$folder/prometheus/$file"
    done
    start wire prometheus.log prometheus --config.file="$folder/prometheus/prometheus.yml" --storage.tsdb.path="$folder/prometheus/data" \
        --web.listen-address=127.0.0.1:9090
    until_true 200 is_scraped && return
    echo 'prometheus did not start:' >&2
    cat "$folder/prometheus.log" >&2
    exit 1
}

# ask EXPRESSION: what Prometheus answers, as JSON; nothing, while it starts.
ask() { on wire curl --fail --silent --max-time 5 --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query; }

# query EXPRESSION: the values that it has now, in order, or `none`.
query() {
    local values
    values=$(ask "$1" | jq --raw-output '.data.result[].value[1]' | LC_ALL=C sort --general-numeric-sort | paste --serial --delimiters=' ')
    echo "${values:-none}"
}
