//! A port that is up.

use super::sys::SetFlags;
use super::{IFF_UP, Nic, NicError, Operation, log_failure};

impl Nic {
    /// Brings the interface up, or takes it down; its other flags stay as they are.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission (CAP_NET_ADMIN), the driver cannot start it, or the interface is gone.
    pub fn set_up(&self, up: bool) -> Result<(), NicError> {
        let others = self.flags()? & !IFF_UP;
        let (operation, flags) =
            if up { (Operation::BringUp, others | IFF_UP) } else { (Operation::TakeDown, others) };
        self.request(operation, SetFlags { flags }).map(|_| ())
    }
}

/// A port that was brought up; its drop takes it down again if it was down before.
#[derive(Debug)]
#[must_use = "dropped, it takes the port down again"]
pub struct Raised {
    nic: Nic,
    was_down: bool,
}

impl Raised {
    /// Brings the port up, unless it is. Does not wait for its link.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission, or the driver cannot start it.
    pub fn raise(nic: &Nic) -> Result<Self, NicError> {
        let was_down = !nic.is_up()?;
        if was_down {
            nic.set_up(true)?;
        }
        Ok(Self { nic: nic.clone(), was_down })
    }

    /// Whether the port was down before.
    #[must_use]
    pub fn was_down(&self) -> bool {
        self.was_down
    }

    /// Takes the port down, if it was down before.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission, or the interface is gone.
    pub fn restore(mut self) -> Result<(), NicError> {
        self.undo()
    }

    /// The port that somebody else brought up.
    pub(crate) fn done_to(nic: &Nic) -> Self {
        Self { nic: nic.clone(), was_down: true }
    }

    /// Leaves it as it is; whether anything was changed.
    pub(crate) fn keep(mut self) -> bool {
        std::mem::take(&mut self.was_down)
    }

    fn undo(&mut self) -> Result<(), NicError> {
        if std::mem::take(&mut self.was_down) { self.nic.set_up(false) } else { Ok(()) }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        log_failure(self.undo());
    }
}
