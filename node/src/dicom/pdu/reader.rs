//! Reads PDUs out of one fixed buffer; P-DATA is handed on in slices of that buffer.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::link::{TcpLink, is_tick};
use super::watch::Watch;
use super::{Abort, LinkFault, PDU_HEADER, PduFault, PduKind, READ_BUFFER, VALUE_HEADER};

/// Part of a presentation data value, as far as it has arrived.
#[derive(Clone, Copy)]
pub struct Fragment<'a> {
    /// Presentation context identifier (odd).
    pub context: u8,
    /// Command set, else data set.
    pub is_command: bool,
    /// The last bytes of the command set or data set.
    pub is_last: bool,
    /// The bytes, possibly none.
    pub data: &'a [u8],
}

/// What arrived. An A-ABORT is not among them: it is `LinkFault::Aborted`.
pub enum Arrival<'a> {
    /// Part of a message.
    Fragment(Fragment<'a>),
    /// An association PDU with its whole body.
    Associate(PduKind, &'a [u8]),
    /// A-RELEASE-RQ
    ReleaseRequest,
    /// A-RELEASE-RP
    ReleaseReply,
}

impl Arrival<'_> {
    /// The fault of this arrival where it has no place.
    pub(crate) fn unexpected(&self, during: &'static str) -> LinkFault {
        let kind = match self {
            Arrival::Fragment(_) => PduKind::Data,
            Arrival::Associate(kind, _) => *kind,
            Arrival::ReleaseRequest => PduKind::ReleaseRequest,
            Arrival::ReleaseReply => PduKind::ReleaseReply,
        };
        LinkFault::Pdu(PduFault::Unexpected { kind, during })
    }
}

/// What is left of the P-DATA-TF PDU being read.
#[derive(Default)]
struct DataPdu {
    /// Bytes of the PDU, headers of values included.
    pdu_left: usize,
    /// Bytes of the value being read.
    value_left: usize,
    context: u8,
    control: u8,
}

/// Message control header (PS3.8 annex E.2): bit 0 command, bit 1 last fragment.
const CONTROL_COMMAND: u8 = 0b01;
const CONTROL_LAST: u8 = 0b10;

/// Reads from `source`, whose time-outs are ticks: each is reported to the watch.
pub(crate) struct PduReader<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    data: DataPdu,
    watch: Watch,
    stopping: Option<Arc<AtomicBool>>,
    received: bool,
}

impl<R: Read> PduReader<R> {
    /// A reader that keeps waiting as long as `watch` allows; between messages also only until
    /// `stopping` is set.
    pub(crate) fn new(source: R, watch: Watch, stopping: Option<Arc<AtomicBool>>) -> Self {
        PduReader {
            source,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            data: DataPdu::default(),
            watch,
            stopping,
            received: false,
        }
    }

    /// Bound the next waits by `watch`.
    pub(crate) fn set_watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// The source, for sending.
    pub(crate) fn source_mut(&mut self) -> &mut R {
        &mut self.source
    }

    /// Give the source back.
    pub(crate) fn into_source(self) -> R {
        self.source
    }

    /// Whether the peer has sent anything at all.
    pub(crate) fn has_received(&self) -> bool {
        self.received
    }

    /// Wait for the next fragment or PDU.
    ///
    /// # Errors
    /// The peer's fault, its A-ABORT, its silence, or the network; the association is over.
    pub(crate) fn next(&mut self) -> Result<Arrival<'_>, LinkFault> {
        if self.data.pdu_left > 0 {
            return self.fragment().map(Arrival::Fragment);
        }
        let (kind, length) = super::judge_header(*self.array::<PDU_HEADER>()?)?;
        let length = length as usize;
        match kind {
            PduKind::Data => {
                self.data.pdu_left = length;
                self.fragment().map(Arrival::Fragment)
            }
            PduKind::AssociateRequest | PduKind::AssociateAccept | PduKind::AssociateReject => {
                self.body(length).map(|body| Arrival::Associate(kind, body))
            }
            PduKind::ReleaseRequest => self.body(length).map(|_| Arrival::ReleaseRequest),
            PduKind::ReleaseReply => self.body(length).map(|_| Arrival::ReleaseReply),
            PduKind::Abort => {
                let [_, _, source, reason] = *self.array::<4>()?;
                Err(LinkFault::Aborted(Abort { source, reason }))
            }
        }
    }

    /// The next bytes of the current P-DATA-TF, opening its next value where one is due.
    fn fragment(&mut self) -> Result<Fragment<'_>, LinkFault> {
        if self.data.value_left == 0 {
            self.open_value()?;
        }
        if self.data.value_left > 0 {
            self.need(1)?;
        }
        let count = self.data.value_left.min(self.end - self.start);
        self.data.value_left -= count;
        self.data.pdu_left -= count;
        let (context, control) = (self.data.context, self.data.control);
        Ok(Fragment {
            context,
            is_command: control & CONTROL_COMMAND != 0,
            is_last: control & CONTROL_LAST != 0 && self.data.value_left == 0,
            data: self.taken(count),
        })
    }

    /// Read and check the header of a presentation data value (PS3.8 section 9.3.5.1).
    fn open_value(&mut self) -> Result<(), LinkFault> {
        let malformed = |what| {
            let kind = PduKind::Data;
            LinkFault::Pdu(PduFault::Malformed { kind, what })
        };
        if self.data.pdu_left < VALUE_HEADER {
            return Err(malformed("bytes are left over behind its last value"));
        }
        let [a, b, c, d, context, control] = *self.array::<VALUE_HEADER>()?;
        let item = u32::from_be_bytes([a, b, c, d]) as usize;
        let left = self.data.pdu_left - VALUE_HEADER;
        let Some(value) = item.checked_sub(2) else {
            return Err(malformed("a value is shorter than its own header"));
        };
        if value > left {
            return Err(malformed("a value is longer than the PDU around it"));
        }
        if context % 2 == 0 {
            return Err(malformed("a presentation context identifier is even"));
        }
        self.data = DataPdu {
            pdu_left: left,
            value_left: value,
            context,
            control,
        };
        Ok(())
    }

    /// A body that fits the buffer (`judge_header` saw to it), whole.
    fn body(&mut self, length: usize) -> Result<&[u8], LinkFault> {
        self.need(length)?;
        Ok(self.taken(length))
    }

    /// The next `N` bytes.
    fn array<const N: usize>(&mut self) -> Result<&[u8; N], LinkFault> {
        self.need(N)?;
        match self.taken(N).first_chunk() {
            Some(bytes) => Ok(bytes),
            None => Err(LinkFault::Closed),
        }
    }

    /// Consume `count` bytes that are there.
    fn taken(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        self.buffer.get(from..self.start).unwrap_or_default()
    }

    /// Read until `count` bytes are there. What is moved to make room is the beginning of a
    /// header or of an association PDU, never image data: that is handed on before reading more.
    fn need(&mut self, count: usize) -> Result<(), LinkFault> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < count {
            self.fill()?;
        }
        Ok(())
    }

    /// One successful read into the free end of the buffer.
    fn fill(&mut self) -> Result<(), LinkFault> {
        loop {
            let stopping = self
                .stopping
                .as_ref()
                .is_some_and(|s| s.load(Ordering::Relaxed));
            let before = Instant::now();
            let space = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(space) {
                Ok(0) => return Err(LinkFault::Closed),
                Ok(count) => {
                    self.received = true;
                    self.end += count;
                    return self.watch.moved(count, before.elapsed(), false);
                }
                Err(e) if is_tick(&e) => self.watch.moved(0, before.elapsed(), stopping)?,
                Err(e) => return Err(LinkFault::of(e)),
            }
        }
    }
}

impl PduReader<TcpLink> {
    /// Whether the peer's next bytes are here, or come within `limit`.
    pub(crate) fn arrives_within(&mut self, limit: Duration) -> Result<bool, LinkFault> {
        if self.start < self.end {
            return Ok(true);
        }
        self.source.arrives_within(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::MinimumRate;
    use super::super::writer::{data_header, put_command};
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of at most `piece`, with a tick before each.
    struct Pieces<'a> {
        rest: &'a [u8],
        piece: usize,
        ticked: bool,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.ticked = !self.ticked;
            if self.ticked {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            let count = self.piece.min(self.rest.len()).min(into.len());
            let (now, later) = self.rest.split_at(count);
            into[..count].copy_from_slice(now);
            self.rest = later;
            Ok(count)
        }
    }

    fn reader(bytes: &[u8], piece: usize) -> PduReader<Pieces<'_>> {
        let source = Pieces {
            rest: bytes,
            piece,
            ticked: false,
        };
        PduReader::new(source, Watch::flow(MinimumRate::default()), None)
    }

    /// Everything that arrives until the end: data joined, and the number of last fragments.
    fn drain(bytes: &[u8], piece: usize) -> (Vec<u8>, usize, LinkFault) {
        let mut reader = reader(bytes, piece);
        let (mut data, mut lasts) = (Vec::new(), 0);
        loop {
            match reader.next() {
                Ok(Arrival::Fragment(fragment)) => {
                    data.extend_from_slice(fragment.data);
                    lasts += usize::from(fragment.is_last);
                }
                Ok(Arrival::Associate(_, body)) => data.extend_from_slice(body),
                Ok(Arrival::ReleaseRequest | Arrival::ReleaseReply) => {}
                Err(fault) => return (data, lasts, fault),
            }
        }
    }

    #[test]
    fn data_wraps_around_the_buffer_without_loss() {
        let payload: Vec<u8> = (0..700_000_u32).map(|n| (n / 3) as u8).collect();
        for largest in [131_072, 100_000, 4096] {
            let mut pdus = Vec::new();
            put_command(&mut pdus, 1, &payload, largest);
            for piece in [usize::MAX, 70_001, 4099] {
                let (data, lasts, fault) = drain(&pdus, piece);
                assert!(data == payload, "{largest} {piece}");
                assert_eq!(lasts, 1);
                assert!(matches!(fault, LinkFault::Closed));
            }
        }
    }

    #[test]
    fn an_association_pdu_at_the_end_of_the_buffer_is_whole() {
        let filler = vec![7; 200_000];
        let mut bytes = data_header(1, false, true, filler.len() as u32).to_vec();
        bytes.extend_from_slice(&filler);
        bytes.extend_from_slice(&[1, 0, 0, 1, 0x86, 0xA0]);
        bytes.extend_from_slice(&[9; 100_000]);
        let (data, _, fault) = drain(&bytes, usize::MAX);
        assert_eq!(data.len(), 300_000);
        assert!(matches!(fault, LinkFault::Closed));
    }

    #[test]
    fn an_abort_is_an_end_with_its_reason() {
        let (_, _, fault) = drain(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 6], 3);
        let LinkFault::Aborted(abort) = fault else {
            panic!("{fault}");
        };
        assert_eq!((abort.source, abort.reason), (2, 6));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_fault(
            kind in 0u8..9,
            length in 0u32..200,
            rest in proptest::collection::vec(any::<u8>(), 0..300),
            piece in 1usize..50,
        ) {
            let mut bytes = vec![kind, 0];
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&rest);
            let (data, _, _) = drain(&bytes, piece);
            prop_assert!(data.len() <= rest.len());
        }

        #[test]
        fn values_arrive_as_they_were_cut(
            values in proptest::collection::vec((any::<bool>(), 0usize..200), 1..20),
            piece in 1usize..64,
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (n, (is_last, length)) in values.iter().enumerate() {
                bytes.extend_from_slice(&data_header(1, false, *is_last, *length as u32));
                bytes.resize(bytes.len() + length, n as u8);
                expected.resize(expected.len() + length, n as u8);
            }
            let (data, lasts, fault) = drain(&bytes, piece);
            prop_assert_eq!(data, expected);
            prop_assert_eq!(lasts, values.iter().filter(|v| v.0).count());
            prop_assert!(matches!(fault, LinkFault::Closed));
        }
    }
}
