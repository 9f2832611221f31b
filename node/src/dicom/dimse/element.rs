//! Element numbers of group 0000 (PS3.7 annex E.1).

pub(super) const GROUP_LENGTH: u16 = 0x0000;
pub(super) const AFFECTED_SOP_CLASS: u16 = 0x0002;
pub(super) const REQUESTED_SOP_CLASS: u16 = 0x0003;
pub(super) const COMMAND_FIELD: u16 = 0x0100;
pub(super) const MESSAGE_ID: u16 = 0x0110;
pub(super) const RESPONDED_MESSAGE_ID: u16 = 0x0120;
pub(super) const MOVE_DESTINATION: u16 = 0x0600;
pub(super) const PRIORITY: u16 = 0x0700;
pub(super) const DATA_SET_TYPE: u16 = 0x0800;
pub(super) const STATUS: u16 = 0x0900;
pub(super) const OFFENDING_ELEMENT: u16 = 0x0901;
pub(super) const ERROR_COMMENT: u16 = 0x0902;
pub(super) const AFFECTED_SOP_INSTANCE: u16 = 0x1000;
pub(super) const REQUESTED_SOP_INSTANCE: u16 = 0x1001;
pub(super) const EVENT_TYPE: u16 = 0x1002;
pub(super) const ACTION_TYPE: u16 = 0x1008;
pub(super) const REMAINING: u16 = 0x1020;
pub(super) const COMPLETED: u16 = 0x1021;
pub(super) const FAILED: u16 = 0x1022;
pub(super) const WARNING: u16 = 0x1023;
pub(super) const MOVE_ORIGINATOR: u16 = 0x1030;
pub(super) const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;

/// Command Data Set Type: no data set follows. Any other value: one follows.
pub(super) const NO_DATA_SET: u16 = 0x0101;
/// Command Data Set Type: a data set follows.
pub(super) const DATA_SET_FOLLOWS: u16 = 0x0001;
