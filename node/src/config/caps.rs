//! At which hours how much of the line may be used (`[[network.cap]]`).

use serde::Deserialize;

use crate::config::problems;
use crate::language::Message;
use crate::network::Cap;

/// Caps that a day may have.
const CAPS: usize = 8;
const KEY: &str = "network.cap";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCap {
    from: String,
    until: String,
    megabits: u32,
}

/// Checks them.
///
/// # Errors
/// What is wrong, at which key.
pub(super) fn caps(raw: &[RawCap]) -> Result<Vec<Cap>, (&'static str, Message)> {
    if raw.len() > CAPS {
        return Err((KEY, problems::at_most(CAPS)));
    }
    let checked = raw.iter().map(|raw| {
        if raw.megabits == 0 {
            return Err((KEY, problems::megabits()));
        }
        let time = |text: &str| minute(text).ok_or((KEY, problems::time_of_day()));
        Ok(Cap {
            from: time(&raw.from)?,
            until: time(&raw.until)?,
            bytes_per_second: u64::from(raw.megabits) * 125_000,
        })
    });
    checked.collect()
}

/// The minute of the day that `hours:minutes` names.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, below: u16| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number = digits.parse::<u16>().ok().filter(|_| plain)?;
        (number < below).then_some(number)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Cap>, Message> {
        #[derive(Deserialize)]
        struct Network {
            cap: Vec<RawCap>,
        }
        let network: Network = toml::from_str(text).unwrap();
        caps(&network.cap).map_err(|(_, message)| message)
    }

    #[test]
    fn hours_and_megabits_are_read() {
        let text = "[[cap]]\nfrom = \"08:00\"\nuntil = \"18:30\"\nmegabits = 10\n";
        let expected = Cap {
            from: 480,
            until: 1110,
            bytes_per_second: 1_250_000,
        };
        assert_eq!(parsed(text).unwrap(), [expected]);
        for (right, wrong) in [
            ("08:00", "8:00"),
            ("08:00", "24:00"),
            ("18:30", "18:60"),
            ("18:30", "18.30"),
            ("= 10", "= 0"),
        ] {
            assert!(parsed(&text.replace(right, wrong)).is_err(), "{wrong}");
        }
        assert!(parsed(&text.repeat(CAPS)).is_ok());
        assert!(parsed(&text.repeat(CAPS + 1)).is_err());
    }
}
