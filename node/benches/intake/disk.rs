//! The disk alone: the same bytes, written and synced as an object must be, with nothing else done.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::objects::Files;

/// Seconds in which `threads` threads make as many objects durable: each a new file, its data and its folder synced.
pub(crate) fn seconds(files: &Files, threads: usize, place: &Path) -> f64 {
    let folder = tempfile::Builder::new()
        .prefix("disk-")
        .disable_cleanup(true)
        .tempdir_in(place)
        .unwrap();
    let folder = folder.path();
    let object = vec![0x5A; files.bytes as usize / files.count];
    rustix::fs::sync();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let object = &object;
            scope.spawn(move || {
                for number in (thread..files.count).step_by(threads) {
                    let mut file = File::create(folder.join(number.to_string())).unwrap();
                    file.write_all(object).unwrap();
                    file.sync_data().unwrap();
                    File::open(folder).unwrap().sync_all().unwrap();
                }
            });
        }
    });
    begun.elapsed().as_secs_f64()
}
