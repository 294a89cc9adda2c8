//! The threads that compress. They are not those of the requests, and few, so that compression takes at most half of
//! the processor.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use hotshelf_stats::{IntCounter, MetricsError, Registry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// Bodies that are compressed or wait for it. Further ones are sent as they are.
const MAX_PLACES: usize = 256;

/// Streams that are compressed at the same time. Further ones are sent as they are.
const MAX_STREAMS: usize = 64;

pub(super) struct Workers {
    places: Semaphore,
    streams: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    compressed: IntCounter,
    refused: IntCounter,
}

impl Workers {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let threads = available_parallelism().map_or(1, NonZero::get).div_ceil(2);
        let help = "Bodies, and parts of streamed ones, that were compressed";
        let compressed = registry.counter("http_compressions_total", help)?;
        let help = "Bodies that were not compressed because too many others were";
        let refused = registry.counter("http_compressions_refused_total", help)?;
        let (places, streams) = (Semaphore::new(MAX_PLACES), Arc::new(Semaphore::new(MAX_STREAMS)));
        Ok(Workers { places, streams, threads: Arc::new(Semaphore::new(threads)), compressed, refused })
    }

    /// A place for one more stream, if there is one.
    pub(super) fn try_stream(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.streams).try_acquire_owned().ok();
        if place.is_none() {
            self.refused.inc();
        }
        place
    }

    /// Runs the job, or returns `None` at once if too many wait. `None` also if it fails.
    pub(super) async fn try_run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let Ok(_place) = self.places.try_acquire() else {
            self.refused.inc();
            return None;
        };
        let done = self.run(job).await;
        done.inspect_err(|error| tracing::error!(%error, "a body cannot be compressed")).ok()
    }

    /// Runs the job when a thread is free.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let permit = Arc::clone(&self.threads).acquire_owned().await.map_err(io::Error::other)?;
        let done = spawn_blocking(move || {
            // Held by the job: it goes on when its request is gone.
            let _permit = permit;
            job()
        });
        let done = done.await.map_err(io::Error::other)?;
        self.compressed.inc();
        done
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn as_many_streams_as_there_are_places_are_compressed() {
        let workers = Workers::new(&Registry::new().unwrap()).unwrap();
        let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| workers.try_stream().unwrap()).collect();
        assert!(workers.try_stream().is_none());
        assert_eq!(workers.refused.get(), 1);
        streams.pop();
        assert!(workers.try_stream().is_some());
    }

    #[tokio::test]
    async fn when_too_many_wait_a_body_is_sent_as_it_is() {
        let workers = Workers::new(&Registry::new().unwrap()).unwrap();
        let all = u32::try_from(workers.threads.available_permits()).unwrap();
        let busy = workers.threads.acquire_many(all).await.unwrap();
        let mut waiting: Vec<_> = (0..MAX_PLACES).map(|_| Box::pin(workers.try_run(|| Ok(())))).collect();
        for job in &mut waiting {
            assert_eq!(job.as_mut().now_or_never(), None);
        }
        assert_eq!(workers.try_run(|| Ok(())).await, None);
        drop(busy);
        for job in waiting {
            assert_eq!(job.await, Some(()));
        }
        assert_eq!((workers.compressed.get(), workers.refused.get()), (MAX_PLACES as u64, 1));
    }
}
