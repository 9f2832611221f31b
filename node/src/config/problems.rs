//! What can be wrong with the configuration, in both languages.

use crate::config::VERSION;
use crate::language::Message;
use crate::say;

/// A mistake of syntax in both languages, by the words of the `toml` and `serde` crates.
pub(super) fn syntax(said: &str) -> Message {
    let said = said
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    let mut quoted = said.split('`').skip(1).step_by(2);
    let first = quoted.next().unwrap_or_default();
    if said.starts_with("unknown field") {
        let known = quoted.collect::<Vec<_>>().join(", ");
        let ja = format!("「{first}」という項目はありません。使える項目: {known}");
        Message::new(ja, said)
    } else if said.starts_with("missing field") {
        Message::new(format!("項目「{first}」がありません"), said)
    } else if said.starts_with("duplicate key") {
        Message::new("同じ項目が二回書かれています", said)
    } else if said.contains("socket address") {
        say!(
            "「IP アドレス:ポート」の形（例 127.0.0.1:11112）で書いてください",
            "write it as 'IP address:port', for example 127.0.0.1:11112"
        )
    } else if said.starts_with("invalid type") || said.starts_with("invalid value") {
        match said.rsplit_once("expected ").map(|(_, wanted)| wanted) {
            Some("u16" | "u32" | "u64" | "usize") => say!(
                "0 以上の整数を、引用符なしで、大きすぎない値で書いてください",
                "write a whole number without quotes, not below 0 and not too large"
            ),
            Some("a string") => say!(
                "\"…\" で囲んだ文字列を書いてください",
                "write text between double quotes"
            ),
            Some("a sequence") => say!(
                "[\"…\", \"…\"] の形の並びを書いてください",
                "write a list, such as [\"…\", \"…\"]"
            ),
            _ => say!("値の種類が違います（{said}）", "{said}"),
        }
    } else {
        say!(
            "TOML の書き方に誤りがあります。括弧や引用符の閉じ忘れなどを確認してください（{said}）",
            "it is not TOML, is a bracket or a quote missing? ({said})"
        )
    }
}

/// The values that a key may have.
pub(super) fn one_of(known: &[&str]) -> Message {
    let known = known.join(", ");
    say!("次のいずれかです: {known}", "it is one of {known}")
}

/// A time of day that is none.
pub(super) fn time_of_day() -> Message {
    say!(
        "時刻を \"08:00\" の形（00:00 から 23:59）で書いてください",
        "write times as \"08:00\", from 00:00 to 23:59"
    )
}

/// A line that carries nothing.
pub(super) fn megabits() -> Message {
    say!(
        "megabits は 1 以上です（送信を止める設定はありません）",
        "megabits is at least 1: there is no setting that stops sending"
    )
}

/// More lines than allowed.
pub(super) fn at_most(most: usize) -> Message {
    say!("{most} 個までです", "at most {most} are allowed")
}

/// A form of the file that this program does not know.
pub(super) fn version(given: u32) -> Message {
    say!(
        "版 {given} には対応していません。このプログラムの版は {VERSION} です",
        "version {given} is not known here, {VERSION} is"
    )
}

/// A name that does not fit a certificate.
pub(super) fn name() -> Message {
    say!(
        "1～128 バイト（漢字で 42 文字まで）で、改行などを含めずに書いてください",
        "give 1 to 128 bytes of text without control characters"
    )
}

/// Nowhere to listen.
pub(super) fn no_address() -> Message {
    say!(
        "待ち受けるアドレスを一つ以上書いてください",
        "give at least one address to listen on"
    )
}

/// Places that are not `host:port`, or too many.
pub(super) fn bulk_port() -> Message {
    say!(
        "network.listen と同じ番号は使えません",
        "network.listen has this number already"
    )
}

pub(super) fn places(most: usize) -> Message {
    say!(
        "「ホスト:ポート」の形で {most} 個まで書いてください",
        "give 'host:port', at most {most} of them"
    )
}

/// A place of one server.
pub(super) fn host_and_port() -> Message {
    say!(
        "「ホスト:ポート」の形（例 192.0.2.20:6514）で書いてください",
        "write it as 'host:port', for example 192.0.2.20:6514"
    )
}

/// A fingerprint that is none.
pub(super) fn fingerprint() -> Message {
    say!(
        "SHA-256 フィンガープリントを 16 進 64 桁（「:」区切りも可）で書いてください",
        "give the SHA-256 fingerprint: 64 hexadecimal digits, with colons between or not"
    )
}

/// A server that would not be known, or by two things.
pub(super) fn ca_or_fingerprint() -> Message {
    say!(
        "ca（認証局の証明書ファイル）か fingerprint のどちらか一方を書いてください",
        "give either ca, the file of the authority's certificate, or fingerprint"
    )
}

/// Half of an identity.
pub(super) fn certificate_and_key() -> Message {
    say!(
        "certificate と key は両方書くか、両方省いてください",
        "give both certificate and key, or neither"
    )
}

/// Classes that are no private ones.
pub(super) fn private_classes(most: usize) -> Message {
    say!(
        "DICOM 規格のものでない SOP クラスの UID を {most} 個まで、またはすべてを表す \"*\" を書いてください",
        "give UIDs of SOP classes that are none of the standard, at most {most}, or \"*\" for all"
    )
}

/// A quiet period outside its bounds.
pub(super) fn seconds() -> Message {
    say!("1～3600 の秒数を書いてください", "give 1 to 3600 seconds")
}

/// A text that is no AE title.
pub(super) fn title(given: &str) -> Message {
    say!(
        "「{given}」は AE タイトルとして使えません。半角英数字と記号 1～16 文字で書いてください",
        "'{given}' is no AE title: 1 to 16 ASCII letters, digits and signs"
    )
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, template};
    use crate::language::assert_both;

    #[test]
    fn mistakes_of_syntax_are_told_in_both_languages() {
        for (from, to) in [
            ("version = 1", "version = one"),
            ("version = 1", "version = 1\nversion = 1"),
            ("version = 1", ""),
            ("version = 1", "version = \"1\""),
            ("quiet_seconds", "quite_seconds"),
            ("127.0.0.1:11112", "11112"),
            ("retention_days = 90", "retention_days = -1"),
        ] {
            let text = template("A").replace(from, to);
            assert_both(&Config::parse(&text, "x.toml").unwrap_err().message);
        }
    }
}
