//! How many queues a port has.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::sys::ChannelsCommand;
use super::{Nic, NicError, Operation, log_failure};

pub use super::sys::Channels;

/// How long a queue that is to go is waited for: the kernel gives it up some time after its AF_XDP socket was closed.
const PATIENCE: Duration = Duration::from_secs(1);

impl Channels {
    /// The queues that receive: an AF_XDP socket is bound to each of them.
    #[must_use]
    pub fn queues(&self) -> u32 {
        self.rx.saturating_add(self.combined)
    }

    /// The queues that send.
    #[must_use]
    pub fn tx_queues(&self) -> u32 {
        self.tx.saturating_add(self.combined)
    }

    /// The most queues that can both receive and send.
    #[must_use]
    pub fn max_queues(&self) -> u32 {
        match self.max_combined {
            0 => self.max_rx.min(self.max_tx),
            combined => combined,
        }
    }

    /// These channels with `count` queues: combined ones where the driver has them.
    fn with_queues(self, count: u32) -> Self {
        match self.max_combined {
            0 => Self { rx: count, tx: count, ..self },
            _ => Self { rx: 0, tx: 0, combined: count, ..self },
        }
    }
}

impl Nic {
    /// The channels of the interface; none where its driver knows no such thing.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn channels(&self) -> Result<Option<Channels>, NicError> {
        let mut command = ChannelsCommand::get();
        match self.ethtool(Operation::ReadQueues, &mut command) {
            Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(None),
            answer => answer.map(|()| Some(command.channels)),
        }
    }

    /// How many queues receive; one where the driver knows no channels, none on a tap that no program holds.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn queues(&self) -> Result<u32, NicError> {
        Ok(self.channels()?.map_or(1, |channels| channels.queues()))
    }

    fn set_channels(&self, channels: Channels) -> Result<(), NicError> {
        self.ethtool(Operation::SetQueues, &mut ChannelsCommand::set(channels))
    }
}

/// A port with the number of queues it was told to have; its drop gives it back its own.
#[derive(Debug)]
#[must_use = "dropped, it gives the port back its own number of queues"]
pub struct QueueCount {
    nic: Nic,
    before: Option<Channels>,
}

impl QueueCount {
    /// Gives the port `count` queues that receive and send. Costs most drivers a reset of the link, so a port
    /// that has them already is left alone.
    ///
    /// # Errors
    /// [`NicError::QueuesOutOfRange`] when the driver does not offer this many, [`NicError::Refused`] when it
    /// refuses.
    pub fn set(nic: &Nic, count: u32) -> Result<Self, NicError> {
        let channels = nic.channels()?;
        let most = channels.map_or(1, |channels| channels.max_queues());
        if !(1..=most).contains(&count) {
            return Err(NicError::QueuesOutOfRange { port: nic.name().to_owned(), asked: count, most });
        }
        let before = channels.filter(|before| before.with_queues(count) != *before);
        if let Some(before) = before {
            nic.set_channels(before.with_queues(count))?;
        }
        Ok(Self { nic: nic.clone(), before })
    }

    /// Gives the port back the channels it had, if they were changed.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one while an AF_XDP socket is bound to a queue that would go.
    pub fn restore(mut self) -> Result<(), NicError> {
        self.undo()
    }

    /// The port whose channels somebody else changed from `before`.
    pub(crate) fn done_to(nic: &Nic, before: Channels) -> Self {
        Self { nic: nic.clone(), before: Some(before) }
    }

    /// Leaves them as they are; what they were, if they were changed.
    pub(crate) fn keep(mut self) -> Option<Channels> {
        self.before.take()
    }

    fn undo(&mut self) -> Result<(), NicError> {
        let Some(before) = self.before.take() else { return Ok(()) };
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.nic.set_channels(before) {
                Err(error) if error.errno() == Some(Errno::INVAL) && Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                answer => return answer,
            }
        }
    }
}

impl Drop for QueueCount {
    fn drop(&mut self) {
        log_failure(self.undo());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMBINED: Channels = Channels {
        max_rx: 8,
        max_tx: 8,
        max_other: 1,
        max_combined: 16,
        rx: 2,
        tx: 0,
        other: 1,
        combined: 4,
    };
    const SEPARATE: Channels =
        Channels { max_rx: 8, max_tx: 4, max_other: 0, max_combined: 0, rx: 3, tx: 1, other: 0, combined: 0 };

    #[test]
    fn combined_channels_and_those_that_receive_are_queues() {
        assert_eq!((COMBINED.queues(), COMBINED.max_queues()), (6, 16));
        assert_eq!((SEPARATE.queues(), SEPARATE.max_queues()), (3, 4));
    }

    #[test]
    fn queues_are_combined_where_the_driver_has_those() {
        assert_eq!(COMBINED.with_queues(2), Channels { rx: 0, tx: 0, combined: 2, ..COMBINED });
        assert_eq!(SEPARATE.with_queues(2), Channels { rx: 2, tx: 2, ..SEPARATE });
    }

    #[test]
    fn a_port_without_channels_takes_one_queue_and_no_other() {
        let loopback = Nic::open("lo").unwrap();
        QueueCount::set(&loopback, 1).unwrap().restore().unwrap();
        for asked in [0, 2] {
            let error = QueueCount::set(&loopback, asked).unwrap_err();
            assert_eq!(error, NicError::QueuesOutOfRange { port: "lo".to_owned(), asked, most: 1 });
        }
    }
}
