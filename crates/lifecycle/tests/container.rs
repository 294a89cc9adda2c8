//! The container's promises: order, roll-back, deadlines, health.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotshelf_lifecycle::{Container, Failure, Health, Module, Phase, Running, StartError, Status, async_trait};

type Diary = Arc<Mutex<Vec<String>>>;

#[derive(Default, Clone, Copy, PartialEq)]
enum Trouble {
    #[default]
    None,
    Init,
    Start,
    HangsInStop,
    Degraded,
}

struct Probe {
    name: &'static str,
    diary: Diary,
    trouble: Trouble,
}

impl Probe {
    fn note(&self, step: &str) {
        self.diary.lock().unwrap().push(format!("{} {step}", self.name));
    }

    fn failing_in(&self, trouble: Trouble) -> Result<(), Failure> {
        if self.trouble == trouble { Err("no luck".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl Module for Probe {
    async fn start(&self) -> Result<(), Failure> {
        self.note("start");
        self.failing_in(Trouble::Start)
    }

    fn stopping(&self, _: Duration) {
        self.note("hears of the stop");
    }

    async fn stop(&self, _: Duration) -> Result<(), Failure> {
        self.note("stop");
        if self.trouble == Trouble::HangsInStop {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn health(&self) -> Health {
        if self.trouble == Trouble::Degraded { Health::degraded("limping") } else { Health::healthy("fine") }
    }
}

impl Probe {
    async fn init(self) -> Result<Self, Failure> {
        self.note("init");
        self.failing_in(Trouble::Init)?;
        Ok(self)
    }
}

/// Builds and starts three modules.
async fn started(container: Container, troubles: [Trouble; 3]) -> (Result<Running, StartError>, Diary) {
    let diary = Diary::default();
    let start = async {
        let mut container = container;
        for (name, trouble) in ["a", "b", "c"].into_iter().zip(troubles) {
            container.init(name, Probe { name, diary: Arc::clone(&diary), trouble }.init()).await?;
        }
        container.start().await
    };
    (start.await, diary)
}

fn container() -> Container {
    Container::new(Duration::from_secs(30))
}

fn entries(diary: &Diary) -> Vec<String> {
    diary.lock().unwrap().clone()
}

#[tokio::test]
async fn modules_start_in_order_and_stop_in_reverse() {
    let (running, diary) = started(container(), [Trouble::None; 3]).await;
    running.expect("starts").stop().await.expect("stops");
    let expected = ["a init", "b init", "c init", "a start", "b start", "c start"];
    assert_eq!(entries(&diary)[..6], expected);
    // All hear of it before the first of them stops.
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name} hears of the stop"));
    assert_eq!(entries(&diary)[6..], [&a, &b, &c, "c stop", "b stop", "a stop"]);
}

#[tokio::test]
async fn a_failed_init_stops_only_what_was_initialized() {
    let (failed, diary) = started(container(), [Trouble::None, Trouble::Init, Trouble::None]).await;
    let error = failed.err().expect("must fail");
    assert_eq!(error.to_string(), "module `b` failed to init: no luck");
    assert_eq!(entries(&diary), ["a init", "b init", "a stop"]);
}

#[tokio::test]
async fn a_failed_start_rolls_back_everything_in_reverse() {
    let (failed, diary) = started(container(), [Trouble::None, Trouble::Start, Trouble::None]).await;
    let error = failed.err().expect("must fail");
    assert_eq!(error.to_string(), "module `b` failed to start: no luck");
    let expected = ["a init", "b init", "c init", "a start", "b start", "c stop", "b stop", "a stop"];
    assert_eq!(entries(&diary), expected);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_hangs_in_stop_is_named_and_the_others_still_stop() {
    let (running, diary) = started(container(), [Trouble::None, Trouble::HangsInStop, Trouble::None]).await;
    let error = running.expect("starts").stop().await.expect_err("must time out");
    assert_eq!(error.to_string(), "module `b` failed to stop: still busy after 30s");
    assert_eq!(entries(&diary)[9..], ["c stop", "b stop", "a stop"]);
}

#[tokio::test]
async fn the_board_reports_the_worst_status_and_the_phase() {
    let container = container();
    let board = container.health();
    assert_eq!(board.phase(), Phase::Starting);
    let (running, _) = started(container, [Trouble::None, Trouble::Degraded, Trouble::None]).await;

    let report = board.report().await;
    assert_eq!(report.status, Status::Degraded);
    assert_eq!(report.modules[1], ("b", Health::degraded("limping")));
    assert_eq!(board.of("d").await, None);
    assert_eq!(board.phase(), Phase::Running);

    running.expect("starts").stop().await.expect("stops");
    assert_eq!(board.phase(), Phase::Stopping);
}
