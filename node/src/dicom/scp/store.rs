//! C-STORE: hands a data set over as it arrives and answers once it is kept.

use super::association::Association;
use super::negotiation::{Agreement, OpenContext};
use super::{Caller, Incoming, Notice, ObjectWriter};
use crate::dicom::dimse::command::{Command, UidElement};
use crate::dicom::dimse::reader::wrong_context;
use crate::dicom::dimse::status::code;
use crate::dicom::dimse::{Service, StoreFailure, StoreStatus};
use crate::dicom::pdu::LinkFault;
use crate::dicom::pdu::watch::Watch;

/// Most of a data set that is read only to be thrown away after a failure. Explicit VR lengths
/// have 32 bits, so no whole image is longer; a peer that sends more is not sending an image.
const DRAIN_LIMIT: u64 = 4 * 1024 * 1024 * 1024;

type Writer<'s> = Result<Box<dyn ObjectWriter + 's>, StoreFailure>;

impl<'s> Association<'s> {
    /// Take one object in; answers the status and error comment to respond with.
    pub(super) fn store(
        &mut self,
        caller: &Caller,
        agreement: &Agreement,
        context: u8,
        command: &Command,
    ) -> Result<(u16, Option<&'static str>), LinkFault> {
        let kept = match agreement.contexts.get(&context) {
            _ if !command.has_data_set => Err(StoreFailure::new(
                StoreStatus::CannotUnderstand,
                "C-STORE without a data set",
                "データのない送信要求です",
            )),
            Some(open) => {
                let writer = self.begin(caller, open, command);
                self.receive(context, writer)?
            }
            None => return Err(wrong_context()),
        };
        match kept {
            Ok(()) => Ok((code::SUCCESS, None)),
            Err(failure) => {
                self.shared.intake.notice(&Notice::ObjectRefused {
                    caller,
                    sop_class: command.sop_class.valid(),
                    sop_instance: command.sop_instance.valid(),
                    failure,
                });
                Ok((failure.status().code(), failure.comment()))
            }
        }
    }

    /// Check the command and open a writer.
    fn begin(&self, caller: &Caller, open: &OpenContext, command: &Command) -> Writer<'s> {
        if !caller.permission.may_store {
            return Err(StoreFailure::new(
                StoreStatus::NotAuthorised,
                "this caller may not store",
                "この装置には送信が許可されていません",
            ));
        }
        let UidElement::Valid(sop_instance) = &command.sop_instance else {
            return Err(StoreFailure::new(
                StoreStatus::InvalidInstance,
                "Affected SOP Instance UID is missing or not a UID",
                "送信要求の SOP Instance UID がないか、正しくありません",
            ));
        };
        if command.sop_class.valid() != Some(open.abstract_syntax.as_str()) {
            return Err(StoreFailure::new(
                StoreStatus::SopClassNotSupported,
                "Affected SOP Class UID is not that of its context",
                "送信要求の SOP Class UID が、取り決めたものと違います",
            ));
        }
        if !matches!(
            Service::of(&open.abstract_syntax),
            Service::Storage | Service::Private
        ) {
            return Err(StoreFailure::new(
                StoreStatus::SopClassNotSupported,
                "the SOP class of the context stores nothing",
                "取り決められた SOP Class は保存のためのものではありません",
            ));
        }
        self.shared.intake.begin(Incoming {
            caller,
            sop_class: &open.abstract_syntax,
            sop_instance,
            transfer_syntax: &open.transfer_syntax,
        })
    }

    /// Read the data set into `writer`, or past it after a failure.
    fn receive(
        &mut self,
        context: u8,
        mut writer: Writer<'s>,
    ) -> Result<Result<(), StoreFailure>, LinkFault> {
        self.in_object = true;
        let mut drained = 0;
        self.reader
            .set_watch(Watch::flow(self.shared.config.limits.rate));
        loop {
            let fragment = self.reader.data_fragment(context)?;
            let is_last = fragment.is_last;
            match &mut writer {
                Ok(open) if !fragment.data.is_empty() => {
                    if let Err(failure) = open.write(fragment.data) {
                        writer = Err(failure);
                    }
                }
                Ok(_) => {}
                Err(_) => {
                    drained += fragment.data.len() as u64;
                    if drained > DRAIN_LIMIT {
                        return Err(LinkFault::Message("a refused data set exceeds 4 GiB"));
                    }
                }
            }
            if is_last {
                break;
            }
        }
        self.in_object = false;
        Ok(writer.and_then(|open| open.commit()))
    }

    /// Read past the data set of a message that has no use for one.
    pub(super) fn pass_over_data_set(
        &mut self,
        context: u8,
        command: &Command,
    ) -> Result<(), LinkFault> {
        if command.has_data_set {
            self.whole_data_set(context)?;
        }
        Ok(())
    }

    /// Read a small data set whole.
    pub(super) fn whole_data_set(&mut self, context: u8) -> Result<Vec<u8>, LinkFault> {
        self.reader
            .set_watch(Watch::flow(self.shared.config.limits.rate));
        self.reader.whole_data_set(context)
    }
}
