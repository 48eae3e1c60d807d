//! Waiting, but not for ever.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park_timeout};
use std::time::Duration;

/// How often one who waits looks up.
const LOOK_UP: Duration = Duration::from_millis(20);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What `future` comes to, if it does while `goes_on`.
pub(crate) fn wait_while<F: Future>(
    future: F,
    mut goes_on: impl FnMut() -> bool,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        if !goes_on() {
            return None;
        }
        park_timeout(LOOK_UP);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_never_comes_is_not_waited_for() {
        let began = Instant::now();
        let soon = || began.elapsed() < Duration::from_millis(50);
        assert_eq!(wait_while(pending::<()>(), soon), None);
        assert_eq!(wait_while(ready(7), || false), Some(7));
    }
}
