//! How many fingerprints there are: the numbers of `docs/fingerprint-space.md`.
//!
//! Counted are the SYNs that an honest stack can send: MSS, window scale, SACK permitted and timestamps at most once
//! each, in any order, with NOPs anywhere, and either nothing or EOL and padding at the end.
#![cfg(test)]

use std::collections::HashSet;

use synward_fingerprint::{Kinds, MAX_OPTION_BYTES, MuonFp, Signature};

/// The options that come at most once: kind and bytes on the wire. The place of each is its bit in a [`Counts`].
const OPTIONS: [(u8, usize); 4] = [(2, 4), (3, 3), (4, 2), (8, 10)];
/// The bits of the options with a value that MuonFP and JA4T show.
const MSS: usize = 1;
const SCALE: usize = 2;

/// Numbers of layouts, by the set of options that were used.
type Counts = [u64; 16];

/// Number of option lists without EOL of 0 to 40 bytes, by the options used: a walk over the 16 sets, which a NOP leaves
/// where it is, and any other option takes to a set with one more member.
fn contents() -> Vec<Counts> {
    let mut counts = vec![[0; 16]; MAX_OPTION_BYTES + 1];
    counts[0][0] = 1;
    for bytes in 0..MAX_OPTION_BYTES {
        for used in 0..16 {
            let ways = counts[bytes][used];
            counts[bytes + 1][used] += ways;
            for (place, (_, size)) in OPTIONS.into_iter().enumerate() {
                if used >> place & 1 == 0 && bytes + size <= MAX_OPTION_BYTES {
                    counts[bytes + size][used | 1 << place] += ways;
                }
            }
        }
    }
    counts
}

/// Layouts in a header with at most so many bytes of options. `paddings` says in how many ways a list whose EOL comes
/// after so many bytes can go on.
fn layouts(most: usize, paddings: impl Fn(usize) -> u64) -> Counts {
    let mut sum = [0; 16];
    for (bytes, counts) in contents().iter().enumerate().take(most + 1) {
        let whole = u64::from(bytes % 4 == 0);
        let ways = whole + if bytes < most { paddings(bytes) } else { 0 };
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += ways * count);
    }
    sum
}

/// MuonFP shows an EOL and hides the padding.
fn muonfp_layouts(most: usize) -> Counts {
    layouts(most, |_| 1)
}

/// JA4T shows each zero of the padding, to the end of any word from the one in which EOL is.
fn ja4t_layouts(most: usize) -> Counts {
    layouts(most, |bytes| ((most - (bytes + 1).next_multiple_of(4)) / 4 + 1) as u64)
}

/// Strings of these layouts: any window, and any MSS and scale where the layout has them.
fn strings(layouts: &Counts) -> u64 {
    let values = |used: usize| {
        let bits = if used & MSS == 0 { 0 } else { 16 } + if used & SCALE == 0 { 0 } else { 8 };
        1 << (16 + bits)
    };
    layouts.iter().enumerate().map(|(used, count)| count * values(used)).sum()
}

/// Layouts without and with MSS, times without and with scale.
fn split(layouts: &Counts) -> [u64; 4] {
    let of = |wanted: usize| (0..16).filter(|used| used & 3 == wanted).map(|used| layouts[used]).sum();
    [of(0), of(SCALE), of(MSS), of(MSS | SCALE)]
}

#[test]
fn muonfp_has_so_many_layouts_and_strings() {
    let layouts = muonfp_layouts(MAX_OPTION_BYTES);
    assert_eq!(split(&layouts), [12_315, 197_373, 171_422, 2_310_652]);
    assert_eq!(layouts.iter().sum::<u64>(), 2_691_762);
    let without_eol = contents().iter().step_by(4).flatten().sum::<u64>();
    assert_eq!(without_eol, 753_031);
    assert_eq!(strings(&layouts), 2_541_328_305_804_214_272);
}

#[test]
fn ja4t_shows_the_padding_and_has_more() {
    let layouts = ja4t_layouts(MAX_OPTION_BYTES);
    assert_eq!(layouts.iter().sum::<u64>(), 4_058_575);
    assert_eq!(strings(&layouts), 3_735_697_792_918_159_360);
}

#[test]
fn the_naive_product_is_another_number() {
    let product: u64 = 65_536 * 1_956 * 1_500 * 15;
    assert_eq!(product, 2_884_239_360_000);
    assert_eq!(strings(&muonfp_layouts(MAX_OPTION_BYTES)) / product, 881_108);
}

/// A list with r NOPs and a set of a options stands in (r + a)! / r! orders.
#[test]
fn a_closed_form_says_the_same() {
    for (bytes, counts) in contents().iter().enumerate() {
        for (used, count) in counts.iter().enumerate() {
            let members = OPTIONS.iter().enumerate().filter(|(place, _)| used >> place & 1 == 1);
            let size: usize = members.clone().map(|(_, (_, size))| size).sum();
            let orders = |nops: usize| (nops + 1..=nops + members.clone().count()).product::<usize>();
            assert_eq!(*count, bytes.checked_sub(size).map_or(0, orders) as u64, "{bytes} bytes, {used:04b}");
        }
    }
}

/// Every option list that goes on from this one within so many bytes, whole words only.
fn lists(list: &[u8], most: usize, visit: &mut impl FnMut(&[u8])) {
    if list.len().is_multiple_of(4) {
        visit(list);
    }
    if list.len() == most {
        return;
    }
    let padded = (list.len() + 1).next_multiple_of(4);
    (padded..=most).step_by(4).for_each(|end| visit(&[list, &vec![0; end - list.len()]].concat()));
    lists(&[list, &[1]].concat(), most, visit);
    let used = MuonFp::of(0, list).kinds;
    for (kind, size) in OPTIONS {
        if !used.as_slice().contains(&kind) && list.len() + size <= most {
            let option = [&[kind, size as u8][..], &vec![7; size - 2]].concat();
            lists(&[list, &option].concat(), most, visit);
        }
    }
}

/// Short headers, counted by making every one of them and reading it.
#[test]
fn reading_every_list_of_up_to_sixteen_bytes_finds_as_many() {
    const MOST: usize = 16;
    let mut muonfp: HashSet<Kinds> = HashSet::new();
    #[cfg(feature = "ja4t")]
    let mut ja4t: HashSet<Kinds> = HashSet::new();
    lists(&[], MOST, &mut |list| {
        let seen = MuonFp::of(1024, list);
        if muonfp.insert(seen.kinds) {
            assert!(seen.to_string().parse::<Signature>().is_ok(), "{seen} is no signature");
        }
        #[cfg(feature = "ja4t")]
        ja4t.insert(synward_fingerprint::Ja4t::of(1024, list).kinds);
    });
    assert_eq!(muonfp.len() as u64, muonfp_layouts(MOST).iter().sum::<u64>());
    #[cfg(feature = "ja4t")]
    assert_eq!(ja4t.len() as u64, ja4t_layouts(MOST).iter().sum::<u64>());
}
