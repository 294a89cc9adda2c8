//! The bounds. Each scenario puts some of the actors together and lets some of the faults happen; together they cover
//! all of both. What is larger than a build server has time for is searched with `HOTSHELF_LONG=1`.

use crate::scenario::{Change, Scenario};
use crate::world::{Cell, Faults};
use Cell::*;
use Change::*;

/// The property of a search that got somewhere.
pub(crate) const RECOVERS: &str = "it recovers";

pub(crate) const NONE: Faults = Faults { crashes: 0, restarts: 0, cuts: 0, late: 0, losses: 0, gaps: 0, pauses: 0 };
pub(crate) const CRASH: Faults = Faults { crashes: 1, pauses: 1, ..NONE };
pub(crate) const CUT: Faults = Faults { cuts: 1, ..NONE };
pub(crate) const CUT_AND_CRASH: Faults = Faults { cuts: 1, ..CRASH };
pub(crate) const GAP: Faults = Faults { gaps: 1, ..NONE };
pub(crate) const LATE: Faults = Faults { late: 1, ..NONE };
pub(crate) const LATE_AND_LOSS: Faults = Faults { late: 1, losses: 1, ..NONE };
pub(crate) const LOSS: Faults = Faults { losses: 1, ..NONE };
pub(crate) const LOSS_AND_CRASH: Faults = Faults { losses: 1, ..CRASH };
pub(crate) const RESTART: Faults = Faults { restarts: 1, ..NONE };
pub(crate) const RESTART_AND_CRASH: Faults = Faults { restarts: 1, ..CRASH };

/// One instance alone on its database, with memory before Redis: single flight, stamps.
pub(crate) fn alone(faults: Faults) -> Scenario {
    Scenario {
        memory: true,
        writers: vec![(0, Update), (0, Update)],
        readers: vec![(0, Product, 2), (0, Product, 1)],
        any_snapshot: true,
        slow_connections: true,
        ..scenario("one instance, one product", faults)
    }
}

/// Two instances, each of which writes and reads the one product.
pub(crate) fn product(faults: Faults) -> Scenario {
    Scenario {
        shared: true,
        refresh: true,
        writers: vec![(0, Update), (1, Update)],
        readers: vec![(0, Product, 1), (1, Product, 1)],
        symmetric: true,
        ..scenario("two instances, one product", faults)
    }
}

/// One of them creates what the other one deletes; one asks for it, the other one for a page.
pub(crate) fn collection(faults: Faults) -> Scenario {
    Scenario {
        shared: true,
        exists: false,
        write_through: false,
        writers: vec![(0, Create), (1, Delete)],
        readers: vec![(0, Product, 1), (1, Page, 1)],
        warm: vec![Product, Page],
        ..scenario("two instances, one collection", faults)
    }
}

/// Two instances with memories that follow Redis by its pushes.
pub(crate) fn pushes(faults: Faults) -> Scenario {
    Scenario {
        shared: true,
        memory: true,
        writers: vec![(0, Update)],
        readers: vec![(0, Product, 1), (1, Product, 1)],
        ..scenario("two memories, one product", faults)
    }
}

/// The same with pages.
pub(crate) fn pushed_pages(faults: Faults) -> Scenario {
    Scenario {
        shared: true,
        memory: true,
        exists: false,
        writers: vec![(0, Create)],
        readers: vec![(0, Product, 1), (1, Page, 1)],
        warm: vec![Product, Page],
        ..scenario("two memories, one collection", faults)
    }
}

fn scenario(name: &'static str, faults: Faults) -> Scenario {
    Scenario {
        name,
        faults,
        shared: false,
        memory: false,
        write_through: true,
        refresh: false,
        writers: vec![],
        readers: vec![],
        warm: vec![Product],
        exists: true,
        any_snapshot: false,
        slow_connections: false,
        symmetric: false,
        without: None,
    }
}
