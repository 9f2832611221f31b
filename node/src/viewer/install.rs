//! Puts a package into the data folder, and takes it away. Files are named by their hash, in a folder of their own; the
//! index that names the folder is replaced last, so that a running node serves the old one whole, and then the new one.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use super::package::{self, FILE_BYTES, refused, too_much, unreadable};
use super::rewrite::{PAGE, is_left_out, kind, rewritten, scripts, shrinks};
use super::{FOLDER, FORMAT, INDEX, Installed, StoredFile, stored_name, unusable};
use crate::clock::now;
use crate::language::Failure;
use crate::say;
use crate::site::SiteFolder;

/// The package that can be prepared.
const PACKAGE: &str = "@ohif/app";
/// What the built files lie under in it.
const BUILT: &str = "dist/";
/// Bytes of the texts that are kept in the index.
const TEXT_BYTES: usize = 64 * 1024;
/// Longest version.
const VERSION: usize = 32;
/// Below this, packing saves nothing.
const WORTH_PACKING: usize = 1024;

/// Installs a package, a folder or a `.tgz`, in the place of whatever was installed. The node may run. Blocks for some
/// seconds.
///
/// # Errors
/// When it is no package that can be prepared, or the disk fails; what was installed stays then.
pub fn install(folder: &SiteFolder, from: &Path) -> Result<Installed, Failure> {
    folder.must_be_site()?;
    let place = folder.path().join(FOLDER);
    let _turn = take_turn(&place)?;
    let target = tempfile::Builder::new()
        .prefix("ohif-")
        .rand_bytes(12)
        .tempdir_in(&place)
        .map_err(|error| unusable(&error))?;
    let mut build = Build::new(&target);
    package::read(from, &mut |name, content| build.take(name, content))?;
    let installed = build.finish()?;
    let text =
        serde_json::to_vec_pretty(&installed).map_err(|error| unusable(&io::Error::from(error)))?;
    put_index(&place, &target, &text).map_err(|error| unusable(&error))?;
    let kept = target.keep();
    clean(&place, Some(&kept)).map_err(|error| unusable(&error))?;
    Ok(installed)
}

/// Takes away whatever is installed. Says whether something was.
///
/// # Errors
/// When the disk fails.
pub fn remove(folder: &SiteFolder) -> Result<bool, Failure> {
    folder.must_be_site()?;
    let place = folder.path().join(FOLDER);
    let _turn = take_turn(&place)?;
    let was = match fs::remove_file(place.join(INDEX)) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(unusable(&error)),
    };
    clean(&place, None).map_err(|error| unusable(&error))?;
    Ok(was)
}

/// Makes the folder if need be, and holds it against a second installation.
fn take_turn(place: &Path) -> Result<File, Failure> {
    let made = fs::create_dir(place)
        .and_then(|()| fs::set_permissions(place, Permissions::from_mode(0o700)));
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(&error)),
        Ok(()) | Err(_) => {}
    }
    let turn = File::open(place).map_err(|error| unusable(&error))?;
    turn.try_lock().map_err(|_| {
        Failure::new(
            "viewer-busy",
            say!(
                "ほかの設置か削除が進行中です。終わってからもう一度実行してください。",
                "Another installation or removal is under way. Try again when it is done."
            ),
        )
    })?;
    Ok(turn)
}

fn put_index(place: &Path, target: &TempDir, text: &[u8]) -> io::Result<()> {
    File::open(target.path())?.sync_all()?;
    let mut index = tempfile::NamedTempFile::new_in(place)?;
    index.write_all(text)?;
    index.as_file().sync_all()?;
    index
        .persist(place.join(INDEX))
        .map_err(|error| error.error)?;
    File::open(place)?.sync_all()
}

/// Removes what no index names: an older installation, or what one left that was cut off.
fn clean(place: &Path, kept: Option<&PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if kept != Some(&entry.path()) {
                fs::remove_dir_all(entry.path())?;
            }
        } else if entry.file_name() != INDEX {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// An installation under way.
struct Build<'a> {
    target: &'a TempDir,
    about: Option<Value>,
    licence: String,
    page: Option<String>,
    /// Whether the page, and a script of the application, were those of a build that can be moved.
    page_moved: bool,
    script_moved: bool,
    files: BTreeMap<String, StoredFile>,
}

impl<'a> Build<'a> {
    fn new(target: &'a TempDir) -> Build<'a> {
        Build {
            target,
            about: None,
            licence: String::new(),
            page: None,
            page_moved: false,
            script_moved: false,
            files: BTreeMap::new(),
        }
    }

    fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(), Failure> {
        match name.strip_prefix(BUILT) {
            Some(name) if is_left_out(name) => Ok(()),
            Some(name) => {
                let content = whole(content)?;
                self.put(name, content).map_err(|error| unusable(&error))
            }
            None if name == "package.json" => {
                self.about = serde_json::from_slice(&whole(content)?).ok();
                Ok(())
            }
            None if name == "LICENSE" => {
                let mut text = whole(content)?;
                text.truncate(TEXT_BYTES);
                self.licence = String::from_utf8_lossy(&text).into_owned();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put(&mut self, name: &str, content: Vec<u8>) -> io::Result<()> {
        let (content, moved) = rewritten(name, content);
        if name == PAGE {
            self.page_moved = moved;
            self.page = String::from_utf8(content.clone()).ok();
        }
        // Whatever loads parts of its own is the application or a worker.
        let loads = moved && name.ends_with(".js");
        let is_application = name.starts_with("app.bundle.");
        self.script_moved |= loads && is_application;
        let hash = blake3::hash(&content).to_hex().to_string();
        let kind = kind(name);
        self.write(&hash, false, &content)?;
        let mut gzip = None;
        if shrinks(kind) && content.len() >= WORTH_PACKING {
            let mut packing = GzEncoder::new(Vec::new(), Compression::default());
            packing.write_all(&content)?;
            let packed = packing.finish()?;
            if packed.len() < content.len() {
                self.write(&hash, true, &packed)?;
                gzip = Some(packed.len() as u64);
            }
        }
        let bytes = content.len() as u64;
        let kind = kind.to_owned();
        let worker = loads && !is_application;
        let file = StoredFile {
            hash,
            kind,
            bytes,
            gzip,
            worker,
        };
        self.files.insert(name.to_owned(), file);
        Ok(())
    }

    fn write(&self, hash: &str, gzip: bool, content: &[u8]) -> io::Result<()> {
        let path = self.target.path().join(stored_name(hash, gzip));
        let mut file = File::create(path)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn finish(self) -> Result<Installed, Failure> {
        let about = self.about.unwrap_or_default();
        let text = |field: &str| about[field].as_str().unwrap_or_default().to_owned();
        let (package, version) = (text("name"), text("version"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
        if package != PACKAGE || version.len() > VERSION || !version.bytes().all(is_plain) {
            return Err(refused(say!(
                "OHIF（@ohif/app）ではありません",
                "it is not OHIF (@ohif/app)"
            )));
        }
        let page = self.page.filter(|_| self.page_moved && self.script_moved);
        let page = page.ok_or_else(|| {
            refused(say!(
                "OHIF {version} ですが、/viewer/ の下で動くように直せる形ではありません",
                "it is OHIF {version}, but built in a way that cannot be moved below /viewer/"
            ))
        })?;
        let folder = self.target.path().file_name().unwrap_or_default();
        Ok(Installed {
            format: FORMAT,
            package,
            version,
            licence: text("license").chars().take(VERSION).collect(),
            licence_text: self.licence,
            installed_at: now(),
            folder: folder.to_string_lossy().into_owned(),
            scripts: scripts(&page),
            files: self.files,
        })
    }
}

fn whole(content: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = content.take(FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => too_much(),
        _ => unreadable(&error),
    })?;
    match bytes.len() as u64 > FILE_BYTES {
        true => Err(too_much()),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::assert_both;
    use crate::viewer::Viewer;

    const ABOUT: &str = r#"{"name": "@ohif/app", "version": "3.13.2", "license": "MIT"}"#;
    const PAGE_TEXT: &str = "<meta content=\"/a.png\"><script>window.PUBLIC_URL=\"/\"</script><link rel=\"manifest\" href=\"/manifest.json\"><script src=\"/app-config.js\"></script>";
    const SCRIPT: &str = "__webpack_require__.p = \"/\";";

    /// A site's folder as far as an installation looks at it, and a package beside it.
    fn place(about: &str, page: &str, script: &str) -> (TempDir, SiteFolder, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        fs::create_dir_all(data.join("keys")).unwrap();
        fs::write(data.join("keys/site.keys"), "").unwrap();
        let package = place.path().join("package");
        fs::create_dir_all(package.join("dist/ort")).unwrap();
        for (name, text) in [
            ("package.json", about),
            ("LICENSE", "The MIT License"),
            ("README.md", "not taken"),
            ("dist/index.html", page),
            (
                "dist/app.bundle.0123.js",
                &(script.to_owned() + &" ".repeat(4000)),
            ),
            ("dist/136.bundle.4567.js", SCRIPT),
            ("dist/ort/big.wasm", "left out"),
            ("dist/app.js.map", "left out"),
        ] {
            fs::write(package.join(name), text).unwrap();
        }
        (place, SiteFolder::new(data), package)
    }

    #[test]
    fn a_package_is_installed_replaced_and_removed() {
        let (_place, site, package) = place(ABOUT, PAGE_TEXT, SCRIPT);
        let viewer = Viewer::of(site.path());
        assert!(viewer.installed().unwrap().is_none());
        let first = install(&site, &package).unwrap();
        assert_eq!(*viewer.installed().unwrap().unwrap(), first);
        assert_eq!(
            (first.version.as_str(), first.licence.as_str()),
            ("3.13.2", "MIT")
        );
        assert_eq!(first.licence_text, "The MIT License");
        let names: Vec<&String> = first.files.keys().collect();
        assert_eq!(
            names,
            ["136.bundle.4567.js", "app.bundle.0123.js", "index.html"]
        );
        let script = &first.files["app.bundle.0123.js"];
        assert!(first.files["136.bundle.4567.js"].worker && !script.worker);
        let mut unpacked = String::new();
        let packed = viewer.open(&first, script, true).unwrap();
        flate2::read::GzDecoder::new(packed)
            .read_to_string(&mut unpacked)
            .unwrap();
        assert!(unpacked.starts_with("__webpack_require__.p = \"/viewer/\";"));
        assert_eq!(first.files["index.html"].gzip, None, "it is too short");

        fs::write(package.join("dist/new.css"), "x").unwrap();
        let second = install(&site, &package).unwrap();
        assert_eq!(viewer.installed().unwrap().unwrap().files.len(), 4);
        assert!(
            viewer.open(&first, script, false).is_err(),
            "the old one is gone"
        );
        assert!(
            viewer
                .open(&second, &second.files["new.css"], false)
                .is_ok()
        );
        assert_eq!(fs::read_dir(site.path().join(FOLDER)).unwrap().count(), 2);

        assert!(remove(&site).unwrap() && !remove(&site).unwrap());
        assert!(viewer.installed().unwrap().is_none());
        assert_eq!(fs::read_dir(site.path().join(FOLDER)).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_prepared_is_named_and_leaves_what_was_there() {
        let other = r#"{"name": "left-pad", "version": "1.0.0"}"#;
        let elsewhere = PAGE_TEXT.replace("PUBLIC_URL=\"/\"", "PUBLIC_URL=\"/ohif/\"");
        let (_place, site, package) = place(ABOUT, PAGE_TEXT, SCRIPT);
        let installed = install(&site, &package).unwrap();
        for (about, page, script, why) in [
            (other, PAGE_TEXT, SCRIPT, "not OHIF"),
            ("no JSON", PAGE_TEXT, SCRIPT, "not OHIF"),
            (ABOUT, elsewhere.as_str(), SCRIPT, "cannot be moved"),
            (
                ABOUT,
                PAGE_TEXT,
                "__webpack_require__.p = auto",
                "cannot be moved",
            ),
        ] {
            let (_other, _, package) = place(about, page, script);
            let refused = install(&site, &package).unwrap_err();
            assert_both(&refused.message);
            assert!(refused.message.en.contains(why), "{}", refused.message.en);
        }
        assert_eq!(
            *Viewer::of(site.path()).installed().unwrap().unwrap(),
            installed
        );
        assert_eq!(fs::read_dir(site.path().join(FOLDER)).unwrap().count(), 2);
        let damaged = site.path().join(FOLDER).join(INDEX);
        fs::write(damaged, "{").unwrap();
        let failure = Viewer::of(site.path()).installed().unwrap_err();
        assert_both(&failure.message);
    }
}
