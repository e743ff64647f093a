// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The kernel's half of the harness: the generator and the sink. What they do for a frame costs a few dozen nanoseconds, so that what is
// measured is what lies between them.

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// These are the same in meter.rs and in traffic/.

// What every frame begins with, padded.
#define HEAD 128
#define TEMPLATES 64
#define SHOTS (1 << 20)
// Numbered frames that there are records for.
#define NUMBERS (1 << 21)
// Slices of time that arrivals are counted in: 2^24 ns are 17 ms each.
#define SLICES 1024
#define SLICE_SHIFT 24
// Frames that the kernel runs the generator for before it lets them leave (NAPI_POLL_WEIGHT, net/core/dev.h).
#define BATCH 64

#define NSEC_PER_SEC 1000000000ULL

// A frame to be, but for its source and its checksums.
struct template {
	__u16 length;
	__u16 is_ipv6;
	__u16 checksum;   // where the checksum of the segment is
	__u16 number;     // where the number of the frame goes; 0: it has none
	__u32 reserved[2];
	__u64 head[HEAD / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TEMPLATES);
	__type(key, __u32);
	__type(value, struct template);
} templates SEC(".maps");

// What is sent, in order, and then from the start.
struct shot {
	__u32 source[4]; // the first of it with IPv4
	__u32 template;
	__u16 ip_checksum;
	__u16 checksum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHOTS);
	__type(key, __u32);
	__type(value, struct shot);
} shots SEC(".maps");

struct order {
	__u32 device;	// the interface that the frames leave by
	__u32 shots;	// how many there are
	__u64 rate;	// frames a second; 0: as fast as can be
	__u64 burst;	// frames that leave together, at most BATCH
	__u64 limit;	// frames in all
	// What the generator itself keeps.
	__u64 calls;
	__u64 sent;
	__u64 began;
	__u32 place;
	__u32 reserved;
	__u64 last;	// when the last frames began to leave
	__u64 before;	// how many had left by then
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct order);
} orders SEC(".maps");

// When each numbered frame was sent, by CLOCK_MONOTONIC in ns.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUMBERS);
	__type(key, __u32);
	__type(value, __u64);
} departures SEC(".maps");

// How long each numbered frame was under way, in ns; 0: it has not arrived.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUMBERS);
	__type(key, __u32);
	__type(value, __u64);
} delays SEC(".maps");

// Frames by template: what left, what arrived at the far end, what came back to the near one.
struct tally {
	__u64 sent;
	__u64 arrived;
	__u64 echoed;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TEMPLATES);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

// What the sink knows a run by, and frames that are none of it.
struct run {
	__u64 began;	// CLOCK_MONOTONIC of the first arrival, in ns
	__u32 nonce;	// the upper half of the tag of each frame
	__u32 reserved;
	__u64 foreign;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct run);
} runs SEC(".maps");

// Arrivals by time.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLICES);
	__type(key, __u32);
	__type(value, __u64);
} slices SEC(".maps");

/* The generator */

static long is_due(__u32 turn, void *due)
{
	return bpf_ktime_get_ns() >= *(__u64 *)due;
}

// Whether a frame is to leave with this call, and waits for its time. Frames leave at the end of a batch of calls: of those, the last
// ones of each are used, so that a frame does not wait.
static __always_inline bool takes_off(struct order *order)
{
	__u64 position = order->calls++ & (BATCH - 1), due;

	if (order->sent >= order->limit)
		return false;
	if (!order->rate)
		return true;
	if (position < BATCH - order->burst)
		return false;
	if (!order->began)
		order->began = bpf_ktime_get_ns();
	if (position == BATCH - order->burst) {
		due = order->began + order->sent * NSEC_PER_SEC / order->rate;
		bpf_loop(1 << 23, is_due, &due, 0);
		order->last = bpf_ktime_get_ns();
		order->before = order->sent;
	}
	return true;
}

static __always_inline __be32 take_number(struct order *order)
{
	__u32 number = order->sent & (NUMBERS - 1);
	__u64 *departure = bpf_map_lookup_elem(&departures, &number);

	if (departure)
		*departure = bpf_ktime_get_ns();
	return bpf_htonl(number);
}

// Where IPv4 has its checksum and its source, and IPv6 its source.
#define IP4_CHECKSUM (sizeof(struct ethhdr) + offsetof(struct iphdr, check))
#define IP4_SOURCE (sizeof(struct ethhdr) + offsetof(struct iphdr, saddr))
#define IP6_SOURCE (sizeof(struct ethhdr) + offsetof(struct ipv6hdr, saddr))

// Writes the frame of a shot, as long as the head of a template.
static __always_inline void write_head(void *data, const struct template *template, const struct shot *shot)
{
	__u64 *head = data;
	__u32 *source = data + IP6_SOURCE;

	for (int word = 0; word < HEAD / 8; word++)
		head[word] = template->head[word];
	if (template->is_ipv6) {
		for (int word = 0; word < 4; word++)
			source[word] = shot->source[word];
	} else {
		*(__u32 *)(data + IP4_SOURCE) = shot->source[0];
		*(__u16 *)(data + IP4_CHECKSUM) = shot->ip_checksum;
	}
}

// Puts the next frame of the run into the buffer that it is given, which is as long as the longest, and sends it.
SEC("xdp")
int generate(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 zero = 0;
	struct order *order = bpf_map_lookup_elem(&orders, &zero);

	if (!order || data + HEAD > end || !takes_off(order))
		return XDP_DROP;

	__u32 place = order->place;
	order->place = place + 1 < order->shots ? place + 1 : 0;
	struct shot *shot = bpf_map_lookup_elem(&shots, &place);
	if (!shot)
		return XDP_DROP;
	__u32 key = shot->template;
	struct template *template = bpf_map_lookup_elem(&templates, &key);
	struct tally *tally = bpf_map_lookup_elem(&tallies, &key);
	if (!template || !tally)
		return XDP_DROP;

	write_head(data, template, shot);
	__u16 *checksum = data + (template->checksum & (HEAD - 1));
	if ((void *)(checksum + 1) <= end)
		*checksum = shot->checksum;
	__be32 *number = data + (template->number & (HEAD - 1));
	if (template->number && (void *)(number + 1) <= end)
		*number = take_number(order);

	order->sent++;
	tally->sent++;
	long excess = end - data - template->length;
	if (excess && bpf_xdp_adjust_tail(context, -excess))
		return XDP_ABORTED;
	return bpf_redirect(order->device, 0);
}

/* The sink */

struct found {
	__u32 tag;
	__u32 number;
	bool numbered;
};

// Reads the tag of a frame: the sequence number of TCP, or the first word behind UDP, where the number of the frame follows.
static __always_inline bool read_tag(void *at, void *end, __u8 protocol, struct found *found)
{
	if (protocol == IPPROTO_TCP && at + sizeof(struct tcphdr) <= end) {
		found->tag = bpf_ntohl(((struct tcphdr *)at)->seq);
		return true;
	}
	__u32 *words = at + sizeof(struct udphdr);
	if (protocol == IPPROTO_UDP && (void *)(words + 2) <= end) {
		found->tag = bpf_ntohl(words[0]);
		found->number = bpf_ntohl(words[1]);
		found->numbered = true;
		return true;
	}
	return false;
}

static __always_inline bool find_tag(struct xdp_md *context, struct found *found)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct ipv6hdr *ip6 = (void *)ip;

	if ((void *)(ip + 1) > end)
		return false;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return read_tag(ip + 1, end, ip->protocol, found);
	if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end)
		return read_tag(ip6 + 1, end, ip6->nexthdr, found);
	return false;
}

// The tally of a frame of this run; NULL for all else.
static __always_inline struct tally *tally_of(struct xdp_md *context, struct run *run, struct found *found)
{
	__u32 template;

	if (!find_tag(context, found) || found->tag >> 16 != run->nonce)
		return NULL;
	template = found->tag & 0xffff;
	return bpf_map_lookup_elem(&tallies, &template);
}

static __always_inline void note_delay(__u32 number)
{
	__u64 *departure = bpf_map_lookup_elem(&departures, &number);
	__u64 *delay = bpf_map_lookup_elem(&delays, &number);

	if (departure && delay && *departure)
		*delay = bpf_ktime_get_ns() - *departure;
}

static __always_inline void note_time(struct run *run)
{
	__u64 now = bpf_ktime_get_coarse_ns(), *count;

	if (!run->began)
		run->began = now;
	__u32 slice = (now - run->began) >> SLICE_SHIFT;
	count = bpf_map_lookup_elem(&slices, &slice);
	if (count)
		++*count;
}

// What lies behind the contender: counts what arrives, and drops it.
SEC("xdp")
int sink(struct xdp_md *context)
{
	__u32 zero = 0;
	struct run *run = bpf_map_lookup_elem(&runs, &zero);
	struct found found = {};
	struct tally *tally;

	if (!run)
		return XDP_DROP;
	tally = tally_of(context, run, &found);
	if (!tally) {
		__sync_fetch_and_add(&run->foreign, 1);
		return XDP_DROP;
	}
	tally->arrived++;
	note_time(run);
	if (found.numbered)
		note_delay(found.number);
	return XDP_DROP;
}

// What lies before the contender: counts what comes back, and drops it.
SEC("xdp")
int source(struct xdp_md *context)
{
	__u32 zero = 0;
	struct run *run = bpf_map_lookup_elem(&runs, &zero);
	struct found found = {};
	struct tally *tally = run ? tally_of(context, run, &found) : NULL;

	if (tally)
		tally->echoed++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
