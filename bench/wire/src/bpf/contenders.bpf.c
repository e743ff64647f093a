// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Contenders that live in the kernel alone.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NSEC_PER_SEC 1000000000ULL

// Where each interface sends what comes in.
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} peers SEC(".maps");

// How many frames a contender that forwards nothing has taken.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

static __always_inline void take(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&taken, &zero);

	if (count)
		++*count;
}

// The bare wire, the upper limit of what forwards.
SEC("xdp")
int wire(struct xdp_md *context)
{
	return bpf_redirect_map(&peers, context->ingress_ifindex, XDP_DROP);
}

// The upper limit of what drops.
SEC("xdp")
int drop(struct xdp_md *context)
{
	take();
	return XDP_DROP;
}

// Contenders that are broken follow: the harness has to find out.

// Sends every frame back.
SEC("xdp")
int echo(struct xdp_md *context)
{
	return XDP_TX;
}

// Forwards for half a second, and sleeps for the next.
SEC("xdp")
int sleepy(struct xdp_md *context)
{
	if (bpf_ktime_get_coarse_ns() / (NSEC_PER_SEC / 2) & 1)
		return XDP_DROP;
	return wire(context);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
