//! Sealed objects on disk. A parcel is a folder named by its id; each object is one file named by
//! its slot. Nothing readable lies here.

mod buffer;
mod object;
mod opened;
mod scanned;
mod sealing;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use dokuei_keys::cbor;
use dokuei_keys::id::{ObjectDigest, ParcelId, SiteId};
use dokuei_keys::secret::ContentKey;
use dokuei_protocol::limits;
use dokuei_protocol::study::manifest::{MANIFEST_SLOT, Manifest, ManifestReference};
use rand_core::CryptoRng;

pub use object::ObjectHead;
pub use opened::{OpenError, OpenedObject};
pub use scanned::{ScannedObject, Scanning, scan};
pub use sealing::{SealedObject, SealingObject};

/// The folder beside the parcels for what is set aside. No parcel's folder has its name: those begin with two digits
/// of an id.
const QUARANTINE: &str = "quarantine";
/// The folder beside the parcels for what a medium brought.
const CARRIED: &str = "carried";

/// The folder beside the parcels for what has come ahead of a grant.
const AHEAD: &str = "ahead";

/// Where sealed objects lie. Clones share the place.
#[derive(Clone, Debug)]
pub struct Parcels {
    folder: PathBuf,
}

impl Parcels {
    /// The parcels in a folder, which is made when there is none.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(folder: PathBuf) -> io::Result<Parcels> {
        std::fs::create_dir_all(&folder)?;
        if let Some(above) = folder.parent() {
            sync_folder(above)?;
        }
        Ok(Parcels { folder })
    }

    /// The folder of all.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of one parcel.
    pub fn folder_of(&self, parcel: &ParcelId) -> PathBuf {
        let name = parcel.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// The file of one sealed object.
    pub fn file_of(&self, parcel: &ParcelId, slot: u32) -> PathBuf {
        self.folder_of(parcel).join(slot.to_string())
    }

    /// The file of a pack that is on its way here; `name` tells those made with different effort apart.
    pub fn pack_of(&self, parcel: &ParcelId, pack: u32, name: &str) -> PathBuf {
        self.folder_of(parcel).join(format!("pack-{pack}-{name}"))
    }

    /// Makes the folder of a new parcel, durably.
    ///
    /// # Errors
    /// As the file system says.
    pub fn create(&self, parcel: &ParcelId) -> io::Result<()> {
        let folder = self.folder_of(parcel);
        std::fs::create_dir_all(&folder)?;
        if let Some(above) = folder.parent() {
            sync_folder(above)?;
        }
        sync_folder(&self.folder)
    }

    /// Makes the files of objects to come, empty, and their names durable: what is sealed into them then needs its own
    /// bytes synced and no longer the folder, which others write at the same time.
    ///
    /// # Errors
    /// As the file system says.
    pub fn prepare(&self, parcel: &ParcelId, slots: Range<u32>) -> io::Result<()> {
        for slot in slots {
            File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(self.file_of(parcel, slot))?;
        }
        sync_folder(&self.folder_of(parcel))
    }

    /// Removes the files that were prepared and hold nothing.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove_unused(&self, parcel: &ParcelId) -> io::Result<()> {
        for (slot, bytes) in self.files(parcel)? {
            if bytes == 0 {
                std::fs::remove_file(self.file_of(parcel, slot))?;
            }
        }
        Ok(())
    }

    /// Puts a sealed object that is not whole aside: it stays in the folder of its parcel, under a name that is none.
    ///
    /// # Errors
    /// As the file system says.
    pub fn put_aside(&self, parcel: &ParcelId, slot: u32) -> io::Result<()> {
        let file = self.file_of(parcel, slot);
        std::fs::rename(&file, file.with_extension("aside"))
    }

    /// Where packs lie of parcels that are not granted (yet), each in a folder of its own.
    pub fn ahead(&self) -> Parcels {
        Parcels {
            folder: self.folder.join(AHEAD),
        }
    }

    /// Where the sealed objects of a parcel lie that a medium brought, until a transfer has taken them.
    pub fn carried(&self, parcel: &ParcelId) -> PathBuf {
        self.folder.join(CARRIED).join(parcel.to_string())
    }

    /// Removes what a medium brought of a parcel; nothing there is no error.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove_carried(&self, parcel: &ParcelId) -> io::Result<()> {
        match std::fs::remove_dir_all(self.carried(parcel)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Where an object lies that is set aside under a name of its own.
    pub fn quarantined(&self, name: &ParcelId) -> PathBuf {
        self.folder.join(QUARANTINE).join(name.to_string())
    }

    /// Moves a sealed object from its parcel to [`Parcels::quarantined`], durably.
    ///
    /// # Errors
    /// As the file system says.
    pub fn quarantine(&self, parcel: &ParcelId, slot: u32, name: &ParcelId) -> io::Result<()> {
        let to = self.quarantined(name);
        let folder = self.folder.join(QUARANTINE);
        std::fs::create_dir_all(&folder)?;
        std::fs::rename(self.file_of(parcel, slot), to)?;
        sync_folder(&folder)?;
        sync_folder(&self.folder)
    }

    /// Removes a parcel's files.
    ///
    /// # Errors
    /// As the file system says; a parcel that is not there is no error.
    pub fn remove(&self, parcel: &ParcelId) -> io::Result<()> {
        match std::fs::remove_dir_all(self.folder_of(parcel)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The slots of the objects that lie in a parcel's folder, whole or not, the manifest and empty files apart.
    ///
    /// # Errors
    /// As the file system says.
    pub fn slots(&self, parcel: &ParcelId) -> io::Result<Vec<u32>> {
        let files = self.files(parcel)?.into_iter();
        let mut slots: Vec<u32> = files
            .filter_map(|(slot, bytes)| (slot != MANIFEST_SLOT && bytes > 0).then_some(slot))
            .collect();
        slots.sort_unstable();
        Ok(slots)
    }

    /// Numbers of the packs of this name that lie in a parcel's folder, whole or not, in no order ([`Parcels::pack_of`]).
    ///
    /// # Errors
    /// As the file system says.
    pub fn packs(&self, parcel: &ParcelId, name: &str) -> io::Result<Vec<u32>> {
        let mut packs = Vec::new();
        for entry in std::fs::read_dir(self.folder_of(parcel))? {
            let file = entry?.file_name();
            let number = file.to_str().and_then(|file| {
                let (number, made) = file.strip_prefix("pack-")?.split_once('-')?;
                (made == name).then(|| number.parse::<u32>().ok())?
            });
            packs.extend(number);
        }
        Ok(packs)
    }

    /// Slots and bytes of the files in a parcel's folder, in no order.
    fn files(&self, parcel: &ParcelId) -> io::Result<Vec<(u32, u64)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder_of(parcel))? {
            let entry = entry?;
            let slot = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(slot) = slot {
                files.push((slot, entry.metadata()?.len()));
            }
        }
        Ok(files)
    }

    /// Seals a manifest into its parcel. Returns what a grant says of it.
    ///
    /// # Errors
    /// As the file system says.
    pub fn seal_manifest(
        &self,
        key: &ContentKey,
        manifest: &Manifest,
        rng: &mut impl CryptoRng,
    ) -> io::Result<ManifestReference> {
        let bytes = cbor::encode(manifest);
        self.prepare(&manifest.parcel, MANIFEST_SLOT..MANIFEST_SLOT + 1)?;
        let mut sealing = SealingObject::begin(
            self,
            key,
            manifest.parcel,
            manifest.site,
            MANIFEST_SLOT,
            rng,
        )?;
        sealing.write(&bytes)?;
        let sealed = sealing.finish()?;
        Ok(ManifestReference {
            parcel: manifest.parcel,
            commitment: manifest.commitment,
            digest: sealed.digest,
            length: sealed.length,
            objects: u32::try_from(manifest.objects.len()).unwrap_or(u32::MAX),
            bytes: manifest.bytes(),
        })
    }

    /// Opens the manifest of a parcel and checks it against what was granted by `site`.
    ///
    /// # Errors
    /// [`OpenError`] when it is missing, damaged or not what was granted.
    pub fn open_manifest(
        &self,
        key: &ContentKey,
        granted: &ManifestReference,
        site: SiteId,
    ) -> Result<Manifest, OpenError> {
        if granted.length > limits::MANIFEST_BYTES as u64 {
            return Err(OpenError::Damaged);
        }
        let bytes = self.open_whole(
            key,
            granted.parcel,
            site,
            MANIFEST_SLOT,
            granted.length,
            granted.digest,
        )?;
        let manifest: Manifest =
            cbor::decode_strict(&bytes, limits::MANIFEST_BYTES).map_err(|_| OpenError::Damaged)?;
        manifest
            .check(granted, site)
            .map_err(|_| OpenError::Damaged)?;
        Ok(manifest)
    }

    /// Opens the manifest of a parcel that `site`, this one, sealed itself.
    ///
    /// # Errors
    /// [`OpenError`] when it is missing or damaged.
    pub fn own_manifest(
        &self,
        key: &ContentKey,
        parcel: ParcelId,
        site: SiteId,
    ) -> Result<Manifest, OpenError> {
        let opened = OpenedObject::open(self, key, parcel, site, MANIFEST_SLOT)?;
        if opened.length() > limits::MANIFEST_BYTES as u64 {
            return Err(OpenError::Damaged);
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut opened.undigested(), &mut bytes)?;
        cbor::decode_strict(&bytes, limits::MANIFEST_BYTES).map_err(|_| OpenError::Damaged)
    }

    /// Opens an object of `length` plaintext bytes whole.
    ///
    /// # Errors
    /// [`OpenError`] when it is missing or damaged, or its digest differs.
    pub fn open_whole(
        &self,
        key: &ContentKey,
        parcel: ParcelId,
        site: SiteId,
        slot: u32,
        length: u64,
        digest: ObjectDigest,
    ) -> Result<Vec<u8>, OpenError> {
        let mut opened = OpenedObject::open(self, key, parcel, site, slot)?;
        if opened.length() != length {
            return Err(OpenError::Damaged);
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut opened, &mut bytes).map_err(OpenError::from)?;
        if opened.digest() == Some(digest) {
            Ok(bytes)
        } else {
            Err(OpenError::Damaged)
        }
    }
}

/// Makes a folder's entries durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
