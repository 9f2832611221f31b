//! Dates and times as texts that sort, and ranges of them (PS3.4 section C.2.2.2.5).

use dicom_core::VR;

/// Which kind of moment.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// DA.
    Date,
    /// TM.
    Time,
    /// DT.
    DateTime,
}

/// From one moment to another, both included; each may be open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Range {
    from: String,
    to: String,
}

impl Range {
    pub(super) fn holds(&self, value: &str) -> bool {
        self.from.as_str() <= value && value <= self.to.as_str()
    }

    /// The first day of a range of dates as a number, YYYYMMDD; 0 where it is open.
    pub(super) fn first_day(&self) -> u64 {
        self.from.parse().unwrap_or(0)
    }

    /// The last.
    pub(super) fn last_day(&self) -> u64 {
        let digits = self.to.strip_suffix(END).unwrap_or(&self.to);
        digits.parse().unwrap_or(DAYS_END)
    }
}

/// After every moment.
const END: &str = "~";

/// The same as a number.
const DAYS_END: u64 = 99_999_999;

impl Moment {
    pub(super) fn of(vr: VR) -> Moment {
        match vr {
            VR::DA => Moment::Date,
            VR::TM => Moment::Time,
            _ => Moment::DateTime,
        }
    }

    /// The range that a key gives: one moment, with everything that is inside of its precision, or two
    /// with a hyphen. None when it is neither.
    pub(super) fn range(self, key: &str) -> Option<Range> {
        // A DT may end with an offset from UTC, which may begin with the hyphen of ranges.
        let (from, to) = match key.split_once('-') {
            Some((from, to)) if !matches!(self, Moment::DateTime) => (from, to),
            Some((from, to)) if from.is_empty() || to.is_empty() || to.len() > 4 => (from, to),
            Some((from, _)) => (from, from),
            None => (key, key),
        };
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() && to.is_empty() {
            return None;
        }
        Some(Range {
            from: if from.is_empty() {
                String::new()
            } else {
                self.value(from)?
            },
            to: if to.is_empty() {
                END.to_owned()
            } else {
                // Whatever is inside of what was said sorts before the tilde.
                self.digits(to)? + END
            },
        })
    }

    /// A moment as a text that sorts; none when it is no moment.
    pub(super) fn value(self, text: &str) -> Option<String> {
        let digits = self.digits(text)?;
        let full = match self {
            Moment::Date => 8,
            Moment::Time => 6,
            Moment::DateTime => 14,
        };
        Some(format!("{digits:0<full$}"))
    }

    /// Digits without the punctuation that older devices write, and without offset and fraction's point.
    fn digits(self, text: &str) -> Option<String> {
        let text = match self {
            Moment::DateTime => text.split(['+', '-', '&']).next().unwrap_or_default(),
            Moment::Date | Moment::Time => text,
        };
        let (whole, fraction) = match self {
            Moment::Date => (text, ""),
            Moment::Time | Moment::DateTime => text.split_once('.').unwrap_or((text, "")),
        };
        let whole = whole.replace(['.', ':'], "");
        let lengths: &[usize] = match self {
            Moment::Date => &[8],
            Moment::Time => &[2, 4, 6],
            Moment::DateTime => &[4, 6, 8, 10, 12, 14],
        };
        let digits = whole + fraction;
        let fits = lengths.contains(&(digits.len() - fraction.len()))
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(digits)
    }
}
