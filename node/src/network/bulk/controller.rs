//! Our congestion controller, as QUIC wants one: its times are since the beginning of the connection.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dokuei_congestion::Controller;
use quinn::congestion;
use quinn_proto::RttEstimator;

/// Makes a controller for each connection.
pub(super) struct Controllers;

impl congestion::ControllerFactory for Controllers {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn congestion::Controller> {
        Box::new(Adapter {
            began: now,
            controller: Controller::new(Duration::ZERO, mtu),
        })
    }
}

#[derive(Clone)]
struct Adapter {
    began: Instant,
    controller: Controller,
}

impl Adapter {
    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}

impl congestion::Controller for Adapter {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let (now, sent) = (self.since(now), self.since(sent));
        self.controller
            .on_ack(now, sent, bytes, app_limited, rtt.get());
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _: bool, _: Option<u64>) {
        let now = self.since(now);
        self.controller.on_end_acks(now, in_flight);
    }

    fn on_congestion_event(&mut self, now: Instant, _: Instant, persistent: bool, lost: u64) {
        let now = self.since(now);
        self.controller.on_congestion_event(now, persistent, lost);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.controller.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.controller.window()
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.controller.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_falls_when_everything_is_lost_and_times_before_the_beginning_are_no_trouble() {
        let now = Instant::now();
        let mut adapter = congestion::ControllerFactory::build(Arc::new(Controllers), now, 1452);
        let initial = adapter.window();
        assert_eq!(initial, adapter.initial_window());
        let before = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        adapter.on_congestion_event(before, before, true, 100_000);
        adapter.on_mtu_update(1200);
        assert!(adapter.window() <= initial);
        assert_eq!(adapter.clone_box().window(), adapter.window());
    }
}
