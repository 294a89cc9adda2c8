//! A model of the cache protocol, searched by a checker (`stateright`): every order in which its steps and the faults
//! can follow each other, within the bounds of `scenarios.rs`. `docs/consistency/protocol.md` describes the protocol in
//! words.
//!
//! **What is a step.** One command or one script in Redis, one transaction, one critical section of a process. Between
//! any two steps of a reader, a writer, or an instance, anything else may happen.
//!
//! **The world** (`world.rs`): the database with its epoch row; Redis with one product's key, one page's key, the
//! generation of the collection and the epoch; up to two instances, each with its link, its epoch and, where the
//! scenario has it, a memory with its lease and the connection of its pushes; two writers and two readers.
//!
//! **The faults** (`steps.rs`, bounded by `Faults`): a process is killed between any two steps; Redis restarts empty or
//! with a snapshot; a connection is lost; a writer's command gets no answer and is carried out at once, later or never;
//! a fence or a generation is lost before its time (evicted, or its writer was paused); pushes are delayed as long as
//! one likes, lost with their connection, or lost to a receiver that lags. A generation that a reader has proposed ends
//! at any moment and as often as one likes.
//!
//! **Time** is nothing but events: a loader's lease ends; a second passes, and with it every lease of a memory; half a
//! minute passes, and with it every fence, lease and generation that ends by itself. TTLs are not modelled: a copy may
//! be arbitrarily old, which includes one that is in its grace period.
//!
//! **The promise** (`promise.rs`) is three invariants. Each instance has a floor per cell: the version that its reads
//! have to show. *Reads are fresh*: what a read returns is not below the floor of the moment when it began. *Redis is
//! fresh* and *memory is fresh*: no copy that an instance would serve now is below its floor now, which spares the
//! model a reader that asks at just that moment. Floors rise
//! - with an acknowledged write: of its own instance at once, and of the other one too;
//! - with a write that only an epoch made known (Redis was out of reach, or did not confirm): of its own instance at
//!   once, of the other one when it has read the epoch, at its next beat after Redis knew it or with a new connection;
//! - of another instance's *memory*: when a beat that was sent after the acknowledgement renews its lease, or when a
//!   second has passed. Until then it may lag, and only under a lease;
//! - with a commit of a process that died before it could acknowledge: when half a minute has passed, unless Redis had
//!   lost what barred older copies from coming to stay (then the end of their own lives ends them), or with the epoch.
//!
//! **Guards** (`guard.rs`, `without.rs`): what the protocol rests on is left out piece by piece, and each time the
//! checker has to find a way in which an invariant breaks. A guard for which it finds none would be one that is not
//! needed, or a model that does not see what it is for.
//!
//! **Not covered**: more than one fault of a kind at a time, more than two instances, writers and readers, more than
//! two reads; two Redis servers at once (fail-over), and with it what only they need; single flight between instances,
//! whose waiters may take a load that is up to half a second old; loads and transactions that fail, and with them the
//! answer 503; readers' commands whose answer is lost; orphaned fences that are released later, since that only takes
//! away; the order of steps in which nothing can be told apart (`normal.rs` counts such states as one). And it is a
//! model: that the code does the same is for the other tests to show.
//!
//! `cargo test -p hotshelf-cache --test model -- --nocapture` prints how many states were searched, and each
//! counterexample. `HOTSHELF_LONG=1` adds the larger bounds: minutes and gigabytes, best with `--release`.

mod guard;
mod instance;
mod normal;
mod promise;
mod reader;
mod scenario;
mod scenarios;
mod server;
mod steps;
mod without;
mod world;
mod writer;

use std::time::Instant;

use stateright::{Checker, Model};

use scenario::Change::Update;
use scenario::Scenario;
use scenarios::*;

/// Searches all that can happen.
fn holds(scenario: Scenario) {
    let (name, faults, started) = (scenario.name, scenario.faults, Instant::now());
    let checker = scenario.checker().spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{name}, {faults}: {states} states, depth {depth}, {:.1?}", started.elapsed());
    for (property, path) in checker.discoveries() {
        assert_eq!(property, RECOVERS, "it breaks: {:?}", path.into_actions());
    }
    assert!(checker.discovery(RECOVERS).is_some(), "the search does not get anywhere");
}

/// The larger bounds, which take too long for every build.
fn holds_in_the_long_run(scenario: Scenario) {
    if std::env::var("HOTSHELF_LONG").is_ok_and(|long| long == "1") {
        holds(scenario);
    }
}

macro_rules! scenarios {
    ($check:ident: $($name:ident: $scenario:expr;)*) => {
        $(
            #[test]
            fn $name() {
                $check($scenario);
            }
        )*
    };
}

scenarios! { holds:
    alone_with_crash_and_lost_answer: alone(CRASH.and(LATE));
    alone_with_loss_and_cut: alone(LOSS.and(CUT));
    alone_invalidating_with_crash_and_loss: alone(LOSS_AND_CRASH).invalidating();
    alone_with_restart: alone(RESTART);
    product_with_crash_and_loss: product(LOSS_AND_CRASH);
    product_with_cut: product(CUT);
    product_with_cut_and_crash: product(CUT_AND_CRASH).readers([0]);
    product_with_lost_answer: product(LATE);
    product_with_restart: product(RESTART).readers([0]);
    collection_with_crash: collection(CRASH);
    collection_with_loss: collection(LOSS);
    product_of_collection_with_lost_answer: collection(LATE).readers([0]);
    page_of_collection_with_lost_answer: collection(LATE).readers([1]);
    page_of_collection_with_cut: collection(CUT).readers([1]);
    product_of_collection_with_restart: collection(RESTART).writers([0]).readers([0]);
    page_of_collection_with_restart: collection(RESTART).writers([0]).readers([1]);
    memories: pushes(NONE);
    memories_with_gap: pushes(GAP).readers([1]);
    memories_with_loss: pushes(LOSS).readers([1]);
    memories_with_cut: pushes(CUT).readers([1]);
    memories_with_two_writers: pushes(NONE).readers([]).writer(1, Update);
    pages_in_memories: pushed_pages(NONE).readers([1]);
}

scenarios! { holds_in_the_long_run:
    long_alone_restart_and_crash: alone(RESTART_AND_CRASH).invalidating();
    long_alone_loss_crash_and_late: alone(LOSS_AND_CRASH.and(LATE));
    long_product_crash_and_cut: product(CUT_AND_CRASH);
    long_product_loss_and_late: product(LATE_AND_LOSS);
    long_product_restart: product(RESTART);
    long_collection_cut: collection(CUT);
    long_collection_late: collection(LATE);
    long_collection_restart: collection(RESTART).readers([1]);
    long_memories_gap: pushes(GAP);
    long_memories_loss: pushes(LOSS);
    long_memories_cut: pushes(CUT);
    long_memories_two_writers: pushes(NONE).writer(1, Update);
    long_pages: pushed_pages(NONE);
    long_pages_crash: pushed_pages(CRASH).readers([1]);
    long_pages_gap: pushed_pages(GAP).readers([1]);
}
