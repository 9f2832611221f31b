//! `dokuei person …`.

use serde_json::Value;

use crate::cli::arguments::Person;
use crate::cli::passphrase::passphrase;
use crate::cli::show::{table, text, time};
use crate::control::request::{AddPerson, Request};
use crate::language::{Failure, word};
use crate::say;

/// Performs a command about the people who sign.
///
/// # Errors
/// One sentence.
pub(super) fn person(person: Person) -> Result<(), Failure> {
    match person {
        Person::Add {
            name,
            role,
            licence,
            passphrase_file,
            at,
        } => {
            let secret = passphrase(
                passphrase_file.as_deref(),
                &say!(
                    "{name} さんの合言葉（8 文字以上）",
                    "Passphrase of {name} (8 characters or more)"
                ),
            )?;
            let answer = at.ask(Request::PersonAdd(AddPerson {
                name,
                role,
                licence,
                passphrase: secret.to_string(),
            }))?;
            at.print(&answer, |answer| {
                let (name, until) = (text(answer, "name"), time(&answer["until"]));
                println!(
                    "{}",
                    say!(
                        "{name} さんの署名鍵を発行しました（{until} まで有効）。",
                        "{name} has a key to sign with, valid until {until}."
                    )
                );
            });
        }
        Person::List { at } => {
            let answer = at.ask(Request::PersonList)?;
            at.print(&answer, |answer| {
                let row = |person: &Value| {
                    vec![
                        text(person, "name").to_owned(),
                        word(text(person, "role")).text().to_owned(),
                        text(person, "licence").to_owned(),
                        time(&person["until"]),
                    ]
                };
                let headings = say!(
                    "氏名,役割,免許番号,有効期限",
                    "name,role,licence,valid until"
                );
                let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
                table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
            });
        }
    }
    Ok(())
}
