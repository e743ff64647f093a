//! The windows that p0f takes for a certain multiple.

use super::known_bytes;
use crate::Field;
use crate::kinds::{MAX_OPTION_BYTES, MSS, TIMESTAMPS};
use crate::p0f::window::{ETHERNET_MTU, IPV4_AND_TCP, IPV6_AND_TCP, LEAST_MSS, Scene, TIMESTAMPS_SPACE};
use crate::p0f::{IpVersion, Multiple, P0fSignature, Quirks};

/// Every window with this MSS that is this multiple for a packet of the signature: first the product of the two, where it
/// is one.
pub(crate) fn windows_of(signature: &P0fSignature, multiple: Multiple, mss: u16) -> Vec<u16> {
    let mut windows = Vec::new();
    for scene in scenes(signature, mss) {
        for window in products(&scene, multiple) {
            let is_multiple = Scene { window, ..scene }.multiple() == Some(multiple);
            if is_multiple && !windows.contains(&window) {
                windows.push(window);
            }
        }
    }
    windows
}

/// Whether there can be a multiple at all: without an MSS, or with a small one, p0f looks for none.
pub(crate) fn has_multiples(signature: &P0fSignature) -> bool {
    match signature.mss {
        Field::Any => signature.layout.kinds().contains(&MSS),
        Field::Is(mss) => mss >= LEAST_MSS,
    }
}

/// All that the search of a multiple may look at, but for the window.
fn scenes(signature: &P0fSignature, mss: u16) -> Vec<Scene> {
    let quirks = signature.quirks;
    let timestamps =
        signature.layout.kinds().contains(&TIMESTAMPS) && !quirks.contains(Quirks::OWN_TIMESTAMP_ZERO);
    let mut scenes = Vec::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        if !signature.version.matches(&version) {
            continue;
        }
        let ipv6 = version == IpVersion::V6;
        let ip_and_tcp = if ipv6 { IPV6_AND_TCP } else { IPV4_AND_TCP };
        for options in option_lengths(signature) {
            let headers = ip_and_tcp + u32::from(signature.ip_options_len) + options;
            scenes.push(Scene { window: 0, mss, ipv6, timestamps, headers });
        }
    }
    scenes
}

/// Bytes that the options of the signature may take.
fn option_lengths(signature: &P0fSignature) -> impl Iterator<Item = u32> {
    let padding = usize::from(signature.layout.eol_padding());
    let known = known_bytes(signature.layout.kinds()).map(|bytes| (bytes + padding) as u32);
    let all = (0..=MAX_OPTION_BYTES as u32).step_by(4);
    all.filter(move |bytes| known.is_none_or(|known| known == *bytes))
}

/// What p0f divides a window by, times the factor.
fn products(scene: &Scene, multiple: Multiple) -> impl Iterator<Item = u16> {
    let mss = u32::from(scene.mss);
    let ethernet = [ETHERNET_MTU - IPV4_AND_TCP, ETHERNET_MTU - IPV6_AND_TCP];
    let divisors = match multiple {
        Multiple::Mss(_) => vec![
            mss,
            mss.saturating_sub(TIMESTAMPS_SPACE),
            ethernet[0],
            ethernet[0] - TIMESTAMPS_SPACE,
            ethernet[1],
            ethernet[1] - TIMESTAMPS_SPACE,
        ],
        Multiple::Mtu(_) => vec![mss + IPV4_AND_TCP, mss + scene.headers, mss + IPV6_AND_TCP, ETHERNET_MTU],
    };
    let factor = u32::from(multiple.factor());
    divisors.into_iter().filter_map(move |divisor| u16::try_from(divisor * factor).ok())
}
