//! `dokuei report verify`, and how an authentic report is shown.

use std::path::Path;
use std::process::ExitCode;

use dokuei_protocol::case::report::ReportStatus;
use serde_json::{Value, json};

use crate::cli::show::zoned;
use crate::language::{Failure, Message, word};
use crate::reports::file::{self, Finding, Verdict};
use crate::reports::rendering::signed_at;
use crate::reports::verify::Authentic;
use crate::say;
use crate::site::unusable;

/// Verifies a file alone. Ends with 1 when the report is not authentic, the file was changed, or the images are others.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn verify_file(
    path: &Path,
    images: Option<&Path>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let bytes = std::fs::read(path).map_err(|error| unusable(path, &error))?;
    let verdict = match images {
        Some(images) => {
            file::verify_with_images(&bytes, images).map_err(|error| unusable(images, &error))?
        }
        None => file::verify(&bytes),
    };
    let Verdict {
        authentic,
        findings,
    } = verdict;
    let sound = !findings.iter().any(Finding::is_wrong);
    let changed = any(&findings, |finding| {
        matches!(finding, Finding::ObjectChanged(_))
    });
    if json {
        let found: Vec<Value> = findings
            .iter()
            .map(|finding| {
                let message = finding.message();
                json!({ "ja": message.ja, "en": message.en })
            })
            .collect();
        outln!(
            "{:#}",
            json!({ "authentic": authentic.is_some() && !changed, "unchanged": sound, "report": authentic.as_ref().map(authentic_json), "findings": found })
        );
    } else {
        match &authentic {
            Some(authentic) => {
                outln!("{}", headline(&findings));
                print_authentic(authentic);
            }
            None => outln!(
                "{}",
                say!(
                    "✗ 真正なレポートではありません。",
                    "✗ This is not an authentic report."
                )
            ),
        }
        for finding in &findings {
            let mark = if finding.is_wrong() { "✗" } else { "·" };
            outln!("{mark} {}", finding.message());
        }
        if let Some(authentic) = &authentic {
            outln!("· {}", alone(authentic));
        }
    }
    Ok(if authentic.is_some() && sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn any(findings: &[Finding], wanted: impl Fn(&Finding) -> bool) -> bool {
    findings.iter().any(wanted)
}

/// What is said first. A report that is intact in a file that is not, or is about other images, must not look as if all
/// were well.
pub(super) fn headline(findings: &[Finding]) -> Message {
    if any(findings, |finding| {
        matches!(finding, Finding::ObjectChanged(_))
    }) {
        say!(
            "✗ ファイルが変更されています。中の署名済みレポートは次のとおりです。",
            "✗ This file was changed. The signed report in it:"
        )
    } else if any(findings, |finding| {
        matches!(finding, Finding::OtherImages(_))
    }) {
        say!(
            "✗ レポートは真正ですが、指定された画像のものではありません。",
            "✗ Authentic, but NOT for these images."
        )
    } else {
        say!(
            "✓ 真正です（authentic）。署名後に変更されていません。",
            "✓ Authentic. Not changed since it was signed."
        )
    }
}

/// What no file can say: whether its version is still the one that counts.
fn alone(authentic: &Authentic) -> Message {
    let version = authentic.report.version;
    say!(
        "このファイルは第 {version} 版（{status}）です。その後の訂正や取下げは、ファイルからは分かりません。「dokuei report show」で最新の版を確かめてください。",
        "This file is version {version} ({status}). Whether a later version corrects or retracts it cannot be seen from the file: see 'dokuei report show'.";
        status = word(authentic.report.status.code())
    )
}

/// Prints who signed what, and when.
pub(super) fn print_authentic(authentic: &Authentic) {
    let report = &authentic.report;
    let (name, licence, site) = (
        &authentic.author.name,
        &authentic.author.licence,
        &authentic.site.name,
    );
    let (version, status, at) = (
        report.version,
        word(report.status.code()),
        zoned(&json!(report.at.0)),
    );
    let (series, objects, study) = (
        authentic.subject.series,
        authentic.subject.objects,
        &authentic.subject.study,
    );
    outln!(
        "{}",
        say!(
            "  署名者   {name}（免許 {licence}）、{site}",
            "  signed by  {name} (licence {licence}), {site}"
        )
    );
    outln!(
        "{}",
        say!("  施設 ID  {}", "  site       {}", authentic.site.site)
    );
    outln!("{}", say!("  署名日時 {at}", "  signed at  {at}"));
    outln!(
        "{}",
        say!(
            "  版       {version}（{status}）",
            "  version    {version} ({status})";
            status = status
        )
    );
    if report.status == ReportStatus::Retracted {
        outln!(
            "{}",
            say!(
                "  この版は、それまでの版をすべて取り下げるものです。",
                "  This version takes all earlier ones back."
            )
        );
    }
    outln!(
        "{}",
        say!(
            "  対象画像 {series} シリーズ {objects} 枚、検査 UID {study}",
            "  images     {objects} objects in {series} series of study {study}"
        )
    );
    outln!(
        "{}",
        say!(
            "  画像の要約値 {}",
            "  images digest {}",
            authentic.subject.images
        )
    );
    outln!(
        "{}",
        say!("  レポートの要約値 {}", "  report digest {}", authentic.id)
    );
}

/// The same for programs.
pub(super) fn authentic_json(authentic: &Authentic) -> Value {
    let report = &authentic.report;
    json!({
        "case": report.case.to_string(),
        "version": report.version,
        "status": report.status.code(),
        "predecessor": report.predecessor.map(|predecessor| predecessor.to_string()),
        "signed_at": signed_at(report),
        "author": { "id": authentic.author.id.to_string(), "name": authentic.author.name, "licence": authentic.author.licence },
        "site": { "id": authentic.site.site.to_string(), "name": authentic.site.name },
        "study_uid": authentic.subject.study,
        "series": authentic.subject.series,
        "objects": authentic.subject.objects,
        "images_digest": authentic.subject.images.to_string(),
        "digest": authentic.id.to_string(),
    })
}
