//! What the answers have in common: finding what a person named, and saying why something waits.

use std::collections::BTreeMap;

use dokuei_keys::id::SiteId;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::effect::{Answer, CannotDo};
use dokuei_protocol::input::{Command, Trouble};
use dokuei_protocol::service::views::{CaseView, Waiting};
use serde_json::{Value, json};

use crate::language::{Explain as _, Failure, Message};
use crate::runtime::hands::Hands;
use crate::say;
use crate::studies::register::RegisterError;

/// Gives a command to the loop.
pub(super) async fn command(node: &Hands, command: Command) -> Result<Answer, Failure> {
    node.desk
        .command(command)
        .await
        .map_err(|_| stopping())?
        .map_err(|cannot| cannot_do(&cannot))
}

pub(crate) fn stopping() -> Failure {
    Failure::new(
        "stopping",
        say!(
            "ノードは停止中です。開始してからやり直してください。",
            "The node is stopping. Start it and try again."
        ),
    )
}

pub(crate) fn cannot_do(cannot: &CannotDo) -> Failure {
    let ja = match cannot {
        CannotDo::NoCase => "その症例はこの施設にありません。",
        CannotDo::NoPartner => "その施設は登録されていません。",
        CannotDo::NoAgreement => "その施設との有効な契約がありません。",
        CannotDo::Identified => {
            "その施設との契約では検査を仮名で送りますが、この検査は仮名ではありません。「dokuei study send」で送り直すと、仮名の写しが作られます。"
        }
        CannotDo::NotNow => "症例は今その操作ができる段階にありません。",
        CannotDo::Candidates => "依頼先を 1～16 施設で指定してください。",
        CannotDo::HeldBack => "送信前の確認（検像）で保留になっています。",
        CannotDo::NotHeard => {
            "このノードの起動後に相手施設と一度も接続していないため、送り出せません。"
        }
        CannotDo::NoPrior => "その番号の過去検査は依頼元から提示されていません。",
        CannotDo::TooManyCases => "進行中の症例が多すぎます。",
        CannotDo::TooManyPartners => "登録施設が多すぎます。",
        CannotDo::Limit => "プロトコルの上限を超えています。",
        CannotDo::BadCode => "招待コードの形式が正しくありません。",
        CannotDo::NotPaired => {
            "招待した施設が応答しないか、コードが違います。新しいコードを発行してもらってください。"
        }
        CannotDo::PairingBusy => "別の登録手続きが進行中です。",
        CannotDo::OwnKeyRevoked => {
            "この施設の鍵が失効しています。ノードを止め、「dokuei renew --new-keys」で新しい鍵を作ってください。"
        }
        CannotDo::FolderOlder => {
            "このデータフォルダは相手施設が受け取った記録より古い複製です。より新しい複製を復元してください。"
        }
        CannotDo::PersonRevoked => {
            "この人の鍵は失効しています。「dokuei person add」で新しい鍵を発行してください。"
        }
        CannotDo::BadNotice => "通知の内容を、その施設について分かっている鍵で確かめられません。",
        CannotDo::NoPrekey => "相手施設の暗号鍵がまだ届いていません。接続を確認してください。",
        CannotDo::StudyGone => {
            "契約で決めた検査の保管期間が過ぎています。新しい症例として送り直してもらってください。"
        }
        CannotDo::NoHours => "何時間でレポートを返せるかを --hours で指定してください。",
        CannotDo::NotCertified => {
            "この人の登録またはこの施設の証明書の期限が切れています。更新してください。"
        }
        CannotDo::NotAReader => "読影できるのは、この施設が読影医として登録した人だけです。",
        CannotDo::Version(_) => "その版のレポートは今の版に続けられません。",
    };
    let said = Message::new(ja, sentence(&cannot.to_string()));
    Failure::new("cannot", said.followed_by(&next_step(cannot)))
}

/// What to do next.
fn next_step(cannot: &CannotDo) -> Message {
    match cannot {
        CannotDo::NoCase | CannotDo::TooManyCases => say!(
            "「dokuei case list」で確認してください。",
            "See 'dokuei case list'."
        ),
        CannotDo::NotHeard => say!(
            "一度接続してからやり直してください。",
            "Connect once, and try again."
        ),
        CannotDo::HeldBack => say!(
            "「dokuei study check」で指摘を確認してください。",
            "See 'dokuei study check' for what was found."
        ),
        CannotDo::NoPartner => say!(
            "「dokuei partner list」で確認してください。",
            "See 'dokuei partner list'."
        ),
        CannotDo::NoAgreement => say!(
            "「dokuei partner list」で確認し、必要ならペアリングをやり直してください。",
            "See 'dokuei partner list'; pair again to renew it."
        ),
        CannotDo::NotNow | CannotDo::NoPrior => say!(
            "「dokuei case show」で状態を確認してください。",
            "See 'dokuei case show'."
        ),
        CannotDo::TooManyPartners => say!(
            "使わない施設を「dokuei partner remove」で外してください。",
            "Remove one with 'dokuei partner remove'."
        ),
        CannotDo::Limit => say!("減らしてやり直してください。", "Give less and try again."),
        CannotDo::BadCode => say!(
            "表示されたコードと見比べてください。",
            "Compare it with the one shown."
        ),
        CannotDo::NotPaired => say!(
            "相手のアドレスと、ノードが動いていることも確認してください。",
            "Check the address and that its node is running, and ask for a new code."
        ),
        CannotDo::PairingBusy => say!(
            "終わってからやり直してください。",
            "Try again when it is over."
        ),
        CannotDo::NoPrekey => say!(
            "「dokuei partner list」で接続の状態が分かります。",
            "See 'dokuei partner list' for the connection."
        ),
        // The reason is the whole of the English text already.
        CannotDo::Version(why) => Message::new(why.message().sentence().ja, ""),
        CannotDo::BadNotice => say!(
            "相手施設から通知をもらい直してください。",
            "Ask that site for the notice again."
        ),
        CannotDo::NotAReader => say!(
            "「dokuei person list」で役割を確認してください。",
            "See 'dokuei person list' for the roles."
        ),
        // The reason itself says what to do.
        CannotDo::Candidates
        | CannotDo::Identified
        | CannotDo::OwnKeyRevoked
        | CannotDo::FolderOlder
        | CannotDo::PersonRevoked
        | CannotDo::StudyGone
        | CannotDo::NoHours
        | CannotDo::NotCertified => Message::default(),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).chain(['.']).collect())
        .unwrap_or_default()
}

/// The case whose id begins with this text.
pub(super) async fn find_case(node: &Hands, text: &str) -> Result<CaseView, Failure> {
    let wanted = text.trim().to_ascii_lowercase();
    let found = node.desk.ask(move |service| {
        let state = service.state();
        let asked = beginning(&state.requests, &wanted);
        let read = beginning(&state.readings, &wanted);
        let read = read.filter(|case| !state.requests.contains_key(case));
        let mut matching = asked.chain(read);
        let first = matching.next().and_then(|case| service.case_view(case));
        (first, matching.next().is_some())
    });
    match found.await.map_err(|_| stopping())? {
        (Some(view), false) => Ok(view),
        (Some(_), true) => Err(Failure::new(
            "ambiguous-case",
            say!(
                "「{text}」で始まる症例が複数あります。もっと長く指定してください。",
                "Several cases begin with '{text}'. Give more of the id."
            ),
        )),
        (None, _) => Err(Failure::new(
            "no-case",
            say!(
                "「{text}」で始まる症例はありません（4 文字以上で指定）。",
                "No case begins with '{text}' (give at least 4 characters)."
            ),
        )),
    }
}

/// The cases whose names begin with these digits, of which there must be four: found by their place among the others.
fn beginning<T>(cases: &BTreeMap<CaseId, T>, digits: &str) -> impl Iterator<Item = CaseId> {
    let lowest: Option<CaseId> = format!("{digits:0<64}").parse().ok();
    let lowest = lowest.filter(|_| digits.len() >= 4);
    let from = lowest.into_iter().flat_map(|lowest| cases.range(lowest..));
    let from = from.map(|(case, _)| *case);
    from.take_while(move |case| case.to_string().starts_with(digits))
}

/// The partner with this name or id.
pub(super) async fn find_partner(node: &Hands, text: &str) -> Result<SiteId, Failure> {
    let wanted = text.trim().to_owned();
    let found = node.desk.ask(move |service| {
        let partners = service.state().partners.iter();
        let matching: Vec<SiteId> = partners
            .filter(|(site, partner)| {
                partner.name == wanted
                    || (wanted.len() >= 4 && site.to_string().starts_with(&wanted))
            })
            .map(|(site, _)| *site)
            .collect();
        matching
    });
    match found.await.map_err(|_| stopping())?.as_slice() {
        [site] => Ok(*site),
        [] => Err(Failure::new(
            "no-partner",
            say!(
                "「{text}」という施設は登録されていません。「dokuei partner list」で確認してください。",
                "No partner is called '{text}'. See 'dokuei partner list'."
            ),
        )),
        _ => Err(Failure::new(
            "ambiguous-partner",
            say!(
                "「{text}」に当てはまる施設が複数あります。施設 ID で指定してください。",
                "Several partners are called '{text}'. Give the site id."
            ),
        )),
    }
}

/// The names of all partners.
pub(super) async fn partner_name(node: &Hands, site: SiteId) -> String {
    let name = node.desk.ask(move |service| {
        service
            .state()
            .partners
            .get(&site)
            .map(|partner| partner.name.clone())
    });
    name.await
        .ok()
        .flatten()
        .unwrap_or_else(|| site.to_string())
}

/// What a case waits for, in words.
pub(super) fn waiting(waiting: Waiting) -> Message {
    match waiting {
        Waiting::Nothing => say!("完了", "done"),
        Waiting::OfferHere => say!(
            "依頼先の指定待ち（この施設）",
            "waits for this site to offer it to somebody"
        ),
        Waiting::OfferAgain => say!(
            "終了（レポートなし。「dokuei case offer」で再依頼できます）",
            "over without a report ('dokuei case offer' offers it again)"
        ),
        Waiting::Quote => say!(
            "相手施設の引受回答待ち",
            "waits for the partner's answer to the offer"
        ),
        Waiting::QuoteHere => say!(
            "引き受けの回答待ち（この施設: case quote または case decline）",
            "waits for this site to answer the offer (case quote or case decline)"
        ),
        Waiting::Booking => say!("依頼施設の決定待ち", "waits for the requester's choice"),
        Waiting::Prekey => say!(
            "相手施設の事前公開鍵待ち",
            "waits for the partner's key to seal for"
        ),
        Waiting::Agreement => say!("契約の成立待ち", "waits for an agreement with the partner"),
        Waiting::Identified => say!(
            "契約が仮名での送付に変わったため送れません（この施設: case withdraw で取り下げ、study send で送り直し）",
            "cannot go as the agreement now wants a pseudonym: case withdraw, then study send (this site)"
        ),
        Waiting::Grant => say!("検査の鍵の付与待ち", "waits for the key of the study"),
        Waiting::Transfer => say!("検査を転送中", "the study is on its way"),
        Waiting::Receipt => say!("受領証待ち", "waits for the custody receipt"),
        Waiting::Reading => say!(
            "相手施設で読影待ち・読影中",
            "waits for the reading at the partner"
        ),
        Waiting::ReadingHere => say!("読影待ち（この施設）", "waits to be read here"),
        Waiting::FinalReport => say!("確定レポート待ち", "waits for the final report"),
        Waiting::Delivery => say!("レポートを配送中", "the report is on its way"),
        Waiting::Acknowledgement => say!(
            "依頼医の既読待ち",
            "waits until a doctor at the requester has read the report"
        ),
        Waiting::AcknowledgementHere => say!(
            "既読の確認待ち（この施設）",
            "waits until a doctor here has read the report"
        ),
        Waiting::Connection => say!(
            "相手施設との接続待ち",
            "waits for a connection to the partner"
        ),
        Waiting::Answer => say!("相手施設の確認待ち", "waits for the partner's confirmation"),
        Waiting::Refused => say!(
            "相手施設がこの依頼の文書を拒否しました（先方へ連絡のうえ、取り下げて他の施設へ依頼するか、返却してください）",
            "the partner refused what was said of the case: call them; withdraw it and ask another, or give it back"
        ),
        Waiting::Retry(trouble) => retry(trouble),
    }
}

fn retry(trouble: Trouble) -> Message {
    match trouble {
        Trouble::PartnerUnreachable => say!(
            "相手施設と通信できません（自動で再試行します）",
            "the partner cannot be reached; tried again automatically"
        ),
        Trouble::PartnerBusy => say!(
            "相手施設が混み合っています（自動で再試行します）",
            "the partner is busy; tried again automatically"
        ),
        Trouble::NotPermitted => say!(
            "相手施設がまだ検査を渡せません（自動で再試行します）",
            "the partner does not hand it out yet; tried again automatically"
        ),
        Trouble::ArchiveUnreachable => say!(
            "自施設の PACS が今は受け取れません（停止・通信不能・容量不足など。自動で再試行します）",
            "this site's archive does not take it now: it is off, cut off or short of room; tried again automatically"
        ),
        Trouble::ArchiveRefused => say!(
            "自施設の PACS が受け取りません（PACS の受信設定を確認してください）",
            "this site's archive refuses it: check what it accepts"
        ),
        Trouble::NoArchive => say!(
            "PACS が設定されていません（dokuei.toml の [archive] を設定してください）",
            "no archive is configured: set [archive] in dokuei.toml"
        ),
        Trouble::Disk => say!(
            "ディスクに書き込めません（空き容量を確認してください）",
            "the disk cannot be written: check the free space"
        ),
    }
}

/// Work that waits for the disk or the network, off the loop's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| stopping())?
}

/// A message for programs and people.
pub(super) fn both(message: &Message) -> Value {
    json!({ "ja": message.ja, "en": message.en })
}

/// A case id as it is shown and typed.
pub(super) fn short(case: CaseId) -> String {
    case.to_string()[..8].to_owned()
}

pub(super) fn register_failure(error: &RegisterError) -> Failure {
    let code = match error {
        RegisterError::Arriving => "arriving",
        RegisterError::Unknown => "no-study",
        RegisterError::Disk(_)
        | RegisterError::Store(_)
        | RegisterError::Full
        | RegisterError::Damaged => "study-failed",
    };
    Failure::new(code, error.message().sentence())
}

pub(super) fn unknown(what: Message, given: &str, known: &[&str]) -> Failure {
    let known = known.join(", ");
    Failure::new(
        "unknown-value",
        say!(
            "{what}に「{given}」は指定できません。指定できる値: {known}。",
            "'{given}' is no {what}. Known: {known}.";
            what = what
        ),
    )
}

pub(super) fn no_study(uid: &str) -> Failure {
    Failure::new(
        "no-study",
        say!(
            "検査「{uid}」はこの施設にありません。「dokuei study list」で確認してください。",
            "There is no study '{uid}' here. See 'dokuei study list'."
        ),
    )
}

#[cfg(test)]
mod tests {
    use dokuei_protocol::case::report::WrongVersion;

    use super::*;
    use crate::language::assert_both;

    #[test]
    fn a_case_is_found_by_how_its_name_begins() {
        let case = |bytes: [u8; 2]| {
            let mut whole = [0; 32];
            whole[..2].copy_from_slice(&bytes);
            CaseId::from_bytes(whole)
        };
        let all = [[0x12, 0x34], [0x12, 0x35], [0x12, 0x45], [0xFF, 0xFF]];
        let cases: BTreeMap<CaseId, ()> = all.into_iter().map(|one| (case(one), ())).collect();
        let found = |digits: &str| beginning(&cases, digits).collect::<Vec<_>>();
        assert_eq!(found("1234"), [case([0x12, 0x34])]);
        assert_eq!(found("12350"), [case([0x12, 0x35])]);
        assert_eq!(found(&case([0xFF, 0xFF]).to_string()), [case([0xFF, 0xFF])]);
        let long = "1".repeat(65);
        for none in ["", "123", "1233", "12351", "123g", "山田太郎", &long] {
            assert!(found(none).is_empty(), "{none}");
        }
        let also = case([0x12, 0x34]).to_string();
        let mut cases = cases;
        cases.insert(CaseId::from_bytes([0x12; 32]), ());
        assert_eq!(beginning(&cases, &also[..4]).count(), 1);
        assert_eq!(beginning(&cases, "1212").count(), 1);
    }

    #[test]
    fn what_cannot_be_done_is_told_in_both_languages() {
        for cannot in [
            CannotDo::NoCase,
            CannotDo::NoPartner,
            CannotDo::NoAgreement,
            CannotDo::Identified,
            CannotDo::NotNow,
            CannotDo::Candidates,
            CannotDo::HeldBack,
            CannotDo::NotHeard,
            CannotDo::TooManyCases,
            CannotDo::TooManyPartners,
            CannotDo::Limit,
            CannotDo::BadCode,
            CannotDo::NotPaired,
            CannotDo::PairingBusy,
            CannotDo::NoPrekey,
            CannotDo::Version(WrongVersion::FinalTwice),
        ] {
            let failure = cannot_do(&cannot);
            assert_both(&failure.message);
            assert!(failure.message.ja.ends_with('。') && failure.message.en.ends_with('.'));
        }
    }

    #[test]
    fn what_a_case_waits_for_is_told_in_both_languages() {
        let troubles = [
            Trouble::PartnerUnreachable,
            Trouble::PartnerBusy,
            Trouble::NotPermitted,
            Trouble::ArchiveUnreachable,
            Trouble::ArchiveRefused,
            Trouble::NoArchive,
            Trouble::Disk,
        ];
        let others = [
            Waiting::Nothing,
            Waiting::OfferHere,
            Waiting::Quote,
            Waiting::QuoteHere,
            Waiting::Booking,
            Waiting::Agreement,
            Waiting::Identified,
            Waiting::Prekey,
            Waiting::Grant,
            Waiting::Transfer,
            Waiting::Receipt,
            Waiting::Reading,
            Waiting::ReadingHere,
            Waiting::FinalReport,
            Waiting::Delivery,
            Waiting::Acknowledgement,
            Waiting::AcknowledgementHere,
            Waiting::Connection,
            Waiting::Answer,
            Waiting::Refused,
        ];
        let all = troubles.map(Waiting::Retry).into_iter().chain(others);
        all.for_each(|waits| assert_both(&waiting(waits)));
    }
}
