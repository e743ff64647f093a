//! The modes of AF_XDP.

use crate::queue::Bind;
use crate::shim::Runner;

/// How frames are to get from the driver to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpRequest {
    /// The first that works.
    Auto,
    /// This mode or none.
    Only(XdpMode),
}

/// How frames get from the driver to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// The driver runs the program and works on the worker's memory.
    ZeroCopy,
    /// The driver runs the program, the kernel copies the frames.
    Copy,
    /// The network stack runs the program and copies the frames.
    Skb,
}

impl XdpMode {
    /// The name in configuration, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZeroCopy => "zerocopy",
            Self::Copy => "copy",
            Self::Skb => "skb",
        }
    }

    pub(crate) fn runner(self) -> Runner {
        match self {
            Self::ZeroCopy | Self::Copy => Runner::Driver,
            Self::Skb => Runner::Stack,
        }
    }

    pub(crate) fn bind(self) -> Bind {
        match self {
            Self::ZeroCopy => Bind::ZeroCopy,
            Self::Copy | Self::Skb => Bind::Copy,
        }
    }

    /// The mode of a socket that the kernel bound as `bound`, behind a program run by this mode's runner.
    pub(crate) fn really(self, bound: Bind) -> Self {
        match (bound, self.runner()) {
            (Bind::ZeroCopy, _) => Self::ZeroCopy,
            (Bind::Copy, Runner::Driver) => Self::Copy,
            (Bind::Copy, Runner::Stack) => Self::Skb,
        }
    }
}

impl XdpRequest {
    pub(crate) fn candidates(self) -> Vec<XdpMode> {
        match self {
            Self::Auto => vec![XdpMode::ZeroCopy, XdpMode::Copy, XdpMode::Skb],
            Self::Only(mode) => vec![mode],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_tries_the_fastest_first() {
        let names: Vec<_> = XdpRequest::Auto.candidates().into_iter().map(XdpMode::name).collect();
        assert_eq!(names, ["zerocopy", "copy", "skb"]);
        assert_eq!(XdpRequest::Only(XdpMode::Skb).candidates(), [XdpMode::Skb]);
    }

    #[test]
    fn the_mode_is_what_the_kernel_says_not_what_was_asked() {
        assert_eq!(XdpMode::ZeroCopy.really(Bind::Copy), XdpMode::Copy);
        assert_eq!(XdpMode::Skb.really(Bind::Copy), XdpMode::Skb);
        assert_eq!(XdpMode::Copy.really(Bind::ZeroCopy), XdpMode::ZeroCopy);
    }
}
