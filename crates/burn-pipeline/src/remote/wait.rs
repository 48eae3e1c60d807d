//! Waiting, but not for ever.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Builder, Thread, current, park_timeout};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What `future` comes to, if it does by `deadline`.
pub(super) fn block_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        park_timeout(left);
    }
}

/// What `work` comes to, if it does within `time_out`. Else its thread is left to end when it can.
pub(crate) fn within<T: Send + 'static>(
    time_out: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, result) = channel();
    let thread = Builder::new()
        .name("remote-answer".to_string())
        .spawn(move || {
            let _ = sender.send(work());
        })
        .ok()?;
    let answer = result.recv_timeout(time_out).ok()?;
    let _ = thread.join();
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn what_never_comes_is_not_waited_for() {
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(block_until(pending::<()>(), deadline), None);
        assert_eq!(block_until(ready(7), deadline), Some(7));
        let asleep = || std::thread::sleep(Duration::from_secs(1));
        assert_eq!(within(Duration::from_millis(20), asleep), None);
        assert_eq!(within(Duration::from_secs(20), || 7), Some(7));
    }
}
