//! Requests about the people of this site.

use dokuei_keys::delegation::PersonRole;
use dokuei_keys::time::UnixSeconds;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::chance::chance;
use crate::clock::now;
use crate::control::request::AddPerson;
use crate::language::Failure;
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::passphrase::CHARACTERS;
use crate::site::people::{self, Gone, NewPerson, Person};

const ROLES: [(PersonRole, &str); 4] = [
    (PersonRole::Reader, "reader"),
    (PersonRole::AttendingDoctor, "attending-doctor"),
    (PersonRole::Technologist, "technologist"),
    (PersonRole::Administrator, "administrator"),
];

pub(super) async fn add(node: &Hands, person: AddPerson) -> Result<Value, Failure> {
    let passphrase = Zeroizing::new(person.passphrase);
    let role = ROLES
        .iter()
        .find(|(_, code)| *code == person.role)
        .map(|(role, _)| *role);
    let role = role.ok_or_else(|| {
        let known = ROLES.map(|(_, code)| code).join(", ");
        Failure::new(
            "unknown-role",
            say!(
                "役割（--role）は {known} のいずれかを指定してください。",
                "The role (--role) is one of {known}."
            ),
        )
    })?;
    if passphrase.chars().count() < CHARACTERS {
        return Err(Failure::new(
            "short-passphrase",
            say!(
                "合言葉は {CHARACTERS} 文字以上にしてください。",
                "The passphrase needs at least {CHARACTERS} characters."
            ),
        ));
    }
    if role.needs_licence() && person.licence.trim().is_empty() {
        return Err(Failure::new(
            "no-licence",
            say!(
                "読影医・主治医には免許番号が必要です。--licence で指定してください。",
                "Readers and attending doctors need a licence number: give --licence."
            ),
        ));
    }
    let at = UnixSeconds(now() / 1000);
    let new = NewPerson {
        name: &person.name,
        role,
        licence: &person.licence,
    };
    let enrolled = tokio::task::block_in_place(|| {
        people::enrol(
            &node.folder,
            &node.keys,
            &new,
            passphrase.as_bytes(),
            at,
            &mut chance(),
        )
    })?;
    Ok(person_json(&enrolled))
}

pub(super) fn list(node: &Hands) -> Result<Value, Failure> {
    Ok(Value::Array(
        people::all(&node.folder, node.ports.site)?
            .iter()
            .map(person_json)
            .collect(),
    ))
}

/// Takes a person's key away. What they signed stays valid: their delegation is in each report.
pub(super) fn remove(node: &Hands, text: &str) -> Result<Value, Failure> {
    let person = find_person(node, text)?;
    people::retire(&node.folder, &person.id, Gone::Removed)?;
    Ok(person_json(&person))
}

/// The person with this name or id.
pub(crate) fn find_person(node: &Hands, text: &str) -> Result<Person, Failure> {
    let wanted = text.trim();
    let matches = |person: &Person| {
        person.name == wanted || (wanted.len() >= 4 && person.id.to_string().starts_with(wanted))
    };
    let mut found = people::all(&node.folder, node.ports.site)?
        .into_iter()
        .filter(matches);
    match (found.next(), found.next()) {
        (Some(person), None) => Ok(person),
        (Some(_), Some(_)) => Err(Failure::new(
            "ambiguous-person",
            say!(
                "「{text}」に当てはまる人が複数います。ID で指定してください。",
                "Several people are called '{text}'. Give the id."
            ),
        )),
        (None, _) => {
            let gone = people::gone(&node.folder, node.ports.site)?;
            let known = gone.iter().filter(|(person, _)| matches(person));
            // Revoked weighs more than removed, when somebody had several keys.
            let why = known
                .map(|(_, why)| *why)
                .max_by_key(|why| *why == Gone::Revoked);
            Err(nobody(text, why))
        }
    }
}

fn nobody(text: &str, gone: Option<Gone>) -> Failure {
    match gone {
        None => Failure::new(
            "no-person",
            say!(
                "「{text}」という人は登録されていません。「dokuei person add」で登録してください。",
                "Nobody is called '{text}'. Add them with 'dokuei person add'."
            ),
        ),
        Some(Gone::Revoked) => Failure::new(
            "person-revoked",
            say!(
                "{text} さんの署名鍵は失効しています。署名するには「dokuei person add」で新しい鍵が必要です。",
                "The key of {text} is revoked. To sign again they need a new one: 'dokuei person add'."
            ),
        ),
        Some(Gone::Removed) => Failure::new(
            "person-removed",
            say!(
                "{text} さんの署名鍵は取り上げられています。署名するには「dokuei person add」で新しい鍵が必要です。",
                "The key of {text} was taken away. To sign again they need a new one: 'dokuei person add'."
            ),
        ),
    }
}

fn person_json(person: &Person) -> Value {
    json!({
        "id": person.id.to_string(),
        "name": person.name,
        "role": ROLES.iter().find(|(role, _)| *role == person.role).map(|(_, code)| *code),
        "licence": person.licence,
        "until": person.until.0.saturating_mul(1000),
        "valid": now() / 1000 < person.until.0,
    })
}
