//! Destinations that are dead, slow or choosy, and objects that cannot be read.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use dokuei_node::dicom::pdu::LinkFault;
use dokuei_node::dicom::scu::{Delivery, Ended, Outgoing, ScuFault, echo};

use crate::memory::{self, Memory};
use crate::moody::accept_association;
use crate::object::*;
use crate::raw;
use crate::send::{destination, impatient, send};

/// A destination whose every connection is handled by `serve`; ends after `connections`.
fn destination_that(
    connections: usize,
    serve: impl Fn(TcpStream) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = std::thread::spawn(move || {
        for _ in 0..connections {
            serve(listener.accept().unwrap().0);
        }
    });
    (address, handle)
}

/// Read until the other side closes.
fn swallow(mut socket: TcpStream) {
    let mut scrap = [0; 65536];
    while matches!(socket.read(&mut scrap), Ok(count) if count > 0) {}
}

fn objects(count: usize, side: u16) -> impl Iterator<Item = Box<dyn Outgoing>> {
    (0..count).map(move |n| Object::new(CT, EXPLICIT, n, side).boxed())
}

/// The fault a sending gave up with.
fn gave_up(ended: Ended) -> ScuFault {
    match ended {
        Ended::GaveUp(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn is_timeout(fault: &LinkFault) -> bool {
    matches!(fault, LinkFault::TimedOut(_) | LinkFault::TooSlow { .. })
}

#[test]
fn a_dead_destination_is_tried_three_times_and_then_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut dead = destination(listener.local_addr().unwrap());
    drop(listener);
    dead.breaker = Some(Arc::default());
    for _ in 0..3 {
        let fault = echo(&dead).unwrap_err();
        assert!(matches!(fault, ScuFault::Unreachable { .. }), "{fault}");
    }
    let fault = echo(&dead.clone()).unwrap_err();
    assert!(matches!(fault, ScuFault::Dead { failed: 3, .. }), "{fault}");
}

#[test]
fn a_closed_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (outcomes, summary) = send(&destination(address), objects(3, 8));
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o.delivery, Delivery::NotAttempted))
    );
    let fault = gave_up(summary.ended);
    assert!(
        fault.to_string().contains(&address.port().to_string()),
        "{fault}"
    );
    assert!(matches!(
        echo(&destination(address)),
        Err(ScuFault::Unreachable { .. })
    ));
}

#[test]
fn a_destination_that_never_answers_is_given_up() {
    let (address, serving) = destination_that(1, swallow);
    let mut to = impatient(address);
    to.timeouts.negotiation = std::time::Duration::from_millis(400);
    let (outcomes, summary) = send(&to, objects(3, 8));
    assert_eq!(outcomes.len(), 3);
    assert!(matches!(gave_up(summary.ended), ScuFault::Link(f) if is_timeout(&f)));
    serving.join().unwrap();
}

#[test]
fn a_destination_that_never_confirms_is_given_up_and_not_used_again() {
    let (address, serving) = destination_that(1, |mut socket| {
        accept_association(&mut socket);
        swallow(socket);
    });
    let (outcomes, summary) = send(&impatient(address), objects(3, 8));
    assert!(matches!(&outcomes[0].delivery, Delivery::Interrupted(f) if is_timeout(f)));
    assert!(matches!(outcomes[1].delivery, Delivery::NotAttempted));
    assert_eq!(summary.associations, 1);
    assert!(matches!(gave_up(summary.ended), ScuFault::Link(f) if is_timeout(&f)));
    serving.join().unwrap();
}

#[test]
fn a_destination_that_stops_reading_is_given_up() {
    let (release, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let (address, serving) = destination_that(1, move |mut socket| {
        accept_association(&mut socket);
        let _ended = wait.recv();
    });
    // More than all buffers of the kernel between the two.
    let (outcomes, summary) = send(&impatient(address), objects(2, 4000));
    assert!(matches!(&outcomes[0].delivery, Delivery::Interrupted(f) if is_timeout(f)));
    assert_eq!(summary.associations, 1);
    drop(release);
    serving.join().unwrap();
}

#[test]
fn an_answer_that_breaks_the_protocol_is_an_error() {
    let (address, serving) = destination_that(1, |mut socket| {
        use std::io::Write;
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        swallow(socket);
    });
    let fault = echo(&destination(address)).unwrap_err();
    assert!(
        matches!(&fault, ScuFault::Link(f) if matches!(**f, LinkFault::Pdu(_))),
        "{fault}"
    );
    serving.join().unwrap();
}

#[test]
fn one_object_a_destination_chokes_on_does_not_hold_up_the_rest() {
    use std::io::Write;
    let (address, serving) = destination_that(2, |mut socket| {
        accept_association(&mut socket);
        // Answer message 1; abort at message 2 of the first association.
        for message in 1..=2_u8 {
            let mut seen_last = false;
            while !seen_last {
                let mut header = [0; 6];
                if socket.read_exact(&mut header).is_err() {
                    return;
                }
                let length = u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize;
                let mut body = vec![0; length];
                socket.read_exact(&mut body).unwrap();
                if header[0] == 5 {
                    socket.write_all(&[6, 0, 0, 0, 0, 4, 0, 0, 0, 0]).unwrap();
                    return;
                }
                seen_last = body[5] == 2;
            }
            if message == 2 {
                socket.write_all(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 6]).unwrap();
                return;
            }
            let response = raw::command(&[
                (0x0100, &[0x01, 0x80]),
                (0x0120, &[message, 0]),
                (0x0800, &[1, 1]),
                (0x0900, &[0, 0]),
            ]);
            socket
                .write_all(&raw::data(1, true, true, &response))
                .unwrap();
        }
    });
    let (outcomes, summary) = send(&destination(address), objects(3, 8));
    serving.join().unwrap();
    let stored: Vec<bool> = outcomes.iter().map(|o| o.delivery.is_stored()).collect();
    assert_eq!(stored, [true, false, true]);
    let Delivery::Interrupted(why) = &outcomes[1].delivery else {
        panic!("{}", outcomes[1].delivery);
    };
    assert!(
        why.to_string().contains("it found a parameter invalid"),
        "{why}"
    );
    assert_eq!(summary.associations, 2);
    assert!(matches!(summary.ended, Ended::Complete));
}

/// An object that cannot be read past `good` bytes, or not even opened.
struct Broken {
    object: Object,
    good: Option<usize>,
}

impl Outgoing for Broken {
    fn sop_class(&self) -> &str {
        &self.object.sop_class
    }

    fn sop_instance(&self) -> &str {
        &self.object.sop_instance
    }

    fn transfer_syntax(&self) -> &str {
        &self.object.transfer_syntax
    }

    fn open(&mut self) -> io::Result<Box<dyn Read + Send + '_>> {
        let good = self.good.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(self.object.data_set[..good].chain(Failing)))
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a bad sector"))
    }
}

#[test]
fn an_object_that_cannot_be_read_is_reported_and_never_stored_in_part() {
    let memory = Memory::new();
    let scp = memory::start(&memory);
    let object = |n: usize| Object::new(CT, EXPLICIT, n, 1000);
    let broken = |n: usize, good: Option<usize>| -> Box<dyn Outgoing> {
        Box::new(Broken {
            object: object(n),
            good,
        })
    };
    let mut misnamed = object(6);
    misnamed.sop_instance = "../../x".to_owned();
    let source = vec![
        object(1).boxed(),
        broken(2, None),
        broken(3, Some(100)),
        broken(4, Some(1_500_000)),
        object(5).boxed(),
        misnamed.boxed(),
    ];
    let (mut outcomes, summary) = send(&destination(scp.local_addr()), source.into_iter());
    outcomes.sort_by_key(|o| o.index);
    for (n, stored) in [true, false, false, false, true, false]
        .into_iter()
        .enumerate()
    {
        assert_eq!(outcomes[n].delivery.is_stored(), stored, "{n}");
        assert_eq!(
            matches!(outcomes[n].delivery, Delivery::Unreadable(_)),
            !stored,
            "{n}"
        );
    }
    // Only the object whose beginning was already sent cost its association.
    assert_eq!(summary.associations, 2);
    scp.stop();
    memory.assert_kept(&[object(1), object(5)]);
    memory.seen(|seen| assert_eq!((seen.begun, seen.dropped), (3, 1)));
}
