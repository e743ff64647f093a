//! A port through which the host itself says nothing.

use std::fs;
use std::path::PathBuf;

use super::Nic;

/// A port without IPv6 of the host's: no link-local address, no router solicitation, no multicast report, so that the
/// networks on both sides see nothing of the box. Its drop gives it back.
#[derive(Debug)]
#[must_use = "dropped, it lets the host speak through the port again"]
pub struct Muted {
    /// The switch, where it was changed (net.ipv6.conf.PORT.disable_ipv6, ip-sysctl in the kernel's documentation).
    switch: Option<PathBuf>,
}

impl Muted {
    /// Turns IPv6 off on the port, unless it is. Where that cannot be, frames flow all the same: it is logged.
    pub fn apply(nic: &Nic) -> Self {
        let switch = switch(nic);
        match fs::read_to_string(&switch) {
            Ok(state) if state.trim() == "0" => match fs::write(&switch, "1") {
                Ok(()) => Self { switch: Some(switch) },
                Err(error) => {
                    tracing::warn!(port = nic.name(), %error, "cannot turn IPv6 off: the host may speak through it");
                    Self { switch: None }
                }
            },
            // Off already, or a kernel without IPv6.
            _ => Self { switch: None },
        }
    }

    /// The port on which somebody else turned it off.
    pub(crate) fn done_to(nic: &Nic) -> Self {
        Self { switch: Some(switch(nic)) }
    }

    /// Leaves it as it is; whether anything was changed.
    pub(crate) fn keep(mut self) -> bool {
        self.switch.take().is_some()
    }
}

fn switch(nic: &Nic) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", nic.name()))
}

impl Drop for Muted {
    fn drop(&mut self) {
        let Some(switch) = self.switch.take() else { return };
        if let Err(error) = fs::write(&switch, "0") {
            tracing::warn!(switch = %switch.display(), %error, "cannot turn IPv6 on again");
        }
    }
}
