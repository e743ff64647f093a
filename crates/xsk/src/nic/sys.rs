//! The system calls of this module, ioctl(2) on an interface and those of packet sockets, and the C structures they
//! take.
//!
//! A structure carries its own request code, so that a call cannot pair one with another's memory.

use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_ulong};
use rustix::io::Errno;

/// ETH_GSTRING_LEN (linux/ethtool.h): bytes of one name, padded with NUL.
const NAME_BYTES: usize = 32;
/// Bits in one word of a feature mask.
pub(super) const WORD_BITS: usize = u32::BITS as usize;
/// Room for feature masks of 256 bits; the kernel has 64 of them, and has had for a decade.
const WORDS: usize = 8;
/// Room for as many names as there are bits.
const NAMES: usize = WORDS * WORD_BITS;

/// ETHTOOL_GLINK (linux/ethtool.h).
const ETHTOOL_GLINK: u32 = 0x0a;
/// ETHTOOL_GSTRINGS (linux/ethtool.h).
const ETHTOOL_GSTRINGS: u32 = 0x1b;
/// ETHTOOL_GSSET_INFO (linux/ethtool.h).
const ETHTOOL_GSSET_INFO: u32 = 0x37;
/// ETHTOOL_GFEATURES (linux/ethtool.h).
const ETHTOOL_GFEATURES: u32 = 0x3a;
/// ETHTOOL_SFEATURES (linux/ethtool.h).
const ETHTOOL_SFEATURES: u32 = 0x3b;
/// ETHTOOL_GCHANNELS (linux/ethtool.h).
const ETHTOOL_GCHANNELS: u32 = 0x3c;
/// ETHTOOL_SCHANNELS (linux/ethtool.h).
const ETHTOOL_SCHANNELS: u32 = 0x3d;
/// ETH_SS_FEATURES (enum ethtool_stringset, linux/ethtool.h): the set of the feature names.
const ETH_SS_FEATURES: u32 = 4;

/// Something that can be asked of an interface: a member of the union in `struct ifreq` (linux/if.h).
///
/// # Safety
/// `Self` is laid out as that member, and the kernel, given `CODE`, accesses no memory but the `ifreq` and
/// what a pointer in `Self` borrows, and leaves a valid `Self`.
pub(super) unsafe trait Request {
    /// The request code, one of SIOC* (linux/sockios.h).
    const CODE: c_ulong;
}

/// `struct ifreq` (linux/if.h) with the union member `R`.
#[repr(C)]
struct Ifreq<R> {
    name: [u8; libc::IF_NAMESIZE],
    request: R,
    /// The kernel copies a whole `struct ifreq` in and out, however small `R` is.
    spare: [u8; size_of::<libc::ifreq>() - libc::IF_NAMESIZE],
}

impl<R> Ifreq<R> {
    /// ENODEV for a name that is too long to be one.
    fn new(name: &str, request: R) -> Result<Self, Errno> {
        let mut ifreq = Self {
            name: [0; libc::IF_NAMESIZE],
            request,
            spare: [0; size_of::<libc::ifreq>() - libc::IF_NAMESIZE],
        };
        // The last byte stays NUL.
        let (room, _) = ifreq.name.split_last_chunk_mut::<1>().ok_or(Errno::NODEV)?;
        room.get_mut(..name.len()).ok_or(Errno::NODEV)?.copy_from_slice(name.as_bytes());
        Ok(ifreq)
    }
}

/// Asks `request` of the interface `name`; the answer comes in its place.
pub(super) fn ioctl<R: Request>(socket: impl AsFd, name: &str, request: R) -> Result<R, Errno> {
    let mut ifreq = Ifreq::new(name, request)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `ifreq` is at least as long as the kernel's, lives through the call, and `R` answers for the
    // rest.
    let status = unsafe { libc::ioctl(fd, R::CODE as libc::Ioctl, &raw mut ifreq) };
    succeeded(status).map(|()| ifreq.request)
}

/// Makes the interface promiscuous for as long as the packet socket stays open (packet(7)).
pub(super) fn join_promiscuous(socket: impl AsFd, index: c_int) -> Result<(), Errno> {
    let membership = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as _,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Spares the packet socket the frames that the host itself sends (packet(7)).
pub(super) fn ignore_outgoing(socket: impl AsFd) -> Result<(), Errno> {
    const ON: c_int = 1;
    set_packet_option(socket, libc::PACKET_IGNORE_OUTGOING, &ON)
}

fn set_packet_option<T: Copy>(socket: impl AsFd, option: c_int, value: &T) -> Result<(), Errno> {
    let fd = socket.as_fd().as_raw_fd();
    let length = size_of::<T>() as libc::socklen_t;
    let value = (&raw const *value).cast();
    // SAFETY: `value` points to `length` initialised bytes that live through the call; the kernel only reads
    // them.
    let status = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, value, length) };
    succeeded(status)
}

/// Binds a packet socket to the interface: it gets the frames of every protocol (packet(7)).
pub(super) fn bind_packet(socket: impl AsFd, index: c_int) -> Result<(), Errno> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as _,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let fd = socket.as_fd().as_raw_fd();
    let length = size_of_val(&address) as libc::socklen_t;
    let address = (&raw const address).cast();
    // SAFETY: `address` points to `length` initialised bytes that live through the call; the kernel only reads
    // them.
    let status = unsafe { libc::bind(fd, address, length) };
    succeeded(status)
}

/// How many frames did not fit into the queue of the packet socket since this was asked last (packet(7)).
pub(super) fn lost_frames(socket: impl AsFd) -> Result<u32, Errno> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let fd = socket.as_fd().as_raw_fd();
    let mut length = size_of_val(&statistics) as libc::socklen_t;
    let (value, room) = ((&raw mut statistics).cast(), &raw mut length);
    // SAFETY: `value` points to `length` bytes that live through the call; the kernel writes no more, and any
    // bits make a `tpacket_stats`.
    let status = unsafe { libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, value, room) };
    succeeded(status).map(|()| statistics.tp_drops)
}

fn succeeded(status: c_int) -> Result<(), Errno> {
    // Not all that is well is zero: ETHTOOL_SFEATURES answers with flags.
    if status >= 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&errno).unwrap_or(Errno::IO))
}

/// `ifr_mtu`, read.
#[derive(Default)]
#[repr(C)]
pub(super) struct GetMtu {
    pub(super) mtu: c_int,
}

// SAFETY: SIOCGIFMTU writes `ifr_mtu`, an int.
unsafe impl Request for GetMtu {
    const CODE: c_ulong = libc::SIOCGIFMTU;
}

/// `ifr_hwaddr`, read: a `struct sockaddr`, whose family is the hardware type.
#[derive(Default)]
#[repr(C)]
pub(super) struct GetHardware {
    /// ARPHRD_* (linux/if_arp.h).
    pub(super) hardware: u16,
    address: [u8; 14],
}

// SAFETY: SIOCGIFHWADDR writes `ifr_hwaddr`, a `struct sockaddr`: two bytes of family and 14 of address.
unsafe impl Request for GetHardware {
    const CODE: c_ulong = libc::SIOCGIFHWADDR;
}

/// `ifr_flags`, read.
#[derive(Default)]
#[repr(C)]
pub(super) struct GetFlags {
    pub(super) flags: u16,
}

// SAFETY: SIOCGIFFLAGS writes `ifr_flags`, a short.
unsafe impl Request for GetFlags {
    const CODE: c_ulong = libc::SIOCGIFFLAGS;
}

/// `ifr_flags`, written.
#[repr(C)]
pub(super) struct SetFlags {
    pub(super) flags: u16,
}

// SAFETY: SIOCSIFFLAGS reads `ifr_flags`, a short.
unsafe impl Request for SetFlags {
    const CODE: c_ulong = libc::SIOCSIFFLAGS;
}

/// `ifr_data`, the address of an ethtool command.
#[repr(transparent)]
pub(super) struct Ethtool<'a, C>(pub(super) &'a mut C);

// SAFETY: a `&mut C` is the pointer SIOCETHTOOL takes; the kernel reads and writes there what `Command`
// allows, and does not change the pointer.
unsafe impl<C: Command> Request for Ethtool<'_, C> {
    const CODE: c_ulong = libc::SIOCETHTOOL;
}

/// A structure of linux/ethtool.h, led by its command number.
///
/// # Safety
/// `Self` is laid out as there, is valid with any bytes in it, and the kernel, given the command number in
/// it, accesses nothing past its end.
pub(super) unsafe trait Command {}

/// `struct ethtool_value` of ETHTOOL_GLINK.
#[repr(C)]
pub(super) struct GetLink {
    command: u32,
    /// Not zero when the link is there.
    pub(super) up: u32,
}

// SAFETY: two words, as in the header; the kernel writes back both.
unsafe impl Command for GetLink {}

impl GetLink {
    pub(super) fn new() -> Self {
        Self { command: ETHTOOL_GLINK, up: 0 }
    }
}

/// The body of `struct ethtool_channels` (linux/ethtool.h): how many queues, each with an interrupt of its
/// own, an interface has and may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(C)]
pub struct Channels {
    /// The most channels that only receive.
    pub max_rx: u32,
    /// The most channels that only send.
    pub max_tx: u32,
    /// The most channels for other ends, such as link events.
    pub max_other: u32,
    /// The most channels that do both.
    pub max_combined: u32,
    /// Channels that only receive.
    pub rx: u32,
    /// Channels that only send.
    pub tx: u32,
    /// Channels for other ends.
    pub other: u32,
    /// Channels that receive and send.
    pub combined: u32,
}

/// `struct ethtool_channels` (linux/ethtool.h).
#[repr(C)]
pub(super) struct ChannelsCommand {
    command: u32,
    pub(super) channels: Channels,
}

// SAFETY: nine words, as in the header; the kernel writes back all of them or none.
unsafe impl Command for ChannelsCommand {}

impl ChannelsCommand {
    pub(super) fn get() -> Self {
        Self { command: ETHTOOL_GCHANNELS, channels: Channels::default() }
    }

    pub(super) fn set(channels: Channels) -> Self {
        Self { command: ETHTOOL_SCHANNELS, channels }
    }
}

/// `struct ethtool_sset_info` (linux/ethtool.h) asked about one set, the feature names.
#[repr(C)]
pub(super) struct FeatureCount {
    command: u32,
    reserved: u32,
    sets: u64,
    /// How many names the set has.
    count: u32,
}

// SAFETY: laid out as in the header; the kernel writes one word of data for each of the bits in `sets`, which
// is one.
unsafe impl Command for FeatureCount {}

impl FeatureCount {
    pub(super) fn new() -> Self {
        // A count that the kernel did not write is one for which there is no room.
        Self { command: ETHTOOL_GSSET_INFO, reserved: 0, sets: 1 << ETH_SS_FEATURES, count: u32::MAX }
    }
}

/// `struct ethtool_gstrings` (linux/ethtool.h) of the feature names.
#[repr(C)]
pub(super) struct FeatureNames {
    command: u32,
    set: u32,
    count: u32,
    names: [[u8; NAME_BYTES]; NAMES],
}

// SAFETY: laid out as in the header. The kernel writes as many names as it counted before: the number is
// built into it, and `new` refuses one that is larger than the room.
unsafe impl Command for FeatureNames {}

impl FeatureNames {
    /// Room for the names that were counted; EOVERFLOW when they are more than fit, or were not counted.
    pub(super) fn new(counted: &FeatureCount) -> Result<Self, Errno> {
        let count = counted.count;
        if count as usize > NAMES {
            return Err(Errno::OVERFLOW);
        }
        let names = [[0; NAME_BYTES]; NAMES];
        Ok(Self { command: ETHTOOL_GSTRINGS, set: ETH_SS_FEATURES, count, names })
    }

    /// The names in the order of the bits; one without a name is empty.
    pub(super) fn iter(&self) -> impl Iterator<Item = String> {
        self.names.iter().take(self.count as usize).map(|name| text(name))
    }
}

/// What stands before the first NUL.
fn text(name: &[u8]) -> String {
    let used = name.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(used).into_owned()
}

/// `struct ethtool_get_features_block` (linux/ethtool.h): 32 features, the first in the lowest bit.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct GetWord {
    /// Those that can be changed.
    pub(super) available: u32,
    /// Those wanted on, whether or not they are.
    pub(super) requested: u32,
    /// Those that are on.
    pub(super) active: u32,
    /// Those that no device can change.
    pub(super) never_changed: u32,
}

/// `struct ethtool_gfeatures` (linux/ethtool.h).
#[repr(C)]
pub(super) struct GetFeatures {
    command: u32,
    size: u32,
    words: [GetWord; WORDS],
}

// SAFETY: laid out as in the header; the kernel writes no more than `size` words, for which there is room.
unsafe impl Command for GetFeatures {}

impl GetFeatures {
    pub(super) fn new() -> Self {
        Self { command: ETHTOOL_GFEATURES, size: WORDS as u32, words: [GetWord::default(); WORDS] }
    }

    /// The word with the feature of number `bit`; none past the end.
    pub(super) fn word(&self, bit: usize) -> Option<&GetWord> {
        self.words.get(bit / WORD_BITS)
    }
}

/// `struct ethtool_set_features_block` (linux/ethtool.h).
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct SetWord {
    /// Those to be changed.
    valid: u32,
    /// What they shall be.
    requested: u32,
}

/// `struct ethtool_sfeatures` (linux/ethtool.h).
#[repr(C)]
pub(super) struct SetFeatures {
    command: u32,
    size: u32,
    words: [SetWord; WORDS],
}

// SAFETY: laid out as in the header; the kernel reads no more than `size` words, and refuses a wrong `size`.
unsafe impl Command for SetFeatures {}

impl SetFeatures {
    /// Asks for each of the features of number `bits` to be `on`, of `count` that there are.
    pub(super) fn new(count: usize, bits: impl IntoIterator<Item = usize>, on: bool) -> Self {
        let size = count.div_ceil(WORD_BITS).min(WORDS) as u32;
        let mut set = Self { command: ETHTOOL_SFEATURES, size, words: [SetWord::default(); WORDS] };
        for bit in bits {
            set.mark(bit, on);
        }
        set
    }

    fn mark(&mut self, bit: usize, on: bool) {
        if let Some(word) = self.words.get_mut(bit / WORD_BITS) {
            let mask = 1 << (bit % WORD_BITS);
            word.valid |= mask;
            word.requested |= if on { mask } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    // Sizes and offsets as a C compiler gives them for the structures of linux/if.h and linux/ethtool.h on
    // x86-64.
    #[test]
    fn an_ifreq_is_laid_out_as_in_the_header() {
        assert!(size_of::<Ifreq<GetFlags>>() >= size_of::<libc::ifreq>());
        assert!(size_of::<Ifreq<Ethtool<'_, GetLink>>>() >= size_of::<libc::ifreq>());
        assert_eq!(offset_of!(Ifreq<GetMtu>, request), offset_of!(libc::ifreq, ifr_ifru));
        assert_eq!(offset_of!(Ifreq<Ethtool<'_, GetLink>>, request), offset_of!(libc::ifreq, ifr_ifru));
        assert_eq!(size_of::<Ethtool<'_, FeatureNames>>(), size_of::<*mut libc::c_void>());
        assert_eq!(size_of::<GetHardware>(), size_of::<libc::sockaddr>());
    }

    #[test]
    fn the_small_commands_are_laid_out_as_in_the_header() {
        assert_eq!(size_of::<GetLink>(), 8);
        assert_eq!(offset_of!(GetLink, up), 4);
        assert_eq!(size_of::<ChannelsCommand>(), 36);
        let within = offset_of!(ChannelsCommand, channels);
        assert_eq!(within + offset_of!(Channels, max_combined), 16);
        assert_eq!(within + offset_of!(Channels, rx), 20);
        assert_eq!(within + offset_of!(Channels, combined), 32);
        assert_eq!(offset_of!(FeatureCount, sets), 8);
        assert_eq!(offset_of!(FeatureCount, count), 16);
    }

    #[test]
    fn the_feature_commands_are_laid_out_as_in_the_header() {
        assert_eq!(offset_of!(FeatureNames, count), 8);
        assert_eq!(offset_of!(FeatureNames, names), 12);
        assert_eq!(size_of::<FeatureNames>(), 12 + 256 * 32);
        assert_eq!((size_of::<GetWord>(), offset_of!(GetFeatures, words)), (16, 8));
        assert_eq!((offset_of!(GetWord, requested), offset_of!(GetWord, active)), (4, 8));
        assert_eq!((size_of::<SetWord>(), offset_of!(SetFeatures, words)), (8, 8));
        assert_eq!(offset_of!(SetWord, requested), 4);
    }

    #[test]
    fn a_name_of_fifteen_bytes_fits_and_one_more_does_not() {
        let ifreq = Ifreq::new("fifteen-bytes-x", GetMtu::default()).unwrap();
        assert_eq!(&ifreq.name, b"fifteen-bytes-x\0");
        assert_eq!(Ifreq::new("sixteen-bytes-xx", GetMtu::default()).err(), Some(Errno::NODEV));
    }

    #[test]
    fn a_name_ends_at_its_first_nul_or_at_the_end() {
        assert_eq!(text(b"rx-gro\0-hw\0\0"), "rx-gro");
        assert_eq!(text(b"full"), "full");
        assert_eq!(text(b"\0\0"), "");
    }

    fn counted(count: u32) -> FeatureCount {
        FeatureCount { count, ..FeatureCount::new() }
    }

    #[test]
    fn names_keep_their_place_and_stop_at_the_count() {
        let mut names = FeatureNames::new(&counted(3)).unwrap();
        names.names[0][..4].copy_from_slice(b"zero");
        names.names[2][..3].copy_from_slice(b"two");
        names.names[3][..5].copy_from_slice(b"three");
        assert_eq!(names.iter().collect::<Vec<_>>(), ["zero", "", "two"]);
    }

    #[test]
    fn more_names_than_there_is_room_for_are_refused() {
        assert!(FeatureNames::new(&counted(256)).is_ok());
        assert_eq!(FeatureNames::new(&counted(257)).err(), Some(Errno::OVERFLOW));
        assert_eq!(FeatureNames::new(&FeatureCount::new()).err(), Some(Errno::OVERFLOW), "never counted");
    }

    #[test]
    fn features_are_marked_in_their_word() {
        let on = SetFeatures::new(64, [0, 33], true);
        assert_eq!((on.size, on.words[0].valid, on.words[0].requested), (2, 1, 1));
        assert_eq!((on.words[1].valid, on.words[1].requested), (2, 2));
        let off = SetFeatures::new(65, [31], false);
        assert_eq!((off.size, off.words[0].valid, off.words[0].requested), (3, 1 << 31, 0));
    }
}
