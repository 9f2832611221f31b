//! The story, step by step, in words a doctor understands.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::control::request::{AddPerson, Request, SendStudy, SignReport};
use crate::control::sent::must_be_sent;
use crate::demo::site::DemoSite;
use crate::demo::study;
use crate::demo::{CLINIC, HOSPITAL};
use crate::language::{Failure, Message, word};
use crate::reports::file;
use crate::say;
use crate::site::unusable;

/// What the hospital reads.
const CAPACITY: [&str; 5] = ["CT", "MR", "DX", "CR", "OT"];
const READER: &str = "デモ 読影医";
const PASSPHRASE: &str = "demo-reader-passphrase";

/// Tells the story with the time of each step.
pub(super) struct Story {
    begun: Instant,
    step: u32,
}

impl Story {
    /// Begins.
    pub(super) fn begin() -> Story {
        println!(
            "{}",
            say!(
                "dokuei デモ: 診療所の検査を大学病院が読影します。",
                "dokuei demo: a university hospital reads a clinic's study."
            )
        );
        Story {
            begun: Instant::now(),
            step: 0,
        }
    }

    fn say(&mut self, message: &Message) {
        self.step += 1;
        println!(
            "{:>7.2} s  {:>2}. {message}",
            self.begun.elapsed().as_secs_f64(),
            self.step
        );
    }

    /// Opens the two sites and pairs them.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn open_sites(&mut self, place: &Path) -> Result<(DemoSite, DemoSite), Failure> {
        let slot = |modality: &str| {
            format!(
                "[[reading.capacity]]\nmodality = \"{modality}\"\nspecialty = \"general\"\npriority = \"stat\"\nper_day = 1000\nhours = 24\n\n"
            )
        };
        let clinic = DemoSite::open(place, CLINIC, "デモ診療所", "CLINIC", "")?;
        let hospital = DemoSite::open(
            place,
            HOSPITAL,
            "デモ大学病院",
            "HOSPITAL",
            &CAPACITY.map(slot).concat(),
        )?;
        self.say(&say!(
            "2 つの施設が別々のプロセスとして動いています（診療所 {}、大学病院 {}）。",
            "Two sites run as separate processes (clinic {}, hospital {}).",
            clinic.pid(),
            hospital.pid()
        ));
        let partners = clinic.ask(Request::PartnerList)?;
        if partners.as_array().is_none_or(Vec::is_empty) {
            self.pair(&clinic, &hospital)?;
        }
        clinic.until(
            &say!("大学病院の読影枠", "the hospital's capacity"),
            || Request::PartnerList,
            |list| {
                list[0]["connected"] == true
                    && list[0]["key_to_seal_for"] == true
                    && !list[0]["capacity"].is_null()
                    && !list[0]["agreement"].is_null()
            },
        )?;
        self.say(&say!(
            "診療所に大学病院の読影枠が届きました: {}。",
            "The clinic sees what the hospital reads: {}.",
            CAPACITY.join(", ")
        ));
        Ok((clinic, hospital))
    }

    fn pair(&mut self, clinic: &DemoSite, hospital: &DemoSite) -> Result<(), Failure> {
        let invitation = hospital.ask(Request::PartnerInvite {
            addresses: Vec::new(),
            pseudonyms: false,
        })?;
        let code = invitation["code"].as_str().unwrap_or_default().to_owned();
        self.say(&say!(
            "大学病院が招待コードを発行しました: {code}",
            "The hospital reads out an invitation code: {code}"
        ));
        clinic.ask(Request::PartnerAccept { code })?;
        self.say(&say!(
            "診療所がコードを入力し、互いを確認して契約に署名しました。",
            "The clinic typed it in; both proved who they are and signed an agreement."
        ));
        hospital.ask(Request::PersonAdd(AddPerson {
            name: READER.to_owned(),
            role: "reader".to_owned(),
            licence: "000000".to_owned(),
            passphrase: PASSPHRASE.to_owned(),
        }))?;
        self.say(&say!(
            "大学病院の読影医に署名鍵を発行しました。",
            "A reader at the hospital has a key to sign with."
        ));
        Ok(())
    }

    /// Sends a study, has it read, verifies the report. Returns the study's UID.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn tell(
        &mut self,
        clinic: &DemoSite,
        hospital: &DemoSite,
        study: Option<&Path>,
    ) -> Result<String, Failure> {
        let images = study::images(study)?;
        let uid = images
            .first()
            .map(|image| image.study().to_owned())
            .unwrap_or_default();
        let taken = study::send(&images, &clinic.dicom)?;
        self.say(&say!(
            "CT 装置が {taken} 枚を診療所のノードに送りました（暗号化して保存済み）。",
            "The scanner sent {taken} images to the clinic's node; they are sealed on disk."
        ));
        let case = send(clinic, hospital, &uid)?;
        self.say(&say!(
            "診療所が大学病院に読影を依頼しました（症例 {}）。",
            "The clinic asked the hospital to read it (case {}).",
            &case[..case.len().min(8)]
        ));
        let show = || Request::CaseShow { case: case.clone() };
        reach(clinic, show, &["booked", "handing-over", "received"])?;
        self.say(&say!("大学病院が引き受け、診療所が依頼先を確定しました。鍵を大学病院だけに渡します。", "The hospital promised to read it, the clinic booked it; the key goes to the hospital alone."));
        reach(clinic, show, &["received"])?;
        self.say(&say!("全画像が暗号化されたまま届き、照合され、受領証が署名されました。", "Every image arrived end-to-end encrypted and was verified; the hospital signed a custody receipt."));
        let stored = say!(
            "検査が大学病院の PACS に入ること",
            "the study in the hospital's archive"
        );
        hospital.until(&stored, show, |case| {
            case["waiting"]["en"] == "waits to be read here"
        })?;
        self.say(&say!(
            "検査が大学病院の PACS に入りました。",
            "The study is in the hospital's archive."
        ));
        self.sign(
            hospital,
            &case,
            "preliminary",
            "【速報】急いで対応すべき所見は認めません。確定報告をお待ちください。",
        )?;
        self.sign(hospital, &case, "final", "【所見】\nデモ用の画像です。提示された範囲に明らかな異常を指摘できません。\n\n【診断】\n特記すべき異常なし。\n\n（これはデモ用の文章で、診断ではありません）")?;
        reach(clinic, show, &["delivered"])?;
        self.say(&say!(
            "署名済みの確定レポートが診療所で検証され、診療所の PACS に入りました。",
            "The signed final report was verified at the clinic and is in the clinic's archive."
        ));
        self.verify(clinic, &uid)?;
        clinic.ask(Request::CaseAcknowledge { case: case.clone() })?;
        reach(hospital, show, &["closed"])?;
        self.say(&say!(
            "診療所の医師が既読にし、症例が完了しました。",
            "A doctor at the clinic has read it; the case is closed on both sides."
        ));
        Ok(uid)
    }

    fn sign(
        &mut self,
        hospital: &DemoSite,
        case: &str,
        status: &str,
        text: &str,
    ) -> Result<(), Failure> {
        let sign = SignReport {
            case: case.to_owned(),
            status: status.to_owned(),
            text: text.to_owned(),
            pdf: None,
            reader: READER.to_owned(),
            passphrase: PASSPHRASE.to_owned(),
        };
        hospital.ask(Request::ReportSign(sign))?;
        let message = match status {
            "preliminary" => say!(
                "読影医が速報に署名しました。",
                "The reader signed a preliminary report."
            ),
            _ => say!(
                "読影医が確定レポートに署名しました。",
                "The reader signed the final report."
            ),
        };
        self.say(&message);
        Ok(())
    }

    /// Verifies the reports in the clinic's archive as anybody could: from the files alone.
    fn verify(&mut self, clinic: &DemoSite, study: &str) -> Result<(), Failure> {
        let mut verified = 0;
        let entries = std::fs::read_dir(&clinic.pacs_folder)
            .map_err(|error| unusable(&clinic.pacs_folder, &error))?;
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let bytes = std::fs::read(&path).map_err(|error| unusable(&path, &error))?;
            let verdict = file::verify(&bytes);
            if let Some(authentic) = verdict
                .authentic
                .filter(|authentic| authentic.subject.study == study && verdict.findings.is_empty())
            {
                verified += 1;
                let (version, status, objects) = (
                    authentic.report.version,
                    word(authentic.report.status.code()),
                    authentic.subject.objects,
                );
                let (author, site) = (&authentic.author.name, &authentic.site.name);
                let file = path.display();
                self.say(&say!("オフライン検証: 第 {version} 版（{status}）は真正です。署名 {author}（{site}）、対象画像 {objects} 枚、ファイル {file}", "Verified offline: version {version} ({status}) is authentic, signed by {author} ({site}), on {objects} images: {file}"; status = status));
            }
        }
        if verified < 2 {
            return Err(Failure::new(
                "demo-verify",
                say!(
                    "診療所の PACS に検証できるレポートがありません。",
                    "The clinic's archive does not hold both verified reports."
                ),
            ));
        }
        Ok(())
    }
}

/// Asks the hospital to read a study; returns the case.
fn send(clinic: &DemoSite, hospital: &DemoSite, uid: &str) -> Result<String, Failure> {
    let sent = clinic.ask(Request::StudySend(SendStudy {
        study: uid.to_owned(),
        to: vec![hospital.name.clone()],
        priority: "urgent".to_owned(),
        specialty: "general".to_owned(),
        hours: 24,
        now: true,
        all: false,
        despite_skipped: false,
        region: None,
        laterality: None,
        despite_check: None,
        pseudonymous: false,
        pixels_seen: false,
    }))?;
    must_be_sent(&sent)?;
    let case = sent["cases"][0]["case"].as_str();
    Ok(case.unwrap_or_default().to_owned())
}

fn reach(
    site: &DemoSite,
    request: impl FnMut() -> Request,
    phases: &[&str],
) -> Result<Value, Failure> {
    site.until(&word(phases[0]), request, |case| {
        phases.iter().any(|phase| case["phase"] == *phase)
    })
}
