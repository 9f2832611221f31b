//! Asking for packs as they come: as many ahead as keep the line full, and few more, so that what is more urgent need not
//! wait for them and the first are here soon.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::network::RangeRequest;
use crate::transfer::precedence::Underway;

/// Packs that are asked for before any has come: one while another is made.
const FIRST: usize = 2;
/// Of the packs that came within this time, half as many again are asked for ahead: enough for lines of 300 ms and more.
const RECENT: Duration = Duration::from_millis(500);

/// How many packs may be on their way.
struct Window {
    /// When those came that came last.
    came: VecDeque<Instant>,
    settled: usize,
}

impl Window {
    fn new() -> Window {
        Window {
            came: VecDeque::new(),
            settled: 0,
        }
    }

    /// Notes how many have come by now.
    fn note(&mut self, settled: usize, now: Instant) {
        self.came.extend((self.settled..settled).map(|_| now));
        self.settled = settled;
        while self.came.front().is_some_and(|at| now - *at > RECENT) {
            self.came.pop_front();
        }
    }

    fn size(&self) -> usize {
        FIRST + self.came.len() * 3 / 2
    }
}

/// Gives requests to the streams of a fetch, in order, until there are no more or the fetch has ended. `settled` counts those
/// that were answered, or will not be.
pub(super) async fn ask(
    requests: Vec<RangeRequest>,
    streams: mpsc::Sender<RangeRequest>,
    mut settled: watch::Receiver<usize>,
    underway: Option<&Underway>,
) {
    let mut window = Window::new();
    let before = *settled.borrow_and_update();
    for (asked, request) in requests.into_iter().enumerate() {
        loop {
            if let Some(underway) = underway {
                underway.turn().await;
            }
            let now = *settled.borrow_and_update();
            window.note(now.saturating_sub(before), Instant::now());
            if asked < window.settled + window.size() {
                break;
            }
            if settled.changed().await.is_err() {
                return;
            }
        }
        if streams.send(request).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use dokuei_compression::Effort;
    use dokuei_keys::id::SiteId;
    use dokuei_protocol::case::terms::Priority;

    use super::*;
    use crate::network::Part;
    use crate::transfer::precedence::Precedence;

    fn requests(count: u32) -> Vec<RangeRequest> {
        let request = |number| RangeRequest {
            parcel: [1; 32],
            part: Part::Pack(number, Effort::Dense),
            offset: 0,
            length: 9,
        };
        (0..count).map(request).collect()
    }

    /// Takes what is asked for by now.
    async fn asked(streams: &mut mpsc::Receiver<RangeRequest>) -> usize {
        let mut count = 0;
        loop {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            match streams.try_recv() {
                Ok(_) => count += 1,
                Err(_) => return count,
            }
        }
    }

    #[test]
    fn what_is_asked_for_ahead_follows_from_what_came() {
        let (mut window, begin) = (Window::new(), Instant::now());
        assert_eq!(window.size(), FIRST);
        window.note(1, begin);
        // One came, and one and a half are asked for beyond two.
        assert_eq!((window.settled, window.size()), (1, 3));
        window.note(4, begin + RECENT / 2);
        assert_eq!((window.settled, window.size()), (4, 8));
        window.note(4, begin + RECENT * 5 / 4);
        assert_eq!(window.size(), 6);
        window.note(6, begin + RECENT * 3);
        assert_eq!((window.settled, window.size()), (6, 5));
    }

    #[tokio::test]
    async fn all_is_asked_for_as_it_comes() {
        let (streams, mut asking) = mpsc::channel(1);
        let (settle, settled) = watch::channel(7);
        let task = tokio::spawn(async move { ask(requests(100), streams, settled, None).await });
        assert_eq!(asked(&mut asking).await, FIRST);
        // Whatever became of the window meanwhile, it is never smaller.
        for answered in 1..=100 {
            settle.send_replace(7 + answered);
            asked(&mut asking).await;
        }
        task.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_asked_for_while_something_is_more_urgent() {
        let precedence = Precedence::default();
        let site = SiteId::from_bytes([1; 32]);
        let routine = precedence.enter(site, Priority::Routine);
        let stat = precedence.enter(site, Priority::Stat);
        let (streams, mut asking) = mpsc::channel(1);
        let (_settle, settled) = watch::channel(0);
        let task =
            tokio::spawn(async move { ask(requests(2), streams, settled, Some(&routine)).await });
        assert_eq!(asked(&mut asking).await, 0);
        drop(stat);
        assert_eq!(asked(&mut asking).await, 2);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn it_ends_with_the_fetch() {
        let (streams, asking) = mpsc::channel(1);
        drop(asking);
        let (_settle, settled) = watch::channel(0);
        ask(requests(9), streams, settled, None).await;
    }
}
