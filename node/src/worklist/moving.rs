//! What changes workitems: each is a command to the case machine, or a note beside it that the machine has no word for.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dokuei_protocol::case::CaseId;
use dokuei_protocol::case::cancel::Told;
use dokuei_protocol::service::views::Side;
use serde_json::Value as Json;

use super::item::Item;
use super::order::{self, text};
use super::state::State;
use super::{Found, Refused, Who, Worklist, blocking, codes, domain_of};
use crate::control::cases::{self, Act};
use crate::control::{people, sending};
use crate::dicom::charset::WRITTEN_CHARACTER_SET;
use crate::dicom::dataset::{DataSet, json};
use crate::language::Message;
use crate::runtime::desk::now;
use crate::runtime::hands::Hands;
use crate::say;
use crate::site::people::must_read;

/// Bytes of what clients may say of one workitem, as JSON.
const SAID_BYTES: usize = 32 * 1024;
/// What clients may say of a workitem that nobody reads yet.
const WHILE_SCHEDULED: [Tag; 5] = [
    tags::PROCEDURE_STEP_LABEL,
    tags::WORKLIST_LABEL,
    tags::SCHEDULED_PROCEDURE_STEP_START_DATE_TIME,
    tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE,
    tags::COMMENTS_ON_THE_SCHEDULED_PROCEDURE_STEP,
];
/// What who reads it may say.
const WHILE_IN_PROGRESS: [Tag; 2] = [
    tags::PROCEDURE_STEP_PROGRESS_INFORMATION_SEQUENCE,
    tags::UNIFIED_PROCEDURE_STEP_PERFORMED_PROCEDURE_SEQUENCE,
];

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It was made.
    Done,
    /// The workitem stood there already.
    Already(State),
}

impl Worklist {
    /// Creates a workitem: opens a case for a study of this site. Answers its UID.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn create(
        &self,
        who: &Who,
        uid: Option<String>,
        asked: &DataSet,
    ) -> Result<String, Refused> {
        let _changing = self.0.changing.lock().await;
        let node = self.node()?;
        let inside = text(asked, tags::SOP_INSTANCE_UID);
        let uid = uid.or_else(|| (!inside.is_empty()).then(|| inside.clone()));
        if !inside.is_empty() && uid.as_deref() != Some(inside.as_str()) {
            return Err(Refused::Malformed(say!(
                "アドレスとデータセットの SOP Instance UID が違います。",
                "The SOP Instance UIDs of address and data set differ."
            )));
        }
        if let Some(uid) = &uid
            && self.item(uid).await?.is_some()
        {
            return Err(Refused::Conflict(
                "The Workitem already exists",
                say!(
                    "その UID のワークアイテムは既にあります。",
                    "There is a workitem of this UID."
                ),
            ));
        }
        let send = order::read(asked, now())?;
        let said = written(&notes(asked, &WHILE_SCHEDULED))?;
        self.must_own(&node, who, &send.study)?;
        let sent = sending::send(&node, send).await?;
        let case = opened(&sent)?;
        let (kept, chosen) = (self.0.kept.clone(), uid.clone());
        blocking(move || {
            Ok(kept.say((case, 0), |kept| {
                kept.uid = chosen;
                kept.attributes = Some(said.into());
            })?)
        })
        .await?;
        if let Some(uid) = &uid {
            self.note_case(uid, case).await;
        }
        self.look_again();
        let made = self.items_of(case).await?.into_iter().next();
        made.map(|item| item.uid).or(uid).ok_or(Refused::Unknown)
    }

    /// Only studies of one's own scope are sent anywhere.
    fn must_own(&self, node: &Hands, who: &Who, uid: &str) -> Result<(), Refused> {
        let register = &node.ports.register;
        let mut parcels = register.parcels_of(uid).into_iter();
        let may = parcels.all(|parcel| {
            let domain = register.look(&parcel, |study| domain_of(self.0.site, study));
            who.may_see(domain.as_ref(), self.0.site)
        });
        match may && !register.parcels_of(uid).is_empty() {
            true => Ok(()),
            false => Err(Refused::Conflict(
                "The referenced study does not exist",
                say!(
                    "その検査はここにないか、見る権限がありません。",
                    "There is no such study here, or you may not see it."
                ),
            )),
        }
    }

    /// Moves a workitem: claims it, gives it back, or notes that it is done.
    ///
    /// # Errors
    /// [`Refused`], in the standard's words.
    pub async fn change_state(
        &self,
        who: &Who,
        uid: &str,
        asked: &DataSet,
    ) -> Result<Moved, Refused> {
        let _changing = self.0.changing.lock().await;
        let Found { item, .. } = self.found(who, uid).await?;
        let wanted = State::from_term(&text(asked, tags::PROCEDURE_STEP_STATE));
        let wanted = wanted.ok_or_else(|| {
            Refused::Malformed(say!(
                "Procedure Step State (0074,1000) を指定してください。",
                "Give a Procedure Step State (0074,1000)."
            ))
        })?;
        let transaction = text(asked, tags::TRANSACTION_UID);
        if transaction.is_empty() {
            return Err(Refused::Malformed(say!(
                "Transaction UID (0008,1195) を指定してください。",
                "Give a Transaction UID (0008,1195)."
            )));
        }
        match (item.state, wanted) {
            (stands, wanted) if stands == wanted && stands.is_final() => Ok(Moved::Already(stands)),
            (stands, _) if stands.is_final() => Err(over(stands)),
            (_, State::Scheduled) => Err(Refused::Conflict(
                "The UPS may only become SCHEDULED via N-CREATE, not N-SET or N-ACTION",
                say!(
                    "SCHEDULED には戻せません。読影をやめるときは CANCELED にしてください。",
                    "Nothing goes back to SCHEDULED. To give it back, set CANCELED."
                ),
            )),
            (State::InProgress, State::InProgress) => Err(Refused::Conflict(
                "The UPS is already IN PROGRESS",
                say!("既に読影中です。", "Somebody reads it already."),
            )),
            (State::Scheduled, State::InProgress) => {
                self.claim(who, &item, asked, transaction).await
            }
            (State::Scheduled, _) => Err(Refused::Conflict(
                "The UPS is not yet in the IN PROGRESS state",
                say!(
                    "まだ読影が始まっていません。",
                    "Nobody has begun to read it."
                ),
            )),
            (_, wanted) => {
                must_hold(&item, &transaction)?;
                self.end(&item, wanted).await
            }
        }
    }

    async fn claim(
        &self,
        who: &Who,
        item: &Item,
        asked: &DataSet,
        transaction: String,
    ) -> Result<Moved, Refused> {
        let node = self.node()?;
        if !item.is_read_here() {
            return Err(Refused::Conflict(
                "The UPS is performed at another site",
                say!(
                    "この症例は相手施設が読影します。",
                    "The partner reads this case."
                ),
            ));
        }
        let reader = reader(&node, who, item, asked)?;
        let (place, kept) = ((item.view.case, item.round), self.0.kept.clone());
        let before = item.said.transaction.clone();
        let say = move |transaction: Option<String>| {
            let kept = kept.clone();
            blocking(move || Ok(kept.say(place, |said| said.transaction = transaction)?))
        };
        // First the lock, then the claim: whoever hears of the claim can already prove that it is theirs.
        say(Some(transaction)).await?;
        if let Err(failure) = cases::act(&node, item.view.case, Act::Claim(&reader)).await {
            say(before).await?;
            return Err(failure.into());
        }
        Ok(Moved::Done)
    }

    async fn end(&self, item: &Item, wanted: State) -> Result<Moved, Refused> {
        if wanted == State::Completed {
            return Err(Refused::Conflict(
                "The submitted request does not meet the requirements of the final state",
                say!(
                    "確定レポートがまだ署名されていません。「dokuei report sign」で署名すると COMPLETED になります。",
                    "No final report is signed. It becomes COMPLETED when one is: 'dokuei report sign'."
                ),
            ));
        }
        let node = self.node()?;
        let reason = codes::release(&discontinuation(&item.said_set()));
        cases::act(&node, item.view.case, Act::Release(reason)).await?;
        Ok(Moved::Done)
    }

    /// Asks for a workitem to be cancelled: one that nobody reads yet ends, who reads one is told.
    ///
    /// # Errors
    /// [`Refused`], in the standard's words.
    pub async fn request_cancel(
        &self,
        who: &Who,
        uid: &str,
        asked: &DataSet,
    ) -> Result<Moved, Refused> {
        let _changing = self.0.changing.lock().await;
        let Found { item, .. } = self.found(who, uid).await?;
        let node = self.node()?;
        let case = item.view.case;
        let codes = asked.items(tags::PROCEDURE_STEP_DISCONTINUATION_REASON_CODE_SEQUENCE);
        let code = codes.first().map(|code| text(code, tags::CODE_VALUE));
        let code = code.unwrap_or_default();
        match (item.state, item.view.side) {
            (State::Canceled, _) => Ok(Moved::Already(State::Canceled)),
            (State::Completed, _) => Err(Refused::Conflict(
                "The UPS is already COMPLETED",
                say!(
                    "既に確定レポートがあります。",
                    "There is a final report already."
                ),
            )),
            (State::Scheduled, Side::Requester) => {
                cases::act(&node, case, Act::Withdraw(codes::withdrawal(&code))).await?;
                Ok(Moved::Done)
            }
            (State::Scheduled, Side::Reader) => {
                let act = match item.view.phase {
                    "offered" | "quoted" => Act::Decline,
                    _ => Act::Release(codes::release(&code)),
                };
                cases::act(&node, case, act).await?;
                Ok(Moved::Done)
            }
            (State::InProgress, Side::Requester) if was_refused(&item) => Err(Refused::Conflict(
                "The performer cannot be contacted",
                say!(
                    "相手施設のノードが中止の依頼を受け取りません。相手施設に電話で連絡してください。",
                    "The partner's node does not take a request to stop. Call the partner."
                ),
            )),
            // The reader is asked to stop, by a document that goes to its site.
            (State::InProgress, Side::Requester) => {
                cases::act(&node, case, Act::Withdraw(codes::withdrawal(&code))).await?;
                Ok(Moved::Done)
            }
            (State::InProgress, Side::Reader) => {
                match self.tell_cancel_requested(who, &item, asked).await? {
                    true => Ok(Moved::Done),
                    false => Err(Refused::Conflict(
                        "The performer cannot be contacted",
                        say!(
                            "ほかにイベントを受け取っている端末がありません。読影医に直接連絡してください。",
                            "Nobody else who may see it listens for events. Speak to the reader."
                        ),
                    )),
                }
            }
        }
    }

    /// Keeps what a client says of a workitem.
    ///
    /// # Errors
    /// [`Refused`], in the standard's words.
    pub async fn update(
        &self,
        who: &Who,
        uid: &str,
        transaction: Option<&str>,
        asked: &DataSet,
    ) -> Result<(), Refused> {
        let _changing = self.0.changing.lock().await;
        let Found { item, .. } = self.found(who, uid).await?;
        let inside = text(asked, tags::TRANSACTION_UID);
        let allowed: &[Tag] = match item.state {
            State::Scheduled => &WHILE_SCHEDULED,
            State::InProgress => {
                must_hold(&item, transaction.unwrap_or(&inside))?;
                &WHILE_IN_PROGRESS
            }
            stands => return Err(over(stands)),
        };
        let passed_over = [tags::SPECIFIC_CHARACTER_SET, tags::TRANSACTION_UID];
        let all = asked.elements().iter().map(|element| element.tag);
        let wrong: Vec<String> = all
            .filter(|tag| !allowed.contains(tag) && !passed_over.contains(tag))
            .map(order::keyword)
            .collect();
        if !wrong.is_empty() {
            let wrong = wrong.join(", ");
            return Err(Refused::Malformed(say!(
                "この状態では変更できない属性です: {wrong}。",
                "These cannot be changed where it stands: {wrong}."
            )));
        }
        let mut said = item.said_set();
        for element in notes(asked, allowed).elements() {
            said.put(element.clone());
        }
        let said = written(&said)?;
        let (place, kept) = ((item.view.case, item.round), self.0.kept.clone());
        blocking(move || Ok(kept.say(place, |kept| kept.attributes = Some(said.into()))?)).await?;
        self.look_again();
        Ok(())
    }
}

impl Item {
    /// What clients said of it.
    pub(super) fn said_set(&self) -> DataSet {
        let said = self.said.attributes.as_ref();
        // What was kept was read before.
        said.map(|said| json::read(said).unwrap_or_default())
            .unwrap_or_default()
    }
}

fn notes(asked: &DataSet, allowed: &[Tag]) -> DataSet {
    let elements = asked.elements().iter();
    let mut notes: DataSet = elements
        .filter(|element| allowed.contains(&element.tag))
        .cloned()
        .collect();
    notes.put_text(tags::SPECIFIC_CHARACTER_SET, VR::CS, WRITTEN_CHARACTER_SET);
    notes
}

/// The form in which it is kept.
fn written(set: &DataSet) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    json::write(set, &mut out);
    match out.len() <= SAID_BYTES {
        true => Ok(out),
        false => Err(Refused::Malformed(say!(
            "ワークアイテムの記述は合わせて {SAID_BYTES} バイトまでです。",
            "What is said of a workitem has at most {SAID_BYTES} bytes together."
        ))),
    }
}

/// Whether the reader's node has refused a request to stop.
fn was_refused(item: &Item) -> bool {
    let cancel = item.view.cancel.as_ref();
    cancel.is_some_and(|cancel| cancel.told == Told::Refused)
}

fn over(stands: State) -> Refused {
    let stands = stands.term();
    Refused::Conflict(
        "The UPS may no longer be updated",
        say!(
            "このワークアイテムは終わっています（{stands}）。",
            "This workitem is over ({stands})."
        ),
    )
}

fn must_hold(item: &Item, transaction: &str) -> Result<(), Refused> {
    match item.said.transaction.as_deref() {
        Some(held) if held == transaction => Ok(()),
        Some(_) => Err(Refused::Conflict(
            "The Transaction UID is incorrect",
            say!(
                "Transaction UID が違います。",
                "The Transaction UID is another one."
            ),
        )),
        None => Err(Refused::Conflict(
            "The Transaction UID is incorrect",
            say!(
                "この症例の読影はワークリスト以外（コマンドラインか相手施設）で始まったため、ここからは変更できません。",
                "It was not claimed by this worklist, but at the command line or the partner, and cannot be changed from here."
            ),
        )),
    }
}

/// The code of why who reads it stopped, as an update before said it.
fn discontinuation(said: &DataSet) -> String {
    let progress = said
        .items(tags::PROCEDURE_STEP_PROGRESS_INFORMATION_SEQUENCE)
        .first();
    let codes =
        progress.map(|set| set.items(tags::PROCEDURE_STEP_DISCONTINUATION_REASON_CODE_SEQUENCE));
    let code = codes.and_then(<[DataSet]>::first);
    code.map(|code| text(code, tags::CODE_VALUE))
        .unwrap_or_default()
}

/// Who claims it: whom the request names as performer, else whom the workitem is scheduled for, else who asks.
fn reader(node: &Hands, who: &Who, item: &Item, asked: &DataSet) -> Result<String, Refused> {
    let said = item.said_set();
    let named = performer(asked, tags::ACTUAL_HUMAN_PERFORMERS_SEQUENCE)
        .or_else(|| performer(&said, tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE));
    let reader = named.unwrap_or_else(|| who.name.clone());
    let person = people::find_person(node, &reader).map_err(|_| {
        Refused::Conflict(
            "The performer is not known",
            say!(
                "読影医が分かりません。Actual Human Performers Sequence (0040,4035) に登録済みの読影医の氏名を指定するか、読影医の名前のトークンかアカウントを使ってください（「dokuei person list」参照）。",
                "It is not clear who reads. Name a certified reader in the Actual Human Performers Sequence (0040,4035), or use a token or account of that name (see 'dokuei person list')."
            ),
        )
    })?;
    must_read(&person.name, person.role)?;
    if !who.is_program && person.name != who.name {
        return Err(Refused::Conflict(
            "The performer is another person",
            say!(
                "ログインした人の名前でだけ読影を始められます。",
                "Who is logged in begins only in their own name."
            ),
        ));
    }
    Ok(person.id.to_string())
}

/// The name in a sequence of performers, else the code of the first of them.
fn performer(set: &DataSet, tag: Tag) -> Option<String> {
    let human = set.items(tag).first()?;
    let name = text(human, tags::HUMAN_PERFORMER_NAME);
    let codes = human.items(tags::HUMAN_PERFORMER_CODE_SEQUENCE).first();
    let code = || {
        codes
            .map(|code| text(code, tags::CODE_VALUE))
            .unwrap_or_default()
    };
    // The first group that is there: people are registered under one name.
    let group = name.split('=').find(|group| !group.is_empty());
    let spoken = group.map(|group| group.replace('^', " ").trim().to_owned());
    spoken
        .or_else(|| Some(code()))
        .filter(|name| !name.is_empty())
}

/// The first case that was opened, or why nothing was sent.
fn opened(sent: &Json) -> Result<CaseId, Refused> {
    let held = &sent["held_back"];
    if !held.is_null() {
        let said = |language: &str| held[language].as_str().unwrap_or_default().to_owned();
        return Err(Refused::Conflict(
            "The study is held back by the check before sending",
            Message::new(said("ja"), said("en")),
        ));
    }
    let case = sent["cases"][0]["case"].as_str();
    let case = case.and_then(|case| case.parse().ok());
    case.ok_or(Refused::Unknown)
}
