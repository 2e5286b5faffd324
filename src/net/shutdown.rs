//! How a server ends: it is told to, parked clients are answered, requests under way finish, and what
//! is left after the deadline is cut.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The end of one server, shared by all its tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// One for a server that starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everyone to come to an end. [`Shutdown::finish`] waits for them.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Ready once the server is to end. Parked requests wait for it and answer their client.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// True once the server is to end.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Runs a task that the end waits for, and that is dropped when the deadline passes.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let cut = self.cut.clone();
        // Boxed, since a future that holds another by value is often twice its size.
        let mut task = Box::pin(task);
        self.tasks.spawn(async move {
            tokio::select! {
                // What was cut has lost its chance to answer; its commits finish all the same.
                () = cut.cancelled() => {}
                () = &mut task => {}
            }
        })
    }

    /// Begins the end and waits for the tasks, at most `grace` before they are cut.
    /// True when all came to their end by themselves.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.begin();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return true;
        }
        self.cut.cancel();
        self.tasks.wait().await;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_that_listen_end_by_themselves() {
        let shutdown = Shutdown::new();
        let own = shutdown.clone();
        shutdown.spawn(async move { own.begun().await });
        assert!(shutdown.finish(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn deaf_tasks_are_cut() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending());
        assert!(!shutdown.finish(Duration::from_millis(20)).await);
    }
}
