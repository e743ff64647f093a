//! What was done to a port, to be undone when the bridge lets go of it: by this process, or by a later one.

use serde::{Deserialize, Serialize};

use crate::nic::{Channels, Deferred, Interrupts, Muted, Nic, Promiscuous, QueueCount, Quieted, Raised};

/// What was changed of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
// What another version does not know was not done.
#[serde(default)]
pub(crate) struct Changes {
    /// The interface, by its index: one that was made anew under the same name has had nothing done to it.
    pub(crate) interface: u32,
    /// The host's IPv6 was turned off.
    pub(crate) muted: bool,
    /// It was brought up.
    pub(crate) raised: bool,
    /// What its channels were, if they were changed.
    pub(crate) channels: Option<Channels>,
    /// The features that were turned off.
    pub(crate) quieted: Vec<String>,
    /// It was made promiscuous for good.
    pub(crate) promiscuous: bool,
    /// How long interrupts waited before, if that was changed.
    pub(crate) deferred: Option<Interrupts>,
}

impl Changes {
    /// These, behind those of the processes before, if there were any: a port is given back as the first of them found it.
    pub(crate) fn behind(self, first: Option<Self>) -> Self {
        let Some(mut first) = first else { return self };
        for feature in self.quieted {
            if !first.quieted.contains(&feature) {
                first.quieted.push(feature);
            }
        }
        first.channels = first.channels.or(self.channels);
        first.deferred = first.deferred.or(self.deferred);
        first.muted |= self.muted;
        first.promiscuous |= self.promiscuous;
        first
    }

    /// Undoes all of them, the last one first.
    pub(crate) fn undo(&self, nic: &Nic) {
        // Each undoes on its drop what it is said to have done.
        let _muted = self.muted.then(|| Muted::done_to(nic));
        let _raised = self.raised.then(|| Raised::done_to(nic));
        let _queues = self.channels.map(|before| QueueCount::done_to(nic, before));
        let _quieted = Quieted::done_to(nic, &self.quieted);
        let _promiscuous = self.promiscuous.then(|| Promiscuous::done_to(nic));
        let _deferred = self.deferred.map(|before| Deferred::done_to(nic, before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quieted(features: &[&str]) -> Changes {
        Changes { quieted: features.iter().map(|name| (*name).to_owned()).collect(), ..Changes::default() }
    }

    #[test]
    fn a_port_is_given_back_as_it_was_found_first() {
        let first = Changes { raised: true, muted: true, ..quieted(&["rx-gro"]) };
        let second = Changes { promiscuous: true, ..quieted(&["rx-gro", "rx-lro"]) };
        let both = second.behind(Some(first));
        let expected =
            Changes { raised: true, muted: true, promiscuous: true, ..quieted(&["rx-gro", "rx-lro"]) };
        assert_eq!(both, expected);
        // One that came up meanwhile was not found down.
        let later = Changes { raised: true, ..Changes::default() };
        assert!(!later.behind(Some(Changes::default())).raised);
    }
}
