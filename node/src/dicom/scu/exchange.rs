//! Messages with data sets of a service other than storage. What is answered comes from whoever runs
//! there, and is read within bounds.

use std::time::{Duration, Instant};

use super::association::{Answer, Association, Pair};
use super::{Destination, ScuFault};
use crate::dicom::dataset::{self, Bounds, DataSet};
use crate::dicom::dimse::command::Command;
use crate::dicom::pdu::proposals::Proposals;
use crate::dicom::pdu::watch::Watch;
use crate::dicom::pdu::writer::{put_command, put_data_set};
use crate::dicom::pdu::{LinkFault, Phase};
use crate::dicom::scanner::Encoding;

/// Explicit VR Little Endian, then Implicit: character sets and unknown elements fare better with VRs.
pub const SYNTAXES: [(&str, Encoding); 2] = [
    ("1.2.840.10008.1.2.1", Encoding::ExplicitLittle),
    (super::IMPLICIT_VR_LITTLE_ENDIAN, Encoding::ImplicitLittle),
];

/// An association for one service, and the context it is spoken on.
pub(super) struct Exchange {
    pub(super) association: Association,
    context: u8,
    encoding: Encoding,
}

impl Exchange {
    /// Open an association for `sop_class`.
    ///
    /// # Errors
    /// No association, or the service is not offered.
    pub(super) fn open(
        destination: &Destination,
        sop_class: &str,
        proposals: Proposals,
    ) -> Result<Self, ScuFault> {
        let pair = |syntax: &str| Pair {
            sop_class: sop_class.to_owned(),
            transfer_syntax: syntax.to_owned(),
        };
        let pairs = SYNTAXES.iter().map(|(syntax, _)| pair(syntax)).collect();
        let association = Association::open_with(destination, pairs, proposals)?;
        let accepted = SYNTAXES.iter().find_map(|(syntax, encoding)| {
            match association.answer(&pair(syntax)) {
                Some(Answer::Accepted(context)) => Some((context, *encoding)),
                Some(Answer::Refused) | None => None,
            }
        });
        match accepted {
            Some((context, encoding)) => Ok(Exchange {
                association,
                context,
                encoding,
            }),
            None => {
                association.release();
                Err(ScuFault::NotOffered)
            }
        }
    }

    /// Send a command set, and the data set that follows it.
    pub(super) fn send(
        &mut self,
        command: &[u8],
        data_set: Option<&DataSet>,
    ) -> Result<(), LinkFault> {
        let largest = self.association.largest_pdu;
        let mut pdus = Vec::new();
        put_command(&mut pdus, self.context, command, largest);
        if let Some(data_set) = data_set {
            let bytes = dataset::write(data_set, self.encoding);
            put_data_set(&mut pdus, self.context, &bytes, largest);
        }
        self.association.send(&pdus)
    }

    /// The next message and its data set, whole within `patience`.
    pub(super) fn receive(
        &mut self,
        patience: Duration,
    ) -> Result<(Command, Option<DataSet>), LinkFault> {
        let until = Instant::now() + patience;
        let reader = &mut self.association.reader;
        reader.set_watch(Watch::within(patience, Phase::Response));
        let command = self.association.command(self.context)?;
        if !command.has_data_set {
            return Ok((command, None));
        }
        let left = until.saturating_duration_since(Instant::now());
        let reader = &mut self.association.reader;
        reader.set_watch(Watch::within(left, Phase::Response));
        let bytes = reader.whole_data_set(self.context)?;
        let read = dataset::read(&mut bytes.as_slice(), self.encoding, &Bounds::IDENTIFIER);
        match read {
            Ok(data_set) => Ok((command, Some(data_set))),
            Err(_) => Err(LinkFault::Message("a data set cannot be read")),
        }
    }

    /// Release after an answer, abort after a fault.
    pub(super) fn end<T>(self, answered: Result<T, LinkFault>) -> Result<T, ScuFault> {
        match answered {
            Ok(answer) => {
                self.association.release();
                Ok(answer)
            }
            Err(fault) => {
                self.association.abort();
                Err(fault.into())
            }
        }
    }
}
