//! What is said to a lab: on the command line, on its standard input, and through its socket.

use crate::settings::{self, CHANGES, Change};
use crate::site::Site;

/// Longest order in bytes: a site, a word and a value are far below.
pub const ORDER_MOST: u64 = 4096;

/// One order.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Change the line of a site: up (from it) and down (to it).
    Change {
        /// Its place among the sites.
        site: usize,
        /// What is to change each way.
        ways: [Option<Change>; 2],
    },
    /// Say what has been counted.
    Report,
    /// Say where the sites are.
    Where,
    /// End.
    Stop,
}

/// Reads an order: `loss 2%` (of the first site's line), `second: rate 20mbit/100mbit`, `report`,
/// `where`, `stop`.
///
/// # Errors
/// A sentence that says what was not understood.
pub fn order(text: &str, sites: &[Site]) -> Result<Order, String> {
    let (site, rest) = match text.split_once(':') {
        Some((name, rest)) => {
            let is_named = |site: &Site| site.name == name.trim();
            let place = sites.iter().position(is_named);
            (
                place.ok_or_else(|| format!("there is no site `{}`", name.trim()))?,
                rest,
            )
        }
        None => (0, text),
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words[..] {
        ["report"] => Ok(Order::Report),
        ["where"] => Ok(Order::Where),
        ["stop"] => Ok(Order::Stop),
        [name, value] => {
            let ways = settings::change(name, value).map_err(|error| error.to_string())?;
            Ok(Order::Change { site, ways })
        }
        _ => Err(format!(
            "`{text}` is none of: {CHANGES}, report, where, stop"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::sites;

    #[test]
    fn orders_are_for_the_first_site_unless_they_name_one() {
        let sites = sites("clinic,hospital").unwrap();
        let loss = [Some(Change::Loss(0.02)), None];
        let of = |text| order(text, &sites);
        let ways = loss.clone();
        assert_eq!(of("loss 2%/-"), Ok(Order::Change { site: 0, ways }));
        let ways = loss;
        assert_eq!(
            of(" hospital:  loss 2%/- "),
            Ok(Order::Change { site: 1, ways })
        );
        assert_eq!(of("report"), Ok(Order::Report));
        for text in ["", "loss", "loss 2 3", "nobody: loss 2%", "speed 3"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
