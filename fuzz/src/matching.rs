//! Keys of queries against what is known of an entity (`dicom/matching`).

use dokuei_node::dicom::dataset::{Bounds, read};
use dokuei_node::dicom::matching::{KEYS_MAX, Keys};
use dokuei_node::dicom::scanner::Encoding;

/// Keys match together exactly when they match apart, and no more of them are taken than may be.
///
/// The first two bytes of an input are the length of the keys, which the entity follows.
pub fn check(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Some((keys, subject)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else {
        return;
    };
    let read = |bytes: &[u8]| read(&mut &*bytes, Encoding::ExplicitLittle, &Bounds::IDENTIFIER);
    let (Ok(keys), Ok(subject)) = (read(keys), read(subject)) else {
        return;
    };
    let elements = keys.elements().iter();
    let count = elements.filter(|key| key.tag.element() != 0).count();
    let Some(all) = Keys::read(&keys) else {
        return;
    };
    // The character set and three others are no keys.
    assert!(count <= KEYS_MAX + 4);
    let matches = all.match_with(&subject);
    assert!(all.constrain() || matches);
    let (some, others) = all.partition(|tag| tag.element() % 2 == 0);
    let apart = some.match_with(&subject) && others.match_with(&subject);
    assert_eq!(matches, apart);
}
