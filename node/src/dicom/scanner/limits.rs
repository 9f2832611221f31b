//! How much of anything one object may make the scanner do, and why that much.

/// Nested sequences. Structured reports and functional groups of real objects stay below 20; later
/// parsers recurse, and a thread's default stack of 2 MiB overflows near 2,000.
pub const DEPTH_MAX: usize = 64;

/// Elements, items and fragments. An enhanced multi-frame object of 5,000 frames has some 500,000.
pub const ELEMENTS_MAX: u32 = 1_000_000;

/// Bytes kept of one wanted value. UIDs, names, dates and numbers are far shorter; a longer one is
/// not what it claims to be.
pub const VALUE_BYTES_MAX: u32 = 64 * 1024;

/// Bytes kept of all wanted values of an object together.
pub const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes a deflated data set may inflate to. The deflated syntax is used for reports and small
/// images; whoever sends more can send it plainly.
pub const INFLATED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How many times larger than what arrived the inflated data set may be. Deflate itself ends at
/// 1,032; segmentations of mostly zeros reach some hundreds, and are small.
pub const INFLATE_RATIO_MAX: u64 = 200;

/// Inflated bytes from which the ratio counts: a small object may be all zeros.
pub const INFLATE_RATIO_FROM: u64 = 16 * 1024 * 1024;

/// File meta information (group 0002) of a file; a real one has 200 bytes.
pub const META_BYTES_MAX: usize = 64 * 1024;

/// What one scan is held to. Every field can be lowered; the defaults are the constants above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the data set in bytes, if known beforehand (a file), so that a lying length is
    /// refused when it is read and not when the bytes run out. As transferred, not as inflated.
    pub total: Option<u64>,
    /// See [`DEPTH_MAX`].
    pub depth: usize,
    /// See [`ELEMENTS_MAX`].
    pub elements: u32,
    /// See [`INFLATED_BYTES_MAX`].
    pub inflated_bytes: u64,
    /// See [`INFLATE_RATIO_MAX`].
    pub inflate_ratio: u64,
    /// See [`INFLATE_RATIO_FROM`].
    pub inflate_ratio_from: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: None,
            depth: DEPTH_MAX,
            elements: ELEMENTS_MAX,
            inflated_bytes: INFLATED_BYTES_MAX,
            inflate_ratio: INFLATE_RATIO_MAX,
            inflate_ratio_from: INFLATE_RATIO_FROM,
        }
    }
}

impl Limits {
    /// The default limits for a data set of `total` bytes.
    #[must_use]
    pub fn for_total(total: u64) -> Self {
        Self {
            total: Some(total),
            ..Self::default()
        }
    }
}
