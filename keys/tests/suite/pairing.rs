//! Pairing codes as people type them, and the proofs made with them.

use dokuei_keys::Why;
use dokuei_keys::pairing::{NotACode, PairingRole, PairingSecret, check_pairing_tag, pairing_tag};

use crate::sample::rng;

fn typed(text: &str) -> Result<String, NotACode> {
    text.parse::<PairingSecret>()
        .map(|secret| secret.to_string())
}

#[test]
fn a_code_is_four_groups_of_five() {
    for seed in 0..100 {
        let shown = PairingSecret::from_rng(&mut rng(seed)).to_string();
        assert_eq!(shown.len(), 23);
        let groups: Vec<&str> = shown.split('-').collect();
        assert_eq!(groups.len(), 4);
        for symbol in groups.concat().chars() {
            assert!(
                "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(symbol),
                "{shown}"
            );
        }
        assert_eq!(typed(&shown).as_deref(), Ok(shown.as_str()));
    }
}

#[test]
fn what_people_type_is_understood() {
    let code = "01234-56789-ABCDE-FGHJK";
    for text in [
        "01234-56789-ABCDE-FGHJK",
        "01234 56789 abcde fghjk",
        " 0123456789abcdefghjk ",
        "OI234-56789-ABCDE-FGHJK",
        "oL234-56789-ABCDE-FGHJK",
        "o-l-2-3-4-5-6-7-8-9-a-b-c-d-e-f-g-h-j-k",
    ] {
        assert_eq!(typed(text).as_deref(), Ok(code), "{text}");
    }
    for (text, error) in [
        ("", NotACode::Length(0)),
        ("01234-56789-ABCDE-FGHJ", NotACode::Length(19)),
        ("01234-56789-ABCDE-FGHJKM", NotACode::Length(21)),
        ("01234-56789-ABCDE-FGHJU", NotACode::Character('U')),
        ("01234_56789_ABCDE_FGHJK", NotACode::Character('_')),
        ("01234-56789-ABCDE-FGHJあ", NotACode::Character('あ')),
    ] {
        assert_eq!(typed(text), Err(error), "{text}");
    }
    assert_eq!(typed(&"0".repeat(1000)), Err(NotACode::Length(1000)));
}

#[test]
fn a_proof_holds_for_one_code_role_and_conversation() {
    let (code, other) = (
        PairingSecret::from_rng(&mut rng(1)),
        PairingSecret::from_rng(&mut rng(2)),
    );
    let (inviter, accepter) = (PairingRole::Inviter, PairingRole::Accepter);
    let tag = pairing_tag(&code, inviter, b"transcript");
    assert!(check_pairing_tag(&code, inviter, b"transcript", &tag).is_ok());
    let mut flipped = tag;
    flipped[31] ^= 1;
    for refused in [
        check_pairing_tag(&other, inviter, b"transcript", &tag),
        check_pairing_tag(&code, accepter, b"transcript", &tag),
        check_pairing_tag(&code, inviter, b"transcripT", &tag),
        check_pairing_tag(&code, inviter, b"", &tag),
        check_pairing_tag(&code, inviter, b"transcript", &flipped),
    ] {
        assert_eq!(refused.unwrap_err().why(), Why::Pairing);
    }
}
