//! The instances that share the database, by the rows that they keep there: who may hold a lease, and how long one has
//! to wait for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hotshelf_lifecycle::Failure;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::epoch::{Epoch, EpochStore, Instance, Sharers};
use crate::lease::{LAPSE, Lease};

/// Between two looks at the rows while somebody waits for one of them.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After a write without Redis, leases stay revoked for so long: the next one need not wait.
const REVOKED_AFTER_WRITE: Duration = Duration::from_secs(1);

/// What this process tells of itself, and knows of the others.
pub(crate) struct Instances {
    store: Arc<dyn EpochStore>,
    name: String,
    /// Of this process.
    leases: Leases,
    /// One beat at a time.
    own: tokio::sync::Mutex<Own>,
    seen: Mutex<HashMap<String, Seen>>,
    /// Fenced writes that are not committed yet, by the epoch that they began in.
    uncommitted: Mutex<BTreeMap<Epoch, usize>>,
    revoking: Mutex<Revoking>,
    hurry: Notify,
}

/// The leases of a process.
pub(crate) struct Leases {
    /// On what Redis holds.
    pub(crate) redis: Arc<Lease>,
    /// On what memory holds, if there is such a tier.
    pub(crate) memory: Option<Arc<Lease>>,
}

#[derive(Default)]
struct Own {
    beat: u64,
    memory: u64,
    /// There may be a row.
    is_stored: bool,
}

#[derive(Default)]
struct Revoking {
    writes: usize,
    until: Option<Instant>,
}

/// The numbers of another instance, and since when each has been seen.
#[derive(Clone, Copy)]
struct Seen {
    beat: (u64, Instant),
    redis: (u64, Instant),
    memory: (u64, Instant),
}

/// Which leases the next beat asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(crate) redis: bool,
    pub(crate) memory: AskMemory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskMemory {
    /// For none: memory serves nothing.
    No,
    /// Not again: one that was asked for before may still hold.
    NotAgain,
    /// For one from this beat on.
    Again,
}

impl Asks {
    pub(crate) const NONE: Asks = Asks { redis: false, memory: AskMemory::No };
}

/// What a look has found.
pub(crate) struct Observed {
    pub(crate) epoch: Epoch,
    pub(crate) server: String,
    pub(crate) own: Option<Instance>,
    pub(crate) others: Vec<Other>,
}

/// Another instance, and by when, on the clock of this process, it is over with what its row says, if it stays so.
pub(crate) struct Other {
    pub(crate) row: Instance,
    pub(crate) present_until: Instant,
    redis_until: Instant,
    pub(crate) memory_until: Instant,
}

impl Other {
    /// Until when it may serve cached values, if it has a lease.
    pub(crate) fn serves_until(&self) -> Option<Instant> {
        let redis = (self.row.redis != 0).then_some(self.redis_until);
        let memory = (self.row.memory != 0).then_some(self.memory_until);
        redis.max(memory)
    }
}

impl Observed {
    /// Another instance writes without Redis.
    pub(crate) fn is_revoked(&self) -> bool {
        let now = Instant::now();
        self.others.iter().any(|other| other.row.revokes && now < other.present_until)
    }
}

/// Those that are waited for, each with the time by which nobody has to wait any more.
pub(crate) struct Blockers(Vec<(String, Instant)>);

impl Blockers {
    /// Those for which `blocks` names a time.
    pub(crate) fn of(observed: &Observed, blocks: impl Fn(&Other) -> Option<Instant>) -> Self {
        let blocking = |other: &Other| Some((other.row.name.clone(), blocks(other)?));
        Blockers(observed.others.iter().filter_map(blocking).collect())
    }

    /// Those that still do, until the times that were named first.
    pub(crate) fn keep(&mut self, observed: &Observed, blocks: impl Fn(&Other) -> Option<Instant>) {
        let find = |name: &str| observed.others.iter().find(|other| other.row.name == name);
        self.0.retain(|(name, _)| find(name).is_some_and(|other| blocks(other).is_some()));
    }

    pub(crate) fn remove(&mut self, is_over: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| !is_over(name));
    }

    /// The next time at which one of them is over; `None` when all are.
    pub(crate) fn next_end(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.0.retain(|(_, until)| now < *until);
        self.0.iter().map(|(_, until)| *until).min()
    }
}

impl Instances {
    pub(crate) fn new(store: Arc<dyn EpochStore>, name: String, leases: Leases) -> Arc<Self> {
        Arc::new(Instances {
            store,
            name,
            leases,
            own: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
            uncommitted: Mutex::default(),
            revoking: Mutex::default(),
            hurry: Notify::new(),
        })
    }

    /// Looks at the rows.
    pub(crate) async fn look(&self) -> Result<Observed, Failure> {
        Ok(self.observe(self.store.sharers().await?))
    }

    /// Stores the row of this process and looks at the others. `epoch` is the one that it has gone over to, `None` if
    /// it has no link to Redis. What the row does not ask for is revoked.
    pub(crate) async fn beat(&self, epoch: Option<Epoch>, asks: Asks) -> Result<Observed, Failure> {
        let mut own = self.own.lock().await;
        // In turn with the other beats: one of them may have got a lease since its caller has looked.
        if !asks.redis {
            self.leases.redis.revoke();
        }
        if asks.memory == AskMemory::No {
            self.leases.memory.iter().for_each(|lease| lease.revoke());
        }
        own.beat += 1;
        own.memory = match asks.memory {
            AskMemory::No => 0,
            AskMemory::NotAgain => own.memory,
            AskMemory::Again => own.beat,
        };
        own.is_stored = true;
        let row = Instance {
            name: self.name.clone(),
            beat: own.beat,
            epoch: self.noted(epoch.unwrap_or(Epoch::MAX)),
            redis: if asks.redis { own.beat } else { 0 },
            memory: own.memory,
            revokes: self.revokes(),
        };
        let observed = self.observe(self.store.beat(&row).await?);
        // Otherwise it was stored where the others do not look.
        match &observed.own {
            Some(own) if own.beat == row.beat => Ok(observed),
            _ => Err("the row of this instance was stored, and is not there".into()),
        }
    }

    /// Serves nothing until the next beat that asks for leases.
    pub(crate) fn suspend(&self) {
        self.leases.redis.revoke();
        self.leases.memory.iter().for_each(|lease| lease.revoke());
    }

    /// Gives up all leases, and the row with them.
    pub(crate) async fn withdraw(&self) -> Result<(), Failure> {
        if self.revokes() {
            return self.beat(None, Asks::NONE).await.map(drop);
        }
        let mut own = self.own.lock().await;
        // In turn with the beats, for the same reason as there.
        self.suspend();
        if own.is_stored {
            self.store.remove_instance(&self.name, own.beat).await?;
            (own.is_stored, own.memory) = (false, 0);
        }
        Ok(())
    }

    /// The newest epoch, of which others may know that nothing of this process belongs to an older one.
    fn noted(&self, epoch: Epoch) -> Epoch {
        let oldest = self.uncommitted.lock().first_key_value().map(|(oldest, _)| *oldest);
        oldest.map_or(epoch, |oldest| oldest.min(epoch))
    }

    fn observe(&self, sharers: Sharers) -> Observed {
        let now = Instant::now();
        let Sharers { epoch, server, instances } = sharers;
        let (own, others): (Vec<_>, Vec<_>) = instances.into_iter().partition(|row| row.name == self.name);
        let mut seen = self.seen.lock();
        seen.retain(|name, _| others.iter().any(|row| row.name == *name));
        let others = others.into_iter().map(|row| {
            let numbers = Seen { beat: (row.beat, now), redis: (row.redis, now), memory: (row.memory, now) };
            let known = seen.entry(row.name.clone()).or_insert(numbers);
            let update = |known: &mut (u64, Instant), number: u64| {
                // Of two looks, the one that was answered first may be told last.
                if known.0 < number || number == 0 {
                    *known = (number, now);
                }
                known.1 + LAPSE
            };
            let present_until = update(&mut known.beat, row.beat);
            let redis_until = update(&mut known.redis, row.redis);
            let memory_until = update(&mut known.memory, row.memory);
            Other { row, present_until, redis_until, memory_until }
        });
        Observed { epoch, server, own: own.into_iter().next(), others: others.collect() }
    }

    /// Whether there were others when a look was taken last.
    pub(crate) fn are_known(&self) -> bool {
        !self.seen.lock().is_empty()
    }

    /// Waits until no other instance is one of those for which `blocks` names a time, or that time has come.
    pub(crate) async fn until_none(&self, first: &Observed, blocks: impl Fn(&Other) -> Option<Instant>) {
        let mut blockers = Blockers::of(first, &blocks);
        while let Some(end) = blockers.next_end() {
            sleep_until(end.min(Instant::now() + LOOK_AGAIN)).await;
            if let Ok(Ok(observed)) = timeout_at(end, self.look()).await {
                blockers.keep(&observed, &blocks);
            }
        }
    }

    /// Waits until no other instance serves cached values of an older epoch than this one, which is committed.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub(crate) async fn settle(&self, epoch: Epoch) -> Result<(), Failure> {
        let first = self.look().await?;
        self.until_none(&first, |other| other.serves_until().filter(|_| other.row.epoch < epoch)).await;
        Ok(())
    }

    /// Waits until no other instance has copies or uncommitted fences under an older epoch than this one.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub(crate) async fn noted_by_all(&self, epoch: Epoch) -> Result<(), Failure> {
        let first = self.look().await?;
        self.until_none(&first, |other| (other.row.epoch < epoch).then_some(other.present_until)).await;
        Ok(())
    }

    /// Revokes the leases of all instances, for as long as the guard lives, and waits until that is so.
    ///
    /// # Errors
    /// When the rows cannot be written or read.
    pub(crate) async fn revoke(self: &Arc<Self>) -> Result<Revocation, Failure> {
        self.revoking.lock().writes += 1;
        let revocation = Revocation(Arc::clone(self));
        // A beat that is under way was to ask for leases.
        self.suspend();
        let mut observed = self.look().await?;
        if !observed.own.as_ref().is_some_and(|own| own.revokes) {
            observed = self.beat(None, Asks::NONE).await?;
        }
        self.until_none(&observed, Other::serves_until).await;
        Ok(revocation)
    }

    /// Whether nobody is to hold a lease because this process writes without Redis, or has just done so.
    pub(crate) fn revokes(&self) -> bool {
        let revoking = self.revoking.lock();
        revoking.writes > 0 || revoking.until.is_some_and(|until| Instant::now() < until)
    }

    /// Without a link to Redis: keeps the row for as long as this process revokes leases.
    pub(crate) async fn beat_unlinked(&self) -> Result<(), Failure> {
        match self.revokes() {
            true => self.beat(None, Asks::NONE).await.map(drop),
            false => self.withdraw().await,
        }
    }

    /// Removes the rows of instances that have ended without doing so.
    pub(crate) async fn remove_lapsed(&self, observed: &Observed) {
        let now = Instant::now();
        for lapsed in observed.others.iter().filter(|other| other.present_until <= now) {
            let Instance { name, beat, .. } = &lapsed.row;
            if self.store.remove_instance(name, *beat).await.is_ok() {
                tracing::warn!(instance = name, "an instance has ended or cannot be reached, and was removed");
            }
        }
    }

    /// A write that is about to be fenced in this epoch.
    pub(crate) fn begin_fenced(self: &Arc<Self>, epoch: Epoch) -> Uncommitted {
        *self.uncommitted.lock().entry(epoch).or_default() += 1;
        Uncommitted { instances: Arc::clone(self), epoch }
    }

    /// The next beat is to come at once.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Ends when the next beat is to come at once.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }
}

/// While it lives, no instance gets a lease.
#[must_use = "dropped, others may serve cached values"]
pub(crate) struct Revocation(Arc<Instances>);

impl Drop for Revocation {
    fn drop(&mut self) {
        let mut revoking = self.0.revoking.lock();
        revoking.writes -= 1;
        revoking.until = Some(Instant::now() + REVOKED_AFTER_WRITE);
    }
}

/// While it lives, this process does not note an epoch that is newer than that of the write.
#[must_use = "dropped, the write counts as committed"]
pub(crate) struct Uncommitted {
    instances: Arc<Instances>,
    epoch: Epoch,
}

impl Drop for Uncommitted {
    fn drop(&mut self) {
        let mut uncommitted = self.instances.uncommitted.lock();
        if let Some(writes) = uncommitted.get_mut(&self.epoch) {
            *writes -= 1;
            if *writes == 0 {
                uncommitted.remove(&self.epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::FutureExt;

    use super::*;
    use crate::epoch::History;
    use crate::lease::LEASE;

    /// Holds one row. Each beat waits for its turn, and none gives up a lease that holds.
    struct Store {
        lease: Arc<Lease>,
        row: Mutex<Option<Instance>>,
        turn: tokio::sync::Semaphore,
    }

    #[async_trait]
    impl EpochStore for Store {
        fn history(&self) -> History {
            History::default()
        }

        async fn reconcile(&self, _: &str) -> Result<Epoch, Failure> {
            Ok(Epoch::default())
        }

        async fn current(&self) -> Result<(Epoch, String), Failure> {
            Ok((Epoch::default(), String::new()))
        }

        async fn advance(&self) -> Result<Epoch, Failure> {
            Ok(Epoch::default())
        }

        async fn begin_history(&self, _: u64) -> Result<Epoch, Failure> {
            Ok(Epoch::default())
        }

        async fn sharers(&self) -> Result<Sharers, Failure> {
            Ok(Sharers { instances: self.row.lock().iter().cloned().collect(), ..Sharers::default() })
        }

        async fn beat(&self, row: &Instance) -> Result<Sharers, Failure> {
            self.turn.acquire().await?.forget();
            assert!(row.redis != 0 || !self.lease.holds(), "a row without the lease that holds");
            *self.row.lock() = Some(row.clone());
            self.sharers().await
        }

        async fn remove_instance(&self, _: &str, _: u64) -> Result<(), Failure> {
            assert!(!self.lease.holds(), "no row, and the lease holds");
            *self.row.lock() = None;
            Ok(())
        }
    }

    /// Whose last beat has asked for a lease is in a beat that asks again; `gives_up` comes meanwhile, and the lease is
    /// renewed before its turn.
    async fn assert_gives_up_with_lease<T>(gives_up: impl AsyncFn(Arc<Instances>) -> T) {
        let lease = Arc::new(Lease::none());
        let (row, turn) = (Mutex::default(), tokio::sync::Semaphore::new(0));
        let store = Arc::new(Store { lease: Arc::clone(&lease), row, turn });
        let leases = Leases { redis: Arc::clone(&lease), memory: None };
        let instances = Instances::new(Arc::clone(&store) as Arc<dyn EpochStore>, "a1".to_owned(), leases);
        let asks = Asks { redis: true, memory: AskMemory::No };
        let mut beat = Box::pin(instances.beat(Some(Epoch::new(1)), asks));
        assert!(beat.as_mut().now_or_never().is_none(), "it waits for its turn");
        let mut giving_up = Box::pin(gives_up(Arc::clone(&instances)));
        assert!(giving_up.as_mut().now_or_never().is_none(), "it waits for the beat");
        let term = lease.term();
        store.turn.add_permits(2);
        assert!(beat.await.is_ok());
        lease.renew(term, Instant::now() + LEASE);
        assert!(lease.holds());
        giving_up.await;
        assert!(!lease.holds());
    }

    #[tokio::test]
    async fn a_row_is_given_up_with_the_leases() {
        assert_gives_up_with_lease(async |instances| instances.withdraw().await.unwrap()).await;
        assert_gives_up_with_lease(async |instances| drop(instances.beat(None, Asks::NONE).await.unwrap())).await;
    }
}
