//! The reasons for which a frame is odd.

use core::fmt;

/// What is odd about a frame: too damaged, too deep or too strange to be judged like any other.
///
/// The order of the variants is their severity, mild first, and the worst one met in a frame is the one
/// reported: see [`Packet::odd`](crate::Packet::odd). The order has three parts:
///
/// * below [`TcpOptions`](Self::TcpOptions) stands what is worth counting and nothing worse.
/// * below [`SynRst`](Self::SynRst) stands what careful networks still carry: the TCP header is there and
///   judged, or hidden by something that has honest uses. Those that hide it are worse than those that do
///   not; worst of all is what shows only when the networks on both sides are known.
/// * from [`SynRst`](Self::SynRst) on stands what no honest sender makes. Among these, the lower the layer,
///   the worse.
///
/// So a frame that deserves to be dropped is never saved by a milder oddity that came earlier in its headers,
/// such as an IPv4 source route before a tiny fragment.
///
/// The discriminant of a variant is its index in [`ALL`](Self::ALL), fit to index an array of counters.
///
/// ```
/// use synward_wire::Oddity;
///
/// assert!(Oddity::TinyFragment > Oddity::SourceRoute);
/// assert_eq!(Oddity::TinyFragment.name(), "tiny_fragment");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Oddity {
    /// IPv4 options (RFC 791 section 3.1) without a source route among them. What follows them is judged.
    IpOptions,
    /// A packet of a tunnel (GRE, IPv4 or IPv6 in IP, VXLAN, Geneve), whose contents [`locate`](crate::locate) does
    /// not look at: see [`Packet::tunnel`](crate::Packet::tunnel).
    Tunnel,
    /// The option list of a SYN is malformed: see [`options_well_formed`](crate::options_well_formed).
    TcpOptions,
    /// FIN, PSH and URG set, but none of SYN, ACK and RST ("Christmas tree" scan).
    Xmas,
    /// None of FIN, SYN, RST, PSH, ACK and URG set.
    NullScan,
    /// IP behind an IEEE 802.2 header, with SNAP (RFC 1042) or without. Most hosts ignore it; it is judged all the same.
    LlcSnap,
    /// An IPv4 loose or strict source route option (RFC 791 section 3.1).
    SourceRoute,
    /// A TCP fragment that is neither the first nor at offset 1. It has no TCP header to judge.
    Fragment,
    /// A packet of a tunnel that was to be looked into and cannot be: see [`Tunnel::open`](crate::Tunnel::open). Found by
    /// who opens tunnels, never by [`locate`](crate::locate).
    OpaqueTunnel,
    /// More than eight IPv6 extension headers, or one of a kind that is not walked. What follows it is
    /// hidden.
    ExtensionHeaders,
    /// More than four VLAN tags or more than eight MPLS labels. The IP header was not looked for.
    TooManyTags,
    /// A source on the wrong side of the bridge: an address of the LAN in a frame from outside. Found by who knows
    /// the networks, never by [`locate`](crate::locate).
    SpoofedSource,
    /// SYN and RST set together.
    SynRst,
    /// SYN and FIN set together.
    SynFin,
    /// A TCP header shorter than 20 bytes (data offset below 5), or longer than the IP payload of a whole
    /// packet.
    TcpHeader,
    /// A TCP fragment at offset 1, 8 bytes: it would overwrite the flags of the first one (RFC 1858 section
    /// 2.2, RFC 3128). Of IPv6 any fragment there: what it carries only the first one's header tells.
    FragmentOffsetOne,
    /// The first fragment of an IPv4 packet, with the TCP header cut (RFC 1858 section 2.1).
    TinyFragment,
    /// An IPv6 header chain, up to and with the header of TCP, UDP, SCTP or ICMPv6, that is not complete in a first
    /// fragment (RFC 7112 section 5), or whose extension headers reach past the end of a whole packet.
    Ipv6IncompleteChain,
    /// An IPv6 routing header of type 0 (deprecated by RFC 5095).
    RoutingType0,
    /// An IP header that is cut or wrong in version, header length or total length; also an IPv6 jumbogram
    /// (RFC 2675).
    TruncatedIp,
    /// A frame shorter than its own layer 2 headers.
    Runt,
}

impl Oddity {
    /// Every oddity, mild first.
    pub const ALL: [Self; 21] = [
        Self::IpOptions,
        Self::Tunnel,
        Self::TcpOptions,
        Self::Xmas,
        Self::NullScan,
        Self::LlcSnap,
        Self::SourceRoute,
        Self::Fragment,
        Self::OpaqueTunnel,
        Self::ExtensionHeaders,
        Self::TooManyTags,
        Self::SpoofedSource,
        Self::SynRst,
        Self::SynFin,
        Self::TcpHeader,
        Self::FragmentOffsetOne,
        Self::TinyFragment,
        Self::Ipv6IncompleteChain,
        Self::RoutingType0,
        Self::TruncatedIp,
        Self::Runt,
    ];

    /// The label of this oddity in counters, events and verdicts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpOptions => "ip_options",
            Self::Tunnel => "tunnel",
            Self::TcpOptions => "tcp_options",
            Self::Xmas => "xmas",
            Self::NullScan => "null_scan",
            Self::LlcSnap => "llc_snap",
            Self::SourceRoute => "source_route",
            Self::Fragment => "fragment",
            Self::OpaqueTunnel => "opaque_tunnel",
            Self::ExtensionHeaders => "extension_headers",
            Self::TooManyTags => "too_many_tags",
            Self::SpoofedSource => "spoofed_source",
            Self::SynRst => "syn_rst",
            Self::SynFin => "syn_fin",
            Self::TcpHeader => "tcp_header",
            Self::FragmentOffsetOne => "fragment_offset_one",
            Self::TinyFragment => "tiny_fragment",
            Self::Ipv6IncompleteChain => "ipv6_incomplete_chain",
            Self::RoutingType0 => "routing_type_0",
            Self::TruncatedIp => "truncated_ip",
            Self::Runt => "runt",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
