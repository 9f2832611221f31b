//! `dokuei person …`.

use serde_json::Value;

use crate::cli::arguments::Person;
use crate::cli::confirm::confirm;
use crate::cli::passphrase::passphrase;
use crate::cli::show::{date, short, table, text, time};
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
                outln!(
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
            at.print(&answer, list);
        }
        Person::Remove { person, yes, at } => {
            confirm(
                yes,
                &say!(
                    "{person} さんの署名鍵を取り上げます。取り消しはできません。",
                    "The key of {person} is to be taken away; there is no way back."
                ),
            )?;
            let answer = at.ask(Request::PersonRemove { person })?;
            at.print(&answer, |answer| {
                let name = text(answer, "name");
                outln!(
                    "{}",
                    say!(
                        "{name} さんの署名鍵を取り上げました。これまでに署名したレポートは有効なままです。",
                        "{name} can no longer sign at this site. What they signed stays valid."
                    )
                );
            });
        }
    }
    Ok(())
}

fn list(answer: &Value) {
    let people = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if people.is_empty() {
        outln!(
            "{}",
            say!(
                "署名する人は登録されていません。「dokuei person add」で登録できます。",
                "Nobody signs here yet. 'dokuei person add' gives a person a key."
            )
        );
        return;
    }
    let headings = say!(
        "氏名,ID,役割,免許番号,有効期限",
        "name,id,role,licence,valid until"
    );
    let rows: Vec<_> = people.iter().map(row).collect();
    table(&headings.text().split(',').collect::<Vec<_>>(), &rows);
}

fn row(person: &Value) -> Vec<String> {
    let until = date(&person["until"]);
    let until = if person["valid"] == true {
        until
    } else {
        say!("{until}（期限切れ）", "{until} (over)")
            .text()
            .to_owned()
    };
    vec![
        text(person, "name").to_owned(),
        short(text(person, "id")).to_owned(),
        word(text(person, "role")).text().to_owned(),
        text(person, "licence").to_owned(),
        until,
    ]
}
