/// Bytes that no encoder wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// They end too early, or go on behind their end.
    #[error("compressed samples have another length than they say")]
    Length,
    /// A number in them is outside of what it can be.
    #[error("compressed samples say what cannot be")]
    Value,
    /// They were read to their end, and do not end as an encoder ends.
    #[error("compressed samples do not end where their encoder began")]
    End,
    /// They may be whole; there was no memory to read them.
    #[error("no memory to unpack samples")]
    Memory,
}
