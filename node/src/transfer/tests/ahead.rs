//! Packs that came ahead of the grant.

use super::*;

#[test]
fn what_came_ahead_of_the_grant_is_not_asked_for_again() {
    let objects = objects();
    let pair = pair(Content::Opaque, &objects);
    let all = pair.sink().0.missing(Effort::Dense).unwrap();
    let (here, ahead) = (pair.here(), pair.here().ahead());
    ahead.create(&PARCEL).unwrap();
    for (at, range) in all.iter().enumerate().step_by(2) {
        let Part::Pack(pack, _) = range.part else {
            panic!("a transfer asks for packs");
        };
        let mut bytes = pair.pack(range);
        // One was changed on its way, or is of somebody else; one is not whole.
        bytes[9] ^= u8::from(at == 2);
        let (name, length) = match at {
            4 => ("dense.part", 20),
            _ => ("dense", bytes.len()),
        };
        std::fs::write(ahead.pack_of(&PARCEL, pack, name), &bytes[..length]).unwrap();
    }
    let (sink, _) = pair.sink();
    let missing = sink.missing(Effort::Dense).unwrap();
    let expected = all.iter().enumerate();
    let expected = expected.filter(|(at, _)| at % 2 == 1 || [2, 4].contains(at));
    let parts: Vec<Part> = missing.iter().map(|range| range.part).collect();
    assert_eq!(
        parts,
        expected.map(|(_, range)| range.part).collect::<Vec<_>>()
    );
    assert!(missing.iter().any(|range| range.offset == 20));
    for range in &missing {
        pair.answer(&sink, range, usize::MAX);
    }
    // Nothing could be added to the one that was changed: it is begun again.
    let again = sink.missing(Effort::Dense).unwrap();
    assert_eq!(
        (again[0].part, again[0].offset, again.len()),
        (all[2].part, 0, 1)
    );
    pair.answer(&sink, &again[0], usize::MAX);
    assert!(sink.missing(Effort::Dense).unwrap().is_empty() && !sink.is_damaged());
    assert!(!here.ahead().folder_of(&PARCEL).exists());
    pair.assert_same(&objects);
}
