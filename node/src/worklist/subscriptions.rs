//! Who is told of changes (PS3.4 section CC.2.3): of one workitem, of all, or of those that match.

use dokuei_protocol::time::Timestamp;

use super::kept::Subscription;
use super::{Found, Refused, Search, Who, Worklist, blocking};
use crate::runtime::desk::now;
use crate::say;

/// UPS Global Subscription SOP Instance: every workitem.
pub const GLOBAL: &str = "1.2.840.10008.5.1.4.34.5";
/// UPS Filtered Global Subscription SOP Instance: those that match.
pub const FILTERED: &str = "1.2.840.10008.5.1.4.34.5.1";

/// Whether somebody is told of a workitem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// No.
    No,
    /// Yes.
    Yes,
    /// When it matches this query.
    IfMatching(String),
}

impl Worklist {
    /// Subscribes under an AE title. `query` is what workitems have to match, of the filtered instance.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn subscribe(
        &self,
        who: &Who,
        title: &str,
        target: &str,
        query: &[(String, String)],
        deletion_lock: bool,
    ) -> Result<(), Refused> {
        let subscriber = who.subscriber(title);
        let mut new = Subscription::new(&subscriber, target);
        new.deletion_lock = deletion_lock;
        let mut at_once = None;
        match target {
            GLOBAL => {}
            FILTERED => {
                Search::read(query)?;
                new.filter = Some(to_text(query));
            }
            uid => at_once = Some(self.found(who, uid).await?),
        }
        let kept = self.0.kept.clone();
        blocking(move || {
            if new.target == GLOBAL {
                kept.unsubscribe(&new.subscriber, |one| one.excepted)?;
            }
            Ok(kept.subscribe(new)?)
        })
        .await?;
        if let Some(Found { item, .. }) = at_once {
            self.tell_state(&item, &subscriber)?;
        }
        Ok(())
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn unsubscribe(&self, who: &Who, title: &str, target: &str) -> Result<(), Refused> {
        let (kept, target) = (self.0.kept.clone(), target.to_owned());
        let subscriber = who.subscriber(title);
        blocking(move || {
            let held = kept.subscriptions(&subscriber);
            let is_many = |one: &Subscription| matches!(one.target.as_str(), GLOBAL | FILTERED);
            match target.as_str() {
                GLOBAL => kept.unsubscribe(&subscriber, |one| one.target != FILTERED)?,
                FILTERED => kept.unsubscribe(&subscriber, |one| one.target == FILTERED)?,
                uid if held.iter().any(is_many) => {
                    let mut none = Subscription::new(&subscriber, uid);
                    none.excepted = true;
                    kept.subscribe(none)?;
                }
                uid => kept.unsubscribe(&subscriber, |one| one.target == uid)?,
            }
            Ok(())
        })
        .await
    }

    /// Lets new workitems be none of a subscription to many.
    ///
    /// # Errors
    /// [`Refused::Malformed`] when there is no such subscription.
    pub async fn suspend(&self, who: &Who, title: &str, target: &str) -> Result<(), Refused> {
        let held = self
            .0
            .kept
            .subscriptions(&who.subscriber(title))
            .into_iter();
        let many = held
            .filter(|one| matches!(one.target.as_str(), GLOBAL | FILTERED))
            .find(|one| one.target == target);
        let mut many = many.ok_or_else(|| {
            Refused::Malformed(say!(
                "停止できる全体購読がありません。",
                "There is no subscription to many workitems to suspend."
            ))
        })?;
        many.suspended = Some(now().0);
        let kept = self.0.kept.clone();
        blocking(move || Ok(kept.subscribe(many)?)).await
    }
}

/// Whether these subscriptions tell of a workitem that was first offered then.
pub(super) fn telling(subscriptions: &[Subscription], uid: &str, offered: Timestamp) -> Telling {
    if let Some(one) = subscriptions.iter().find(|one| one.target == uid) {
        return match one.excepted {
            true => Telling::No,
            false => Telling::Yes,
        };
    }
    let mut many = subscriptions.iter().filter(|one| {
        let is_old = one.suspended.is_none_or(|since| offered.0 < since);
        is_old && matches!(one.target.as_str(), GLOBAL | FILTERED)
    });
    let mut query = None;
    loop {
        match many.next() {
            Some(one) if one.target == GLOBAL => return Telling::Yes,
            Some(one) => query = one.filter.clone(),
            None => return query.map_or(Telling::No, Telling::IfMatching),
        }
    }
}

/// A query as one text: no name or value has a line end, since keys are one line each.
fn to_text(query: &[(String, String)]) -> String {
    let lines = query.iter().map(|(name, value)| {
        let value = value.replace(['\r', '\n'], " ");
        format!("{name}={value}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The query of such a text.
pub(super) fn from_text(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_workitem_weighs_more_than_all_and_suspending_keeps_the_old_ones() {
        let (early, late) = (Timestamp(1), Timestamp(9));
        let mut all = Subscription::new("A", GLOBAL);
        let mut none = Subscription::new("A", "1.2");
        none.excepted = true;
        assert_eq!(telling(&[], "1.2", late), Telling::No);
        assert_eq!(
            telling(std::slice::from_ref(&all), "1.2", late),
            Telling::Yes
        );
        assert_eq!(
            telling(&[all.clone(), none.clone()], "1.2", late),
            Telling::No
        );
        assert_eq!(telling(&[all.clone(), none], "1.3", late), Telling::Yes);
        all.suspended = Some(5);
        assert_eq!(
            telling(std::slice::from_ref(&all), "1.2", early),
            Telling::Yes
        );
        assert_eq!(telling(&[all.clone()], "1.2", late), Telling::No);
        let mut some = Subscription::new("A", FILTERED);
        some.filter = Some("a=b".to_owned());
        assert_eq!(
            telling(&[all, some], "1.2", late),
            Telling::IfMatching("a=b".to_owned())
        );
    }

    #[test]
    fn a_query_is_kept_as_it_was() {
        let query = vec![
            ("00741000".to_owned(), "A=B".to_owned()),
            ("PatientName".to_owned(), String::new()),
        ];
        assert_eq!(from_text(&to_text(&query)), query);
    }
}
