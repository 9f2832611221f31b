//! Invented reports the output tests render. Every name, number and finding is made up.

use dokuei_node::outputs::view::{
    ImagesRead, Patient, PersonName, Reader, Report, ReportBody, ReportStatus, ReportView, Sex,
    Study,
};

pub(crate) const DIGEST: &str = "3fa1c7be90d24e5588a7104bd1c2f9e06b7d35ac4418f0927ee3cd5a61b0f842";
pub(crate) const PREDECESSOR: &str =
    "a07715c2d89b4f0e6613e2c5bb90417f28dc6ae1f3945b7082adfe16c3597b20";

const FINDINGS: &str = "頭部単純CTを撮影しました。前回(2023-06-02)のCTと比較します。\n\
    \n\
    右被殻に28×19×24 mm大の高吸収域を認め、急性期脳出血と考えます。周囲に淡い低吸収の浮腫を伴い、右側脳室前角の\
    軽度圧排がみられます。正中偏位は3 mmです。脳室内穿破は明らかではありません。血腫量はABC/2法で約6.4 mLと推定されます。\n\
    左基底核および両側大脳白質に陳旧性ラクナ梗塞・慢性虚血性変化(Fazekas grade 2)を認め、前回と著変ありません。\n\u{3000}\
    明らかなくも膜下出血、硬膜下血腫、頭蓋骨骨折は認めません。No CT evidence of acute large-vessel territorial \
    infarction is identified within the limits of a non-contrast examination.\n\
    副鼻腔・乳突蜂巣に含気不良はありません。";
const IMPRESSION: &str = "1. 右被殻出血(急性期)、血腫量 約6.4 mL、正中偏位 3 mm。\n\
    2. 慢性虚血性変化、多発ラクナ梗塞。前回と著変なし。\n\
    3. 水頭症・脳室内穿破は認めません。";
const RECOMMENDATION: &str = "至急、脳神経外科へのご相談をお願いします。6〜24時間後の頭部CT再検により血腫増大の有無を\
    ご確認ください。抗凝固薬・抗血小板薬の内服歴の確認をお勧めします。";

/// A final report with sections.
pub(crate) fn report(status: ReportStatus) -> ReportView {
    ReportView {
        patient: Patient {
            name: PersonName {
                alphabetic: "YAMAZAKI TAROU".into(),
                ideographic: "山﨑 太郎".into(),
                phonetic: "ﾔﾏｻﾞｷ ﾀﾛｳ".into(),
                exact: true,
            },
            id: "0001234567".into(),
            id_issuer: "HAMABE-CL".into(),
            birth_date: "19520814".into(),
            sex: Sex::Male,
        },
        study: Study {
            study_instance_uid: "1.2.826.0.1.3680043.8.498.10011223344556677889900".into(),
            accession_number: "A240115-0032".into(),
            date: "20240115".into(),
            time: "213045.12".into(),
            description: "頭部単純CT".into(),
            modality: "CT".into(),
            body_part: "頭部".into(),
            referring_physician: "浜辺 花子".into(),
            requesting_institution: "浜辺クリニック".into(),
        },
        report: Report {
            case_id: "0192f3c4a5b67d8e9f00112233445566".into(),
            version: if status == ReportStatus::Preliminary {
                1
            } else {
                2
            },
            status,
            predecessor_digest: match status {
                ReportStatus::Preliminary => None,
                _ => Some(PREDECESSOR.into()),
            },
            body: ReportBody::Sections {
                findings: FINDINGS.into(),
                impression: IMPRESSION.into(),
                recommendation: RECOMMENDATION.into(),
            },
            comparison: Some("頭部単純CT 2023-06-02".into()),
            images_read: ImagesRead {
                series: 3,
                instances: 412,
            },
            reader: Reader {
                name: "読影 一郎".into(),
                licence: "123456".into(),
                site: "みなと大学病院 放射線診断科".into(),
            },
            signed_at: "2024-01-15T22:04:31+09:00".into(),
            digest: DIGEST.into(),
        },
    }
}

/// Runs a program the tests look at outputs with; a missing one fails the test.
pub(crate) fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}): ./tests/run installs {package}")
        });
    assert!(
        output.status.success(),
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file of this test run, removed when dropped.
pub(crate) struct Scratch(pub(crate) std::path::PathBuf);

impl Scratch {
    /// Write `bytes` under a name no other test uses.
    pub(crate) fn file(name: &str, bytes: &[u8]) -> Scratch {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Text of each page as a PDF reader extracts it.
pub(crate) fn page_texts(name: &str, pdf: &[u8]) -> Vec<String> {
    let file = Scratch::file(name, pdf);
    let text = run("pdftotext", "poppler-utils", &["-layout", file.path(), "-"]);
    let mut pages: Vec<String> = text.split('\u{c}').map(str::to_owned).collect();
    pages.pop();
    pages
}

/// Without white space, so that line breaks do not matter.
pub(crate) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
