// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The shim: the XDP program on both ports of the bridge. It hands each frame to the AF_XDP socket of the queue that the
// frame came in on, while a worker takes them there. When none does, it holds the wire by itself: fail-open sends the
// frame straight out of the other port, fail-closed drops it.
//
// User space loads one copy of the program with its own maps for each port. Pinned, program and maps outlive the
// process, and the next one adopts them: see shim/mod.rs.

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_QUEUES 64

// Sources that a queue remembers as blocked.
#define SLOTS 1024

// Frames that a worker is tried with before it has taken the first: some drivers deliver to a socket only some time
// after the bind, and what they are handed before is lost.
#define PROBES 256

// VLAN tags that are looked through for the source address.
#define MAX_TAGS 2

// How the wire fails, and when: set before the program is loaded.
const volatile bool fail_open;
const volatile __u64 stale_after; // in ns
const volatile __u32 queues_served;

// The AF_XDP sockets, by queue. The kernel takes out the socket of a process that ends.
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
	__u64 heartbeat;  // CLOCK_MONOTONIC_COARSE of the worker's last turn, in ns
	__u64 taken;	  // whether the worker has taken a frame: 1, once it has
	__u64 probes;	  // frames that the shim has handed to a worker that had taken none
	__u64 generation; // of the rules that the worker judges by, of no two processes the same
	__u64 reserved[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, struct queue_state);
} queues SEC(".maps");

// A source that the worker of a queue has dropped frames of. IPv4 addresses are mapped ones (RFC 4291 section 2.5.5.2).
struct blocked_source {
	__u64 address[2];
	__u64 generation; // of the rules that block it; 0: nothing is known
	__u64 reserved;
};

// SLOTS for each queue, one queue's behind the other's.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_QUEUES * SLOTS);
	__type(key, __u32);
	__type(value, struct blocked_source);
} blocked SEC(".maps");

enum outcome {
	REDIRECTED, // handed to a socket
	BYPASSED,   // no worker: sent out of the other port
	DROPPED,    // no worker: dropped
	BLOCKED,    // no worker: dropped, for its source is known as blocked
	OUTCOMES,
};

struct counts {
	__u64 frames[OUTCOMES];
};

// By queue.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, struct counts);
} counters SEC(".maps");

// What was done to the port: text of user space's own, kept here because it is needed as long as the program is on the port.
struct changes {
	char text[4096];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct changes);
} changes SEC(".maps");

static __always_inline int count(__u32 queue, enum outcome outcome, int action)
{
	struct counts *counts = bpf_map_lookup_elem(&counters, &queue);

	if (counts)
		counts->frames[outcome]++;
	return action;
}

// Whether a worker takes the frames of a queue, as far as known.
static __always_inline bool is_served(const struct queue_state *state)
{
	// Signed: the worker's stamp may be the newer one.
	__s64 age = bpf_ktime_get_coarse_ns() - state->heartbeat;

	if (age > (__s64)stale_after)
		return false;
	// Where the alternative is to drop, there is nothing to lose.
	return state->taken || !fail_open || state->probes < PROBES;
}

// Reads the source address behind Ethernet and a few tags.
static __always_inline bool read_source(struct xdp_md *frame, __u64 address[2])
{
	void *end = (void *)(long)frame->data_end;
	struct ethhdr *ethernet = (void *)(long)frame->data;
	void *next = ethernet + 1;
	__u16 type;

	if (next > end)
		return false;
	type = ethernet->h_proto;
	for (int tag = 0; tag < MAX_TAGS; tag++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (next + 4 > end)
			return false;
		type = *(__u16 *)(next + 2);
		next += 4;
	}
	if (type == bpf_htons(ETH_P_IP) && next + 20 <= end) {
		address[0] = 0;
		address[1] = bpf_cpu_to_be64(0xffff00000000 | bpf_ntohl(*(__u32 *)(next + 12)));
		return true;
	}
	if (type == bpf_htons(ETH_P_IPV6) && next + 40 <= end) {
		__builtin_memcpy(address, next + 8, 16);
		return true;
	}
	return false;
}

// The slot of an address: the same as in user space (shim/board.rs).
static __always_inline __u32 slot_of(const __u64 address[2])
{
	return ((address[0] ^ address[1]) * 0x9e3779b97f4a7c15) >> 54;
}

// Whether the worker of a queue knew the source as blocked, by the rules that it judged by last. Not inlined: the verifier has to see
// that the caller's loop counter is nobody else's.
static __noinline bool knows(__u32 queue, __u32 slot, const __u64 address[2])
{
	__u32 place = queue * SLOTS + slot;
	struct blocked_source *known = bpf_map_lookup_elem(&blocked, &place);
	struct queue_state *state = bpf_map_lookup_elem(&queues, &queue);

	return known && state && known->generation && known->generation == state->generation &&
	       known->address[0] == address[0] && known->address[1] == address[1];
}

static __always_inline bool is_blocked(struct xdp_md *frame)
{
	__u64 address[2];

	if (!read_source(frame, address))
		return false;
	// Frames of one source may come in on any queue.
	for (__u32 queue = 0; queue < MAX_QUEUES && queue < queues_served; queue++)
		if (knows(queue, slot_of(address), address))
			return true;
	return false;
}

// The wire while no worker takes the frames.
static __always_inline int hold_wire(struct xdp_md *frame, __u32 queue)
{
	if (!fail_open)
		return count(queue, DROPPED, XDP_DROP);
	if (is_blocked(frame))
		return count(queue, BLOCKED, XDP_DROP);
	return count(queue, BYPASSED, bpf_redirect_map(&peer, 0, XDP_DROP));
}

SEC("xdp")
int synward_shim(struct xdp_md *frame)
{
	__u32 queue = frame->rx_queue_index;
	struct queue_state *state = bpf_map_lookup_elem(&queues, &queue);

	if (!state || !is_served(state))
		return hold_wire(frame, queue);
	if (bpf_redirect_map(&sockets, queue, XDP_ABORTED) != XDP_REDIRECT)
		return hold_wire(frame, queue);
	if (!state->taken)
		state->probes++;
	return count(queue, REDIRECTED, XDP_REDIRECT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
