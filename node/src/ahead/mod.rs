//! Studies on their way before anybody has asked to have them read: packs of a parcel that still takes objects go to the
//! partner that most likely reads it, sealed. With the grant comes the key; without one they are of no use, and removed.
//!
//! `telling` says what is ready, `ready` is what may be fetched, `coming` fetches it at the other side, `kept` is where it
//! lies there until its grant comes, or for a day.

mod coming;
mod kept;
mod ready;
mod telling;

pub use self::coming::Coming;
pub(crate) use self::kept::hand_over;
pub use self::ready::Ready;
pub use self::telling::Telling;
