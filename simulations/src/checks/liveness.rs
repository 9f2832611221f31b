//! When faults stop, queues drain and everything that can come to its end does.

use super::Violation;
use super::waiting::{self, Situation};

const RULE: &str = "liveness";

/// What is left to do at one site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// The site's name.
    pub(crate) site: String,
    /// Whether its node runs.
    pub(crate) running: bool,
    /// Documents that wait for partners who can be reached.
    pub(crate) queued: usize,
    /// Jobs that are under way.
    pub(crate) jobs: usize,
    /// Its cases.
    pub(crate) cases: Vec<Situation>,
    /// Partners that it should have and has not.
    pub(crate) missing: usize,
}

/// Whether a site has come to rest.
///
/// # Errors
/// Names what is left.
pub(crate) fn at_rest(rest: &Rest) -> Result<(), Violation> {
    let left = |what: String| Err(Violation::new(RULE, format!("{}: {what}", rest.site)));
    if !rest.running {
        return left("does not run".to_owned());
    }
    if rest.missing > 0 {
        return left(format!("{} pairings are unfinished", rest.missing));
    }
    if rest.queued > 0 {
        return left(format!("{} documents wait", rest.queued));
    }
    if rest.jobs > 0 {
        return left(format!("{} jobs are under way", rest.jobs));
    }
    rest.cases
        .iter()
        .try_for_each(waiting::at_rest)
        .or_else(|violation| left(violation.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dokuei_protocol::service::views::{Side, Waiting};

    #[test]
    fn whatever_is_left_is_noticed() {
        let good = Rest {
            running: true,
            ..Rest::default()
        };
        assert!(at_rest(&good).is_ok());
        let stuck = Situation {
            side: Side::Requester,
            waiting: Waiting::Transfer,
            phase: "handing-over",
            connected: true,
            stored: false,
            agreed: true,
            person_gone: true,
            parted: false,
            given_back: false,
            cancelled: false,
        };
        let bad = [
            Rest {
                running: false,
                ..good.clone()
            },
            Rest {
                missing: 1,
                ..good.clone()
            },
            Rest {
                queued: 1,
                ..good.clone()
            },
            Rest {
                jobs: 1,
                ..good.clone()
            },
            Rest {
                cases: vec![stuck],
                ..good
            },
        ];
        for rest in bad {
            assert!(at_rest(&rest).is_err(), "{rest:?}");
        }
    }
}
