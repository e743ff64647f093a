// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The shim: the XDP program on both ports of the bridge. It hands each frame to the AF_XDP socket of the queue
// that the frame came in on, and counts. A frame whose queue has no socket is dropped.
//
// The maps are laid out once for what stands on them later: the fail-safe wire (heartbeat, peer) and the kernel
// fast path (sequences). User space loads one copy of the program with its own maps for each port.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_QUEUES 64

// The AF_XDP sockets, by queue.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

// The other port of the bridge, in slot 0.
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} peer SEC(".maps");

// What the worker of a queue and the shim tell each other, without a system call. One cache line for a queue.
struct queue_state {
	__u64 heartbeat; // CLOCK_MONOTONIC_COARSE of the worker's last loop, in ns
	__u64 handed;	 // frames that the shim has handed to the worker
	__u64 taken;	 // frames that the worker has taken
	__u64 reserved[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, struct queue_state);
} queues SEC(".maps");

enum counter {
	REDIRECTED, // handed to a socket
	NO_SOCKET,  // dropped: the queue has none
	COUNTERS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&counters, &which);

	if (counter)
		(*counter)++;
}

SEC("xdp")
int synward_shim(struct xdp_md *frame)
{
	int action = bpf_redirect_map(&sockets, frame->rx_queue_index, XDP_DROP);

	count(action == XDP_REDIRECT ? REDIRECTED : NO_SOCKET);
	return action;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
