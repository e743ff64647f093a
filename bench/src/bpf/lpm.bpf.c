/* Looks addresses up in the kernel's LPM trie, a batch in each run, and counts those that it holds. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ADDRESSES (1 << 20)
#define BATCH 64

struct prefix {
    __u32 length;
    __u32 address; /* in the order of the wire */
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1 << 24);
    __type(key, struct prefix);
    __type(value, __u32);
} prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, ADDRESSES);
    __type(key, __u32);
    __type(value, __u32);
} addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} found SEC(".maps");

static __u32 next;

static __always_inline int batch(int search)
{
    __u32 zero = 0, hits = 0;
    __u64 *sum = bpf_map_lookup_elem(&found, &zero);

    for (int i = 0; i < BATCH; i++) {
        __u32 place = next++ % ADDRESSES;
        __u32 *address = bpf_map_lookup_elem(&addresses, &place);

        if (!address)
            continue;
        struct prefix key = { 32, *address };
        hits += search ? !!bpf_map_lookup_elem(&prefixes, &key) : key.address & 1;
    }
    if (sum)
        *sum += hits;
    return XDP_PASS;
}

SEC("xdp")
int look_up(struct xdp_md *frame)
{
    return batch(1);
}

/* All but the look-up: what to take off. */
SEC("xdp")
int nothing(struct xdp_md *frame)
{
    return batch(0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
