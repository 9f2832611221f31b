//! How fast a bulk transfer may send: a congestion controller as a value, without clock, sockets or
//! chance, for whoever carries packets.
//!
//! It keeps a small queue in front of the line instead of filling it, so that others' packets wait
//! for some milliseconds and not for all that the modem can hold. It takes losses for what they are
//! on radio lines, chance, unless they come with a full queue. And it sends less for a moment every
//! few seconds, so that all who share the line see how long the way is without a queue. Why, and what
//! it does badly: `docs/decisions/0037-own-congestion-controller.md`.
//!
//! ```
//! use std::time::Duration;
//! use dokuei_congestion::Controller;
//!
//! let ms = Duration::from_millis;
//! let mut controller = Controller::new(ms(0), 1200);
//! assert_eq!(controller.window(), controller.initial_window());
//! // A packet comes back after 30 ms, then nothing is known to be in flight.
//! controller.on_ack(ms(30), ms(0), 1200, false, ms(30));
//! controller.on_end_acks(ms(30), 0);
//! controller.set_cap(Some(1_000_000));
//! assert_eq!(controller.window(), 31_200);
//! ```

mod base;
mod controller;
mod look;
mod loss;
mod queue;
mod rate;
mod round;
mod start;
mod steady;

pub use controller::{Controller, Phase, View};
