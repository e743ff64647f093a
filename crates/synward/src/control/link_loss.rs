//! Link-loss forwarding: when one port loses its link, the other is taken down, so that who is connected there notices.
//!
//! A port that is down shows nothing of its own cable, so only the other one can be watched while one is held down: it is brought up again
//! as soon as that one has its link. If its own is missing then, the roles change. Nothing is decided about a port that was just brought
//! up: a link takes its time to come.

use std::time::Duration;

/// How long a port may take to get its link after it was brought up: several seconds, where speed is negotiated over copper. Twice as long
/// each time that this was not enough, up to the longest: links that are slower than it would take turns in keeping each other down.
const SETTLING: Duration = Duration::from_secs(6);
const LONGEST_SETTLING: Duration = Duration::from_secs(96);

/// How long a link must be there before it counts: one that comes and goes is passed on as one loss.
const STEADY: Duration = Duration::from_secs(1);

/// What is seen of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The administrator, or we, want it up.
    pub(crate) up: bool,
    /// A partner answers at the other end of the cable.
    pub(crate) carrier: bool,
}

/// What is to be done to a port, by its place: outside, inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    TakeDown(usize),
    BringUp(usize),
}

/// What is known from one look to the next. Times are since some start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkLoss {
    state: State,
    /// How long a port is waited for that is brought up now.
    patience: Duration,
    /// By port: until when its link is waited for.
    settled: [Duration; 2],
    /// By port: since when it has its link.
    linked: [Option<Duration>; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Both ports are on their own.
    Passing,
    /// This port is held down, because the other has no link.
    Holding(usize),
    /// This port is to come up again.
    Raising(usize),
    /// An administrator has brought up the port that was held down. So it stays until both have their links.
    Overruled,
}

impl LinkLoss {
    /// Begins with two ports that were just brought up.
    pub(crate) fn new(now: Duration) -> Self {
        let patience = SETTLING;
        Self { state: State::Passing, patience, settled: [now + patience; 2], linked: [None; 2] }
    }

    /// The port that is held down.
    pub(crate) fn held(&self) -> Option<usize> {
        match self.state {
            State::Holding(port) | State::Raising(port) => Some(port),
            State::Passing | State::Overruled => None,
        }
    }

    /// Says what to do, of both ports as they are now.
    pub(crate) fn look(&mut self, now: Duration, ports: [Seen; 2]) -> Option<Deed> {
        for ((since, settled), seen) in self.linked.iter_mut().zip(&mut self.settled).zip(ports) {
            *since = (seen.up && seen.carrier).then_some(since.unwrap_or(now));
            // What has come need not be waited for.
            if since.is_some() {
                *settled = now;
            }
        }
        match self.state {
            State::Passing => self.pass(now, ports),
            State::Holding(port) => self.hold(now, port, ports),
            State::Raising(port) => self.raise(now, port, ports),
            State::Overruled => {
                if self.is_steady(now, 0) && self.is_steady(now, 1) {
                    self.state = State::Passing;
                }
                None
            }
        }
    }

    fn pass(&mut self, now: Duration, ports: [Seen; 2]) -> Option<Deed> {
        if self.is_steady(now, 0) && self.is_steady(now, 1) {
            self.patience = SETTLING;
        }
        let lost = (0..2).find(|port| self.is_lost(now, *port, ports))?;
        let other = 1 - lost;
        // One that is down already is an administrator's.
        if !is_up(ports, other) {
            return None;
        }
        self.patience = (self.patience * 2).min(LONGEST_SETTLING);
        self.state = State::Holding(other);
        Some(Deed::TakeDown(other))
    }

    fn hold(&mut self, now: Duration, port: usize, ports: [Seen; 2]) -> Option<Deed> {
        if is_up(ports, port) {
            self.state = State::Overruled;
            return None;
        }
        if !self.is_steady(now, 1 - port) {
            return None;
        }
        self.state = State::Raising(port);
        Some(Deed::BringUp(port))
    }

    /// Tries until the port is seen to be up: that may fail for a time.
    fn raise(&mut self, now: Duration, port: usize, ports: [Seen; 2]) -> Option<Deed> {
        if !is_up(ports, port) {
            return Some(Deed::BringUp(port));
        }
        self.state = State::Passing;
        // One whose link is there already is not waited for.
        if let (Some(settled), Some(None)) = (self.settled.get_mut(port), self.linked.get(port)) {
            *settled = now + self.patience;
        }
        None
    }

    /// Whether a port has lost its link, or was taken down; none that may still get it.
    fn is_lost(&self, now: Duration, port: usize, ports: [Seen; 2]) -> bool {
        let linked = self.linked.get(port).is_some_and(Option::is_some);
        let settling = self.settled.get(port).is_some_and(|settled| now < *settled);
        !linked && (!settling || !is_up(ports, port))
    }

    fn is_steady(&self, now: Duration, port: usize) -> bool {
        let since = self.linked.get(port).copied().flatten();
        since.is_some_and(|since| now.saturating_sub(since) >= STEADY)
    }
}

fn is_up(ports: [Seen; 2], port: usize) -> bool {
    ports.get(port).is_some_and(|seen| seen.up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How often it is looked.
    const STEP: Duration = Duration::from_millis(100);

    /// Two ports with cables that can be pulled, and links that take their time.
    struct World {
        /// How often bringing a port up still fails.
        failures: u32,
        now: Duration,
        cables: [bool; 2],
        up: [bool; 2],
        /// Since when cable and port would let the link come.
        ready: [Option<Duration>; 2],
        latency: Duration,
        link_loss: LinkLoss,
        deeds: Vec<(Duration, Deed)>,
    }

    impl World {
        fn new(latency: Duration) -> Self {
            let now = Duration::from_secs(1000);
            Self {
                failures: 0,
                now,
                cables: [true; 2],
                up: [true; 2],
                ready: [Some(Duration::ZERO); 2],
                latency,
                link_loss: LinkLoss::new(now),
                deeds: Vec::new(),
            }
        }

        fn seen(&mut self) -> [Seen; 2] {
            std::array::from_fn(|port| {
                let ready = self.up[port] && self.cables[port];
                self.ready[port] = ready.then_some(self.ready[port].unwrap_or(self.now));
                let carrier = self.ready[port].is_some_and(|since| self.now >= since + self.latency);
                Seen { up: self.up[port], carrier }
            })
        }

        fn go_on(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                let seen = self.seen();
                let deed = self.link_loss.look(self.now, seen);
                match deed {
                    Some(Deed::TakeDown(port)) => self.up[port] = false,
                    Some(Deed::BringUp(_)) if self.failures > 0 => {
                        self.failures -= 1;
                        self.now += STEP;
                        continue;
                    }
                    Some(Deed::BringUp(port)) => self.up[port] = true,
                    None => {}
                }
                self.deeds.extend(deed.map(|deed| (self.now, deed)));
                self.now += STEP;
            }
        }
    }

    #[test]
    fn a_loss_is_passed_on_at_once_and_so_is_its_end_when_it_is_steady() {
        let mut world = World::new(Duration::from_secs(2));
        world.go_on(Duration::from_secs(10));
        assert_eq!(world.deeds, []);
        world.cables[0] = false;
        let lost = world.now;
        world.go_on(Duration::from_secs(10));
        assert_eq!(world.deeds, [(lost, Deed::TakeDown(1))]);
        assert_eq!(world.link_loss.held(), Some(1));
        world.cables[0] = true;
        let back = world.now;
        world.go_on(Duration::from_secs(30));
        let steady = back + world.latency + STEADY;
        assert_eq!(world.deeds[1..], [(steady, Deed::BringUp(1))]);
        assert_eq!((world.up, world.link_loss.held()), ([true; 2], None));
    }

    #[test]
    fn a_port_that_an_administrator_takes_down_takes_the_other_with_it_and_stays_down() {
        let mut world = World::new(STEP);
        world.go_on(Duration::from_secs(10));
        world.up[1] = false;
        world.go_on(Duration::from_secs(10));
        assert_eq!(world.up, [false, false]);
        assert_eq!(world.link_loss.held(), Some(0));
        world.up[1] = true;
        world.go_on(Duration::from_secs(10));
        assert_eq!(world.up, [true, true]);
    }

    #[test]
    fn a_port_that_an_administrator_brings_up_is_left_alone() {
        let mut world = World::new(STEP);
        world.go_on(Duration::from_secs(10));
        world.cables[0] = false;
        world.go_on(Duration::from_secs(10));
        world.up[1] = true;
        world.go_on(Duration::from_secs(60));
        assert_eq!(world.up, [true, true]);
        // When all is as it was, so is this.
        world.cables[0] = true;
        world.go_on(Duration::from_secs(10));
        world.cables[0] = false;
        world.go_on(Duration::from_secs(10));
        assert_eq!(world.up, [true, false]);
    }

    #[test]
    fn a_port_that_cannot_be_brought_up_at_once_is_tried_again() {
        let mut world = World::new(STEP);
        world.go_on(Duration::from_secs(10));
        world.cables[0] = false;
        world.go_on(Duration::from_secs(10));
        world.failures = 50;
        world.cables[0] = true;
        world.go_on(Duration::from_secs(3));
        assert_eq!((world.up, world.link_loss.held()), ([true, false], Some(1)));
        world.go_on(Duration::from_secs(30));
        assert_eq!((world.up, world.link_loss.held()), ([true; 2], None));
    }

    #[test]
    fn a_cable_that_was_never_there_is_noticed_after_the_start() {
        let mut world = World::new(STEP);
        world.cables[1] = false;
        world.ready = [None; 2];
        world.go_on(SETTLING - STEP);
        assert_eq!(world.up, [true, true]);
        world.go_on(Duration::from_secs(1));
        assert_eq!(world.up, [false, true]);
    }

    proptest! {
        /// Whatever happens to the cables, and whenever: both ports come back when both cables do, nothing is done while nothing
        /// happens, and never is more done than once in a while.
        #[test]
        fn it_always_recovers_and_never_flaps(
            latency in 0_u64..20_000,
            events in prop::collection::vec((0_u64..20_000, 0_usize..2, any::<bool>()), 0..40),
        ) {
            let mut world = World::new(Duration::from_millis(latency));
            for (pause, port, cable) in events {
                world.go_on(Duration::from_millis(pause));
                world.cables[port] = cable;
            }
            // Links that are slower than the first patience are waited for longer each time.
            world.go_on(Duration::from_secs(300));
            let quiet = world.deeds.len();
            world.go_on(Duration::from_secs(1200));
            prop_assert_eq!(world.deeds.len(), quiet, "it flaps");
            world.cables = [true; 2];
            world.go_on(Duration::from_secs(300));
            prop_assert_eq!((world.up, world.link_loss.held()), ([true; 2], None));
            // Each port that is brought up was held down before, for a second at least.
            for pair in world.deeds.chunks(2) {
                let [(down, Deed::TakeDown(a)), (up, Deed::BringUp(b))] = pair else { panic!("{pair:?}") };
                prop_assert!(a == b && *up >= *down + STEADY);
            }
        }
    }
}
