//! Rows and key files: what opens, and what does not.

use dokuei_keys::keyfile::{Cost, KeyFileError, MAX_SECRETS, open_secrets, seal_secrets};
use dokuei_keys::storage::ROW_OVERHEAD;
use dokuei_keys::{ParcelId, Secret32, StorageKey, Why};
use sha2::{Digest as _, Sha256};

use crate::sample::{content_key, noise, rng};

fn storage_key(seed: u8) -> StorageKey {
    StorageKey::from_secret(Secret32::from_bytes([seed; 32]))
}

#[test]
fn a_row_opens_in_its_own_place_only() {
    let key = storage_key(1);
    let plain = noise(200, 1);
    let row = key
        .seal_row("studies", b"key", &plain, &mut rng(1))
        .unwrap();
    assert_eq!(row.len(), plain.len() + ROW_OVERHEAD);
    assert_eq!(*key.open_row("studies", b"key", &row).unwrap(), plain);
    let again = key
        .seal_row("studies", b"key", &plain, &mut rng(2))
        .unwrap();
    assert_ne!(again, row);
    for (table, place) in [("studies", b"kez"), ("reports", b"key"), ("studie", b"sky")] {
        assert_eq!(
            key.open_row(table, place, &row).unwrap_err().why(),
            Why::Row
        );
    }
    // Where table ends and key begins is bound too.
    assert!(key.open_row("studiesk", b"ey", &row).is_err());
    assert!(storage_key(2).open_row("studies", b"key", &row).is_err());
    assert!(key.open_row("studies", b"key", &[]).is_err());
}

#[test]
fn every_prefix_and_flipped_bit_of_a_row_is_refused() {
    let key = storage_key(1);
    let row = key
        .seal_row("studies", b"key", b"some row", &mut rng(1))
        .unwrap();
    for at in 0..row.len() {
        assert!(key.open_row("studies", b"key", &row[..at]).is_err());
        for bit in 0..8 {
            let mut flipped = row.clone();
            flipped[at] ^= 1 << bit;
            assert!(key.open_row("studies", b"key", &flipped).is_err());
        }
    }
}

#[test]
fn a_wrapped_content_key_opens_for_its_parcel_only() {
    let key = storage_key(1);
    let (parcel, other) = (ParcelId::from_bytes([1; 32]), ParcelId::from_bytes([2; 32]));
    let wrapped = key
        .wrap_content_key(&parcel, &content_key(5), &mut rng(1))
        .unwrap();
    assert!(key.unwrap_content_key(&parcel, &wrapped).unwrap() == content_key(5));
    assert!(key.unwrap_content_key(&other, &wrapped).is_err());
    assert!(
        storage_key(2)
            .unwrap_content_key(&parcel, &wrapped)
            .is_err()
    );
    assert!(
        key.open_row("", parcel.as_bytes(), &wrapped).is_err(),
        "not a row"
    );
    let row = key
        .seal_row("", parcel.as_bytes(), &[0; 32], &mut rng(1))
        .unwrap();
    assert!(key.unwrap_content_key(&parcel, &row).is_err(), "not a key");
}

/// As cheap as Argon2 allows: these tests are not about its cost.
fn cheap() -> Cost {
    Cost::new(8, 1, 1).unwrap()
}

fn key_file() -> Vec<u8> {
    seal_secrets(b"the secrets", "合言葉".as_bytes(), cheap(), &mut rng(1)).unwrap()
}

#[test]
fn a_key_file_opens_with_its_passphrase_only() {
    let file = key_file();
    let opened = open_secrets(&file, "合言葉".as_bytes()).unwrap();
    assert_eq!(opened.as_slice(), b"the secrets");
    for wrong in ["", "合言", "合言葉 "] {
        assert_eq!(
            open_secrets(&file, wrong.as_bytes()),
            Err(KeyFileError::WrongPassphrase)
        );
    }
    let other = seal_secrets(b"the secrets", "合言葉".as_bytes(), cheap(), &mut rng(2)).unwrap();
    assert_ne!(file, other);
    let empty = seal_secrets(b"", b"p", cheap(), &mut rng(1)).unwrap();
    assert!(open_secrets(&empty, b"p").unwrap().is_empty());
    assert_eq!(
        seal_secrets(b"x", b"", cheap(), &mut rng(1)),
        Err(KeyFileError::EmptyPassphrase)
    );
    let most = vec![0; MAX_SECRETS + 1];
    assert!(seal_secrets(&most[1..], b"p", cheap(), &mut rng(1)).is_ok());
    assert_eq!(
        seal_secrets(&most, b"p", cheap(), &mut rng(1)),
        Err(KeyFileError::TooManySecrets)
    );
}

#[test]
fn a_damaged_key_file_says_so() {
    let file = key_file();
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        let opened = open_secrets(&flipped, "合言葉".as_bytes());
        assert_eq!(opened, Err(KeyFileError::Damaged), "byte {at}");
        let cut = open_secrets(&file[..at], "合言葉".as_bytes());
        assert_eq!(cut, Err(KeyFileError::Damaged), "cut at {at}");
    }
    let longer = [file.as_slice(), &[0]].concat();
    assert_eq!(open_secrets(&longer, b"p"), Err(KeyFileError::Damaged));
    let huge = vec![0; 1 << 20];
    assert_eq!(open_secrets(&huge, b"p"), Err(KeyFileError::Damaged));
}

/// Changes bytes of a key file and makes its digest right again, as whoever plants a file would.
fn planted(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = key_file();
    let end = file.len() - 32;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let digest = Sha256::digest(&file[..end]);
    file[end..].copy_from_slice(&digest);
    file
}

#[test]
fn a_planted_key_file_costs_little_and_opens_nothing() {
    let passphrase = "合言葉".as_bytes();
    let next_version = planted(8, &2_u16.to_be_bytes());
    assert_eq!(
        open_secrets(&next_version, passphrase),
        Err(KeyFileError::UnknownVersion(2))
    );
    for (at, number) in [
        (10, 256 * 1024 + 1),
        (10, u32::MAX),
        (10, 7),
        (10, 0),
        (14, 11),
        (14, 0),
        (18, 5),
        (18, 0),
    ] {
        let file = planted(at, &u32::to_be_bytes(number));
        assert_eq!(
            open_secrets(&file, passphrase),
            Err(KeyFileError::Cost),
            "{at} {number}"
        );
    }
    // Another cost, salt or check makes another key; another nonce or body is not genuine.
    for (at, expected) in [
        (13, KeyFileError::WrongPassphrase),
        (17, KeyFileError::WrongPassphrase),
        (22, KeyFileError::WrongPassphrase),
        (78, KeyFileError::WrongPassphrase),
        (54, KeyFileError::Damaged),
        (94, KeyFileError::Damaged),
    ] {
        let was = key_file()[at];
        let file = planted(at, &[was + 1]);
        assert_eq!(open_secrets(&file, passphrase), Err(expected), "byte {at}");
    }
}

#[test]
fn costs_are_bounded() {
    assert!(Cost::new(256 * 1024, 10, 4).is_ok());
    for (memory, passes, lanes) in [
        (256 * 1024 + 1, 3, 1),
        (64, 11, 1),
        (64, 0, 1),
        (64, 1, 0),
        (64, 1, 5),
        (7, 1, 1),
        (15, 1, 2),
    ] {
        assert_eq!(Cost::new(memory, passes, lanes), Err(KeyFileError::Cost));
    }
}

#[test]
fn the_default_cost_works() {
    let file = seal_secrets(b"secrets", b"p", Cost::default(), &mut rng(1)).unwrap();
    assert_eq!(open_secrets(&file, b"p").unwrap().as_slice(), b"secrets");
}

#[test]
fn a_row_is_named_by_its_value_under_one_key_and_for_one_table() {
    let key = storage_key(1);
    let name = key.row_name("instances", b"1.2.3");
    assert_eq!(name, key.row_name("instances", b"1.2.3"));
    let others = [
        key.row_name("instances", b"1.2.4"),
        key.row_name("instances1", b".2.3"),
        storage_key(2).row_name("instances", b"1.2.3"),
    ];
    assert!(!others.contains(&name));
}
