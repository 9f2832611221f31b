//! Which studies the viewer is opened with, and the page from which people open them. Works without scripts.

use std::sync::Arc;

use dicom_dictionary_std::tags;
use http::StatusCode;
use http::header::REFRESH;

use super::answer::{Answer, set};
use super::page::{Page, escaped, other};
use super::viewer::{ROOT, viewer_path};
use crate::entities::Scope;
use crate::index::catalogue::Entry;
use crate::index::holdings::Holdings;
use crate::language::{Language, Message};
use crate::say;
use crate::transfer::moving::{Moved, Movements};
use crate::viewer::Installed;

/// Studies that the page lists: what came in at a hospital in an hour or two, at a clinic in some days.
const LISTED: usize = 100;
/// How often a browser looks again while a study is on its way: people see it move, and a list costs little.
const SECONDS: &str = "10";
/// Studies of one patient that are looked at for the newest prior.
const OF_PATIENT: usize = 1_000;

/// Modalities whose objects are no images to compare with (PS3.3 section C.7.3.1.1.1).
const NO_IMAGES: [&str; 9] = [
    "SR", "PR", "KO", "DOC", "REG", "SEG", "RTSTRUCT", "RTPLAN", "AU",
];

/// A study within a scope, and the study before it to compare it with: of the same person, the newest
/// with a modality in common, or else the newest with images.
pub(super) fn with_prior(holdings: &Holdings, scope: &Scope, uid: &str) -> Option<Vec<String>> {
    let found = holdings.with_uid(scope, uid);
    let study = found.first()?;
    let mut opened = vec![study.key.uid.to_string()];
    let (alone, person) = (Scope::Domain(study.domain()), study.person());
    let newest_first = holdings.studies(&alone, OF_PATIENT, |other| other.is_of(&person));
    let older: Vec<&Arc<Entry>> = newest_first
        .iter()
        .skip_while(|other| other.key != study.key)
        .skip(1)
        .filter(|other| images(other).next().is_some())
        .collect();
    let alike = older
        .iter()
        .find(|other| images(other).any(|one| images(study).any(|own| own == one)));
    let prior = alike.or_else(|| older.first());
    opened.extend(prior.map(|prior| prior.key.uid.to_string()));
    Some(opened)
}

/// The modalities of a study that make images.
fn images(entry: &Entry) -> impl Iterator<Item = &[u8]> {
    let all = entry.modalities().split(|byte| *byte == b'\\');
    all.filter(|code| !code.is_empty() && !NO_IMAGES.iter().any(|none| none.as_bytes() == *code))
}

/// The page that lists studies.
pub(super) struct Studies<'a> {
    pub language: Language,
    /// What a proxy puts before paths.
    pub prefix: &'a str,
    /// The viewer, when there is one.
    pub installed: Option<&'a Installed>,
    /// What is on its way.
    pub movements: &'a Movements,
}

impl Studies<'_> {
    /// The page with the newest studies of a scope.
    pub(super) fn page(&self, holdings: &Holdings, scope: &Scope) -> Answer {
        let studies = holdings.studies(scope, LISTED, |_| true);
        let studies: Vec<Listed> = studies.iter().map(|entry| self.listed(entry)).collect();
        let moves = studies.iter().any(|study| study.moved.is_some());
        let page = Page {
            language: self.language,
            prefix: self.prefix,
            title: &say!("検査の画像を開く", "Open the images of a study"),
            wide: true,
            below: &self.below(&studies),
        };
        let mut page = page.answer(StatusCode::OK);
        if moves {
            set(&mut page, REFRESH, SECONDS);
        }
        page
    }

    fn listed<'e>(&self, entry: &'e Entry) -> Listed<'e> {
        let mut parts = entry.parts.iter();
        let moved = parts.find_map(|part| self.movements.under_way(&part.parcel));
        Listed { entry, moved }
    }

    fn text(&self, message: &Message) -> String {
        escaped(message.in_language(self.language))
    }

    fn below(&self, studies: &[Listed<'_>]) -> String {
        let prefix = self.prefix;
        let (others, in_other) = other(self.language);
        let warning = self.text(&say!(
            "参照用です。診断には使わないでください。",
            "For reference only, not for diagnosis."
        ));
        let out = self.text(&say!("ログアウト", "Log out"));
        let (how, list, viewer) = (self.how(), self.list(studies), self.about_viewer());
        format!(
            "<p class=\"wrong\">{warning}</p>\n{how}{list}<nav>{viewer}<a href=\"{prefix}{ROOT}/?lang={others}\" lang=\"{others}\">{in_other}</a></nav>\n<form method=\"post\" action=\"{prefix}/logout\"><button type=\"submit\">{out}</button></form>\n"
        )
    }

    fn how(&self) -> String {
        let how = match self.installed {
            Some(_) => say!(
                "患者名を選ぶと、その検査と、同じ患者の直前の検査が開きます。ここには新しい順に {LISTED} 件まで表示します。ほかの検査は「dokuei study show 検査UID」が示す URL で開けます。",
                "A patient's name opens that study, with the one before it of the same patient. Here are the newest {LISTED} at most; the address that 'dokuei study show UID' prints opens any other."
            ),
            None => say!(
                "ビューアがまだ設置されていないため、画像は開けません。管理者が「dokuei viewer install」で設置できます。",
                "No viewer is installed here yet, so images cannot be opened. The administrator installs one with 'dokuei viewer install'."
            ),
        };
        format!("<p>{}</p>\n", self.text(&how))
    }

    fn list(&self, studies: &[Listed<'_>]) -> String {
        if studies.is_empty() {
            let none = say!(
                "見られる検査はありません。",
                "There is no study that you may see."
            );
            return format!("<p>{}</p>\n", self.text(&none));
        }
        let headings = [
            say!("患者名", "Patient"),
            say!("患者 ID", "Patient ID"),
            say!("検査日", "Study date"),
            say!("種別", "Modality"),
            say!("検査名", "Description"),
            say!("枚数", "Images"),
        ];
        let headings: String = headings
            .iter()
            .map(|heading| format!("<th scope=\"col\">{}</th>", self.text(heading)))
            .collect();
        let rows: String = studies.iter().map(|study| self.row(study)).collect();
        format!("<table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
    }

    fn row(&self, study: &Listed<'_>) -> String {
        let entry = study.entry;
        let attributes = &entry.attributes;
        let name = attributes.name(tags::PATIENT_NAME).display();
        let name = match name.is_empty() {
            true => self.text(&say!("（氏名なし）", "(no name)")),
            false => escaped(&name),
        };
        let name = match self.installed {
            Some(_) => {
                let at = escaped(&viewer_path(&entry.domain(), &entry.key.uid));
                format!("<a href=\"{}{at}\">{name}</a>", self.prefix)
            }
            None => name,
        };
        let modalities = String::from_utf8_lossy(entry.modalities()).replace('\\', " ");
        let cells = [
            attributes.text(tags::PATIENT_ID),
            day(&attributes.text(tags::STUDY_DATE)),
            modalities,
            attributes.text(tags::STUDY_DESCRIPTION),
            objects(entry.objects(), entry.awaited()),
        ];
        let cells: String = cells
            .iter()
            .map(|cell| format!("<td>{}</td>", escaped(cell)))
            .collect();
        let moved = study.moved.as_ref().map(|moved| self.moved(moved));
        let moved = moved.unwrap_or_default();
        format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n{moved}")
    }

    /// A row below a study that is on its way: how far it is, and what it waits for.
    fn moved(&self, moved: &Moved) -> String {
        let said = [moved.so_far(), moved.waits()];
        let said: Vec<String> = said.iter().flatten().map(|said| self.text(said)).collect();
        format!(
            "<tr class=\"moving\"><td colspan=\"6\">{}</td></tr>\n",
            said.join("<br>")
        )
    }

    fn about_viewer(&self) -> String {
        let Some(installed) = self.installed else {
            return String::new();
        };
        let (version, licence) = (escaped(&installed.version), escaped(&installed.licence));
        let about = self.text(&say!("ビューア: OHIF", "Viewer: OHIF"));
        format!(
            "<a href=\"{}{ROOT}/licence.txt\">{about} {version} ({licence})</a> ",
            self.prefix
        )
    }
}

/// A study of the page.
struct Listed<'a> {
    entry: &'a Entry,
    /// While it is on its way.
    moved: Option<Moved>,
}

/// How many objects are here, and of how many when others are on their way.
fn objects(here: u32, awaited: u32) -> String {
    match awaited {
        0 => here.to_string(),
        awaited => format!("{here} / {}", here + awaited),
    }
}

/// A date as people read it in either language; what is none as it is.
fn day(date: &str) -> String {
    match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) if date.len() == 8 => format!("{year}-{month}-{day}"),
        _ => date.to_owned(),
    }
}
