//! Who is at the other end of the control socket, as far as the system tells: the user as whom somebody logged in, also
//! when they command as root or as the node's own user by now.

use std::io::Read as _;

use tokio::net::unix::UCred;

use crate::audit::event::Who;

/// Nobody logged in: a service, or a system without that record (proc_pid_loginuid(5)).
const NO_LOGIN: u32 = u32::MAX;
/// Longest list of users that is looked through: a directory service's users are not in it.
const USERS_BYTES: u64 = 1024 * 1024;

/// Who commands.
pub(super) fn named(caller: UCred) -> Who {
    let (user, name) = tokio::task::block_in_place(|| {
        let logged_in = caller.pid().and_then(logged_in);
        let user = logged_in.unwrap_or(caller.uid());
        (user, users().and_then(|users| name_of(&users, user)))
    });
    Who::Person {
        id: format!("uid:{user}"),
        name: name.unwrap_or_default(),
        address: None,
    }
}

/// Puts on record that something was done at the command of `by`, also where no audit trail is kept.
pub(super) fn record(by: &Who, what: &'static str) {
    if let Who::Person { id, name, .. } = by {
        tracing::info!(target: "dokuei::control", by = %id, user = %name, "{what}");
    }
}

/// The user as whom the one behind a process logged in, whoever they have become since. The process waits for an answer,
/// and so is the one that called.
fn logged_in(process: i32) -> Option<u32> {
    let told = std::fs::read_to_string(format!("/proc/{process}/loginuid")).ok()?;
    let user = told.trim().parse().ok()?;
    (user != NO_LOGIN).then_some(user)
}

fn users() -> Option<String> {
    let file = std::fs::File::open("/etc/passwd").ok()?;
    let mut users = String::new();
    file.take(USERS_BYTES).read_to_string(&mut users).ok()?;
    Some(users)
}

/// The name of a user in a list of users (passwd(5)).
fn name_of(users: &str, user: u32) -> Option<String> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == user).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_list() {
        let users = "root:x:0:0:root:/:/bin/sh\nbroken\nkuga:x:1000:1000::/srv/kuga:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("kuga"));
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 5), None);
    }
}
