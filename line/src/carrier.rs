//! The thread of one port: takes what its site sends, and hands out what is due.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::network::{Network, lock, nanoseconds};
use crate::packet::{PACKET_MOST, Packet};

/// Packets that are read before those that are due are handed out.
const BATCH: usize = 64;
/// The least time that is slept for when nothing but the clock is waited for: by so much a packet may
/// come out late. At 1 Gbit/s a packet takes 12 µs; waking for each of them would cost more than
/// carrying it, and a network card does not either.
const GRAIN: Duration = Duration::from_micros(100);
/// After so many packets at once, more are sure to come: they are left to gather for one grain.
const BUSY: usize = 8;

/// Carries packets until the network ends. An error is one of the device or of the kernel's, after
/// which this thread can do no more.
pub(crate) fn carry(network: &Network, number: usize) -> std::io::Result<()> {
    let port = &network.ports[number];
    // The port whose way down this thread hands out.
    let other = (number + 1) % network.ports.len();
    let mut buffer = vec![0; PACKET_MOST];
    let mut risen = Vec::new();
    let mut gathered = 0;
    while !network.ended.load(Ordering::SeqCst) {
        port.sleeps_until.store(u64::MAX, Ordering::SeqCst);
        let now = network.now();
        let up_next = {
            let mut up = lock(&port.up);
            up.advance(now, |packet| risen.push(packet));
            up.next()
        };
        risen
            .drain(..)
            .for_each(|packet| network.route(number, packet));
        let down_next = network.hand_out(other, &mut lock(&network.ports[other].down), now);
        let next = [up_next, down_next].into_iter().flatten().min();
        port.sleeps_until
            .store(next.map_or(u64::MAX - 1, nanoseconds), Ordering::SeqCst);

        if gathered >= BUSY {
            std::thread::sleep(GRAIN);
        }
        let wait = next.map(|next| match next.saturating_sub(network.now()) {
            Duration::ZERO => Duration::ZERO,
            wait => wait.max(GRAIN),
        });
        let wait = wait.map(timespec);
        let mut watched = [
            PollFd::from_borrowed_fd(port.device.as_fd(), PollFlags::IN),
            PollFd::new(&port.bell, PollFlags::IN),
        ];
        match poll(&mut watched, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if watched[1].revents().contains(PollFlags::IN) {
            // Reading makes it silent; that it was silent already is as good.
            let _ = rustix::io::read(&port.bell, &mut [0u8; 8]);
        }
        gathered = 0;
        while gathered < BATCH {
            let Ok(length) = port.device.recv(&mut buffer) else {
                break;
            };
            gathered += 1;
            network.take(number, Packet::new(&buffer[..length]));
        }
    }
    Ok(())
}

/// Asks for exact timers, and to run before others: late waking would be delay that nobody set.
/// False when the system gives no real-time priority.
pub(crate) fn hurry() -> bool {
    // It fails for no value but those of other kernels, and then timers are 50 µs later.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).is_ok()
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        // What can be set is a day at most.
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
