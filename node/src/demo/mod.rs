//! `dokuei demo`: a clinic and a university hospital as two processes on loopback, an archive for
//! each, and one study that goes out and comes back as a verified report.

mod peer;
mod site;
mod story;
mod study;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::Demo;
pub use crate::demo::peer::Peer;
use crate::demo::site::DemoSite;
use crate::language::Failure;
use crate::say;
use crate::site::{SiteFolder, unusable};

/// The clinic's folder, and its role.
const CLINIC: &str = "clinic";
/// The hospital's folder, and its role.
const HOSPITAL: &str = "hospital";

/// Shows the whole loop.
///
/// # Errors
/// One sentence, when a step does not come off.
pub fn demo(demo: &Demo) -> Result<(), Failure> {
    let (place, _removed_at_the_end) = match &demo.dir {
        Some(dir) => {
            must_be_free(dir, demo.state.as_deref())?;
            (dir.clone(), None)
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("dokuei-demo-")
                .tempdir()
                .map_err(|error| unusable(Path::new("/tmp"), &error))?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| unusable(&place, &error))?;
    let _guard = runtime.enter();
    let mut story = story::Story::begin();
    let (mut clinic, mut hospital) = story.open_sites(&place)?;
    peer::register(&clinic, &demo.peer)?;
    let study_uid = story.tell(&clinic, &hospital, demo.study.as_deref())?;
    if let Some(path) = &demo.state {
        write_state(path, &[&clinic, &hospital], &study_uid)?;
    }
    if demo.hold {
        println!(
            "\n{}",
            say!(
                "動かしたままにします。Ctrl-C で終わります。",
                "Left running. Ctrl-C ends it."
            )
        );
        hold(&clinic, &hospital);
        runtime.block_on(interrupted());
    }
    // Both at once, then each is waited for.
    clinic.tell_to_stop();
    hospital.tell_to_stop();
    Ok(())
}

/// Refuses a folder that holds anything but an earlier demonstration: no site that is in use becomes part of a show.
/// `state`, which may lie in it, does not count.
fn must_be_free(place: &Path, state: Option<&Path>) -> Result<(), Failure> {
    let sites = [place.to_owned(), place.join(CLINIC), place.join(HOSPITAL)];
    let is_site = sites
        .iter()
        .any(|path| SiteFolder::new(path).config().exists());
    let entries = match std::fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(place, &error)),
    };
    let state = state.and_then(Path::file_name);
    let is_other = |name: &OsStr| name != CLINIC && name != HOSPITAL && Some(name) != state;
    let mut others = entries.filter_map(Result::ok);
    if !is_site && !others.any(|entry| is_other(&entry.file_name())) {
        return Ok(());
    }
    let place = place.display();
    Err(Failure::new(
        "demo-folder",
        say!(
            "{place} にはデモ以外のものがあります。何も変えませんでした。新しいフォルダを指定してください。",
            "{place} holds something other than a demonstration. Nothing was changed. Name a new folder."
        ),
    ))
}

fn hold(clinic: &DemoSite, hospital: &DemoSite) {
    for site in [clinic, hospital] {
        let (name, dir, dicom) = (&site.name, site.folder.path().display(), &site.dicom);
        let (dicom, web) = (dicom.describe(), &site.web);
        println!("  {name}: DICOM {dicom} DICOMweb {web}/dicom-web --dir {dir}");
    }
}

async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Written beside and renamed, so that whoever waits for it reads all of it.
fn write_state(path: &Path, sites: &[&DemoSite], study_uid: &str) -> Result<(), Failure> {
    let sites: Vec<_> = sites
        .iter()
        .map(|site| {
            json!({
                "name": site.name,
                "role": site.role,
                "pid": site.pid(),
                "data": absolute(site.folder.path()),
                "pacs": absolute(&site.pacs_folder),
                "dimse": { "host": site.dicom.host, "port": site.dicom.port, "ae_title": site.dicom.ae_title },
                "dicomweb": { "url": format!("{}/dicom-web", site.web), "token": site.token },
                "viewer_url": format!("{}/viewer/", site.web),
                "control": absolute(&site.folder.control()),
                "study_uid": study_uid,
                "passphrase_file": absolute(&site.reader_passphrase),
            })
        })
        .collect();
    let new = path.with_extension("new");
    let text = format!("{:#}\n", json!({ "sites": sites }));
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|error| unusable(path, &error))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_free_folder_is_used_for_a_show() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let state = place.join("state.json");
        assert!(
            must_be_free(&place.join("new"), None).is_ok() && must_be_free(place, None).is_ok()
        );
        std::fs::create_dir(place.join(CLINIC)).unwrap();
        std::fs::write(&state, "").unwrap();
        assert!(must_be_free(place, Some(&state)).is_ok());
        assert_eq!(must_be_free(place, None).unwrap_err().code, "demo-folder");
        let config = SiteFolder::new(place.join(CLINIC)).config();
        std::fs::write(config, "").unwrap();
        assert_eq!(
            must_be_free(place, Some(&state)).unwrap_err().code,
            "demo-folder"
        );
    }
}
