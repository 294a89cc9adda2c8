//! Runs one topology under all faults in turn.

use std::env;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::auth_workload::Staff;
use crate::faults::Fault;
use crate::load::Load;
use crate::report::{Row, publish};
use crate::rest;
use crate::testbed::{LEASE, Program, Testbed};
use crate::workload::Workload;

/// The time under load before the fault begins, and after it ends.
const AROUND: Duration = Duration::from_millis(500);
/// The same with several instances: by then, writes without Redis have reached the others, and a lagging read is stale.
const AFTER_WITH_OTHERS: Duration = Duration::from_millis(1500);
/// Fewer reads under a fault would prove nothing.
const ENOUGH: usize = 300;
const ENOUGH_IN_THE_LONG_RUN: usize = 200_000;

pub(crate) struct FaultRun {
    topology: String,
    testbed: Testbed,
}

impl FaultRun {
    pub(crate) fn new(topology: &str, testbed: Testbed) -> Self {
        FaultRun { topology: topology.to_owned(), testbed }
    }

    pub(crate) fn workload(&self) -> &Arc<Workload> {
        &self.testbed.workload
    }

    /// Users whose rights are granted and revoked.
    pub(crate) async fn hire(&self) -> Arc<Staff> {
        Arc::new(Staff::hire(&self.testbed.workload.client(0), &self.testbed.mail).await)
    }

    /// Repeats the fault until enough reads were checked under it, and compares everything at rest.
    pub(crate) async fn run(&mut self, fault: Fault) -> Row {
        let workload = self.testbed.workload.clone();
        let is_control = matches!(self.testbed.instances[0].program, Program::Plain(_));
        let long = env::var_os("HOTSHELF_LONG").is_some_and(|value| value == "1") && !is_control;
        let enough = if long { ENOUGH_IN_THE_LONG_RUN } else { ENOUGH };
        let patience = if is_control { Duration::ZERO } else { fault.patience() };
        let alone = self.testbed.instances.len() == 1;
        mem::take(&mut *workload.tally());
        let (mut strikes, mut disagreements) = (0, Vec::new());
        while workload.tally().reads < enough {
            let load = Load::start(&workload);
            sleep(AROUND).await;
            fault.strike(&mut self.testbed, strikes).await;
            sleep(if alone { AROUND } else { AFTER_WITH_OTHERS }).await;
            load.stop().await;
            strikes += 1;
            if !alone {
                // The others may lag for this time, counted from when the writers reach Redis.
                self.testbed.reach_redis(&self.testbed.all()).await;
                sleep(LEASE).await;
            }
            disagreements.extend(rest::disagreements(&workload, patience).await);
        }
        let mut tally = mem::take(&mut *workload.tally());
        if tally.stale > 0 && !is_control {
            tally.explanations.extend(self.testbed.logs());
        }
        let row = Row { topology: self.topology.clone(), fault: fault.name(), strikes, tally, disagreements };
        publish(&row);
        row
    }
}
