// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The kernel's half of the instrument: what the hosts of the bed run on their interfaces. It notes when each numbered frame
// arrives and how often, at the cost of a few dozen nanoseconds, so that what is measured is the wire and not the meter.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Numbers that there are records for: 20 s at 100,000 frames a second.
#define FRAMES (1 << 21)
// The same as in kernel.rs.
#define MAGIC 0x53594e57
#define HOSTILE_WINDOW 1024

// What became of the frame of each number.
struct record {
	__u64 arrived; // CLOCK_MONOTONIC of the first arrival, in ns
	__u32 times;   // how often it arrived
	__u32 queue;   // on which queue it first did
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAMES);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

// SYNs that the rules of every scenario block: none may arrive while somebody judges.
struct hostile {
	__u64 count;
	__u64 last; // CLOCK_MONOTONIC of the last, in ns
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hostile);
} hostile SEC(".maps");

struct numbered {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	__be32 magic;
	__be32 number;
} __attribute__((packed));

struct syn {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

// How long the host takes for each frame of the instrument, in ns: with more than none, it is a slow one.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} burden SEC(".maps");

#define LONGEST_LOOP (1 << 20)

static long is_over(__u32 turn, void *deadline)
{
	return bpf_ktime_get_ns() >= *(__u64 *)deadline;
}

static void bear_burden(void)
{
	__u32 zero = 0;
	__u64 *burden_ns = bpf_map_lookup_elem(&burden, &zero), deadline;

	if (!burden_ns || !*burden_ns)
		return;
	deadline = bpf_ktime_get_ns() + *burden_ns;
	bpf_loop(LONGEST_LOOP, is_over, &deadline, 0);
}

static int note(__u32 number, __u32 queue)
{
	struct record *record = bpf_map_lookup_elem(&records, &number);

	bear_burden();
	if (record && __sync_fetch_and_add(&record->times, 1) == 0) {
		record->arrived = bpf_ktime_get_ns();
		record->queue = queue;
	}
	return XDP_DROP;
}

static int note_hostile(void)
{
	__u32 zero = 0;
	struct hostile *seen = bpf_map_lookup_elem(&hostile, &zero);

	if (seen) {
		__sync_fetch_and_add(&seen->count, 1);
		seen->last = bpf_ktime_get_ns();
	}
	return XDP_DROP;
}

static int is_hostile(struct syn *frame)
{
	return frame->ip.protocol == IPPROTO_TCP && frame->tcp.syn && !frame->tcp.ack &&
	       frame->tcp.doff == 5 && frame->tcp.window == bpf_htons(HOSTILE_WINDOW);
}

// Notes the frames of the instrument and lets the host have all others.
SEC("xdp")
int sink(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct numbered *frame = data;
	struct syn *segment = data;

	if ((void *)(frame + 1) > end || frame->ethernet.h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (frame->ip.protocol == IPPROTO_UDP && frame->magic == bpf_htonl(MAGIC))
		return note(bpf_ntohl(frame->number), context->rx_queue_index);
	if ((void *)(segment + 1) <= end && is_hostile(segment))
		return note_hostile();
	return XDP_PASS;
}

// The bare wire that the instrument is tried on: from each port to the other.
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} peers SEC(".maps");

SEC("xdp")
int wire(struct xdp_md *context)
{
	return bpf_redirect_map(&peers, context->ingress_ifindex, XDP_DROP);
}

// Where the flood goes: the interface that live frames leave by.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

static __u32 flooded;

// Sends the SYN that it is given, from another address and with another number each time. The IP checksum is left
// behind: nobody on the way looks at it.
SEC("xdp")
int flood(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct syn *frame = data;
	__u32 zero = 0, *interface = bpf_map_lookup_elem(&target, &zero);

	if (!interface || (void *)(frame + 1) > end)
		return XDP_DROP;
	// Fibonacci hashing (Knuth, The Art of Computer Programming 6.4): no two of 2^32 are alike.
	__u32 number = ++flooded * 2654435769u;
	frame->tcp.seq = number;
	// 198.51.100.0/24 is the instrument's own, and allowed: no SYN comes from 198.0.0.0/8.
	frame->ip.saddr = (number & bpf_htonl(0xff000000)) == bpf_htonl(198u << 24) ? number ^ bpf_htonl(1 << 24) : number;
	return bpf_redirect(*interface, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
