//! Which way bulk data goes. No I/O.
//!
//! A line with a round trip below [`Limits::near`](crate::network::Limits::near) is a local one: it is fast and loses
//! little, and TCP costs a quarter of what QUIC costs in processor time. On every other line QUIC comes first, whose
//! congestion controller is our own. Where libp2p had to fall back to TCP, QUIC will hardly do better.

use std::time::Duration;

use crate::network::dialing::is_near;
use crate::network::status::{BulkWay, Path, Transport};

/// The ways to try, the best first; what is behind them is the connection of libp2p.
pub(super) fn order(
    path: Path,
    round_trip: Option<Duration>,
    near: Duration,
    transports: &[Transport],
) -> Vec<BulkWay> {
    let fast = round_trip.is_some_and(|time| time < near);
    // On near addresses TCP is libp2p's first choice and says nothing about UDP.
    let no_udp = path.transport == Transport::Tcp && !is_near(&path.remote);
    let ways = if fast || no_udp {
        [BulkWay::Tcp, BulkWay::Quic]
    } else {
        [BulkWay::Quic, BulkWay::Tcp]
    };
    let offered = |way: &BulkWay| match way {
        BulkWay::Quic => transports.contains(&Transport::Quic),
        BulkWay::Tcp => transports.contains(&Transport::Tcp),
        BulkWay::Shared => false,
    };
    ways.into_iter().filter(offered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Duration = Duration::from_millis(2);
    const BOTH: [Transport; 2] = [Transport::Quic, Transport::Tcp];

    fn path(transport: Transport, remote: &str) -> Path {
        Path {
            transport,
            remote: remote.parse().unwrap(),
            direct: true,
        }
    }

    #[test]
    fn quic_is_first_but_on_a_fast_line_and_where_udp_is_blocked() {
        let far = path(Transport::Quic, "192.0.2.1:4400");
        let vpn = path(Transport::Tcp, "10.0.0.1:4400");
        let blocked = path(Transport::Tcp, "192.0.2.1:4400");
        let slow = Some(Duration::from_millis(30));
        let fast = Some(Duration::from_micros(300));
        let first = |path, time| order(path, time, NEAR, &BOTH)[0];
        assert_eq!(first(far, slow), BulkWay::Quic);
        assert_eq!(first(far, None), BulkWay::Quic);
        assert_eq!(first(vpn, slow), BulkWay::Quic);
        assert_eq!(first(vpn, fast), BulkWay::Tcp);
        assert_eq!(first(blocked, slow), BulkWay::Tcp);
        assert_eq!(order(far, slow, NEAR, &BOTH).len(), 2);
    }

    #[test]
    fn what_is_switched_off_is_no_way() {
        let far = path(Transport::Quic, "192.0.2.1:4400");
        assert_eq!(order(far, None, NEAR, &[Transport::Tcp]), [BulkWay::Tcp]);
        assert_eq!(order(far, None, NEAR, &[]), []);
    }
}
