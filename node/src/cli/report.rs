//! `dokuei report …`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::arguments::{Report, Writing};
use crate::cli::case;
use crate::cli::passphrase::passphrase;
use crate::cli::show::text;
use crate::control::request::{Request, SignReport};
use crate::language::{Failure, Message, word};
use crate::reports::bundle::Bundle;
use crate::reports::file::{self, Finding, Verdict};
use crate::reports::rendering::signed_at;
use crate::reports::verify::{Authentic, verify};
use crate::say;
use crate::site::unusable;

/// Performs a command about reports. `verify` ends with 1 when the report is not authentic or the
/// file was changed.
///
/// # Errors
/// One sentence.
pub(super) fn report(report: Report) -> Result<ExitCode, Failure> {
    match report {
        Report::Sign { writing, status } | Report::Addendum { writing, status } => {
            sign(writing, status)
        }
        Report::Show {
            case,
            version,
            save,
            pdf,
            at,
        } => {
            let answer = at.ask(Request::ReportShow { case, version })?;
            let bytes = STANDARD.decode(text(&answer, "bundle")).unwrap_or_default();
            let bundle = Bundle::read(&bytes).and_then(|bundle| verify(&bundle, None).ok());
            let authentic = bundle.ok_or_else(|| {
                Failure::new(
                    "not-authentic",
                    say!(
                        "このレポートは検証に合格しないため表示しません。読影施設に連絡してください。",
                        "This report does not verify and is not shown. Call the reading site."
                    ),
                )
            })?;
            for (path, content) in [(save, bytes.as_slice()), (pdf, authentic.pdf.as_slice())] {
                if let Some(path) = path {
                    std::fs::write(&path, content).map_err(|error| unusable(&path, &error))?;
                }
            }
            at.print(&authentic_json(&authentic), |_| {
                outln!("{}", headline(false));
                print_authentic(&authentic);
            });
            if !at.json {
                outln!("\n{}", authentic.report.text);
            }
            Ok(ExitCode::SUCCESS)
        }
        Report::Verify { file, images, json } => verify_file(&file, images.as_deref(), json),
    }
}

fn sign(writing: Writing, status: String) -> Result<ExitCode, Failure> {
    let body = match (&writing.text, &writing.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| unusable(path, &error))?;
            text
        }
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?
        }
        (None, None) => String::new(),
    };
    let pdf = writing
        .pdf
        .as_ref()
        .map(|path| std::fs::read(path).map_err(|error| unusable(path, &error)))
        .transpose()?;
    let reader = writing.reader;
    let secret = passphrase(
        writing.passphrase_file.as_deref(),
        &say!("{reader} さんの合言葉", "Passphrase of {reader}"),
    )?;
    let request = SignReport {
        case: writing.case,
        status,
        text: body,
        pdf: pdf.map(|pdf| STANDARD.encode(pdf)),
        reader,
        passphrase: secret.to_string(),
    };
    let answer = writing.at.ask(Request::ReportSign(request))?;
    writing
        .at
        .print(&answer, |answer| case::show(&answer["case"]));
    Ok(ExitCode::SUCCESS)
}

fn verify_file(path: &Path, images: Option<&Path>, json: bool) -> Result<ExitCode, Failure> {
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
    let changed = findings
        .iter()
        .any(|finding| matches!(finding, Finding::ObjectChanged(_)));
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
                outln!("{}", headline(changed));
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
    }
    Ok(if authentic.is_some() && sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is said first. A report that is intact in a file that is not must not look as if all were well.
fn headline(changed: bool) -> Message {
    if changed {
        say!(
            "✗ ファイルが変更されています。中の署名済みレポートは次のとおりです。",
            "✗ This file was changed. The signed report in it:"
        )
    } else {
        say!(
            "✓ 真正です（authentic）。署名後に変更されていません。",
            "✓ Authentic. Not changed since it was signed."
        )
    }
}

fn print_authentic(authentic: &Authentic) {
    let report = &authentic.report;
    let (name, licence, site) = (
        &authentic.author.name,
        &authentic.author.licence,
        &authentic.site.name,
    );
    let (version, status, at) = (
        report.version,
        word(report.status.code()),
        signed_at(report),
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

fn authentic_json(authentic: &Authentic) -> Value {
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
