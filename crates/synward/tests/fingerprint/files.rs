//! Captures, written byte by byte: no library could write the damaged and the rare ones.

/// The byte order of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }
}

pub(crate) const MICRO: u32 = 0xa1b2_c3d4;
pub(crate) const NANO: u32 = 0xa1b2_3c4d;

/// The head of a pcap file.
pub(crate) fn pcap_head(order: Order, magic: u32, link_type: u32) -> Vec<u8> {
    [&order.u32(magic)[..], &order.u16(2), &order.u16(4), &order.u32s(&[0, 0, 1 << 18, link_type])].concat()
}

/// A frame in a pcap file, of which `cut` bytes were not captured.
pub(crate) fn pcap_frame(order: Order, [seconds, fraction]: [u32; 2], frame: &[u8], cut: usize) -> Vec<u8> {
    let captured = &frame[..frame.len() - cut];
    [order.u32s(&[seconds, fraction, captured.len() as u32, frame.len() as u32]), captured.to_vec()].concat()
}

/// A pcap file of whole Ethernet frames.
pub(crate) fn pcap<'a>(frames: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut file = pcap_head(Order::Little, MICRO, 1);
    for frame in frames {
        file.extend(pcap_frame(Order::Little, [1_700_000_000, 0], frame, 0));
    }
    file
}

/// A block of a pcapng file.
fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let len = body.len().next_multiple_of(4) + 12;
    let padding = &[0xff; 3][..len - 12 - body.len()];
    [&order.u32s(&[kind, len as u32]), body, padding, &order.u32(len as u32)].concat()
}

pub(crate) fn section(order: Order) -> Vec<u8> {
    let body = [&order.u32(0x1a2b_3c4d)[..], &order.u16(1), &order.u16(0), &[0xff; 8]].concat();
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface, with the options `if_tsresol` (9) and `if_tsoffset` (14), if they are given.
pub(crate) fn interface(
    order: Order,
    link_type: u16,
    snap_len: u32,
    resolution: Option<u8>,
    offset: Option<i64>,
) -> Vec<u8> {
    let mut body = [&order.u16(link_type)[..], &order.u16(0), &order.u32(snap_len)].concat();
    if let Some(resolution) = resolution {
        body.extend([&order.u16(9)[..], &order.u16(1), &[resolution, 0, 0, 0]].concat());
    }
    if let Some(offset) = offset {
        let bytes = if order == Order::Little { offset.to_le_bytes() } else { offset.to_be_bytes() };
        body.extend([&order.u16(14)[..], &order.u16(8), &bytes].concat());
    }
    body.extend([0; 4]);
    block(order, 1, &body)
}

pub(crate) fn enhanced(order: Order, interface: u32, ticks: u64, frame: &[u8]) -> Vec<u8> {
    let len = frame.len() as u32;
    let head = order.u32s(&[interface, (ticks >> 32) as u32, ticks as u32, len, len]);
    block(order, 6, &[&head, frame].concat())
}

/// A frame of the first interface, which had `original_len` bytes.
pub(crate) fn simple(order: Order, frame: &[u8], original_len: usize) -> Vec<u8> {
    block(order, 3, &[&order.u32(original_len as u32), frame].concat())
}

/// A block that holds no frame.
pub(crate) fn statistics(order: Order) -> Vec<u8> {
    block(order, 5, &order.u32s(&[0, 0, 0]))
}
