//! Reloads: asked for by SIGHUP or by `synward reload`, and over when every worker judges by the new rules.

use std::future::pending;
use std::time::{Duration, Instant};

use anyhow::Result;
use synward_policy::Faults;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::view::View;
use crate::reload::{Loaded, Reloaded};
use crate::status::Answer;

/// How long workers may take to adopt new rules. One that hangs is not waited for any longer.
const ADOPTION: Duration = Duration::from_secs(5);

/// How often they are looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(1);

/// Who waits for the outcome of a reload.
pub(super) type Asker = oneshot::Sender<Answer>;

/// Reading and compiling, on a thread of its own: it may take seconds.
pub(super) type Loading = JoinHandle<Result<Loaded, Faults>>;

/// One reload at a time, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    /// Whether another one was asked for that has not begun, and who waits for that.
    wanted: bool,
    next: Vec<Asker>,
    under_way: Option<Reload>,
}

#[derive(Debug)]
struct Reload {
    began: Instant,
    askers: Vec<Asker>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Loading(Loading),
    Adopting(Adoption),
}

/// New rules are in force, and workers take them up.
#[derive(Debug)]
struct Adoption {
    generation: u64,
    /// How long it took to read and compile them.
    read: Duration,
    since: Instant,
}

/// What a reload has come to.
pub(super) enum Progress {
    Loaded(Box<Result<Loaded>>),
    Adopted(Reloaded),
}

impl Reloads {
    /// Asks for one that reads files as they are from now on.
    pub(super) fn want(&mut self, asker: Option<Asker>) {
        self.wanted = true;
        self.next.extend(asker);
    }

    /// Whether one is to begin now.
    pub(super) fn is_due(&self) -> bool {
        self.wanted && self.under_way.is_none()
    }

    pub(super) fn begin(&mut self, loading: Loading) {
        let askers = std::mem::take(&mut self.next);
        self.wanted = false;
        self.under_way = Some(Reload { began: Instant::now(), askers, stage: Stage::Loading(loading) });
    }

    /// The next step of the one under way; waits for ever when there is none.
    pub(super) async fn progress(&mut self, view: &View) -> Progress {
        match &mut self.under_way {
            None => pending().await,
            Some(Reload { stage: Stage::Loading(loading), .. }) => {
                let read = loading.await;
                Progress::Loaded(Box::new(read.map_err(Into::into).and_then(|loaded| Ok(loaded?))))
            }
            Some(Reload { began, stage: Stage::Adopting(adoption), .. }) => {
                Progress::Adopted(adoption.outcome(*began, view).await)
            }
        }
    }

    /// New rules are in force: workers are waited for.
    pub(super) fn published(&mut self, generation: u64, read: Duration) {
        if let Some(reload) = &mut self.under_way {
            reload.stage = Stage::Adopting(Adoption { generation, read, since: Instant::now() });
        }
    }

    /// The old rules stay in force.
    pub(super) fn failed(&mut self, error: &str) {
        self.answer(|| Answer::Error(error.to_owned()));
    }

    /// The reload is over.
    pub(super) fn over(&mut self, outcome: &Reloaded) {
        self.answer(|| Answer::Reloaded(outcome.clone()));
    }

    fn answer(&mut self, answer: impl Fn() -> Answer) {
        for asker in self.under_way.take().into_iter().flat_map(|reload| reload.askers) {
            // Who no longer waits need not know.
            let _ = asker.send(answer());
        }
    }
}

impl Adoption {
    /// Waits until all workers judge by the new rules, or have had the time to.
    async fn outcome(&self, began: Instant, view: &View) -> Reloaded {
        let Self { generation, read, since } = *self;
        let mut behind = view.behind(generation);
        while !behind.is_empty() && since.elapsed() < ADOPTION {
            tokio::time::sleep(GLANCE).await;
            behind = view.behind(generation);
        }
        Reloaded {
            generation,
            seconds: began.elapsed().as_secs_f64(),
            reading_seconds: read.as_secs_f64(),
            adoption_seconds: since.elapsed().as_secs_f64(),
            behind,
        }
    }
}
