//! The ends of the lines: names and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most sites of one lab: each has a thread, and what is measured needs processors, too.
pub const SITES_MOST: usize = 16;
/// Longest name of a site or a lab.
pub const NAME_MOST: usize = 32;

/// One end: a network namespace behind its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What it is called.
    pub name: String,
    /// `10.77.0.N` for the Nth site, in a network of 24 bits.
    pub address: Ipv4Addr,
    /// `fd77::N`, in a network of 64 bits.
    pub address6: Ipv6Addr,
}

impl Site {
    /// Whether packets to this address are for it.
    pub fn is_at(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address == self.address,
            IpAddr::V6(address) => address == self.address6,
        }
    }
}

/// Reads names with commas between them. The order gives the addresses.
///
/// # Errors
/// A sentence, when there are fewer than two or too many, when one is no name or is there twice.
pub fn sites(names: &str) -> Result<Vec<Site>, String> {
    let names: Vec<&str> = names.split(',').collect();
    if !(2..=SITES_MOST).contains(&names.len()) {
        return Err(format!("there must be 2 to {SITES_MOST} sites"));
    }
    let mut sites: Vec<Site> = Vec::new();
    for (number, name) in (1u8..).zip(names) {
        if !is_name(name) {
            return Err(format!("`{name}` is no name: {NAME_RULE}"));
        }
        if sites.iter().any(|site| site.name == name) {
            return Err(format!("there are two sites `{name}`"));
        }
        sites.push(Site {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 77, 0, number),
            address6: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into()),
        });
    }
    Ok(sites)
}

/// What a name looks like.
pub const NAME_RULE: &str = "1 to 32 of a-z, 0-9 and -";

/// Whether sites and labs can be called so.
pub fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=NAME_MOST).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_gives_the_addresses() {
        let sites = sites("clinic,hospital,second").unwrap();
        assert_eq!(sites[2].address, Ipv4Addr::new(10, 77, 0, 3));
        assert!(sites[1].is_at("fd77::2".parse().unwrap()));
        assert!(!sites[1].is_at("10.77.0.1".parse().unwrap()));
    }

    #[test]
    fn names_are_told_apart() {
        for names in ["clinic", "a,a", "a,", "a,B", "a,b c", &"a,".repeat(20)] {
            assert!(sites(names).is_err(), "{names}");
        }
    }
}
