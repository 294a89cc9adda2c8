//! The simulated server answers as a real one does: the same steps, some thousands by chance, on both.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hotshelf_redis_client::{RedisError, RedisOptions, Servers};
use hotshelf_testkit::RedisServer;
use tokio::time::sleep;

use super::host::Host;
use super::random;
use super::wire::SimulatedRedis;
use super::world::World;
use crate::redis::{Agreement, Connector, FredConnector, Link, Presence, Renewal, SealedNumber, ServerRunId};
use crate::{clock, rng};

const KEYS: [&str; 3] = ["c:one", "c:two", "c:three"];
const MARKERS: &str = "c:chg:";
const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_secs(600);
const TTLS: [Duration; 7] = [LONG, LONG, LONG, LONG, LONG, SHORT, Duration::ZERO];

/// What a key may hold, where the run of the server differs.
#[derive(Clone, Copy, Debug)]
enum Content {
    Tagged { tag: u8, token: u8, this_run: bool },
    Text(&'static str),
}

const TEXTS: [&str; 10] =
    ["", "V", "value one", "value two", "value", "Foreign", "42", "007", "9999999999999999", "Lease of no kind"];

#[derive(Clone, Debug)]
enum Step {
    LookUp {
        key: usize,
        state: Content,
        ttl: Option<Duration>,
    },
    Fill {
        key: usize,
        expected: Content,
        value: Content,
        ttl: Duration,
    },
    Fence {
        key: usize,
        marked: bool,
        fence: Content,
        ttl: Duration,
    },
    Release {
        key: usize,
        marked: bool,
        fence: Content,
        value: Content,
        ttl: Duration,
    },
    /// Of the first so many keys.
    Generations {
        count: usize,
        proposal: Content,
        renewal: Renewal,
    },
    Invalidate {
        count: usize,
        marked: bool,
        next: Content,
        ttl: Duration,
    },
    Wait {
        key: usize,
        lease: Content,
    },
    Agree {
        key: usize,
        presence: Presence,
    },
    Unlink {
        keys: Vec<usize>,
    },
    /// Of the first so many keys.
    GetMany {
        count: usize,
    },
    Walk,
    /// Longer than the short life.
    Pause,
}

impl Content {
    fn throw() -> Self {
        match random::one_in(3) {
            true => Content::Text(random::pick(&TEXTS)),
            false => Content::tagged(random::pick(b"LWFO")),
        }
    }

    /// Few tokens, so that they meet.
    fn tagged(tag: u8) -> Self {
        Content::Tagged { tag, token: random::below(2) as u8, this_run: !random::one_in(6) }
    }

    fn bytes(self, run: ServerRunId) -> Bytes {
        match self {
            Content::Text(text) => Bytes::from_static(text.as_bytes()),
            Content::Tagged { tag, token, this_run } => {
                let run = if this_run { run } else { *b"of another run.." };
                [&[tag][..], &[token; 16], &run].concat().into()
            }
        }
    }
}

/// Few histories and processes, so that they meet.
fn presence() -> Presence {
    let history = random::below(3);
    // Of few lengths, as another version would have.
    let number = || SealedNumber(format!("{:020}{}", random::below(50), random::pick(&["", ".aa", ".ab"])));
    let process = random::pick(&["shared", "one", "another"]).to_owned();
    let lasts = random::pick(&[SHORT, LONG]);
    let (follows, opens) = (random::below(3), random::one_in(2));
    Presence { history, follows, epoch: number(), commits: number(), process, opens, lasts }
}

impl Step {
    fn throw() -> Self {
        let (key, marked, ttl) = (random::below(3) as usize, random::one_in(2), random::pick(&TTLS));
        match random::below(36) {
            0..=6 => Step::LookUp { key, state: Content::throw(), ttl: random::one_in(2).then_some(ttl) },
            7..=14 => Step::Fill { key, expected: Content::throw(), value: Content::throw(), ttl },
            15..=19 => Step::Fence { key, marked, fence: Content::tagged(b'F'), ttl },
            20..=24 => Step::Release { key, marked, fence: Content::tagged(b'F'), value: Content::throw(), ttl },
            25 => Step::Invalidate { count: key + 1, marked, next: Content::throw(), ttl },
            26 => Step::Generations { count: key + 1, proposal: Content::throw(), renewal: throw_renewal() },
            27..=28 => Step::Wait { key, lease: Content::tagged(random::pick(b"LW")) },
            29..=31 => Step::Agree { key, presence: presence() },
            32 => Step::Unlink { keys: (0..=key).collect() },
            33 => Step::Walk,
            34 => Step::GetMany { count: key + 1 },
            _ => Step::Pause,
        }
    }

    fn is_short(&self) -> bool {
        match *self {
            Step::LookUp { ttl, .. } => ttl == Some(SHORT),
            Step::Fill { ttl, .. } | Step::Fence { ttl, .. } => ttl == SHORT,
            Step::Release { ttl, .. } | Step::Invalidate { ttl, .. } => ttl == SHORT,
            Step::Agree { ref presence, .. } => presence.lasts == SHORT,
            Step::Generations { renewal, .. } => renewal.ttl == SHORT,
            _ => false,
        }
    }

    async fn take(&self, link: &dyn Link) -> Result<String, RedisError> {
        let (run, marker) = (link.run(), |key: usize| format!("{MARKERS}{{{}}}", KEYS[key]));
        let marker_if = |marked: bool, key| marked.then(|| marker(key));
        let told = |held: Option<Bytes>| format!("{:?}", held.map(|held| legible(&held, run)));
        Ok(match *self {
            Step::LookUp { key, state, ttl } => told(link.get_or_set(KEYS[key], state.bytes(run), ttl).await?),
            Step::Fill { key, expected, value, ttl } => {
                let (expected, value) = (expected.bytes(run), value.bytes(run));
                format!("{}", link.fill(KEYS[key], &marker(key), expected, value, ttl).await?)
            }
            Step::Fence { key, marked, fence, ttl } => {
                let marker = marker_if(marked, key);
                format!("{}", link.fence(KEYS[key], marker.as_deref(), fence.bytes(run), ttl).await?)
            }
            Step::Release { key, marked, fence, value, ttl } => {
                let (marker, fence, value) = (marker_if(marked, key), fence.bytes(run), value.bytes(run));
                format!("{}", link.release(KEYS[key], marker.as_deref(), fence, value, ttl).await?)
            }
            Step::Generations { count, proposal, renewal } => {
                let proposals = vec![proposal.bytes(run); count];
                let current = link.generations(first(count), proposals, renewal).await?;
                current.iter().map(|held| legible(held, run)).collect::<Vec<_>>().join(" ")
            }
            Step::Invalidate { count, marked, next, ttl } => {
                let markers = (0..count).filter_map(|key| marker_if(marked, key)).collect();
                format!("{:?}", link.invalidate(first(count), markers, vec![next.bytes(run); count], ttl).await?)
            }
            Step::Wait { key, lease } => {
                let left = link.wait(KEYS[key], lease.bytes(run)).await?;
                format!("{:?}", left.map(|left| if left > SHORT { "long" } else { "short" }))
            }
            Step::Agree { key, ref presence } => match link.agree_on_epoch(KEYS[key], presence).await? {
                // The clocks of the two are not the same.
                Agreement::OtherProcess { .. } => "another process".to_owned(),
                agreement => format!("{agreement:?}"),
            },
            Step::Unlink { ref keys } => {
                link.unlink(keys.iter().map(|key| KEYS[*key].to_owned()).collect()).await?.to_string()
            }
            Step::GetMany { count } => {
                let held = link.get_many(first(count)).await?;
                held.into_iter().map(told).collect::<Vec<_>>().join(" ")
            }
            Step::Walk => {
                let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
                loop {
                    let (next, keys) = link.scan(cursor, "c:*", 2).await?;
                    found.extend(keys);
                    if next == "0" {
                        break;
                    }
                    cursor = next;
                }
                found.sort();
                found.dedup();
                found.join(" ")
            }
            Step::Pause => {
                sleep(SHORT * 3).await;
                String::new()
            }
        })
    }
}

/// Some make what lives long live for a short time: what is renewed is seen by its end.
fn throw_renewal() -> Renewal {
    match random::below(4) {
        0 => Renewal { ttl: SHORT, of_writers: Duration::ZERO },
        // A life that is longer than the long one, of which nothing is left for writers.
        1 => Renewal { ttl: 2 * LONG, of_writers: Duration::ZERO },
        _ => Renewal { ttl: random::pick(&TTLS), of_writers: LONG / 2 },
    }
}

fn first(count: usize) -> Vec<String> {
    KEYS[..count].iter().map(|key| (*key).to_owned()).collect()
}

/// Without the time until which somebody counts as present: the clocks differ.
fn legible(held: &[u8], run: ServerRunId) -> String {
    if let Some((presence, _)) = held.iter().rposition(|byte| *byte == b' ').map(|space| held.split_at(space))
        && presence.iter().filter(|byte| **byte == b' ').count() == 3
    {
        return presence.escape_ascii().to_string();
    }
    match held.strip_suffix(&run) {
        Some(rest) => format!("{} in this run", rest.escape_ascii()),
        None => held.escape_ascii().to_string(),
    }
}

/// What each step answers, which markers it makes heard, and what the keys hold then.
async fn answers(connector: &dyn Connector, steps: &[Step]) -> Vec<String> {
    let link = connector.open().await.unwrap();
    let mut stream = connector.listen(MARKERS).await.unwrap();
    let mut answers = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let answer = step.take(&*link).await.unwrap_or_else(|_| "refused".to_owned());
        let last = format!("{MARKERS}{{step {number}}}");
        link.publish_marker(&last).await.unwrap();
        let mut heard = Vec::new();
        while heard.last() != Some(&last) {
            heard.extend(stream.next().await.unwrap());
            // Of one turn, in no particular order.
            heard.sort_by_key(|marker| (*marker == last, marker.clone()));
        }
        let mut held = Vec::new();
        // Of something that lives for a short time, nobody knows whether it is still there.
        for key in KEYS.into_iter().filter(|_| !step.is_short()) {
            let state = link.get(key).await.unwrap();
            held.push(state.map(|state| legible(&state, link.run())));
        }
        answers.push(format!("{step:?}: {answer}, heard {heard:?}, then {held:?}"));
    }
    answers
}

/// What lives for a short time is over before the next step.
fn steps(seed: u64) -> Vec<Step> {
    rng::seed(seed);
    let mut steps = Vec::new();
    for _ in 0..1_500 {
        let step = Step::throw();
        let short = step.is_short();
        steps.push(step);
        steps.extend(short.then_some(Step::Pause));
    }
    steps
}

fn simulated(steps: &[Step]) -> Vec<String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        rng::seed(0);
        random::calm(true);
        clock::simulate();
        let connector = SimulatedRedis { world: World::new(0, None, false), host: Host::new(0) };
        answers(&connector, steps).await
    })
}

fn real(steps: &[Step]) -> Vec<String> {
    let redis = RedisServer::start();
    let options = RedisOptions {
        command_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(10),
        ..RedisOptions::new(Servers::One(redis.address().parse().unwrap()))
    };
    let connector = FredConnector::new(options, String::new(), true, Arc::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        clock::simulate();
        answers(&connector, steps).await
    })
}

#[test]
fn the_simulated_server_is_like_redis() {
    let steps = steps(1);
    for (simulated, real) in simulated(&steps).into_iter().zip(real(&steps)) {
        assert_eq!(simulated, real);
    }
}
