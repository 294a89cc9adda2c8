//! One topology under one fault after the other.

use std::env;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::doors::Staff;
use crate::faults::Fault;
use crate::load::Load;
use crate::report::{Row, publish};
use crate::rest;
use crate::scene::Scene;
use crate::stand::{LEASE, Program, Stand};

/// Under load before the fault strikes, and after it is over.
const AROUND: Duration = Duration::from_millis(500);
/// The same where there are others: what was written without Redis has reached them, and what is behind is stale.
const AFTER_WITH_OTHERS: Duration = Duration::from_millis(1500);
/// Fewer reads under a fault would prove nothing.
const ENOUGH: usize = 300;
const ENOUGH_IN_THE_LONG_RUN: usize = 200_000;

pub(crate) struct Trial {
    topology: String,
    stand: Stand,
}

impl Trial {
    pub(crate) fn new(topology: &str, stand: Stand) -> Self {
        Trial { topology: topology.to_owned(), stand }
    }

    pub(crate) fn scene(&self) -> &Arc<Scene> {
        &self.stand.scene
    }

    /// Users to whom things are given and from whom they are taken away.
    pub(crate) async fn hire(&self) -> Arc<Staff> {
        Arc::new(Staff::hire(&self.stand.scene.client(0), &self.stand.mail).await)
    }

    /// Lets the fault strike until enough reads were checked under it, and compares everything at rest.
    pub(crate) async fn run(&mut self, fault: Fault) -> Row {
        let scene = self.stand.scene.clone();
        let is_control = matches!(self.stand.instances[0].program, Program::Plain(_));
        let long = env::var_os("HOTSHELF_LONG").is_some_and(|value| value == "1") && !is_control;
        let enough = if long { ENOUGH_IN_THE_LONG_RUN } else { ENOUGH };
        let patience = if is_control { Duration::ZERO } else { fault.patience() };
        let alone = self.stand.instances.len() == 1;
        mem::take(&mut *scene.tally());
        let (mut strikes, mut disagreements) = (0, Vec::new());
        while scene.tally().reads < enough {
            let load = Load::start(&scene);
            sleep(AROUND).await;
            fault.strike(&mut self.stand, strikes).await;
            sleep(if alone { AROUND } else { AFTER_WITH_OTHERS }).await;
            load.stop().await;
            strikes += 1;
            if !alone {
                // The others may be behind for so long, counted from when the writers reach Redis.
                self.stand.reach_redis(&self.stand.all()).await;
                sleep(LEASE).await;
            }
            disagreements.extend(rest::disagreements(&scene, patience).await);
        }
        let mut tally = mem::take(&mut *scene.tally());
        if tally.stale > 0 && !is_control {
            tally.explanations.extend(self.stand.logs());
        }
        let row = Row { topology: self.topology.clone(), fault: fault.name(), strikes, tally, disagreements };
        publish(&row);
        row
    }
}
