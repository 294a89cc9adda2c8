//! Which request something is done for, so that the log can say it. Not a span of `tracing`: with a field, one costs
//! each request more than half a microsecond, whether anything is logged or not.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static REQUEST: Arc<str>;
}

/// Does the work for the request with this id.
pub fn for_request<F: Future>(id: Arc<str>, work: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(id, work)
}

/// As [`for_request`], of what does not wait.
pub fn at_once_for_request<T>(id: Arc<str>, work: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(id, work)
}

/// The id of the request that is being worked for here, if it is one.
pub fn current_request() -> Option<Arc<str>> {
    REQUEST.try_with(Arc::clone).ok()
}
