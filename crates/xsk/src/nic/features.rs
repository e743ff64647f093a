//! The offloads of a port, and those that must be off while it bridges.

use super::sys::{FeatureCount, FeatureNames, GetFeatures, GetWord, SetFeatures, WORD_BITS};
use super::{Nic, NicError, Operation, log_failure};

/// What must be off on a port that passes frames on as they are, by the kernel's names
/// (net/ethtool/common.c).
const MEDDLING: [&str; 11] = [
    // These merge segments into frames that were never on the wire, and that no UMEM frame holds.
    "rx-gro",
    "rx-gro-hw",
    "rx-gro-list",
    "rx-udp-gro-forwarding",
    "rx-lro",
    // These take VLAN tags out of the frame, where neither the judge nor the other port finds them.
    "rx-vlan-hw-parse",
    "rx-vlan-stag-hw-parse",
    // These put tags in from metadata that our frames do not carry.
    "tx-vlan-hw-insert",
    "tx-vlan-stag-hw-insert",
    // These lose the frames of every VLAN the host itself is not in.
    "rx-vlan-filter",
    "rx-vlan-stag-filter",
];

/// One offload of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Whether it works now.
    pub on: bool,
    /// Whether somebody asked for it: what it becomes as soon as nothing stands in its way.
    pub wanted: bool,
    /// Whether it can be changed.
    pub changeable: bool,
}

/// All offloads of an interface, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// In the order of the kernel's bits.
    all: Vec<(String, Feature)>,
}

impl Features {
    /// The feature of this name, as `ethtool -k` and the kernel spell it; none where the kernel does not know
    /// it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Feature> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, feature)| *feature)
    }

    fn new(names: &FeatureNames, states: &GetFeatures) -> Self {
        let state = |bit| states.word(bit).map(|word| feature(word, bit % WORD_BITS));
        let all = names.iter().enumerate().filter_map(|(bit, name)| Some((name, state(bit)?))).collect();
        Self { all }
    }

    /// The names among [`MEDDLING`] of which `is` holds.
    fn meddling(&self, is: impl Fn(Feature) -> bool) -> Vec<String> {
        let holds = |name: &&str| self.get(name).is_some_and(&is);
        MEDDLING.into_iter().filter(holds).map(str::to_owned).collect()
    }

    /// The command that turns the features of these names on or off.
    fn turning(&self, names: &[String], on: bool) -> SetFeatures {
        let bits = (0..).zip(&self.all).filter(|(_, (name, _))| names.contains(name)).map(|(bit, _)| bit);
        SetFeatures::new(self.all.len(), bits, on)
    }
}

fn feature(word: &GetWord, bit: usize) -> Feature {
    let is_in = |mask: u32| mask >> bit & 1 == 1;
    Feature { on: is_in(word.active), wanted: is_in(word.requested), changeable: is_in(word.available) }
}

impl Nic {
    /// The offloads of the interface.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn features(&self) -> Result<Features, NicError> {
        let operation = Operation::ReadFeatures;
        let mut counted = FeatureCount::new();
        self.ethtool(operation, &mut counted)?;
        let mut names = FeatureNames::new(&counted).map_err(|errno| self.refused(operation, errno))?;
        self.ethtool(operation, &mut names)?;
        let mut states = GetFeatures::new();
        self.ethtool(operation, &mut states)?;
        Ok(Features::new(&names, &states))
    }

    fn turn(&self, names: &[String], on: bool) -> Result<(), NicError> {
        if names.is_empty() {
            return Ok(());
        }
        self.ethtool(Operation::ChangeFeatures, &mut self.features()?.turning(names, on))
    }
}

/// A port whose meddling offloads are off: GRO, LRO, VLAN stripping, insertion and filters. Its drop turns
/// those on again that it turned off.
#[derive(Debug)]
#[must_use = "dropped, it turns the offloads on again"]
pub struct Quieted {
    nic: Nic,
    changed: Vec<String>,
    stuck: Vec<String>,
}

impl Quieted {
    /// Turns the meddling offloads off. Best before an XDP program is attached: some drivers refuse one while
    /// they merge segments.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission, or the interface is gone. An offload that stays on is no error,
    /// see [`Quieted::stuck`].
    pub fn apply(nic: &Nic) -> Result<Self, NicError> {
        // What is wanted but not on now would come on later, as soon as what stands in its way is gone.
        let changed = nic.features()?.meddling(|feature| feature.wanted && feature.changeable);
        nic.turn(&changed, false)?;
        let mut quieted = Self { nic: nic.clone(), changed, stuck: Vec::new() };
        quieted.stuck = nic.features()?.meddling(|feature| feature.on);
        Ok(quieted)
    }

    /// The offloads that were turned off, and will be turned on again.
    #[must_use]
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// The offloads that meddle with frames and stayed on, because the driver does not let them go.
    #[must_use]
    pub fn stuck(&self) -> &[String] {
        &self.stuck
    }

    /// Turns on again what was turned off, and nothing else.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission, or the interface is gone.
    pub fn restore(mut self) -> Result<(), NicError> {
        self.undo()
    }

    /// The port on which somebody else turned these features off.
    pub(crate) fn done_to(nic: &Nic, features: &[String]) -> Self {
        Self { nic: nic.clone(), changed: features.to_vec(), stuck: Vec::new() }
    }

    /// Leaves them off; which those are that were on.
    pub(crate) fn keep(mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    fn undo(&mut self) -> Result<(), NicError> {
        self.nic.turn(&std::mem::take(&mut self.changed), true)
    }
}

impl Drop for Quieted {
    fn drop(&mut self) {
        log_failure(self.undo());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Feature = Feature { on: false, wanted: false, changeable: true };
    const ON: Feature = Feature { on: true, wanted: true, changeable: true };
    const FIXED: Feature = Feature { on: true, wanted: false, changeable: false };

    fn features(all: &[(&str, Feature)]) -> Features {
        Features { all: all.iter().map(|(name, feature)| ((*name).to_owned(), *feature)).collect() }
    }

    #[test]
    fn a_feature_is_read_from_its_bit() {
        let word = GetWord { available: 0b010, requested: 0b100, active: 0b110, never_changed: 0 };
        assert_eq!(feature(&word, 0), Feature { on: false, wanted: false, changeable: false });
        assert_eq!(feature(&word, 1), Feature { on: true, wanted: false, changeable: true });
        assert_eq!(feature(&word, 2), Feature { on: true, wanted: true, changeable: false });
    }

    #[test]
    fn a_feature_is_found_by_its_whole_name() {
        let features = features(&[("rx-gro-hw", OFF), ("rx-gro", ON)]);
        assert_eq!(features.get("rx-gro"), Some(ON));
        assert_eq!(features.get("rx"), None);
    }

    #[test]
    fn only_meddling_features_are_picked() {
        let features =
            features(&[("tx-checksum-ipv4", ON), ("rx-lro", OFF), ("rx-vlan-filter", FIXED), ("rx-gro", ON)]);
        assert_eq!(features.meddling(|feature| feature.on), ["rx-gro", "rx-vlan-filter"]);
        assert_eq!(features.meddling(|feature| feature.wanted), ["rx-gro"]);
    }
}
