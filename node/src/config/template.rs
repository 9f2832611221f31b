//! The configuration file of a new site.

use crate::config::{CERTIFICATE, KEY, VERSION, web};

/// Sections that most sites do without.
const OPTIONAL: &str = r#"# 匿名化で黒く塗る場所（装置と画像の大きさごと）のファイル。書き方は docs/OPERATING.md / where devices write into their pictures, see docs/OPERATING.md
# [deidentify]
# regions = "regions.toml"

# 自施設の監査ログ収集サーバー（syslog over TLS）。患者 ID と氏名を含むため、院内から出さないこと
# this site's audit record repository (syslog over TLS); the messages name patients and must stay inside
# [audit]
# syslog = "192.0.2.20:6514"
# ca = "audit-ca.pem"                # または / or: fingerprint = "AB:CD:…" (SHA-256)
# certificate = "audit.pem"          # 必要な場合のみ / only if the server asks for one
# key = "audit.key"

"#;

/// How partners are reached, and reach this node.
const NETWORK: &str = r#"[network]
# 相手施設からの接続を受ける場所（UDP と TCP の同じ番号）/ where partners connect (UDP and TCP, same port)
listen = ["0.0.0.0:4400"]
# 相手施設から見たこのノードの場所 "ホスト:ポート"。空なら発信のみ / where partners reach this node; empty: it only calls out
announce = []
# 検査の受信中から、封をしたまま先に送っておく提携先の名前。読影を依頼するまで相手は開けない
# the partner to which studies go sealed while they still arrive; it can open them only once you ask it to read them
# send_ahead_to = "○○病院"
# 画像データ用のポート（UDP と TCP）。listen の次の番号が既定。ファイアウォールで listen と一緒に開けてください
# the port for images, UDP and TCP; by default the number behind that of listen. Open it in the firewall together with that
# bulk_port = 4401
# 診療時間中に検査の送信に使う回線の上限（このコンピュータの時刻）。何組でも書けます
# how much of the line studies may take at which hours, by this computer's clock; as many as you like
# [[network.cap]]
# from = "08:00"
# until = "18:00"
# megabits = 10

"#;

/// The configuration that `init` writes, with its explanations.
pub fn template(site_name: &str) -> String {
    let name = toml::Value::String(site_name.to_owned());
    format!(
        r#"# dokuei の設定 / configuration of dokuei. 未知の項目は起動時に拒否されます / unknown keys are refused at start.
version = {VERSION}

[site]
# 施設名（相手施設に表示されます）/ the institution's name as partners see it
name = {name}

{NETWORK}[dicom]
# モダリティや PACS からの受信。院内 LAN のアドレスにしてください / where modalities send to; use the LAN address
listen = "127.0.0.1:11112"
# 0.0.0.0 や院外から届くアドレスで受けるときだけ true（ファイアウォールで院内に限ること）
# only to listen on 0.0.0.0 or an address that is reached from outside: a firewall must keep everybody else out
public = false
ae_title = "DOKUEI"
# true: 送信先 AE タイトルがこのノードのものでなければ断る / refuse senders that call another AE title
called_ae_check = false
# true: 装置が一台も登録されていない間は、院内のどの装置からも受信する（検索・取得は登録した装置だけ）
# while no caller is registered ("dokuei dicom caller add"), take images from any device of the house; false: from nobody
open_intake = true
# この秒数何も届かなければ検査は揃ったとみなす / a study is complete after this many quiet seconds
quiet_seconds = 60
# 受け取るメーカー独自の SOP クラス（UID）。"*" はすべて。相手施設の PACS も保管できるものだけにしてください
# private SOP classes to take, by UID; "*": all. Only those that the partners' archives keep
private_classes = []

# TLS（暗号化通信）のポート。証明書は「dokuei dicom certificate」で作れます / the port for TLS; "dokuei dicom certificate" makes a certificate
# [dicom.tls]
# listen = "192.0.2.1:2762"
# certificate = "{CERTIFICATE}"
# key = "{KEY}"
# client_ca = "dicom-clients.pem"

# 自施設の PACS（届いた検査とレポートの送り先）/ this site's archive: studies and reports go there
# [archive]
# host = "192.0.2.10"
# port = 104
# ae_title = "PACS"
# commitment = true   # 保管確認を求め、答えがあるまで保管済みとしない / it answers for what it took before a study counts as stored
# transcode = false   # PACS が受け取らない転送構文の画像を非圧縮に変換せず、待たせる / images in a transfer syntax that it does not take wait instead of being sent uncompressed

[reading]
# automatic: 下の枠に従って自動で引き受ける / answer offers by the lines below; by-hand: 人が答える / a person answers
quoting = "automatic"
# 症例終了後に検査を保持してよい日数 / days a reading side may keep a study after its case is closed
retention_days = 90
# 読影できる枠 / what this site reads:
# [[reading.capacity]]
# modality = "CT"
# specialty = "general"
# priority = "urgent"
# per_day = 10
# hours = 24

{OPTIONAL}{web}"#,
        web = web::TEMPLATE
    )
}
